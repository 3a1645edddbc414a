"""Orders by every kind of parameter, what is included, and that what is hidden changes neither."""

from collections.abc import Callable
from typing import Any

import pytest

from records.fhir.definitions import TYPE_NAMES
from records.fhir.search import MAX_INCLUDED
from records.fhir.search.includes import COLUMNS, MAX_ROUNDS
from records.fhir.search.parameters import parameters
from tests.records.fhir.search import oracle
from tests.records.fhir.search.filling import EVERYTHING, HALF, Filled
from tests.records.fhir.search.made import concept, observation, reference


def sort_values(resource: dict[str, Any], code: str) -> list[Any]:
    """What a resource may be sorted by."""
    parameter = parameters(resource["resourceType"])[code]
    found: list[Any] = []
    for fhir_type, value in oracle.values(resource, parameter):
        match parameter.kind:
            case "date":
                bounds = oracle.period(fhir_type, value)
                found += [bounds[0]] if bounds else []
            case "string":
                found += [oracle.bare(part) for part in oracle.parts(fhir_type, value)]
            case "token":
                found += [said for _, said in oracle.pairs(fhir_type, value) if said]
            case "reference":
                found += [value["reference"]] if "reference" in value else []
            case _:
                found += [oracle.amounts(fhir_type, value)]
    return found


def in_order(filled: Filled, places: list[str], code: str, descending: bool) -> bool:
    """Whether the places are in the order of a parameter, those without a value at the end."""
    choose: Callable[[list[Any]], Any] = max if descending else min
    keys = [choose(found) if (found := sort_values(filled.resources[p], code)) else None for p in places]
    stated = [key for key in keys if key is not None]
    return keys[: len(stated)] == stated == sorted(stated, reverse=descending)


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("type_name", "code"),
    [
        ("Patient", "birthdate"), ("Patient", "family"), ("Patient", "name"), ("Patient", "gender"), ("Patient", "identifier"),
        ("Patient", "organization"), ("Patient", "telecom"), ("Patient", "email"), ("Patient", "death-date"),
        ("Encounter", "date"), ("Encounter", "class"), ("Encounter", "service-provider"), ("Encounter", "patient"),
        ("Condition", "onset-date"), ("Condition", "code"), ("Practitioner", "family"), ("Organization", "address-city"),
        ("RiskAssessment", "probability"), ("Invoice", "totalgross"), ("Questionnaire", "url"), ("MedicationRequest", "status"),
        ("DocumentReference", "date"), ("Immunization", "date"), ("Immunization", "vaccine-code"),
    ],
)  # fmt: skip
def test_results_are_in_the_order_that_was_asked_for(hospital: Filled, type_name: str, code: str, sign: str) -> None:
    if (type_name, code) == ("Questionnaire", "url"):
        places = hospital.found(type_name, [("_sort", sign + code)])
        assert places == ["Questionnaire/intake"]
        return
    places = hospital.found(type_name, [("_sort", sign + code), ("_count", "600")])
    assert len(places) == sum(p.startswith(type_name + "/") for p in hospital.resources)
    assert in_order(hospital, places, code, sign == "-")


def test_a_second_parameter_decides_between_equals(hospital: Filled) -> None:
    places = hospital.found("Encounter", [("_sort", "class,-date"), ("_count", "1000")])
    by_class: dict[str, list[str]] = {}
    for place in places:
        by_class.setdefault(hospital.resources[place]["class"]["code"], []).append(place)
    assert list(by_class) == sorted(by_class)
    assert all(in_order(hospital, group, "date", descending=True) for group in by_class.values())
    assert [place for group in by_class.values() for place in group] == places


def test_a_patients_records_come_newest_first_if_no_order_is_asked_for(hospital: Filled) -> None:
    patient = next(p for p in hospital.resources if p.startswith("Patient/") and len(p) > 30)
    assert hospital.found("Encounter", [("patient", patient)]) == hospital.found(
        "Encounter", [("patient", patient), ("_sort", "-date")]
    )


SEARCHES = [
    ("Patient", [("_sort", "birthdate")]),
    ("Patient", [("_sort", "-family,gender")]),
    ("Observation", [("status", "final"), ("_sort", "-date"), ("_count", "700")]),
    ("Observation", [("code:not", "2339-0"), ("_count", "1000")]),
    ("Encounter", [("_sort", "service-provider,-date"), ("_count", "150")]),
    (None, [("_type", "Patient,Encounter,Organization"), ("_sort", "-_lastUpdated"), ("_count", "900")]),
    (None, [("_type", "Group,Patient"), ("_id:not", "mila")]),
]


@pytest.mark.parametrize(("type_name", "params"), SEARCHES)
def test_what_is_hidden_is_left_out_and_changes_nothing_else(
    hospital: Filled, type_name: str | None, params: list[tuple[str, str]]
) -> None:
    visible = hospital.visible(HALF)
    everything = hospital.found(type_name, params)
    assert hospital.found(type_name, params, HALF) == [place for place in everything if place in visible]
    assert sum(place not in visible for place in everything) > 0
    assert hospital.total(type_name, params[:1], HALF) <= hospital.total(type_name, params[:1])


