"""R4's own definitions of its search parameters, all of them, as this node compiles them."""

import copy
import functools
import json
import re
from typing import Any

import fhirpathpy
import pytest
from fhirpathpy.models import models

from records.fhir import definitions
from records.fhir.search.clinical_dates import CLINICAL_DATES, DATELESS, clinical_date_leaves, clinical_date_slot
from records.fhir.search.parameters import (
    UNSUPPORTED,
    parameters,
    patient_leaves,
    primary_patient_slot,
    resource_parameters,
    row_shape,
)
from records.fhir.search.paths import Step, UnsupportedExpression, getter, parse, resolve
from tests.records.fhir.search.made import MADE

SERVED = sorted(definitions.SERVED_TYPES)


def test_every_official_parameter_of_every_served_type_is_compiled_or_said_not_to_be() -> None:
    official = {
        (base, definition["code"])
        for definition in definitions.search_parameters()
        for base in definition["base"]
        if base in definitions.SERVED_TYPES
    }
    compiled = {(name, code) for name in SERVED for code in parameters(name) if code not in resource_parameters()}
    assert official - compiled == {("Location", "near")}
    assert compiled <= official
    assert len(official) > 1500


def test_the_parameters_of_every_type_are_there_for_every_type() -> None:
    assert set(resource_parameters()) == {"_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"}
    official = {d["code"] for d in definitions.search_parameters() if {"Resource", "DomainResource"} & set(d["base"])}
    assert official - set(resource_parameters()) == {"_text", "_content", "_query"}
    assert {"_text", "_content", "_query", "near"} <= set(UNSUPPORTED)


@pytest.mark.parametrize("type_name", SERVED)
def test_every_parameter_has_a_place_where_its_values_are(type_name: str) -> None:
    for parameter in parameters(type_name).values():
        if parameter.composite is not None:
            assert parameter.composite.parts or parameter.composite.elements
            assert not parameter.composite.elements or row_shape(parameter.composite)
        elif parameter.kind not in ("id", "last-updated"):
            assert parameter.leaves
            assert all(leaf.branches for leaf in parameter.leaves)
        if parameter.kind == "reference" and any(
            b.fhir_type == "Reference" for leaf in parameter.leaves for b in leaf.branches
        ):
            assert parameter.local_targets


def test_no_two_expressions_have_the_same_slot() -> None:
    slots: dict[int, object] = {}
    for type_name in SERVED:
        for parameter in parameters(type_name).values():
            for leaf in parameter.leaves:
                assert slots.setdefault(leaf.slot, leaf.expression) == leaf.expression
            if parameter.composite and parameter.composite.elements:
                meaning = (type_name, parameter.composite.elements, parameter.composite.components)
                assert slots.setdefault(parameter.composite.slot, meaning) == meaning
    assert len(slots) > 1500


def test_parameters_over_the_same_element_share_a_slot() -> None:
    observation = parameters("Observation")
    assert observation["patient"].slots == observation["subject"].slots
    assert set(observation["code"].slots) < set(observation["combo-code"].slots)
    assert observation["code-value-quantity"].composite is not None
    assert observation["code-value-quantity"].composite.parts[0].slots == observation["code"].slots
    assert observation["code-value-quantity"].composite.parts[1].slots[0] in observation["value-quantity"].slots
    assert observation["code-value-date"].composite is not None
    assert observation["code-value-date"].composite.parts[1].slots == observation["value-date"].slots


def test_a_parameter_refers_only_to_what_its_element_may_refer_to() -> None:
    assert parameters("Observation")["patient"].targets == ("Patient",)
    assert parameters("Observation")["subject"].targets == ("Device", "Group", "Location", "Patient")
    assert parameters("AllergyIntolerance")["patient"].targets == ("Patient",)
    assert parameters("PlanDefinition")["depends-on"].local_targets == ()


@pytest.mark.parametrize("type_name", SERVED)
def test_every_type_has_a_clinical_date_or_is_said_to_have_none(type_name: str) -> None:
    assert bool(clinical_date_leaves(type_name)) != (type_name in DATELESS)
    if type_name in CLINICAL_DATES:
        date = parameters(type_name).get("date")
        assert date is None or date.leaves != clinical_date_leaves(type_name), "the definitions say it already"


def test_columns_stand_for_a_parameter_only_if_they_hold_its_whole_value() -> None:
    assert clinical_date_slot("Observation") == parameters("Observation")["date"].slots[0]
    assert clinical_date_slot("Encounter") == parameters("Encounter")["date"].slots[0]
    assert clinical_date_slot("MedicationRequest") == parameters("MedicationRequest")["authoredon"].slots[0]
    assert clinical_date_slot("Condition") is None, "it falls back from onset to recordedDate"
    assert [leaf.expression for leaf in clinical_date_leaves("Condition")] == [
        "Condition.onset",
        "Condition.recordedDate",
    ]


