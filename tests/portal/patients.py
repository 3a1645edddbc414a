"""A few patients, small and made up: enough of each kind for a page to show, and one whose every word is hostile."""

from typing import Any

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"

Resource = dict[str, Any]

MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>{{ 7*7 }}{% debug %}'
OVERRIDE = "\u202egnirts desrever\u202c"
ADDRESS = "javascript:alert(document.cookie)"


def concept(code: str, text: str, system: str = SNOMED) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def about(patient: str) -> Resource:
    return {"reference": f"Patient/{patient}"}


def wang_fang() -> list[Resource]:
    """王芳: a penicillin allergy, asthma and a healed fracture, two medicines, results, a visit and a document."""
    me = about("wang-fang")
    return [
        {
            "resourceType": "Patient",
            "id": "wang-fang",
            "identifier": [
                {"type": {"text": "病案号"}, "system": "urn:hospital-a:mrn", "value": "A-1001"},
                {"system": "urn:insurance", "value": "330100198003050021"},
                {"type": {"text": "Passport"}, "value": "E12345678"},
            ],
            "active": True,
            "name": [
                {"use": "official", "text": "王芳", "family": "王", "given": ["芳"]},
                {"use": "usual", "text": "Wang Fang", "family": "Wang", "given": ["Fang"]},
            ],
            "gender": "female",
            "birthDate": "1980-03-05",
            "telecom": [{"system": "phone", "value": "0571-5550101", "use": "home"}],
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": "wf-penicillin",
            "clinicalStatus": {"coding": [{"system": ALLERGY_CLINICAL, "code": "active"}]},
            "criticality": "high",
            "code": concept("764146007", "Penicillin"),
            "patient": me,
            "recordedDate": "2012-05-01",
            "reaction": [{"manifestation": [concept("39579001", "Anaphylaxis")], "severity": "severe"}],
        },
        {
            "resourceType": "Condition",
            "id": "wf-asthma",
            "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
            "code": concept("195967001", "Asthma"),
            "subject": me,
            "onsetDateTime": "1995-09",
        },
        {
            "resourceType": "Condition",
            "id": "wf-fracture",
            "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "resolved"}]},
            "code": concept("65966004", "Fracture of forearm"),
            "subject": me,
            "onsetDateTime": "2009-01-12",
            "abatementDateTime": "2009-03-20",
        },
        {
            "resourceType": "Medication",
            "id": "salbutamol",
            "code": concept("372897005", "Salbutamol 100 µg inhaler"),
        },
        {
            "resourceType": "MedicationRequest",
            "id": "wf-salbutamol",
            "status": "active",
            "intent": "order",
            "medicationReference": {"reference": "Medication/salbutamol"},
            "subject": me,
            "authoredOn": "2026-02-03T09:30:00+08:00",
            "requester": {"display": "Dr Alice"},
            "dosageInstruction": [
                {
                    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                    "asNeededBoolean": True,
                    "route": concept("18679011000001101", "Inhalation"),
                    "doseAndRate": [{"doseQuantity": {"value": 2, "unit": "puffs"}}],
                }
            ],
        },
        {
            "resourceType": "MedicationRequest",
            "id": "wf-prednisolone",
            "status": "completed",
            "intent": "order",
            "medicationCodeableConcept": concept("116602009", "Prednisolone 5 mg tablet"),
            "subject": me,
            "authoredOn": "2025-11-20",
        },
        {
            "resourceType": "Encounter",
            "id": "wf-visit",
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "type": [concept("185349003", "Asthma review")],
            "subject": me,
            "period": {"start": "2026-02-03T09:00:00+08:00", "end": "2026-02-03T09:25:00+08:00"},
            "serviceProvider": {"display": "Respiratory clinic"},
        },
        {
            "resourceType": "Observation",
            "id": "wf-potassium",
            "status": "final",
            "code": concept("2823-3", "Potassium", LOINC),
            "subject": me,
            "encounter": {"reference": "Encounter/wf-visit"},
            "effectiveDateTime": "2026-02-03T09:10:00+08:00",
            "performer": [{"display": "Laboratory"}],
            "valueQuantity": {"value": 5.90, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
            "interpretation": [
                {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "H"}
                    ]
                }
            ],
            "referenceRange": [{"low": {"value": 3.5, "unit": "mmol/L"}, "high": {"value": 5.3, "unit": "mmol/L"}}],
        },
        {
            "resourceType": "Observation",
            "id": "wf-pressure",
            "status": "final",
            "code": concept("85354-9", "Blood pressure", LOINC),
            "subject": me,
            "effectiveDateTime": "2026-02-03T09:05:00+08:00",
            "component": [
                {"code": concept("8480-6", "Systolic", LOINC), "valueQuantity": {"value": 128, "unit": "mmHg"}},
                {"code": concept("8462-4", "Diastolic", LOINC), "valueQuantity": {"value": 79, "unit": "mmHg"}},
            ],
        },
        {
            "resourceType": "DocumentReference",
            "id": "wf-letter",
            "status": "current",
            "type": concept("11488-4", "Consultation note", LOINC),
            "subject": me,
            "date": "2026-02-03T10:00:00+08:00",
            "author": [{"display": "Dr Alice"}],
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain",
                        "data": "QnJlYXRoaW5nIGlzIGJldHRlci4KUmV2aWV3IGluIEp1bmUu",
                    }
                }
            ],
        },
    ]


