"""Conditional writes, alone and many at once."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from tests.records.conftest import issue, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

SYSTEM = "urn:example:mrn"
THREADS = 16


def patient(value: str, **members):
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], **members}


def at_once(work, times):
    """Runs `work(n)` for each n, 16 at a time, each thread with connections of its own that are closed afterwards."""

    def one(n):
        try:
            return work(n)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(times)))


def test_a_conditional_create_makes_one_and_then_finds_it(fhir):
    first = fhir.post("Patient", patient("1"), If_None_Exist=f"identifier={SYSTEM}|1")
    second = fhir.post("Patient", patient("1"), If_None_Exist=f"identifier={SYSTEM}|1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert json.loads(first.content) == json.loads(second.content)
    assert second["ETag"] == 'W/"1"'


def test_a_condition_that_meets_two_is_refused(fhir):
    fhir.create(patient("1"))
    fhir.create(patient("1"))
    response = fhir.post("Patient", patient("1"), If_None_Exist=f"identifier={SYSTEM}|1")
    assert response.status_code == 412
    assert issue(response)["code"] == "multiple-matches"
    assert fhir.put(f"Patient?identifier={SYSTEM}|1", patient("1")).status_code == 412
    assert fhir.delete(f"Patient?identifier={SYSTEM}|1").status_code == 412


@pytest.mark.parametrize(
    "condition",
    [
        "",
        "_count=1",
        "nonsense=1",
        "identifier",
        "identifier=x&_summary=count",
        "identifier=x&_count=0",
        "active=true&_sort=_id",
    ],
)
def test_a_condition_that_says_nothing_is_refused(fhir, condition):
    response = fhir.post("Patient", patient("1"), If_None_Exist=condition)
    assert response.status_code == 400
    assert rows("SELECT count(*) FROM records_current") == [(0,)]


def test_a_conditional_update_creates_and_then_updates(fhir):
    first = fhir.put(f"Patient?identifier={SYSTEM}|1", patient("1", gender="male"))
    second = fhir.put(f"Patient?identifier={SYSTEM}|1", patient("1", gender="female"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert json.loads(first.content)["id"] == json.loads(second.content)["id"]
    assert second["ETag"] == 'W/"2"'
    other = fhir.put(f"Patient?identifier={SYSTEM}|1", patient("1", id="other"))
    assert other.status_code == 400


def test_a_conditional_update_may_bring_its_own_id(fhir):
    response = fhir.put(f"Patient?identifier={SYSTEM}|1", patient("1", id="mine"))
    assert response.status_code == 201
    assert json.loads(response.content)["id"] == "mine"


def test_a_conditional_delete_deletes_what_it_meets(fhir):
    created = fhir.create(patient("1"))
    assert fhir.delete(f"Patient?identifier={SYSTEM}|1").status_code == 204
    assert fhir.get(f"Patient/{created['id']}").status_code == 410
    assert fhir.delete(f"Patient?identifier={SYSTEM}|1").status_code == 204
    assert fhir.delete("Patient").status_code == 400


def test_64_identical_conditional_creates_at_once_make_one_resource(fhir):
    answers = at_once(
        lambda n: fhir.post("Patient", patient("7"), If_None_Exist=f"identifier={SYSTEM}|7").status_code, 64
    )
    assert sorted(answers) == [200] * 63 + [201]
    assert rows("SELECT count(*) FROM records_current") == [(1,)]


def test_64_conditional_updates_at_once_make_one_resource_with_64_versions(fhir):
    answers = at_once(lambda n: fhir.put(f"Patient?identifier={SYSTEM}|7", patient("7")).status_code, 64)
    assert sorted(answers) == [200] * 63 + [201]
    assert rows("SELECT version FROM records_current") == [(64,)]
    assert rows("SELECT count(*) FROM records_history") == [(63,)]


def test_64_updates_with_if_match_at_once_lose_none(fhir):
    created = fhir.create(patient("7"))
    place = f"Patient/{created['id']}"

    def add(n):
        for _ in range(400):
            current = fhir.get(place)
            body = json.loads(current.content)
            body.setdefault("identifier", []).append({"system": SYSTEM, "value": f"n{n}"})
            response = fhir.put(place, body, If_Match=current["ETag"])
            if response.status_code == 200:
                return True
            assert response.status_code in (409, 412, 503), response.content
        return False

    assert all(at_once(add, 64))
    final = json.loads(fhir.get(place).content)
    assert {i["value"] for i in final["identifier"]} == {"7"} | {f"n{n}" for n in range(64)}
    assert final["meta"]["versionId"] == "65"


def test_32_creations_under_one_id_at_once_make_one_record(fhir):
    answers = at_once(lambda n: fhir.put("Patient/same", patient(str(n), id="same")).status_code, 32)
    assert sorted(answers) == [200] * 31 + [201]
    assert rows("SELECT count(*), max(version) FROM records_current") == [(1, 32)]
    assert rows("SELECT count(*) FROM ledger_outbox") == [(32,)]


def test_transactions_that_write_the_same_records_in_other_orders_all_succeed(fhir):
    for name in "abcdef":
        fhir.put(f"Patient/{name}", patient(name, id=name))

    def swap(n):
        names = "abcdef" if n % 2 else "fedcba"
        entries = [
            {"resource": patient(f"{name}{n}", id=name), "request": {"method": "PUT", "url": f"Patient/{name}"}}
            for name in names
        ]
        return fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).status_code

    assert at_once(swap, 24) == [200] * 24
    assert rows("SELECT DISTINCT version FROM records_current") == [(25,)]
