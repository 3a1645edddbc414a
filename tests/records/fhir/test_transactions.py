"""Bundles: batches and transactions."""

import json
import uuid

import pytest

from tests.records.conftest import issue, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

SYSTEM = "urn:example:mrn"


def name() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def post(url, resource, full_url=None, **request):
    entry = {"resource": resource, "request": {"method": "POST", "url": url, **request}}
    return {"fullUrl": full_url, **entry} if full_url else entry


def bundle(*entries, type="transaction"):
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def patient(value="1", **members):
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], **members}


def observation(subject, **members):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "pulse"},
        "subject": {"reference": subject},
        **members,
    }


def sent(fhir, body, **headers):
    response = fhir.post("", body, **headers)
    assert response.status_code == 200, response.content
    return [e["response"] for e in json.loads(response.content)["entry"]], response


def test_entries_refer_to_each_other_by_full_url(fhir):
    who = name()
    responses, _ = sent(fhir, bundle(post("Observation", observation(who)), post("Patient", patient(), who)))
    assert [r["status"] for r in responses] == ["201 Created", "201 Created"]
    patient_id = responses[1]["location"].split("/")[1]
    stored = json.loads(fhir.get("/".join(responses[0]["location"].split("/")[:2])).content)
    assert stored["subject"]["reference"] == f"Patient/{patient_id}"
    assert [o["id"] for o in fhir.search(f"Observation?patient={patient_id}")] == [stored["id"]]


def test_links_of_narratives_and_uris_are_resolved_and_data_is_left_alone(fhir):
    who = name()
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{who}">she</a> is {who}</div>'
    resource = observation(
        who,
        text={"status": "generated", "div": div},
        extension=[{"url": "http://example.org/about", "valueUri": who}],
        identifier=[{"system": "urn:ietf:rfc:3986", "value": who}],
        note=[{"text": who}],
    )
    responses, _ = sent(fhir, bundle(post("Patient", patient(), who), post("Observation", resource, name())))
    became = "/".join(responses[0]["location"].split("/")[:2])
    stored = json.loads(fhir.get("/".join(responses[1]["location"].split("/")[:2])).content)
    assert stored["text"]["div"] == div.replace(f'href="{who}"', f'href="{became}"')
    assert stored["extension"][0]["valueUri"] == became
    assert stored["identifier"][0]["value"] == who
    assert stored["note"][0]["text"] == who


