"""Searches on a real database find what looking at every resource finds."""

import random
from decimal import Decimal
from typing import Any

import pytest

from records.fhir.search.parameters import Parameter, parameters
from tests.records.fhir.search import oracle
from tests.records.fhir.search.filling import EVERYTHING, HALF, Filled

SYSTEM = "http://loinc.org"
CASES = [
    "Patient?gender=male",
    "Patient?gender=http://hl7.org/fhir/administrative-gender|female",
    "Patient?gender:not=male",
    "Patient?active=false",
    "Patient?deceased=true",
    "Patient?deceased=false",
    "Patient?identifier=urn:mrn|M-1",
    "Patient?identifier=|no system",
    "Patient?identifier=urn:mrn|",
    "Patient?identifier=M-1,M-2",
    "Patient?telecom=phone|%2B49 30 1234",
    "Patient?email=zoe@example.org",
    "Patient?phone=zoe@example.org",
    "Patient?name=zoe",
    "Patient?name=LITTLE zoë",
    "Patient?family=mull",
    "Patient?family:exact=Müller-Lüdenscheidt",
    "Patient?family:exact=müller-lüdenscheidt",
    "Patient?name:contains=denscheidt",
    "Patient?name=王",
    "Patient?name:contains=小",
    "Patient?given=小",
    "Patient?address=gro",
    "Patient?address-city=koln",
    "Patient?birthdate=1980",
    "Patient?birthdate=1980-02",
    "Patient?birthdate=1980-02-29",
    "Patient?birthdate=ne1980-02-29",
    "Patient?birthdate=gt1980-01&birthdate=lt1981",
    "Patient?death-date=ge2021",
    "Patient?organization=ward",
    "Patient?organization.name=ward",
    "Patient?organization.partof.name=north",
    "Patient?organization:Organization.identifier=urn:org|w\\|3",
    "Patient?general-practitioner.name=ang",
    "Patient?general-practitioner:Practitioner.name:exact=Ångström",
    "Patient?_has:Observation:patient:code=http://loinc.org|2339-0",
    "Patient?_has:Observation:subject:code=2339-0&gender=female",
    "Patient?_has:Encounter:patient:_has:Observation:encounter:code=85354-9",
    "Patient?_has:Encounter:patient:service-provider.name=ward",
    "Patient?link.name:contains=小",
    "Patient?_id=mila,smyth,nobody",
    "Patient?_id:not=mila",
    "Patient?_tag=urn:tags|study\\,1",
    "Patient?_security=R",
    "Patient?_profile=http://example.org/profile",
    "Patient?_profile=http://example.org/profile|2.0",
    "Patient?_source=urn:made",
    "Patient?general-practitioner:missing=true",
    "Patient?general-practitioner:missing=false",
    "Observation?patient=mila",
    "Observation?patient=Patient/mila&code=2339-0",
    "Observation?patient=https://node.example/fhir/Patient/mila",
    "Observation?subject=Patient/mila,Group/cohort",
    "Observation?subject=cohort",
    "Observation?subject:Group=cohort",
    "Observation?subject:identifier=urn:mrn|M-1",
    "Observation?patient:missing=true",
    "Observation?subject=https://other.example/fhir/Patient/far",
    "Observation?patient=https://other.example/fhir/Patient/far",
    "Observation?has-member=urn:uuid:6f1f1f8e-0000-4000-8000-000000000001",
    "Observation?derived-from=pressure",
    "Observation?performer:missing=false",
    "Observation?performer=Patient/xiaoming",
    "Observation?patient=xiaoming",
    "Observation?patient.organization.partof=Organization/north",
    "Observation?subject.name=zo",
    "Observation?subject:Patient.birthdate=1980",
    "Observation?subject._id=mila",
    "Observation?encounter.participant:Practitioner.name=ang",
    "Observation?encounter.service-provider._id=ward",
    "Observation?date=2020-03-02",
    "Observation?date=2020-03-02T09:30+08:00",
    "Observation?date=gt2020-03-02T10:00:00+08:00",
    "Observation?date=ge2020",
    "Observation?date=le2018",
    "Observation?date=sa2018",
    "Observation?date=eb2020",
    "Observation?date=ap2020-03-02",
    "Observation?date=ne2020-03-02",
    "Observation?date=2018,2019",
    "Observation?date:missing=true",
    "Observation?value-quantity=6.3",
    "Observation?value-quantity=6.30",
    "Observation?value-quantity=6",
    "Observation?value-quantity=6.3|http://unitsofmeasure.org|mmol/L",
    "Observation?value-quantity=6.3||mmol/l",
    "Observation?value-quantity=6.3||mmol/L",
    "Observation?value-quantity=gt100",
    "Observation?value-quantity=lt0.4||mg",
    "Observation?value-quantity=lt0.5||mg",
    "Observation?value-quantity=ge500",
    "Observation?value-quantity=sa1000000000000000000000",
    "Observation?value-quantity=ap6",
    "Observation?value-quantity=ne6.3",
    "Observation?value-quantity=ap1||mV",
    "Observation?value-quantity=eb5||mV",
    "Observation?value-concept=http://snomed.info/sct|8517006",
    "Observation?value-concept:missing=false",
    "Observation?value-date=2021",
    "Observation?value-string=grosse",
    "Observation?value-string:contains=normal",
    "Observation?code-value-quantity=2339-0$6.3",
    "Observation?code-value-quantity=http://loinc.org|2339-0$gt6||mmol/l,85354-9$1",
    "Observation?code-value-concept=72166-2$8517006",
    "Observation?code-value-string=8251-1$grosse",
    "Observation?code-value-date=11778-8$2021-12",
    "Observation?component-code-value-quantity=8480-6$gt140",
    "Observation?component-code-value-quantity=http://loinc.org|8480-6$91.5|http://unitsofmeasure.org|mm[Hg]",
    "Observation?component-code-value-quantity=8462-4$91.5||mmHg,8462-4$142",
    "Observation?component-code-value-concept=8478-0$urn:v|high",
    "Observation?component-code-value-concept=8480-6$urn:v|high",
    "Observation?combo-code-value-quantity=8480-6$gt100,2339-0$lt7",
    "Observation?combo-code-value-concept=8478-0$high,72166-2$8517006",
    "Observation?combo-code=http://loinc.org|8480-6",
    "Observation?combo-value-quantity=gt141||mm[Hg]",
    "Observation?status=final&category=laboratory",
    "Observation?status=http://hl7.org/fhir/observation-status|final",
    "Observation?status=http://example.org/other|final",
    "Observation?code:not=2339-0,85354-9&subject=Patient/mila",
    "Condition?onset-age=12||a",
    "Condition?abatement-age=25",
    "Condition?abatement-age=gt25&abatement-age=lt25",
    "Condition?onset-date=2010",
    "Condition?onset-date=lt2010",
    "Condition?abatement-date=2011-01-01",
    "Condition?evidence-detail:Observation.code=85354-9",
    "Condition?recorded-date=ge2001",
    "RiskAssessment?probability=0.05",
    "RiskAssessment?probability=0.054",
    "RiskAssessment?probability=gt0.2",
    "RiskAssessment?probability=lt0.2&probability=gt0.01",
    "MolecularSequence?variant-start=120",
    "MolecularSequence?window-end=lt900",
    "MolecularSequence?window-end=le900",
    "MolecularSequence?chromosome-variant-coordinate=7$ge500$le510",
    "MolecularSequence?chromosome-variant-coordinate=7$ge120$le125",
    "MolecularSequence?chromosome-window-coordinate=7$100$900",
    "MolecularSequence?referenceseqid-variant-coordinate=NC_000007.14$gt100$lt200",
    "DocumentReference?relationship=replaces$DocumentReference/letter1",
    "DocumentReference?relationship=replaces$DocumentReference/other",
    "DocumentReference?relationship=http://hl7.org/fhir/document-relationship-type|appends$other",
    "DocumentReference?relatesto.location=http://example.org/letters/1",
    "DocumentReference?location=http://example.org/letters/2",
    "Group?characteristic-value=smoker$true",
    "Group?characteristic-value=drinker$true",
    "Group?characteristic-value=urn:c|blood$urn:b|A",
    "Group?member=Patient/xiaoming",
    "Group?member.name=zo",
    "Invoice?totalgross=100|urn:iso:std:iso:4217|EUR",
    "Invoice?totalnet=84.03||EUR",
    "Invoice?totalnet=gt90",
    "ChargeItem?factor-override=0.8",
    "ChargeItem?price-override=40",
    "ChargeItem?quantity=3",
    "ChargeItem?occurrence=2020",
    "Questionnaire?url=http://example.org/q/intake",
    "Questionnaire?definition=http://example.org/d#1",
    "Questionnaire?context-type-value=venue$urn:venue|home",
    "Questionnaire?context-type-quantity=age$20",
    "Questionnaire?context-type-quantity=age$gt20",
    "ValueSet?context-type-quantity=age$40||a",
    "ValueSet?reference=urn:colour",
    "ValueSet?description=colours of *",
    "QuestionnaireResponse?questionnaire=http://example.org/q/intake",
    "QuestionnaireResponse?questionnaire=http://example.org/q/intake|1",
    "Encounter?length=5||d",
    "Encounter?date=2020-03-02",
    "Encounter?date=2020-03",
    "Encounter?date=ap2020-03-02",
    "Encounter?date=ge2023",
    "Encounter?location-period=2021",
    "Encounter?location-period=gt2021",
    "Encounter?class=AMB",
    "Encounter?class=|AMB",
    "Encounter?part-of.service-provider=ward",
    "Encounter?_has:Observation:encounter:performer:Practitioner=alice",
    "Task?patient=mila",
    "Task?focus:Observation.code=2339-0",
    "Task?period=2020-01-02",
    "Device?device-name=insulin",
    "Device?patient=mila",
    "MedicationRequest?medication.code=B01AC06",
    "MedicationRequest?date=2020-03-04",
    "MedicationRequest?date=ap2020-03-05",
    "MedicationRequest?authoredon=2020-03-03",
    "Bundle?composition=Composition/inside",
    "Provenance?target=Observation/glucose",
    "Provenance?target:Observation.code=2339-0",
    "Location?partof:missing=false",
    "Immunization?patient:Patient.name=smith&date=ge2000",
    "ExplanationOfBenefit?created=lt1990&status=active",
    "Practitioner?name=a&address-state=MA",
    "Claim?patient.birthdate=lt1970&created=ge2010",
]


