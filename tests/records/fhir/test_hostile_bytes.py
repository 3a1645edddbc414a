"""Invariant 11: hostile bytes get an answer: a 4xx with a stable code and a sentence, never a 5xx, a hang or a crash."""

import gzip
import json
import random

import pytest

from tests.records.conftest import issue, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

PATIENT = b'{"resourceType":"Patient","name":[{"family":"Zhang"}]}'

BODIES = {
    "empty": b"",
    "white space": b"  \n",
    "not JSON": b"<Patient/>",
    "cut off": PATIENT[:20],
    "a list": b"[]",
    "a string": b'"Patient"',
    "null": b"null",
    "no type": b"{}",
    "a type that is a number": b'{"resourceType":1}',
    "a type that is a list": b'{"resourceType":["Patient"]}',
    "a byte-order mark": b"\xef\xbb\xbf" + PATIENT,
    "UTF-16": PATIENT.decode().encode("utf-16"),
    "invalid UTF-8": b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}',
    "an overlong encoding": b'{"resourceType":"Patient","name":[{"family":"\xc0\xaf"}]}',
    "a raw null character": b'{"resourceType":"Patient","name":[{"family":"a\x00b"}]}',
    "an escaped null character": b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}',
    "a lone surrogate": b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
    "a member twice": b'{"resourceType":"Patient","gender":"male","gender":"female"}',
    "the type twice": b'{"resourceType":"Patient","resourceType":"Observation"}',
    "the id twice": b'{"resourceType":"Patient","id":"a","id":"b"}',
    "depth": b'{"resourceType":"Patient","extension":' + b'[{"extension":' * 5000 + b"[]" + b"}]" * 5000 + b"}",
    "depth that never closes": b'{"resourceType":"Patient","extension":' + b"[" * 200_000,
    "NaN": b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":NaN}}',
    "a huge exponent": b'{"resourceType":"Patient","multipleBirthInteger":1e999999999}',
    "a huge integer": b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 100_000 + b"}",
    "a huge string as a date": b'{"resourceType":"Patient","birthDate":"' + b"1" * 100_000 + b'"}',
    "an id of odd characters": b'{"resourceType":"Patient","id":"../../etc/passwd"}',
    "meta that is a string": b'{"resourceType":"Patient","meta":"x"}',
    "meta with members that are objects": b'{"resourceType":"Patient","meta":{"versionId":{},"lastUpdated":[]}}',
    "contained that is no list": b'{"resourceType":"Patient","contained":{}}',
    "entries that are no list": b'{"resourceType":"Bundle","type":"transaction","entry":{}}',
    "a script": b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>x</script></div>"}}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_hostile_body_is_refused_in_words(fhir, body):
    for address, method in (
        ("Patient", "POST"),
        ("", "POST"),
        ("Patient/x", "PUT"),
        ("Patient?family=x", "PUT"),
        ("Bundle", "POST"),
    ):
        response = fhir.send(method, address, body or b" ", If_None_Exist="family=zhang")
        assert 400 <= response.status_code < 500, (address, response.content)
        found = issue(response)
        assert found["code_of_ours"]
        assert found["diagnostics"].endswith(".")
    assert rows("SELECT count(*) FROM records_current") == [(0,)]


ADDRESSES = [
    "Patient/%00",
    "Patient/a%00b",
    "Patient/" + "a" * 65,
    "Patient/" + "a" * 5000,
    "Patient/%ff%fe",
    "Patient/..%2f..%2flog",
    "Patient/x/_history/0",
    "Patient/x/_history/-1",
    "Patient/x/_history/99999999999999999999",
    "Patient/x/_history/1e3",
    "Patient/x/_history/1/$evidence/more",
    "Patient/x/$everything?_count=-1",
    "Patient/x/$everything?_type=Dragon",
    "Patient/x/$everything?_cursor=AAAA",
    "Patient/x/$everything?start=yesterday",
    "Patient/x/$dragon",
    "Patient?family=%00",
    "Patient?family=%ed%a0%80",
    "Patient?%00=x",
    "Patient?_cursor=AAAA",
    "Patient?_cursor=" + "A" * 20000,
    "Patient?_count=99999999999999999999999",
    "Patient?_count=-1",
    "Patient?_sort=dragon",
    "Patient?_include=*",
    "Patient?birthdate=99999-99-99",
    "Patient?_lastUpdated=ge0000",
    "Observation?value-quantity=1e400",
    "Observation?value-quantity=1e-99999",
    "Observation?code=" + ",".join("a" * 10 for _ in range(600)),
    "Patient?" + "&".join(f"family=a{n}" for n in range(300)),
    "Observation?" + "patient." * 30 + "family=x",
    "_history?_since=never",
    "_history?_count=x",
    "_history?_cursor=AAAA",
    "Patient/x/_history?_at=2020-13",
    "?_type=Dragon",
    "$dragon",
    "Patient//",
    "AuditEvent?date=never",
    "AuditEvent?agent=me",
    "AuditEvent?_count=x",
    "AuditEvent/99999999999999999999999",
    "AuditEvent/x",
]