def test_every_type_of_the_patient_compartment_names_its_patients() -> None:
    for type_name in definitions.compartment("Patient"):
        assert patient_leaves(type_name) or type_name not in definitions.SERVED_TYPES
    assert [leaf.expression for leaf in patient_leaves("Observation")] == [
        "Observation.subject",
        "Observation.performer",
    ]
    assert patient_leaves("Coverage")[0].expression == "Coverage.beneficiary"


def test_what_has_a_patient_as_its_subject_is_the_patients_although_the_compartment_leaves_it_out() -> None:
    beyond = {name for name in SERVED if patient_leaves(name)} - set(definitions.compartment("Patient"))
    assert beyond == {"Binary", "Contract", "Device", "GuidanceResponse"}


def test_only_a_single_first_place_decides_the_primary_patient() -> None:
    assert primary_patient_slot("Observation") == parameters("Observation")["subject"].slots[0]
    assert primary_patient_slot("Appointment") is None
    assert primary_patient_slot("Organization") is None


@pytest.mark.parametrize(
    "expression",
    ["", "Patient.name.first()", "Patient.name.where(use = 1)", "Patient.name[x]", "Patient.name or Patient.x",
     "Patient.deceased.exists()", "Patient.name.where(resolve() is Patient).given", "(Patient.name", "Patient.name |",
     "Patient.deceased.exists() and Patient.name != false", "Patient.name as", "Patient.name)", "1 + 1"],
)  # fmt: skip
def test_what_is_outside_of_the_subset_is_refused_when_definitions_are_read(expression: str) -> None:
    with pytest.raises(UnsupportedExpression):
        parse(expression)


def test_the_forms_of_narrowing_to_a_type_mean_the_same() -> None:
    forms = [
        "(Condition.onset as Age)",
        "Condition.onset.as(Age)",
        "Condition.onset.ofType(Age)",
        "(Condition.onset.ofType(Age))",
    ]
    assert len({parse(form) for form in forms}) == 1
    branches = resolve("Condition", parse(forms[0])[0].steps)
    assert [branch.hops[0].name for branch in branches] == ["onsetAge"]


def test_an_extension_is_reached_by_its_url() -> None:
    path = parse("Patient.extension('urn:a').value.ofType(string)")[0]
    branch = resolve("Patient", path.steps)[0]
    patient = {"extension": [{"url": "urn:b", "valueString": "no"}, {"url": "urn:a", "valueString": "yes"}]}
    assert getter(branch.hops)(patient) == ["yes"]
    with pytest.raises(UnsupportedExpression):
        resolve("Patient", (Step("nothing"),))


def test_a_value_of_the_wrong_shape_is_passed_over() -> None:
    read = getter(resolve("Patient", parse("Patient.contact.name.family")[0].steps)[0].hops)
    broken: list[Any] = [
        {},
        {"contact": None},
        {"contact": 1},
        {"contact": [None, 1, "x", {"name": []}, {"name": {}}]},
        [],
        None,
    ]
    assert [read(one) for one in broken] == [[]] * len(broken)
    assert read({"contact": {"name": {"family": "F"}}}) == ["F"]


@functools.cache
def engine(expression: str) -> Any:
    return fhirpathpy.compile(expression, models["r4"])


def by_engine(resource: dict[str, Any], expression: str) -> list[Any]:
    """What a FHIRPath engine finds, which knows nothing of resolve() and is told the type where R4 says "Resource"."""
    type_name = resource["resourceType"]
    found: list[Any] = []
    for branch in expression.split("|"):
        text = re.sub(r"\.where\(resolve\(\) is \w+\)", "", branch).strip()
        text = re.sub(r"^Resource\.", f"{type_name}.", text)
        if text.lstrip("(").startswith(f"{type_name}."):
            found += engine(text)(resource)
    return found


def text_of(value: Any) -> str:
    return json.dumps(value, default=float, sort_keys=True)


def sample(outside: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our own resources and every fiftieth of the outside ones."""
    return [*MADE, *outside[::50]]


def test_a_fhirpath_engine_finds_the_same_values(outside: list[dict[str, Any]]) -> None:
    stated = {
        (b, d["code"]): d["expression"] for d in definitions.search_parameters() if "expression" in d for b in d["base"]
    }
    compared = 0
    for resource in sample(outside):
        type_name = resource["resourceType"]
        for parameter in parameters(type_name).values():
            if not parameter.leaves or any(leaf.truth for leaf in parameter.leaves):
                continue
            expression = stated.get((type_name, parameter.code)) or stated[("Resource", parameter.code)]
            if "entry[0]" in expression or expression.startswith("name"):
                continue
            ours = [
                value
                for leaf in parameter.leaves
                for branch in leaf.branches
                for value in getter(branch.hops)(resource)
            ]
            theirs = by_engine(copy.deepcopy(resource), expression)
            assert sorted(map(text_of, ours)) == sorted(map(text_of, theirs)), (type_name, parameter.code)
            compared += bool(ours)
    assert compared > 500