def parse(query: str) -> tuple[str, list[tuple[str, str]]]:
    type_name, _, rest = query.partition("?")
    pairs = [part.partition("=") for part in rest.split("&")]
    return type_name, [(name, value.replace("%2B", "+")) for name, _, value in pairs]


@pytest.mark.parametrize("query", CASES)
def test_a_search_finds_what_looking_at_everything_finds(hospital: Filled, query: str) -> None:
    type_name, params = parse(query)
    for permitted in (EVERYTHING, HALF):
        visible = hospital.visible(permitted)
        if "status=http://hl7.org" in query or "gender=http://hl7" in query:
            plain = [(name, value.rpartition("|")[2]) for name, value in params]
            expected = oracle.answers(visible, type_name, plain)
        elif "document-relationship-type" in query:
            expected = {"DocumentReference/letter2"} & visible.keys()
        else:
            expected = oracle.answers(visible, type_name, params)
        found = hospital.found(type_name, [*params, ("_count", "400")], permitted)
        assert len(found) == len(set(found))
        assert set(found) == expected
        assert hospital.total(type_name, params, permitted) == len(expected)


# Cases that are there to find nothing: the wrong element, the wrong case, an end that is excluded.
NOTHING = {
    "Patient?family:exact=müller-lüdenscheidt",
    "Patient?phone=zoe@example.org",
    "Observation?patient=xiaoming",
    "Observation?component-code-value-concept=8480-6$urn:v|high",
    "Observation?status=http://example.org/other|final",
    "MolecularSequence?window-end=lt900",
    "MolecularSequence?chromosome-variant-coordinate=7$ge120$le125",
    "DocumentReference?relationship=replaces$DocumentReference/other",
    "Group?characteristic-value=drinker$true",
    "Questionnaire?context-type-quantity=age$20",
    "Encounter?location-period=2021",
    "Invoice?totalnet=gt90",
    # R4's `eq` wants the whole of what is stored inside of what is searched for.
    "Condition?abatement-age=25",
    "Condition?onset-date=2010",
    "Encounter?date=2020-03-02",
    "Task?period=2020-01-02",
}


