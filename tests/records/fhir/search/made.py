"""Resources of our own making, for the elements and types that the outside data has none of."""

from typing import Any

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
MMHG = {"unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}


def concept(system: str, code: str, text: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def reference(text: str) -> dict[str, Any]:
    return {"reference": text}


def component(code: str, **value: Any) -> dict[str, Any]:
    return {"code": concept(LOINC, code), **value}


def observation(name: str, code: str, **members: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": concept(LOINC, code),
        "subject": reference("Patient/mila"),
        **members,
    }


def usage(code: str, **value: Any) -> dict[str, Any]:
    return {
        "code": {"system": "http://terminology.hl7.org/CodeSystem/usage-context-type", "code": code},
        **value,
    }


YEARS = {"unit": "years", "system": UCUM, "code": "a"}

MADE: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "north", "name": "North Clinic", "alias": ["Nordklinik"]},
    {
        "resourceType": "Organization",
        "id": "ward",
        "name": "Ward 3",
        "partOf": reference("Organization/north"),
        "identifier": [{"system": "urn:org", "value": "w|3"}],
    },
    {
        "resourceType": "Practitioner",
        "id": "alice",
        "name": [{"family": "Ångström", "given": ["Alice"], "prefix": ["Dr"]}],
        "gender": "female",
        "telecom": [{"system": "email", "value": "alice@example.org"}],
    },
    {
        "resourceType": "Patient",
        "id": "mila",
        "meta": {
            "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
            "tag": [{"system": "urn:tags", "code": "study,1"}],
            "profile": ["http://example.org/profile|2.0"],
            "source": "urn:made",
        },
        "active": True,
        "identifier": [
            {"system": "urn:mrn", "value": "M-1"},
            {"value": "no system"},
            {"system": "urn:only-system"},
        ],
        "name": [
            {"use": "official", "family": "Müller-Lüdenscheidt", "given": ["Zoë", "Ann"]},
            {"use": "nickname", "text": "  Little   Zoë "},
        ],
        "gender": "female",
        "birthDate": "1980-02-29",
        "deceasedDateTime": "2021-06-01",
        "telecom": [
            {"system": "phone", "value": "+49 30 1234", "use": "home"},
            {"system": "email", "value": "zoe@example.org"},
        ],
        "address": [{"line": ["Große Straße 1"], "city": "Köln", "country": "DE", "use": "home"}],
        "generalPractitioner": [reference("Practitioner/alice")],
        "managingOrganization": reference("Organization/ward"),
        "communication": [{"language": concept("urn:ietf:bcp:47", "de")}],
        "link": [{"other": reference("Patient/xiaoming"), "type": "seealso"}],
    },
    {
        "resourceType": "Patient",
        "id": "xiaoming",
        "active": False,
        "identifier": [{"system": "urn:mrn", "value": "M-2"}],
        "name": [{"text": "王小明", "family": "王", "given": ["小明"]}],
        "gender": "male",
        "birthDate": "1980-02",
        "deceasedBoolean": False,
        "managingOrganization": reference("Organization/north"),
    },
    {
        "resourceType": "Patient",
        "id": "smyth",
        "name": [{"family": "Smyth", "given": ["Robert"]}],
        "birthDate": "1980",
        "deceasedBoolean": True,
    },
    {
        "resourceType": "Group",
        "id": "cohort",
        "type": "person",
        "actual": True,
        "member": [{"entity": reference("Patient/mila")}, {"entity": reference("Patient/xiaoming")}],
        "characteristic": [
            {"code": concept("urn:c", "smoker"), "valueBoolean": True, "exclude": False},
            {"code": concept("urn:c", "blood"), "valueCodeableConcept": concept("urn:b", "A"), "exclude": True},
            {"code": concept("urn:c", "drinker"), "valueBoolean": False, "exclude": False},
        ],
    },
    {
        "resourceType": "Encounter",
        "id": "stay",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": reference("Patient/mila"),
        "period": {"start": "2020-03-01T08:00:00+08:00", "end": "2020-03-05"},
        "length": {"value": 5, "unit": "d", "system": UCUM, "code": "d"},
        "serviceProvider": reference("Organization/ward"),
        "participant": [{"individual": reference("Practitioner/alice")}],
        "location": [{"location": reference("Location/bed"), "period": {"start": "2020-03-01"}}],
    },
    {
        "resourceType": "Encounter",
        "id": "ongoing",
        "status": "in-progress",
        "class": {"code": "AMB"},
        "subject": reference("Patient/xiaoming"),
        "period": {"start": "2022-01"},
        "partOf": reference("Encounter/stay"),
    },
    {
        "resourceType": "Location",
        "id": "bed",
        "name": "Bed 1",
        "position": {"longitude": 121.5, "latitude": 31.2},
        "partOf": reference("Location/none"),
    },
    observation(
        "pressure",
        "85354-9",
        effectiveDateTime="2020-03-02T09:30:00+08:00",
        encounter=reference("Encounter/stay"),
        performer=[reference("Practitioner/alice"), reference("Patient/xiaoming")],
        component=[
            component("8480-6", valueQuantity={"value": 142, **MMHG}),
            component("8462-4", valueQuantity={"value": 91.50, **MMHG}),
            component("8478-0", valueCodeableConcept=concept("urn:v", "high")),
        ],
    ),
    observation(
        "pressure2",
        "85354-9",
        effectivePeriod={"start": "2020-03-02T10:00:00+08:00"},
        component=[
            component("8480-6", valueQuantity={"value": 91.5, **MMHG}),
            component("8462-4", valueQuantity={"value": 142, **MMHG}),
        ],
    ),
    observation(
        "glucose",
        "2339-0",
        effectiveInstant="2020-03-02T01:30:00.123Z",
        valueQuantity={"value": 6.30, "unit": "mmol/l", "system": UCUM, "code": "mmol/L"},
        note=[{"text": "fasting"}],
        category=[concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")],
        derivedFrom=[reference("Observation/pressure/_history/1")],
    ),
    observation(
        "trace", "2339-0", valueQuantity={"value": 0.5, "comparator": "<", "unit": "mg"}, effectiveDateTime="2019"
    ),
    observation("plenty", "2339-0", valueQuantity={"value": 500, "comparator": ">=", "unit": "mg"}),
    observation("huge", "2339-0", valueQuantity={"value": 10**30}),
    observation(
        "wave",
        "131328",
        valueSampledData={
            "origin": {"value": 2, "unit": "mV", "system": UCUM, "code": "mV"},
            "period": 10,
            "factor": 0.5,
            "dimensions": 1,
            "data": "2 E 4 -2 U",
        },
        effectiveTiming={"event": ["2018-01-01", "2018-03-01"]},
    ),
    # In the compartment of Xiaoming, who is not its subject.
    observation(
        "note",
        "8251-1",
        valueString="Größe  NORMAL",
        subject=reference("Group/cohort"),
        performer=[reference("Patient/xiaoming")],
    ),
    observation("when", "11778-8", valueDateTime="2021-12-24", performer=[reference("Patient/mila")]),
    observation("smoker", "72166-2", valueCodeableConcept=concept("http://snomed.info/sct", "8517006", "Ex-smoker")),
    observation(
        "elsewhere",
        "72166-2",
        subject={"reference": "https://other.example/fhir/Patient/far", "display": "Far"},
        valueCodeableConcept={"text": "unknown"},
    ),
    observation(
        "named",
        "72166-2",
        subject={"identifier": {"system": "urn:mrn", "value": "M-1"}, "type": "Patient"},
        hasMember=[reference("urn:uuid:6f1f1f8e-0000-4000-8000-000000000001")],
    ),
    {
        "resourceType": "Condition",
        "id": "asthma",
        "subject": reference("Patient/mila"),
        "code": concept("http://snomed.info/sct", "195967001"),
        "onsetAge": {"value": 12, **YEARS},
        "abatementRange": {"low": {"value": 20, **YEARS}, "high": {"value": 30, **YEARS}},
        "recordedDate": "2001-05-05",
    },
    {
        "resourceType": "Condition",
        "id": "fracture",
        "subject": reference("Patient/xiaoming"),
        "onsetPeriod": {"end": "2010"},
        "abatementDateTime": "2011-01-01",
        "evidence": [{"detail": [reference("Observation/pressure")]}],
    },
    {
        "resourceType": "RiskAssessment",
        "id": "risk",
        "status": "final",
        "subject": reference("Patient/mila"),
        "occurrenceDateTime": "2020",
        "prediction": [
            {"probabilityDecimal": 0.054},
            {"probabilityRange": {"low": {"value": 0.1}, "high": {"value": 0.3}}},
        ],
    },
    {
        "resourceType": "MolecularSequence",
        "id": "gene",
        "coordinateSystem": 0,
        "patient": reference("Patient/mila"),
        "referenceSeq": {
            "chromosome": concept("http://terminology.hl7.org/CodeSystem/chromosome-human", "7"),
            "referenceSeqId": concept("http://www.ncbi.nlm.nih.gov/nuccore", "NC_000007.14"),
            "windowStart": 100,
            "windowEnd": 900,
        },
        "variant": [{"start": 120, "end": 130}, {"start": 500, "end": 510}],
    },
    {
        "resourceType": "DocumentReference",
        "id": "letter2",
        "status": "current",
        "date": "2020-05-05T10:00:00Z",
        "subject": reference("Patient/mila"),
        "relatesTo": [
            {"code": "replaces", "target": reference("DocumentReference/letter1")},
            {"code": "appends", "target": reference("DocumentReference/other")},
        ],
        "content": [{"attachment": {"url": "http://example.org/letters/2"}}],
    },
    {
        "resourceType": "DocumentReference",
        "id": "letter1",
        "status": "superseded",
        "subject": reference("Patient/mila"),
        "content": [{"attachment": {"url": "http://example.org/letters/1"}}],
    },
    {
        "resourceType": "Invoice",
        "id": "bill",
        "status": "issued",
        "subject": reference("Patient/mila"),
        "totalGross": {"value": 100.00, "currency": "EUR"},
        "totalNet": {"value": 84.03, "currency": "EUR"},
    },
    {
        "resourceType": "ChargeItem",
        "id": "charge",
        "status": "billable",
        "code": concept("urn:charge", "x"),
        "subject": reference("Patient/mila"),
        "factorOverride": 0.8,
        "priceOverride": {"value": 40, "currency": "EUR"},
        "quantity": {"value": 3},
        "occurrenceTiming": {"repeat": {"boundsPeriod": {"start": "2020-01-01", "end": "2020-02-01"}}},
    },
    {
        "resourceType": "Questionnaire",
        "id": "intake",
        "url": "http://example.org/q/intake",
        "version": "1",
        "status": "active",
        "date": "2019-09",
        "title": "Intake",
        "item": [{"linkId": "1", "type": "string", "definition": "http://example.org/d#1"}],
        "useContext": [
            usage("age", valueRange={"low": {"value": 18, **YEARS}}),
            usage("venue", valueCodeableConcept=concept("urn:venue", "home")),
        ],
    },
    {
        "resourceType": "QuestionnaireResponse",
        "id": "answers",
        "status": "completed",
        "questionnaire": "http://example.org/q/intake|1",
        "subject": reference("Patient/mila"),
        "authored": "2019-10-01T08:00:00+08:00",
        "author": reference("Practitioner/alice"),
    },
    {
        "resourceType": "ValueSet",
        "id": "colours",
        "url": "http://example.org/vs/colours",
        "status": "draft",
        "name": "Colours",
        "description": "Colours of *things*",
        "compose": {"include": [{"system": "urn:colour", "concept": [{"code": "red"}]}]},
        "useContext": [usage("age", valueQuantity={"value": 40, **YEARS})],
    },
    {
        "resourceType": "Task",
        "id": "todo",
        "status": "requested",
        "intent": "order",
        "for": reference("Patient/mila"),
        "focus": reference("Observation/glucose"),
        "authoredOn": "2020-01-01",
        "executionPeriod": {"start": "2020-01-02", "end": "2020-01-03"},
    },
    {
        "resourceType": "Device",
        "id": "pump",
        "patient": reference("Patient/mila"),
        "deviceName": [{"name": "Pump", "type": "user-friendly-name"}],
        "type": {"text": "Insulin pump", "coding": [{"display": "pump", "code": "p"}]},
    },
    {
        "resourceType": "Binary",
        "id": "scan",
        "contentType": "image/png",
        "securityContext": reference("Patient/mila"),
    },
    {
        "resourceType": "MedicationRequest",
        "id": "order",
        "status": "active",
        "intent": "order",
        "medicationReference": reference("Medication/aspirin"),
        "subject": reference("Patient/mila"),
        "authoredOn": "2020-03-03",
        "dosageInstruction": [{"timing": {"event": ["2020-03-04", "2020-03-06"]}}],
    },
    {
        "resourceType": "Medication",
        "id": "aspirin",
        "code": concept("http://www.whocc.no/atc", "B01AC06"),
        "ingredient": [{"itemCodeableConcept": concept("urn:substance", "asa")}],
    },
    {
        "resourceType": "Bundle",
        "id": "document",
        "type": "document",
        "timestamp": "2020-01-01T00:00:00Z",
        "identifier": {"system": "urn:doc", "value": "1"},
        "entry": [
            {
                "fullUrl": "urn:uuid:6f1f1f8e-0000-4000-8000-000000000002",
                "resource": {
                    "resourceType": "Composition",
                    "id": "inside",
                    "status": "final",
                    "type": concept(LOINC, "11488-4"),
                    "date": "2020-01-01",
                    "author": [reference("Practitioner/alice")],
                    "title": "Inside",
                },
            }
        ],
    },
    {
        "resourceType": "Provenance",
        "id": "source",
        "target": [reference("Patient/mila"), reference("Observation/glucose")],
        "recorded": "2020-03-02T02:00:00Z",
        "agent": [{"who": reference("Practitioner/alice")}],
    },
]
