"""Invariants of what hospitals send."""

from typing import Any, Final

from .members import (
    Element,
    Holds,
    Rules,
    any_of,
    has,
    has_choice,
    member,
    not_both,
    number,
    objects,
)
from .times import not_after

_UCUM: Final = "http://unitsofmeasure.org"
_ALLERGY_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_CONDITION_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CONDITION_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def _coded(element: Element, name: str, system: str, *codes: str) -> bool:
    return any(c.get("system") == system and c.get("code") in codes for c in objects(member(element, name), "coding"))


def _appointment_times(element: Element, resource: Element) -> bool:
    timed = has(element, "start") and has(element, "end")
    return timed or element.get("status") in ("proposed", "cancelled", "waitlist")


def _prediction(element: Element, resource: Element) -> bool:
    probability = number(element, "probabilityDecimal")
    return probability is None or probability <= 100


def _percentages(value: Any, resource: Element) -> bool:
    # Of the two types of probability[x] only a Range has bounds.
    return not isinstance(value, dict) or all(
        bound.get("code") == "%" and bound.get("system") == _UCUM
        for bound in (value[n] for n in ("low", "high") if n in value)
        if isinstance(bound, dict)
    )


def _entered_in_error(element: Element, system: str) -> bool:
    return _coded(element, "verificationStatus", system, "entered-in-error")


def _condition_abated(element: Element, resource: Element) -> bool:
    return not has_choice(element, "abatement") or _coded(
        element, "clinicalStatus", _CONDITION_CLINICAL, "resolved", "remission", "inactive"
    )


def _condition_has_status(element: Element, resource: Element) -> bool:
    # A warning in R4. Its FHIRPath compares a concept with a string, which is never equal; the words mean the
    # code.
    on_problem_list = any(
        c.get("code") == "problem-list-item" for cat in objects(element, "category") for c in objects(cat, "coding")
    )
    return has(element, "clinicalStatus") or _entered_in_error(element, _CONDITION_VERIFICATION) or not on_problem_list


def _observation_component_codes(element: Element, resource: Element) -> bool:
    if not has_choice(element, "value"):
        return True
    own = {_coding_key(c) for c in objects(member(element, "code"), "coding")}
    return not any(
        _coding_key(coding) in own
        for component in objects(element, "component")
        for coding in objects(member(component, "code"), "coding")
    )


def _coding_key(coding: Element) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((k, repr(v)) for k, v in coding.items()))


def _no_home(element: Element, resource: Element) -> bool:
    return element.get("use") != "home"


def _consent_names_patient(scope: str) -> Holds:
    # R4 prints the system as "something"; its code system for scopes is meant.
    system = "http://terminology.hl7.org/CodeSystem/consentscope"

    def holds(element: Element, resource: Element) -> bool:
        return has(element, "patient") or not _coded(element, "scope", system, scope)

    return holds


def _task_times(element: Element, resource: Element) -> bool:
    return not_after(element.get("authoredOn"), element.get("lastModified"))


def _dispense_times(element: Element, resource: Element) -> bool:
    return not_after(element.get("whenPrepared"), element.get("whenHandedOver"))


RULES: Final[Rules] = {
    ("AllergyIntolerance", "ait-1"): lambda e, r: (
        _entered_in_error(e, _ALLERGY_VERIFICATION) or has(e, "clinicalStatus")
    ),
    ("AllergyIntolerance", "ait-2"): lambda e, r: (
        not _entered_in_error(e, _ALLERGY_VERIFICATION) or not has(e, "clinicalStatus")
    ),
    ("Appointment", "app-2"): lambda e, r: has(e, "start") == has(e, "end"),
    ("Appointment", "app-3"): _appointment_times,
    ("CarePlan.activity", "cpl-3"): not_both("detail", "reference"),
    ("Condition", "con-3"): _condition_has_status,
    ("Condition", "con-4"): _condition_abated,
    ("Condition", "con-5"): lambda e, r: (
        not _entered_in_error(e, _CONDITION_VERIFICATION) or not has(e, "clinicalStatus")
    ),
    ("Condition.evidence", "con-2"): any_of("code", "detail"),
    ("Condition.stage", "con-1"): any_of("summary", "assessment"),
    ("Consent", "ppc-1"): any_of("policy", "policyRule"),
    ("Consent", "ppc-2"): _consent_names_patient("patient-privacy"),
    ("Consent", "ppc-3"): _consent_names_patient("research"),
    ("Consent", "ppc-4"): _consent_names_patient("adr"),
    ("Consent", "ppc-5"): _consent_names_patient("treatment"),
    ("Goal.target", "gol-1"): lambda e, r: not has_choice(e, "detail") or has(e, "measure"),
    ("Immunization.education", "imm-1"): any_of("documentType", "reference"),
    ("MedicationAdministration.dosage", "mad-1"): lambda e, r: has(e, "dose") or has_choice(e, "rate"),
    ("MedicationDispense", "mdd-1"): _dispense_times,
    ("Observation", "obs-6"): lambda e, r: not has(e, "dataAbsentReason") or not has_choice(e, "value"),
    ("Observation", "obs-7"): _observation_component_codes,
    ("Observation.referenceRange", "obs-3"): any_of("low", "high", "text"),
    ("Organization", "org-1"): any_of("identifier", "name"),
    ("Organization.address", "org-2"): _no_home,
    ("Organization.telecom", "org-3"): _no_home,
    ("Patient.contact", "pat-1"): any_of("name", "telecom", "address", "organization"),
    ("RiskAssessment.prediction", "ras-2"): _prediction,
    ("RiskAssessment.prediction.probability[x]", "ras-1"): _percentages,
    ("Task", "inv-1"): _task_times,
}