def li_wei() -> list[Resource]:
    """李伟: somebody stated that he has no allergy; problems and medicines were never recorded."""
    return [
        {
            "resourceType": "Patient",
            "id": "li-wei",
            "identifier": [{"type": {"text": "病案号"}, "system": "urn:hospital-a:mrn", "value": "A-1002"}],
            "name": [{"use": "official", "text": "李伟", "family": "李", "given": ["伟"]}],
            "gender": "male",
            "birthDate": "1956",
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": "lw-none",
            "clinicalStatus": {"coding": [{"system": ALLERGY_CLINICAL, "code": "active"}]},
            "code": concept("716186003", "No known allergy"),
            "patient": about("li-wei"),
            "recordedDate": "2024-07-08",
            "asserter": {"display": "Nurse Chen"},
        },
    ]


def nobody_knows() -> list[Resource]:
    """A patient of whom nothing is recorded but a name; in no care team of Dr Alice's."""
    return [{"resourceType": "Patient", "id": "unknown-1", "name": [{"text": "Zhao Min"}]}]


def hostile() -> list[Resource]:
    """Everything that a stranger may write into a valid record to deceive or attack its reader."""
    me = about("hostile")
    return [
        {
            "resourceType": "Patient",
            "id": "hostile",
            "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>NARRATIVE</p></div>'},
            "identifier": [{"system": ADDRESS, "value": MARKUP}, {"value": "x" * 5_000}],
            "name": [{"text": f"{MARKUP} {OVERRIDE}", "family": "Mallet"}],
            "gender": "other",
            "birthDate": "2030-01-01",
            "photo": [{"url": ADDRESS, "title": MARKUP}],
            "telecom": [{"system": "url", "value": ADDRESS}],
        },
        {
            "resourceType": "Condition",
            "id": "hostile-condition",
            "code": {"text": "A" * 300_000, "coding": [{"system": ADDRESS, "code": "c", "display": MARKUP}]},
            "subject": me,
            "note": [{"text": MARKUP + "\n" + "Z" * 20_000}],
            "recorder": {"reference": ADDRESS, "display": MARKUP},
        },
        {
            "resourceType": "Observation",
            "id": "hostile-observation",
            "status": "final",
            "code": {"text": "e" + "\u0301" * 500},
            "subject": me,
            "valueString": f"{OVERRIDE} {MARKUP}",
        },
    ]
