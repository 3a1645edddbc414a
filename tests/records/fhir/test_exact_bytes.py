"""Invariant 2: what a client stored is what it reads back, byte for byte, apart from id, meta and resolved references."""

import json
import re
import uuid

import pytest

from tests.records.conftest import rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

ODD = (
    b'{\n  "resourceType" : "Observation",\r\n\t"status":"final" , "code":{"text":"\\u8110 \\/ pulse \xe8\x84\x89"},'
    b'"valueQuantity":{"value":1.00,"unit":"\xc2\xb5mol\\/L"},  "effectiveDateTime":"2024-03-09T10:00:00.7170+00:00",\n'
    b'"component":[{"code":{"text":"a"},"valueQuantity":{"value":1.2500e1}}]\n}'
)


def without_stamps(data: bytes) -> bytes:
    """The bytes without id and meta, which the server sets."""
    data = re.sub(rb'\s*"id"\s*:\s*"[^"]*"\s*,?', b"", data, count=1)
    return re.sub(rb'\s*"meta"\s*:\s*\{[^{}]*\}\s*,?', b"", data, count=1)


def squeezed(data: bytes) -> bytes:
    return re.sub(rb"[\s,]+", b"", data)


def test_escapes_spacing_digits_and_zones_come_back_as_they_were_sent(fhir):
    created = fhir.post("Observation", ODD)
    assert created.status_code == 201, created.content
    stored = fhir.get(f"Observation/{json.loads(created.content)['id']}").content
    assert stored == created.content
    assert squeezed(without_stamps(stored)) == squeezed(ODD)
    for piece in (
        b'"value":1.00,',
        b"1.2500e1",
        b"\\u8110 \\/ pulse \xe8\x84\x89",
        b".7170+00:00",
        b',\r\n\t"status":"final" , "code"',
    ):
        assert piece in stored


def test_a_search_a_history_and_a_bundle_show_the_same_bytes(fhir):
    created = fhir.post("Observation", ODD)
    place = f"Observation/{json.loads(created.content)['id']}"
    for address in (f"Observation?_id={place[12:]}", f"{place}/_history", "Observation/_history", "_history"):
        assert created.content in fhir.get(address).content
    assert fhir.get(f"{place}/_history/1").content == created.content


def test_a_transaction_changes_only_ids_meta_and_links(fhir):
    who = f"urn:uuid:{uuid.uuid4()}"
    inner = ODD.replace(
        b'"status"', b'"subject":{"reference":"' + who.encode() + b'","display":"' + who.encode() + b'"},"status"'
    )
    whole = (
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"' + who.encode()
        + b'","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"resource":  '
        + inner + b'  ,"request":{"method":"POST","url":"Observation"}}]}'
    )  # fmt: skip
    response = json.loads(fhir.post("", whole).content)
    patient, observation = ("/".join(e["response"]["location"].split("/")[:2]) for e in response["entry"])
    stored = fhir.get(observation).content
    assert squeezed(without_stamps(stored)) == squeezed(
        inner.replace(f'"reference":"{who}"'.encode(), f'"reference":"{patient}"'.encode())
    )


def test_what_the_log_commits_to_is_what_is_stored(fhir):
    from ledger.commitments import Kind, commit, derive_salt
    from records import vault

    created = json.loads(fhir.post("Patient", {"resourceType": "Patient"}).content)
    (content,) = rows("SELECT content FROM records_current")[0]
    key = vault.existing_keys([created["id"]])[created["id"]]
    salt = derive_salt(key, f"Patient/{created['id']}/_history/1")
    ((kind, commitment),) = rows("SELECT kind, commitment FROM ledger_outbox")
    assert (kind, bytes(commitment)) == (Kind.RECORD, commit(Kind.RECORD, salt, bytes(content)))