@pytest.mark.parametrize("query", [query for query in CASES if query not in NOTHING])
def test_the_cases_find_something(hospital: Filled, query: str) -> None:
    type_name, params = parse(query)
    assert hospital.total(type_name, params) > 0


def test_the_cases_that_find_nothing_find_nothing(hospital: Filled) -> None:
    assert {query for query in NOTHING if hospital.total(*parse(query))} == set()


PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def escaped(text: str) -> str:
    for mark in ("\\", ",", "|", "$"):
        text = text.replace(mark, "\\" + mark)
    return text


def random_value(chance: random.Random, parameter: Parameter, fhir_type: str, value: Any) -> tuple[str, str] | None:
    """A modifier and a value that has something to do with what is in a resource."""
    match parameter.kind:
        case "token":
            pairs = [pair for pair in oracle.pairs(fhir_type, value) if pair[1]]
            if not pairs:
                return None
            system, code = chance.choice(pairs)
            code = escaped(code or "")
            forms = [code, f"{escaped(system or '')}|{code}", f"{code},other"]
            if system:
                forms.append(f"{escaped(system)}|")
            return chance.choice(["", "", ":not"]), chance.choice(forms)
        case "reference" if fhir_type == "Reference" and "reference" in value and "#" not in value["reference"]:
            text = value["reference"].partition("/_history/")[0]
            return "", escaped(text)
        case "string":
            parts = [part for part in oracle.parts(fhir_type, value) if oracle.bare(part)]
            if not parts:
                return None
            part = chance.choice(parts)[:100]
            start, end = sorted(chance.sample(range(len(part) + 1), 2))
            if chance.random() < 0.3 and oracle.bare(part[start:end]):
                return ":contains", escaped(part[start:end].upper())
            if chance.random() < 0.3:
                return ":exact", escaped(part)
            return "", escaped(part[: max(end, 1)].lower() if oracle.bare(part[: max(end, 1)]) else part)
        case "date":
            text = value.get("start", value.get("end")) if isinstance(value, dict) else value
            if not text or fhir_type not in ("date", "dateTime", "instant", "Period"):
                return None
            cuts = [c for c in (4, 7, 10) if c <= len(text)] + [len(text)]
            return "", chance.choice(PREFIXES) + text[: chance.choice(cuts)]
        case "number" | "quantity":
            bounds = oracle.amounts(fhir_type, value)
            finite = [b for b in bounds or () if b.is_finite() and abs(b) < 10**6]
            if not finite:
                return None
            number = chance.choice(finite).quantize(Decimal(1).scaleb(-chance.randint(0, 3)))
            unit = f"||{value['unit']}" if isinstance(value, dict) and "unit" in value and chance.random() < 0.5 else ""
            return "", f"{chance.choice(PREFIXES)}{number:f}{unit}"
        case "uri":
            return "", escaped(value)
    return None