@pytest.mark.parametrize("address", ADDRESSES, ids=range(len(ADDRESSES)))
def test_a_hostile_address_is_refused_in_words(fhir, address):
    response = fhir.get(address)
    assert 400 <= response.status_code < 500 or json.loads(response.content)["resourceType"] == "Bundle", (
        response.content
    )
    if response.status_code != 200:
        assert issue(response)["code_of_ours"]


HEADERS = [
    {"If_Match": "\x00"},
    {"If_Match": 'W/"99999999999999999999"'},
    {"If_None_Match": 'W/"x", *'},
    {"If_Modified_Since": "yesterday"},
    {"If_Modified_Since": "Mon, 99 Foo 99999 99:99:99 GMT"},
    {"Accept": "a;" * 5000},
    {"Accept": ",;=q"},
    {"Prefer": "return=;;;,,,handling=lenient"},
    {"Content_Encoding": "br"},
    {"Content_Encoding": "gzip"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=range(len(HEADERS)))
def test_hostile_headers_are_answered(fhir, headers):
    for response in (
        fhir.get("Patient/x", **headers),
        fhir.post("Patient", PATIENT, **headers),
        fhir.put("Patient/x", PATIENT, **headers),
        fhir.delete("Patient/x", **headers),
    ):
        assert response.status_code < 500, response.content


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer \x00", "Bearer é" + "x" * 30, "Basic eDp5", "Bearer " + "x" * 9000],
)
def test_hostile_tokens_are_not_let_in(client, node, authorization):
    response = client.get("/fhir/Patient/x", headers={"Authorization": authorization})
    assert response.status_code == 401
    issue(response)


def test_a_packed_body_is_unpacked_and_a_bomb_is_not(fhir):
    assert fhir.post("Patient", gzip.compress(PATIENT), Content_Encoding="gzip").status_code == 201
    bomb = gzip.compress(b" " * (200 * 1024 * 1024), 9)
    response = fhir.post("Patient", bomb, Content_Encoding="gzip")
    assert response.status_code == 413
    assert issue(response)["code_of_ours"] == "body-too-large"
    assert fhir.post("Patient", gzip.compress(PATIENT)[:-6], Content_Encoding="gzip").status_code == 400


def test_a_body_that_is_too_large_is_refused(fhir):
    body = b'{"resourceType":"Patient","name":[{"family":"' + b"a" * (33 * 1024 * 1024) + b'"}]}'
    assert fhir.post("Patient", body).status_code == 413


def test_a_flood_of_entries_is_refused(fhir):
    entry = b'{"request":{"method":"GET","url":"Patient/x"}},'
    body = b'{"resourceType":"Bundle","type":"batch","entry":[' + entry * 20_001 + entry[:-1] + b"]}"
    response = fhir.post("", body)
    assert response.status_code == 413
    assert issue(response)["code_of_ours"] == "too-many-entries"


def test_mutated_bodies_never_break_the_door(fhir):
    """Real bundles with bytes flipped, cut and doubled, from a fixed seed."""
    rng = random.Random(20)
    whole = json.dumps(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": "urn:uuid:0fbf6a3c-3a64-4f6c-8a0e-2d8bb6d3a001",
                    "resource": json.loads(PATIENT),
                    "request": {"method": "POST", "url": "Patient", "ifNoneExist": "family=zhang"},
                },
                {
                    "resource": {
                        "resourceType": "Observation",
                        "status": "final",
                        "code": {"text": "pulse"},
                        "subject": {"reference": "urn:uuid:0fbf6a3c-3a64-4f6c-8a0e-2d8bb6d3a001"},
                        "effectiveDateTime": "2024-03-09",
                        "valueQuantity": {"value": 1.00},
                    },
                    "request": {"method": "PUT", "url": "Observation?code=x"},
                },
            ],
        }
    ).encode()
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(body))
            match rng.randrange(4):
                case 0:
                    body[at] = rng.randrange(256)
                case 1:
                    del body[at : at + rng.randint(1, 30)]
                case 2:
                    body[at:at] = body[at : at + rng.randint(1, 30)]
                case 3:
                    body[at:at] = rng.choice([b'"', b"{", b"]", b"\\", b"\\u0000", b"null", b",", b"1e9"])
        response = fhir.post("", bytes(body))
        assert response.status_code < 500, (bytes(body), response.content)
