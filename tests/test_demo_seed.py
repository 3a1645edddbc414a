"""The seeded patients: the same for the same seed, valid, and told as a doctor would tell them."""

import json
import re
from collections import Counter
from datetime import date, timedelta

import pytest

from consortium.management.seed import Hospital, transactions
from records.fhir import validation

UNTIL = date(2026, 11, 20)
A = Hospital(0, "Yunxi Hospital", "云溪医院", "hospital-a.example")
B = Hospital(1, "Qingshi Hospital", "青石医院", "hospital-b.example")


@pytest.fixture(scope="module")
def charts():
    return {
        hospital.number: [json.loads(t.content)["entry"] for t in transactions(hospital, patients=24, until=UNTIL)]
        for hospital in (A, B)
    }


@pytest.fixture(scope="module")
def resources(charts):
    return [[entry["resource"] for entry in chart] for hospital in charts.values() for chart in hospital]


def _resolved(text: str, names: dict[str, str]) -> str:
    """The text with Type/id for every urn, as a transaction leaves it."""
    return re.sub(r"urn:uuid:[0-9a-f-]{36}", lambda found: names[found[0]], text)


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others():
    first = [t.content for t in transactions(A, patients=3, until=UNTIL)]
    assert first == [t.content for t in transactions(A, patients=3, until=UNTIL)]
    assert first != [t.content for t in transactions(A, patients=3, until=UNTIL, seed=2)]


def test_there_are_at_least_forty_patients_over_ten_years(resources):
    assert len(resources) >= 40
    visits = [r["period"]["start"][:10] for chart in resources for r in chart if r["resourceType"] == "Encounter"]
    assert date.fromisoformat(min(visits)) < UNTIL - timedelta(days=9 * 365)
    assert date.fromisoformat(max(visits)) > UNTIL - timedelta(days=60)


def test_every_resource_is_valid_once_its_references_are_resolved(charts):
    for chart in (chart for hospital in charts.values() for chart in hospital):
        names = {e["fullUrl"]: f"{e['resource']['resourceType']}/{e['fullUrl'][9:]}" for e in chart}
        for entry in chart:
            text = _resolved(json.dumps(entry["resource"]), names)
            kind = entry["resource"]["resourceType"]
            assert validation.validate(text.encode(), expected_type=kind) == []


def test_nothing_is_dated_after_the_day_of_the_seed_except_validity(resources):
    late = (UNTIL + timedelta(days=1)).isoformat()
    for chart in resources:
        for resource in chart:
            for member in ("recordedDate", "authoredOn", "effectiveDateTime", "occurrenceDateTime", "issued", "date"):
                assert resource.get(member, "") < late, (resource["resourceType"], member)


def test_names_are_chinese_and_english_and_a_chinese_name_can_be_typed_in_latin_letters(resources):
    names = [r["name"] for chart in resources for r in chart if r["resourceType"] == "Patient"]
    chinese = [name for name in names if re.search(r"[一-鿿]", name[0]["text"])]
    assert 0 < len(names) - len(chinese) < len(chinese)
    assert all(re.fullmatch(r"[A-Za-z]+ [A-Za-z]+", name[1]["text"]) for name in chinese)


def test_no_allergy_is_told_from_nobody_asked(resources):
    stated: Counter[str] = Counter()
    for chart in resources:
        codes = {r["code"]["coding"][0]["code"] for r in chart if r["resourceType"] == "AllergyIntolerance"}
        stated["none known" if codes == {"716186003"} else "not recorded" if not codes else "allergic"] += 1
    assert min(stated.values()) >= 8
    assert set(stated) == {"none known", "not recorded", "allergic"}


def test_every_kind_of_record_is_there(resources):
    kinds = Counter(r["resourceType"] for chart in resources for r in chart)
    assert set(kinds) >= {
        "AllergyIntolerance", "CarePlan", "Condition", "DiagnosticReport", "DocumentReference", "Encounter",
        "Immunization", "MedicationRequest", "MedicationStatement", "Observation", "Organization", "Patient",
        "Practitioner", "Procedure",
    }  # fmt: skip


def test_some_problems_are_resolved_and_some_are_active(resources):
    states = Counter(
        r["clinicalStatus"]["coding"][0]["code"]
        for chart in resources
        for r in chart
        if r["resourceType"] == "Condition"
    )
    assert states["resolved"] > 40
    assert states["active"] > 40


def test_laboratory_values_carry_units_and_reference_ranges(resources):
    for chart in resources:
        for resource in chart:
            if (
                resource["resourceType"] == "Observation"
                and resource["category"][0]["coding"][0]["code"] == "laboratory"
            ):
                assert resource["valueQuantity"]["unit"]
                assert resource["referenceRange"]
                assert resource["interpretation"]


def test_a_drug_brings_the_blood_pressure_down(resources):
    first, last = [], []
    for chart in resources:
        drugs = [
            r["medicationCodeableConcept"]["coding"][0]["code"]
            for r in chart
            if r["resourceType"] == "MedicationRequest"
        ]
        pressures = [
            r["component"][0]["valueQuantity"]["value"]
            for r in chart
            if r["resourceType"] == "Observation" and r["code"]["coding"][0]["code"] == "85354-9"
        ]
        if "C08CA01" in drugs and "A10BA02" not in drugs and len(pressures) > 8:
            first.append(sum(pressures[:2]) / 2)
            last.append(sum(pressures[-4:]) / 4)
    assert sum(last) / len(last) < sum(first) / len(first) - 10


def test_no_one_allergic_to_penicillin_is_given_a_penicillin(resources):
    for chart in resources:
        drugs = {
            r["medicationCodeableConcept"]["coding"][0]["code"]
            for r in chart
            if r["resourceType"] == "MedicationRequest"
        }
        assert "J01CA04" not in drugs


def test_some_patients_are_known_to_both_hospitals_by_their_health_card(charts):
    def cards(hospital):
        return {
            identifier["value"]
            for chart in charts[hospital]
            for entry in chart
            if entry["resource"]["resourceType"] == "Patient"
            for identifier in entry["resource"]["identifier"]
            if identifier["use"] == "secondary"
        }

    assert len(cards(0) & cards(1)) == 6
    assert len(cards(0)) == len(cards(1)) == 24