@pytest.mark.parametrize("seed", range(12))
def test_random_searches_find_what_looking_at_everything_finds(hospital: Filled, seed: int) -> None:
    chance = random.Random(seed)
    permitted = (EVERYTHING, HALF)[seed % 2]
    visible = hospital.visible(permitted)
    places = sorted(hospital.resources)
    asked = 0
    while asked < 25:
        resource = hospital.resources[chance.choice(places)]
        type_name = resource["resourceType"]
        params = []
        for _ in range(chance.choice((1, 1, 2))):
            made = random_parameter(chance, hospital, type_name, resource)
            if made:
                params.append(made)
        if not params:
            continue
        asked += 1
        expected = oracle.answers(visible, type_name, params)
        count = chance.choice((7, 60, 1000)) if len(expected) < 100 else 1000
        found = hospital.found(type_name, [*params, ("_count", str(count))], permitted)
        assert len(found) == len(set(found)), params
        assert set(found) == expected, (type_name, params)


def random_parameter(
    chance: random.Random, hospital: Filled, type_name: str, resource: dict[str, Any]
) -> tuple[str, str] | None:
    known = [p for p in parameters(type_name).values() if p.leaves and p.kind != "phonetic"]
    parameter = chance.choice(known)
    if chance.random() < 0.1:
        return f"{parameter.code}:missing", chance.choice(("true", "false"))
    found = list(oracle.values(resource, parameter))
    if not found:
        return None
    targets = [t for t in sorted(oracle.references(resource, parameter)) if t in hospital.resources]
    if parameter.kind == "reference" and targets and chance.random() < 0.5:
        target = hospital.resources[chance.choice(targets)]
        inner = random_parameter(chance, hospital, target["resourceType"], target)
        if inner is None or inner[0].count(".") > 1:
            return None
        return f"{parameter.code}:{target['resourceType']}.{inner[0]}", inner[1]
    made = random_value(chance, parameter, *chance.choice(found))
    return (parameter.code + made[0], made[1]) if made else None
