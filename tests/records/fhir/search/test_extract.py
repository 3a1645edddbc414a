"""What a resource is found and decided by."""

import copy
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from records.fhir import definitions
from records.fhir.search import Extracted, extract
from records.fhir.search.dates import LATEST
from records.fhir.search.emit import local_reference
from records.fhir.search.hashing import coding_hash, presence_hash, record_key, value_hash
from records.fhir.search.parameters import parameters
from tests.records.fhir.search.filling import BASE_URL, ZONE
from tests.records.fhir.search.made import LOINC, MADE, concept, observation, reference


def extracted(resource: dict[str, Any]) -> Extracted:
    return extract(resource["resourceType"], resource, zone=ZONE, base_url=BASE_URL)


def made(place: str) -> Extracted:
    return extracted(next(r for r in MADE if f"{r['resourceType']}/{r['id']}" == place))


def slot(type_name: str, code: str) -> int:
    return parameters(type_name)[code].slots[0]


def test_the_clinical_date_is_the_range_of_the_types_own_date() -> None:
    found = made("Observation/pressure")
    assert found.sort_date == datetime(2020, 3, 2, 1, 30, tzinfo=UTC)
    assert found.period_end == datetime(2020, 3, 2, 1, 30, 1, tzinfo=UTC)
    assert found.dates == [], "the columns hold it, so it needs no row"
    assert made("Encounter/ongoing").period_end == LATEST
    assert made("Observation/plenty").sort_date is None


def test_a_condition_falls_back_to_when_it_was_recorded() -> None:
    assert made("Condition/asthma").sort_date == datetime(2001, 5, 4, 16, tzinfo=UTC)
    assert made("Condition/fracture").period_end == datetime(2010, 12, 31, 16, tzinfo=UTC)


def test_the_primary_patient_is_the_subject_and_others_follow() -> None:
    assert made("Observation/pressure").patients == ("mila", "xiaoming")
    assert made("Observation/note").patients == ("xiaoming",)
    assert made("Observation/elsewhere").patients == ()
    assert made("Patient/mila").patients == ("mila", "xiaoming")
    assert made("Patient/smyth").patients == ("smyth",)
    assert made("Group/cohort").patients == ("mila", "xiaoming")
    assert made("Device/pump").patients == ("mila",)
    assert made("Binary/scan").patients == ("mila",)
    assert made("Organization/north").patients == ()


def test_a_record_that_names_its_patient_by_the_nodes_own_url_is_the_patients() -> None:
    found = extracted(observation("url", "1", subject=reference(f"{BASE_URL}/Patient/mila")))
    assert found.patients == ("mila",)
    assert value_hash(slot("Observation", "subject"), "Patient/mila") in found.tokens
    elsewhere = extract(
        "Observation", observation("url", "1", subject=reference(f"{BASE_URL}/Patient/mila")), zone=ZONE
    )
    assert elsewhere.patients == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Patient/1", ("Patient", "1")),
        ("Patient/1/_history/3", ("Patient", "1")),
        (f"{BASE_URL}/Patient/1", ("Patient", "1")),
        (f"{BASE_URL}x/Patient/1", None),
        ("https://other.example/fhir/Patient/1", None),
        ("urn:uuid:1", None),
        ("#inside", None),
        ("Nothing/1", None),
        ("Patient/", None),
        ("Patient/1/2", None),
        ("patient/1", None),
        ("Patient/" + "x" * 65, None),
        ("Patient/1\n", None),
        ("Patient/１", None),
        ("Patient?identifier=1", None),
    ],
)
def test_a_reference_is_local_if_it_is_a_type_and_an_id(text: str, place: tuple[str, str] | None) -> None:
    assert local_reference(text, BASE_URL) == place


def test_references_to_records_of_this_node_become_rows() -> None:
    found = made("Observation/glucose")
    rows = {
        (
            slot("Observation", "derived-from"),
            record_key("Observation", "pressure"),
            definitions.TYPE_NUMBERS["Observation"],
        )
    }
    assert rows <= set(found.references)
    assert made("Observation/elsewhere").references == []