def hidden_and_seen(filled: Filled) -> tuple[str, str]:
    """A patient whose records are hidden by HALF and one whose are not, each with encounters."""
    with_encounters = {p["subject"]["reference"] for p in filled.resources.values() if p["resourceType"] == "Encounter"}
    ordered = sorted(with_encounters)
    return (
        next(p for p in ordered if filled.primary[p] % 2 == 0),
        next(p for p in ordered if filled.primary[p] % 2 == 1),
    )


def test_chains_do_not_go_through_what_is_hidden(clinic: Filled) -> None:
    # Of four patients the second and fourth compartments are hidden.
    hidden = [p for p in clinic.resources if clinic.primary[p] and clinic.primary[p] % 2 == 0]
    assert "Patient/xiaoming" in hidden
    clinic.add([
        {"resourceType": "Organization", "id": "o"},
        observation("through", "t", focus=[reference("Patient/xiaoming")]),
        observation("hidden", "h", subject=reference("Patient/xiaoming"), focus=[reference("Patient/mila")]),
    ])  # fmt: skip
    assert clinic.found("Observation", [("focus:Patient.gender", "male")]) == ["Observation/through"]
    assert clinic.found("Observation", [("focus:Patient.gender", "male")], HALF) == []
    assert clinic.total("Observation", [("focus:Patient._id", "xiaoming")], HALF) == 0
    assert clinic.found("Patient", [("_has:Observation:focus:code", "h")]) == ["Patient/mila"]
    assert clinic.found("Patient", [("_has:Observation:focus:code", "h")], HALF) == []
    # The reference itself is in bytes that may be read, so searching for it is no more than reading it.
    assert clinic.found("Observation", [("focus", "Patient/xiaoming")], HALF) == ["Observation/through"]
    untyped = [("subject.identifier", "M-2")]
    assert "Observation/hidden" in clinic.found("Observation", untyped)
    assert clinic.found("Observation", untyped, HALF) == []


def test_includes_bring_neither_what_is_hidden_nor_what_only_that_refers_to(clinic: Filled) -> None:
    clinic.add([
        {"resourceType": "Organization", "id": "secret"},
        {"resourceType": "Encounter", "id": "e-hidden", "status": "planned", "class": {"code": "AMB"},
         "subject": reference("Patient/xiaoming"), "serviceProvider": reference("Organization/secret")},
        observation("o-seen", "c", encounter=reference("Encounter/e-hidden"), focus=[reference("Patient/xiaoming")]),
        observation("o-hidden", "c", subject=reference("Patient/xiaoming"), focus=[reference("Patient/mila")]),
    ])  # fmt: skip
    params = [
        ("code", "c"), ("_include", "Observation:encounter"), ("_include", "Observation:focus"),
        ("_include", "Observation:patient"), ("_include:iterate", "Encounter:service-provider"),
    ]  # fmt: skip
    assert clinic.included("Observation", params) == {
        "Encounter/e-hidden", "Patient/mila", "Patient/xiaoming", "Organization/secret",
    }  # fmt: skip
    assert clinic.included("Observation", params, HALF) == {"Patient/mila"}
    back = [("_id", "mila"), ("_revinclude", "Observation:focus")]
    assert clinic.included("Patient", back) == {"Observation/o-hidden"}
    assert clinic.included("Patient", back, HALF) == set()


def test_includes_follow_what_was_asked_for(clinic: Filled) -> None:
    assert clinic.included("Observation", [("_id", "pressure"), ("_include", "Observation:encounter")]) == {
        "Encounter/stay"
    }
    assert clinic.included("Observation", [("_id", "pressure"), ("_include", "Observation:performer")]) == {
        "Practitioner/alice", "Patient/xiaoming",
    }  # fmt: skip
    assert clinic.included("Observation", [("_id", "pressure"), ("_include", "Observation:performer:Patient")]) == {
        "Patient/xiaoming"
    }
    assert clinic.included("Observation", [("_id", "note"), ("_include", "Observation:patient")]) == set()
    assert clinic.included("Observation", [("_id", "note"), ("_include", "Observation:subject")]) == {"Group/cohort"}
    assert clinic.included("Encounter", [("_id", "stay"), ("_revinclude", "Observation:encounter")]) == {
        "Observation/pressure"
    }
    assert clinic.included("Encounter", [("_id", "stay"), ("_revinclude", "Encounter:part-of")]) == {
        "Encounter/ongoing"
    }


def test_iterated_includes_go_on_from_what_was_included(clinic: Filled) -> None:
    params = [("_id", "pressure"), ("_include", "Observation:encounter")]
    further = [
        ("_include:iterate", "Encounter:service-provider"), ("_include:iterate", "Organization:partof"),
        ("_revinclude:iterate", "Encounter:part-of"),
    ]  # fmt: skip
    assert clinic.included("Observation", params + further) == {
        "Encounter/stay", "Encounter/ongoing", "Organization/ward", "Organization/north",
    }  # fmt: skip


