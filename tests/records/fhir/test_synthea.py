"""Real data: Synthea's bundles through HTTP and through import_fhir, with every body compared byte for byte."""

import json
import re
from collections import Counter

import pytest
from django.core.management import call_command

from records.fhir import jsontext
from records.fhir.jsontext import entry_documents
from tests.records.conftest import rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

HOSPITALS = "hospitalInformation1633536936158.json"
PRACTITIONERS = "practitionerInformation1633536936158.json"
_LINK = re.compile(rb'"(?:urn:uuid:[0-9a-f-]{36}|[A-Z][A-Za-z]+(?:\?identifier=[^"]+|/[0-9a-f-]{36}))"')


@pytest.fixture
def files(shared_data):
    folder = shared_data / "synthea"
    patients = sorted((p for p in folder.glob("*.json") if p.name[0].isupper()), key=lambda p: p.stat().st_size)
    return [folder / HOSPITALS, folder / PRACTITIONERS, *patients[:2]]


def stripped(data: bytes) -> bytes:
    """A resource without what the server sets: id, meta.versionId, meta.lastUpdated, and the text of references."""
    value = json.loads(data)
    meta = {k: v for k, v in value.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    blank = jsontext.assign(data, id="x", version_id="x", last_updated="x")
    data = jsontext.splice(data, blank)
    if not meta:
        data = re.sub(rb',\s*"meta":\s*\{[^{}]*\}', b"", data, count=1)
    data = re.sub(rb'\s*"(versionId|lastUpdated)":\s*"x",?', b"", data)
    return re.sub(rb"\s+", b" ", _LINK.sub(b'"link"', data))


def check_all_stored(files):
    """Every resource of the files is there, once, in its own bytes."""
    stored = Counter(stripped(bytes(row[0])) for row in rows("SELECT content FROM records_current"))
    sent: Counter[bytes] = Counter()
    for file in files:
        bundle = jsontext.parse(file.read_bytes())
        sent.update(stripped(one.data) for one in entry_documents(bundle).values())
    assert stored == sent


def dangling():
    """References to records of this node that are not there."""
    return rows(
        "SELECT count(*) FROM records_reference r WHERE NOT EXISTS (SELECT FROM records_current c WHERE c.self = r.target)"
    )[0][0]


def counts():
    return rows(
        "SELECT (SELECT count(*) FROM records_current), (SELECT count(*) FROM records_history),"
        " (SELECT count(*) FROM ledger_outbox)"
    )[0]


def test_http_transactions_store_every_resource_and_the_second_time_none(fhir, files):
    for file in files:
        response = fhir.post("", file.read_bytes())
        assert response.status_code == 200, response.content[:500]
        assert {e["response"]["status"] for e in json.loads(response.content)["entry"]} == {"201 Created"}
    check_all_stored(files)
    assert dangling() == 0
    before = counts()
    for file in files:
        response = fhir.post("", file.read_bytes())
        assert {e["response"]["status"] for e in json.loads(response.content)["entry"]} == {"200 OK"}
    assert counts() == before


def test_import_fhir_stores_the_same_and_the_second_time_nothing_either_way(fhir, files, capsys):
    # The order given is not the order needed.
    call_command("import_fhir", *map(str, reversed(files)), "--processes", "1", "--quiet")
    check_all_stored(files)
    assert dangling() == 0
    before = counts()
    call_command("import_fhir", *map(str, files), "--processes", "1", "--quiet")
    assert " 0 created, 0 updated" in capsys.readouterr().out.splitlines()[-1]
    response = fhir.post("", files[-1].read_bytes())
    assert {e["response"]["status"] for e in json.loads(response.content)["entry"]} == {"200 OK"}
    assert counts() == before
