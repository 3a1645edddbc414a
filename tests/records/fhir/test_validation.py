"""What is refused, with which code and where; and what must not be refused. The cases are files in vectors/."""

import json
from pathlib import Path
from typing import Any

import pytest

from records.fhir import jsontext
from records.fhir.outcome import FhirRefusal, Issue, operation_outcome, raise_for, render
from records.fhir.validation import model, validate, walker

VECTORS = Path(__file__).parent / "vectors"
REFUSED = (
    "structure_refused",
    "primitives_refused",
    "bindings_refused",
    "references_refused",
    "contained_refused",
    "narrative_refused",
    "invariants_refused",
)


def _cases(*names: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{name}: {case['why']}")
        for name in names
        for case in json.loads((VECTORS / f"{name}.json").read_text())
    ]


def _validate(case: dict[str, Any], *, advise: bool = False) -> list[Issue]:
    body = json.dumps(case["body"]).encode()
    return validate(body, in_transaction=case.get("in_transaction", False), advise=advise)


@pytest.mark.parametrize("case", _cases(*REFUSED))
def test_a_wrong_resource_is_refused_for_its_reason_and_no_other(case):
    found = [(i.details_code, i.expression) for i in _validate(case) if i.refuses]
    expected = [(case["code"], case["expression"]), *map(tuple, case.get("also", ()))]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("case", _cases("accepted"))
def test_a_right_resource_is_accepted_without_a_word(case):
    assert _validate(case) == []


@pytest.mark.parametrize("case", _cases(*REFUSED))
def test_every_refusal_says_what_to_do_in_a_sentence(case):
    for issue in _validate(case):
        assert issue.diagnostics.endswith((".", ")", "?")) or issue.code == "invariant"
        assert len(issue.diagnostics) > 15


def test_all_findings_are_reported_at_once():
    body = {"resourceType": "Patient", "gender": "x", "birthDate": "yesterday", "name": [{"given": []}]}
    found = {i.expression for i in validate(json.dumps(body).encode())}
    assert found == {"Patient.gender", "Patient.birthDate", "Patient.name[0].given"}


def test_findings_stop_at_a_hundred():
    body = {"resourceType": "Patient", "name": [{"use": "x"}] * 1000}
    assert len(validate(json.dumps(body).encode())) == 100


def test_the_type_of_the_address_must_be_the_type_of_the_body():
    (issue,) = validate(b'{"resourceType":"Patient"}', expected_type="Observation")
    assert (issue.details_code, issue.expression) == ("wrong-resource-type", "Patient.resourceType")


def test_advice_is_given_only_when_asked_for():
    body = b'{"resourceType":"Patient"}'
    assert validate(body) == []
    (issue,) = validate(body, advise=True)
    assert (issue.severity, issue.details_code, issue.refuses) == ("warning", "dom-6", False)


def test_advice_covers_rules_that_r4_only_recommends():
    problem = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}
                ]
            }
        ],
    }
    data = json.dumps(problem).encode()
    assert validate(data) == []
    assert {i.details_code for i in validate(data, advise=True)} == {"dom-6", "con-3"}


def test_a_bundle_s_envelope_can_be_judged_alone():
    entry = {"resource": {"resourceType": "Patient", "gender": "x"}, "request": {"method": "POST", "url": "Patient"}}
    bundle = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).encode()
    assert validate(bundle, skip_entries=True) == []
    assert [i.expression for i in validate(bundle)] == ["Bundle.entry[0].resource.gender"]


def test_a_document_is_judged_on_its_own_bytes_and_values():
    document = jsontext.parse(b'{"resourceType":"Patient","multipleBirthInteger":1.0}')
    (issue,) = validate(document)
    assert (issue.details_code, issue.expression) == ("wrong-json-type", "Patient.multipleBirthInteger")


def test_a_decimal_keeps_its_zeros_and_an_integer_has_none():
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}'
    assert validate(body) == []
    assert str(jsontext.parse(body).value["valueQuantity"]["value"]) == "1.00"


def test_nested_extensions_may_go_as_deep_as_json_may():
    inner: dict[str, Any] = {"url": "a", "valueString": "x"}
    for _ in range(28):
        inner = {"url": "a", "extension": [inner]}
    assert validate(json.dumps({"resourceType": "Patient", "extension": [inner]}).encode()) == []