def test_a_transaction_is_carried_out_whole_or_not_at_all(fhir):
    response = fhir.post("", bundle(post("Patient", patient()), post("Patient", patient(gender="banana"))))
    assert response.status_code == 422
    assert issue(response)["expression"] == ["Bundle.entry[1].resource.gender"]
    taken = bundle(
        post("Patient", patient()),
        {"resource": patient(id="a"), "request": {"method": "PUT", "url": "Patient/a", "ifMatch": 'W/"3"'}},
    )
    assert fhir.post("", taken).status_code == 412
    for table in ("records_current", "ledger_outbox", "records_string"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_conditional_references_resolve_to_one_record_or_refuse(fhir):
    known = fhir.create(patient("42"))
    responses, _ = sent(fhir, bundle(post("Observation", observation(f"Patient?identifier={SYSTEM}|42"))))
    stored = json.loads(fhir.get("/".join(responses[0]["location"].split("/")[:2])).content)
    assert stored["subject"]["reference"] == f"Patient/{known['id']}"
    missing = fhir.post("", bundle(post("Observation", observation(f"Patient?identifier={SYSTEM}|43"))))
    assert (missing.status_code, issue(missing)["code_of_ours"]) == (412, "reference-not-resolved")
    assert issue(missing)["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    fhir.create(patient("42"))
    ambiguous = fhir.post("", bundle(post("Observation", observation(f"Patient?identifier={SYSTEM}|42"))))
    assert (ambiguous.status_code, issue(ambiguous)["code"]) == (412, "multiple-matches")


def test_conditional_creates_inside_are_met_and_referred_to(fhir):
    known = fhir.create(patient("42"))
    who = name()
    responses, _ = sent(
        fhir,
        bundle(
            post("Patient", patient("42"), who, ifNoneExist=f"identifier={SYSTEM}|42"),
            post("Observation", observation(who)),
        ),
    )
    assert [r["status"] for r in responses] == ["200 OK", "201 Created"]
    stored = json.loads(fhir.get("/".join(responses[1]["location"].split("/")[:2])).content)
    assert stored["subject"]["reference"] == f"Patient/{known['id']}"


def test_deletes_come_first_and_reads_last(fhir):
    fhir.put("Patient/old", patient("42", id="old"))
    responses, response = sent(
        fhir,
        bundle(
            {"request": {"method": "GET", "url": f"Patient?identifier={SYSTEM}|42"}},
            post("Patient", patient("42"), ifNoneExist=f"identifier={SYSTEM}|42"),
            {"request": {"method": "DELETE", "url": "Patient/old"}},
        ),
    )
    assert [r["status"] for r in responses] == ["200 OK", "201 Created", "204 No Content"]
    found = json.loads(response.content)["entry"][0]["resource"]["entry"]
    assert [e["resource"]["id"] for e in found] == [responses[1]["location"].split("/")[1]]


@pytest.mark.parametrize(
    "entries",
    [
        [
            {"resource": patient(id="a"), "request": {"method": "PUT", "url": "Patient/a"}},
            {"request": {"method": "DELETE", "url": "Patient/a"}},
        ],
        [
            post("Patient", patient(), ifNoneExist=f"identifier={SYSTEM}|1"),
            post("Patient", patient(), ifNoneExist=f"identifier={SYSTEM}|1"),
        ],
    ],
)
def test_the_same_record_twice_in_a_transaction_is_refused(fhir, entries):
    response = fhir.post("", bundle(*entries))
    assert response.status_code == 400
    assert issue(response)["code_of_ours"] == "resource-twice"


def test_the_same_bytes_again_create_nothing_under_names_that_are_unique_for_ever(fhir):
    who = name()
    body = bundle(post("Patient", patient(), who), post("Observation", observation(who), name()))
    first, _ = sent(fhir, body)
    again, _ = sent(fhir, body)
    assert [r["status"] for r in again] == ["200 OK", "200 OK"]
    assert [r["location"] for r in again] == [r["location"] for r in first]
    assert rows("SELECT count(*) FROM records_current") == [(2,)]
    renamed = json.loads(json.dumps(body).replace(who, name()))
    third, _ = sent(fhir, renamed)
    assert [r["status"] for r in third] == ["201 Created", "201 Created"]


def test_a_record_that_was_deleted_is_made_again_by_the_same_bytes(fhir):
    who = name()
    body = bundle(post("Patient", patient(), who), post("Observation", observation(who), name()))
    first, _ = sent(fhir, body)
    fhir.delete("/".join(first[1]["location"].split("/")[:2]))
    again, _ = sent(fhir, body)
    assert [r["status"] for r in again] == ["200 OK", "201 Created"]


def test_posts_without_such_names_create_each_time(fhir):
    body = bundle(post("Patient", patient()))
    assert [sent(fhir, body)[0][0]["status"] for _ in range(2)] == ["201 Created"] * 2


def test_a_batch_answers_each_entry_by_itself(fhir):
    responses, _ = sent(
        fhir,
        bundle(
            post("Patient", patient("1")),
            post("Patient", patient("2", gender="banana")),
            post("Patient", patient("3")),
            {"request": {"method": "GET", "url": "Patient/nobody"}},
            {"request": {"method": "DELETE", "url": "Patient/nobody"}},
            {"request": {"method": "POST", "url": "Dragon"}, "resource": patient("4")},
            type="batch",
        ),
    )
    assert [r["status"][:3] for r in responses] == ["201", "422", "201", "404", "204", "404"]
    assert responses[1]["outcome"]["issue"][0]["expression"] == ["Bundle.entry[1].resource.gender"]
    assert rows("SELECT count(*) FROM records_current") == [(2,)]


def test_equal_conditional_creates_in_a_batch_make_one(fhir):
    entry = post("Patient", patient(), ifNoneExist=f"identifier={SYSTEM}|1")
    responses, _ = sent(fhir, bundle(entry, entry, type="batch"))
    assert [r["status"] for r in responses] == ["201 Created", "200 OK"]


def test_full_urls_that_are_addresses_resolve_their_neighbours(fhir):
    base = "http://elsewhere.example/fhir"
    body = bundle(
        post("Patient", patient(), f"{base}/Patient/7"),
        post("Observation", observation("Patient/7"), f"{base}/Observation/8"),
        post("Observation", observation(f"{base}/Patient/7"), f"{base}/Observation/9"),
    )
    responses, _ = sent(fhir, body)
    became = "/".join(responses[0]["location"].split("/")[:2])
    for response in responses[1:]:
        stored = json.loads(fhir.get("/".join(response["location"].split("/")[:2])).content)
        assert stored["subject"]["reference"] == became


def test_prefer_representation_sends_the_resources_back(fhir):
    _, response = sent(fhir, bundle(post("Patient", patient())), Prefer="return=representation")
    assert json.loads(response.content)["entry"][0]["resource"]["resourceType"] == "Patient"
    _, response = sent(fhir, bundle(post("Patient", patient())))
    assert "resource" not in json.loads(response.content)["entry"][0]


@pytest.mark.parametrize("type", ["collection", "document", "searchset", "history", "dragon", None])
def test_other_bundles_are_not_carried_out(fhir, type):
    body = {"resourceType": "Bundle", **({"type": type} if type else {}), "entry": []}
    response = fhir.post("", body)
    assert 400 <= response.status_code < 500
    issue(response)


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "POST", "url": ""},
        {"method": "POST", "url": "http://elsewhere.example/fhir/Patient"},
        {"method": "BREW", "url": "Patient"},
        {"method": "PATCH", "url": "Patient/1"},
        {"method": "POST", "url": "Patient#x"},
        {"method": "PUT", "url": "Patient/has space"},
        {"method": "POST", "url": "../log"},
    ],
)
def test_entries_that_ask_for_what_there_is_not_are_refused(fhir, request_):
    response = fhir.post("", bundle({"resource": patient(), "request": request_}))
    assert 400 <= response.status_code < 500
    assert issue(response)["expression"][0].startswith("Bundle.entry")


def test_a_transaction_needs_the_scopes_of_all_that_it_does(machine_with):
    only_patients = machine_with("system/Patient.cruds")
    response = only_patients.post("", bundle(post("Patient", patient()), post("Observation", observation("Patient/1"))))
    assert response.status_code == 403
    assert rows("SELECT count(*) FROM records_current") == [(0,)]