def test_presence_says_also_of_what_type_the_target_is() -> None:
    subject = slot("Observation", "subject")
    of_group, named, far = (set(made(f"Observation/{n}").tokens) for n in ("note", "named", "elsewhere"))
    assert {presence_hash(subject), presence_hash(subject, "Group")} <= of_group
    assert presence_hash(subject, "Patient") not in of_group
    assert presence_hash(subject, "Patient") in named
    assert presence_hash(subject, "Patient") in far


def test_labels_and_codes_are_those_of_the_whole_record() -> None:
    found = made("Patient/mila")
    assert found.labels == [coding_hash("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R")]
    codes = set(made("Observation/pressure").codes)
    assert {coding_hash(LOINC, "85354-9"), coding_hash(LOINC, "8480-6"), coding_hash("urn:v", "high")} <= codes
    assert coding_hash("http://unitsofmeasure.org", "mm[Hg]") not in codes


def test_a_code_deep_inside_is_found_also_without_a_system() -> None:
    deep = observation("deep", "1", contained=[{"resourceType": "Condition", "code": concept("urn:deep", "hiv")}])
    deep["extension"] = [{"url": "urn:e", "valueCodeableConcept": {"coding": [{"code": "bare"}]}}]
    deep["extension"].append({"url": "urn:e", "valueCoding": {"system": "urn:deep", "code": "coding"}})
    codes = set(extracted(deep).codes)
    assert {coding_hash("urn:deep", "hiv"), coding_hash("", "bare"), coding_hash("urn:deep", "coding")} <= codes


def test_values_are_extracted_once() -> None:
    twice = observation("twice", "1", category=[concept("urn:c", "a"), concept("urn:c", "a")])
    found = extracted(twice)
    assert len(found.tokens) == len(set(found.tokens))
    assert sorted(extracted(copy.deepcopy(twice)).tokens) == sorted(found.tokens)


def test_nothing_is_extracted_of_nothing() -> None:
    for type_name in sorted(definitions.SERVED_TYPES):
        found = extract(type_name, {"resourceType": type_name}, zone=ZONE)
        deceased = set(parameters("Patient")["deceased"].slots) if type_name == "Patient" else set()
        assert bool(found.tokens) == bool(deceased)
        assert (found.references, found.strings, found.dates, found.quantities) == ([], [], [], [])
        assert (found.patients, found.sort_date, found.labels, found.codes) == ((), None, [], [])


JUNK: list[Any] = [
    None, True, 0, -1.5, "", "x" * 3000, "\U0010ffff", [], {}, [None], [[]], [{}], {"coding": 1}, {"coding": [1, None]},
    {"reference": 5}, {"system": 1, "code": []}, {"value": "1"}, {"start": 1}, {"event": {}}, 10**400, 1e308, {"given": {}},
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and item with what holds it."""
    found = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            found += places(value[key])
    return found


@pytest.mark.parametrize("seed", range(10))
def test_a_value_of_the_wrong_shape_is_passed_over_wherever_it_is(seed: int) -> None:
    chance = random.Random(seed)
    for original in MADE:
        resource = copy.deepcopy(original)
        for _ in range(chance.randint(1, 4)):
            holder, key = chance.choice(places(resource))
            if key != "resourceType":
                holder[key] = copy.deepcopy(chance.choice(JUNK))
        found = extract(original["resourceType"], resource, zone=ZONE, base_url=BASE_URL)
        assert all(-(2**63) <= token < 2**63 for token in found.tokens)
        assert all(len(value) <= 500 for _, value in found.strings)


def test_every_outside_resource_is_found_by_something_and_belongs_to_a_patient_if_it_should(
    outside: list[dict[str, Any]],
) -> None:
    for resource in outside[::20]:
        found = extracted(resource)
        assert found.tokens
        assert found.patients or resource["resourceType"] in (
            "Organization", "Practitioner", "PractitionerRole", "Location",
        )  # fmt: skip