def test_a_resource_that_costs_too_much_to_judge_is_refused(monkeypatch):
    monkeypatch.setattr(walker, "MAX_COSTLY_RULES", 50)
    participant = {"status": "accepted", "type": [{"text": "x"}]}
    body = {"resourceType": "Appointment", "status": "proposed", "participant": [participant] * 60}
    assert [i.details_code for i in validate(json.dumps(body).encode()) if i.refuses] == ["too-costly"]
    body["participant"] = [participant] * 40
    assert validate(json.dumps(body).encode()) == []


def test_an_operation_outcome_names_severity_type_code_place_and_sentence():
    (issue,) = validate(b'{"resourceType":"Patient","gender":"x"}')
    (rendered,) = json.loads(render([issue]))["issue"]
    assert rendered["severity"] == "error"
    assert rendered["code"] == "code-invalid"
    assert rendered["details"]["coding"][0]["code"] == "code-not-in-value-set"
    assert rendered["expression"] == ["Patient.gender"]
    assert "female" in rendered["diagnostics"]


@pytest.mark.parametrize("case", _cases(*REFUSED))
def test_every_operation_outcome_is_itself_valid(case):
    issues = _validate(case, advise=True)
    assert [i for i in validate(render(issues)) if i.refuses] == []


def test_no_issue_at_all_is_reported_as_information():
    assert operation_outcome([])["issue"][0]["severity"] == "information"


def test_only_errors_raise_and_warnings_go_along():
    warning = Issue("warning", "invariant", "dom-6", "Patient", "x.")
    error = Issue("error", "value", "bad-date", "Patient.birthDate", "y.")
    raise_for([warning])
    with pytest.raises(FhirRefusal) as refusal:
        raise_for([warning, error])
    assert (refusal.value.code, refusal.value.status) == ("bad-date", 422)
    assert refusal.value.issues == (warning, error)


def test_an_issue_can_be_seen_from_the_bundle_around_it():
    issue = Issue("error", "value", "bad-date", "Patient.birthDate", "y.")
    assert issue.inside("Bundle.entry[3].resource").expression == "Bundle.entry[3].resource.birthDate"
    whole = Issue("error", "value", "obs-6", "Observation", "y.")
    assert whole.inside("Bundle.entry[0].resource").expression == "Bundle.entry[0].resource"


def test_the_model_is_heard_on_values_with_their_place():
    (issue,) = model.objections("Patient", b'{"resourceType":"Patient","name":[{"period":{"start":"soon"}}]}')
    assert issue.refuses
    assert issue.details_code.startswith("model-")
    assert issue.expression == "Patient.name[0].period.start"


def test_the_model_is_not_heard_on_what_r4_has_and_r4b_lacks():
    assert model.objections("Patient", b'{"resourceType":"Patient","extension":[{"url":"a","valueMeta":{}}]}') == []
    assert model.objections("Evidence", b'{"resourceType":"Evidence","outcome":1}') == []
    assert model.objections("SubstanceProtein", b"{}") == []


def test_a_model_that_falls_over_is_reported_and_refuses_nothing():
    body = {
        "resourceType": "SearchParameter",
        "url": "http://a",
        "name": "A",
        "status": "draft",
        "description": "x",
        "code": "x",
        "_base": [{"extension": [{"url": "http://a", "valueCode": "unknown"}]}],
        "type": "string",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    }
    data = json.dumps(body).encode()
    assert validate(data) == []
    assert [(i.severity, i.details_code) for i in validate(data, advise=True)] == [("information", "model-not-judged")]


def test_deep_stacks_and_deep_resources_get_an_answer():
    item: dict[str, Any] = {"linkId": "0", "type": "string"}
    for n in range(1, 30):
        item = {"linkId": str(n), "type": "group", "item": [item]}
    data = json.dumps({"resourceType": "Questionnaire", "status": "draft", "item": [item]}).encode()

    def from_below(levels: int) -> list[Issue]:
        return from_below(levels - 1) if levels else validate(data)

    assert from_below(0) == []
    assert from_below(600) == []
