"""Real data: everything that Synthea wrote is valid, survives editing byte for byte, and is judged fast."""

import json
import os
import time
from pathlib import Path

import pytest

from records.fhir.jsontext import Document, assign, entry_documents, parse, references, relink, splice
from records.fhir.validation import validate

DATA = Path(os.environ.get("XINGLIN_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data")
BUNDLES = sorted((DATA / "synthea").glob("*.json"))

pytestmark = pytest.mark.skipif(
    not BUNDLES,
    reason=f"SYNTHEA IS NOT THERE: no bundle in {DATA / 'synthea'}; XINGLIN_SHARED_DATA names the outside data",
)


@pytest.fixture(scope="module")
def bundles() -> list[Document]:
    return [parse(path.read_bytes()) for path in BUNDLES]


@pytest.fixture(scope="module")
def resources(bundles) -> list[Document]:
    return [document for bundle in bundles for document in entry_documents(bundle).values()]


def test_every_resource_is_cut_out_exactly(bundles):
    for bundle in bundles:
        documents = entry_documents(bundle)
        assert len(documents) == len(bundle.value["entry"])
        position = 0
        for index, document in documents.items():
            position = bundle.data.index(document.data, position)
            assert (
                json.loads(document.data) == json.loads(bundle.data)["entry"][index]["resource"] if index < 3 else True
            )
            assert parse(document.data).value == document.value


def test_every_resource_is_valid_in_its_transaction(resources):
    assert len(resources) > 9000
    found = [(d.type, i.expression, i.diagnostics) for d in resources for i in validate(d, in_transaction=True)]
    assert found == []


def test_every_envelope_is_valid(bundles):
    assert [i for b in bundles for i in validate(b, in_transaction=True, skip_entries=True)] == []


def test_outside_a_transaction_placeholders_are_all_that_is_refused(resources):
    codes = {i.details_code for d in resources[::10] for i in validate(d)}
    assert codes == {"placeholder-reference"}


def test_relinked_and_stamped_every_resource_is_valid_by_itself(bundles):
    kinds = {e["fullUrl"]: e["resource"]["resourceType"] for b in bundles for e in b.value["entry"] if "fullUrl" in e}
    for bundle in bundles:
        for index, document in entry_documents(bundle).items():
            if index % 5:
                continue
            texts = {r.text for r in references(document.value)}
            links = {t: f"{kinds.get(t) or t.partition('?')[0]}/1" for t in texts if t.startswith("urn:") or "?" in t}
            stamp = assign(document.data, id="a", version_id="1", last_updated="2024-01-01T00:00:00Z")
            stored = parse(splice(document.data, [*relink(document, links), *stamp]))
            assert validate(stored) == []
            assert (stored.value["id"], stored.value["meta"]["versionId"]) == ("a", "1")
            assert not {r.text for r in references(stored.value)} & links.keys()


def test_parsing_and_judging_is_fast_enough_for_imports(resources):
    sample = [d.data for d in resources[::7]]
    for data in sample[:100]:
        validate(parse(data), in_transaction=True)
    started = time.process_time()
    for data in sample:
        validate(parse(data), in_transaction=True)
    rate = len(sample) / (time.process_time() - started)
    # Four times this is usual; less means that something fell off the fast path.
    assert rate > 1000, f"{rate:.0f} resources a second"