def test_a_ring_of_references_ends(clinic: Filled) -> None:
    ring = [
        {"resourceType": "Organization", "id": f"ring{n}", "partOf": reference(f"Organization/ring{(n + 1) % 9}")}
        for n in range(9)
    ]
    clinic.add(ring)
    found = clinic.included("Organization", [("_id", "ring0"), ("_include:iterate", "Organization:partof")])
    assert found == {f"Organization/ring{n}" for n in range(1, MAX_ROUNDS + 1)}
    plan = clinic.plan("Organization", [("_id", "ring0"), ("_include:iterate", "Organization:partof")])
    assert plan.include(MAX_ROUNDS, [1], [1]) is None
    assert plan.include(0, [], []) is None


def test_what_is_included_has_a_limit_that_can_be_seen(clinic: Filled) -> None:
    clinic.add([observation(f"many{n}", "many", subject=reference("Patient/smyth")) for n in range(MAX_INCLUDED + 5)])
    plan = clinic.plan("Patient", [("_id", "smyth"), ("_revinclude", "Observation:patient")])
    statement = plan.include(0, [clinic.rids["Patient/smyth"]], [])
    assert statement is not None
    assert len(clinic.rows(statement)) == MAX_INCLUDED + 1


def test_a_result_is_not_included_again(clinic: Filled) -> None:
    params = [("code", "2339-0"), ("_revinclude", "Observation:derived-from"), ("_include", "Observation:derived-from")]
    assert clinic.included("Observation", params) == {"Observation/pressure"}


def test_a_row_has_the_columns_that_are_promised(clinic: Filled) -> None:
    plan = clinic.plan("Patient", [("_id", "mila"), ("_include", "Patient:organization")])
    assert plan.page is not None
    (row,) = clinic.rows(plan.page)
    found = dict(zip(COLUMNS, row, strict=False))
    assert (TYPE_NAMES[found["type"]], found["id"], found["version"]) == ("Patient", "mila", 1)
    assert found["compartment"] == clinic.primary["Patient/mila"]
    assert b'"mila"' in found["content"]
    statement = plan.include(0, [row[0]], [row[0]])
    assert statement is not None
    assert [dict(zip(COLUMNS, r, strict=True))["id"] for r in clinic.rows(statement)] == ["ward"]


def test_names_are_found_by_how_they_sound(clinic: Filled) -> None:
    assert clinic.found("Patient", [("phonetic", "smith")]) == ["Patient/smyth"]
    assert clinic.found("Patient", [("phonetic", "Rupert Smit")]) == ["Patient/smyth"]
    assert clinic.found("Patient", [("phonetic", "jones")]) == []
    assert clinic.found("Patient", [("phonetic", "王,smith")]) == ["Patient/xiaoming", "Patient/smyth"]


def test_times_of_storing_are_searched(clinic: Filled) -> None:
    everything = clinic.found("Patient", [])
    stored = {p: clinic.rids[p] for p in everything}
    first = min(stored, key=lambda p: stored[p])
    at = f"2024-01-01T00:{stored[first] // 60:02}:{stored[first] % 60:02}Z"
    for prefix, expected in {
        "": [first], "eq": [first], "gt": everything[1:], "ge": everything, "lt": [], "le": [first], "sa": everything[1:],
        "eb": [], "ne": everything[1:],
    }.items():  # fmt: skip
        assert clinic.found("Patient", [("_lastUpdated", prefix + at)]) == expected, prefix
    assert clinic.found("Patient", [("_lastUpdated", "ap2024-01")]) == everything
    assert clinic.found("Patient", [("_lastUpdated", "2023-12-31,2025")]) == []


def test_one_of_hidden_and_one_of_seen_are_told_apart(hospital: Filled) -> None:
    hidden, seen = hidden_and_seen(hospital)
    for patient, count in ((hidden, 0), (seen, 1)):
        assert (hospital.total("Encounter", [("patient", patient)], HALF) > 0) == bool(count)
        assert len(hospital.found("Patient", [("_id", patient.partition("/")[2])], HALF)) == count
        assert hospital.total("Encounter", [("patient", patient)], EVERYTHING) > 0


def test_a_code_of_a_component_and_a_value_of_another_are_no_match(clinic: Filled) -> None:
    clinic.add([observation("two", "x", component=[
        {"code": concept("urn:c", "a"), "valueCodeableConcept": concept("urn:v", "1")},
        {"code": concept("urn:c", "b"), "valueCodeableConcept": concept("urn:v", "2")},
    ])])  # fmt: skip
    assert clinic.found("Observation", [("component-code-value-concept", "a$1")]) == ["Observation/two"]
    assert clinic.found("Observation", [("component-code-value-concept", "a$2")]) == []
