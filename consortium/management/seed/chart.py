"""One patient's chart while it is being written: a FHIR transaction that grows entry by entry."""

import base64
import json
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from random import Random
from typing import Any

from consortium.management.seed import codes
from consortium.management.seed.codes import Allergy, Drug, Problem, Test, coding, concept, hl7
from consortium.management.seed.people import Human

ZONE = timezone(timedelta(hours=8))
HEALTH_CARD = "https://consortium.example/health-card"


@dataclass(frozen=True)
class Staff:
    """Somebody or something that many charts name: stored once, by conditional create on its identifier."""

    kind: str
    system: str
    value: str
    display: str
    body: dict[str, Any]


@dataclass
class Chart:
    """What has been written about one patient.

    until: the day on which the seed is made; nothing is dated later.
    """

    rng: Random
    human: Human
    record_number: str
    number_system: str
    health_card: str
    house: Staff
    doctors: tuple[Staff, ...]
    until: date
    entries: list[dict[str, Any]] = field(default_factory=list)
    _staff: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.doctor = self.rng.choice(self.doctors)
        self.patient = self._enter("Patient", self._patient())

    def _enter(self, kind: str, body: dict[str, Any], *, if_none: str = "") -> dict[str, str]:
        """Append a resource; its reference."""
        link = f"urn:uuid:{uuid.UUID(int=self.rng.getrandbits(128), version=4)}"
        request = {"method": "POST", "url": kind, **({"ifNoneExist": if_none} if if_none else {})}
        resource = {"resourceType": kind, **body}
        self.entries.append({"fullUrl": link, "resource": resource, "request": request})
        return {"reference": link}

    def named(self, staff: Staff) -> dict[str, str]:
        """A reference to a shared record, entered when it is first named."""
        if staff.value not in self._staff:
            body = {"identifier": [{"system": staff.system, "value": staff.value}], **staff.body}
            criteria = f"identifier={staff.system}|{staff.value}"
            self._staff[staff.value] = self._enter(staff.kind, body, if_none=criteria)["reference"]
        return {"reference": self._staff[staff.value], "display": staff.display}

    def moment(self, day: date, minutes: int = 0) -> datetime:
        """A minute within opening hours of that day, the same for the same day."""
        opening = Random(f"{self.record_number}/{day.isoformat()}").randint(490, 960)  # noqa: S311
        return datetime.combine(day, time(0), ZONE) + timedelta(minutes=opening + minutes)

    def _patient(self) -> dict[str, Any]:
        human = self.human
        language = concept(coding("urn:ietf:bcp:47", human.language, human.language))
        body = {
            "identifier": [
                {"use": "official", "type": hl7("v2-0203", "MR", "Medical record number"),
                 "system": self.number_system, "value": self.record_number},
                {"use": "secondary", "system": HEALTH_CARD, "value": self.health_card},
            ],
            "active": True,
            "name": list(human.names),
            "telecom": [{"system": "phone", "value": human.phone, "use": "mobile"}],
            "gender": human.sex,
            "birthDate": human.born.isoformat(),
            "address": [human.address],
            "communication": [{"language": language, "preferred": True}],
            "managingOrganization": self.named(self.house),
        }  # fmt: skip
        if human.years(self.until) >= 18:
            status = self.rng.choice((("M", "Married"), ("S", "Never Married")))
            body["maritalStatus"] = hl7("v3-MaritalStatus", *status)
        return body

    def encounter(
        self,
        day: date,
        kind: tuple[str, str],
        *,
        reason: Problem | None = None,
        ward: str = "AMB",
        hours: float = 0.4,
    ) -> dict[str, str]:
        """A visit (ward AMB), an emergency (EMER) or a stay (IMP). kind: SNOMED code and words."""
        if self.rng.random() < 0.3:
            self.doctor = self.rng.choice(self.doctors)
        start = self.moment(day)
        words = {"AMB": "ambulatory", "EMER": "emergency", "IMP": "inpatient encounter"}[ward]
        body: dict[str, Any] = {
            "status": "finished",
            "class": coding(codes.TERMINOLOGY + "v3-ActCode", ward, words),
            "type": [concept(coding(codes.SNOMED, *kind))],
            "subject": self.subject,
            "participant": [{"individual": self.named(self.doctor)}],
            "period": {"start": _instant(start), "end": _instant(start + timedelta(hours=hours))},
            "serviceProvider": self.named(self.house),
        }
        if reason is not None:
            body["reasonCode"] = [reason.concept()]
        return self._enter("Encounter", body)

    @property
    def subject(self) -> dict[str, str]:
        return {**self.patient, "display": self.human.text}

    def condition(
        self,
        problem: Problem,
        day: date,
        encounter: dict[str, str] | None,
        *,
        ended: date | None = None,
        onset: date | None = None,
        certain: bool = True,
    ) -> dict[str, str]:
        """A problem, active unless it `ended`."""
        status = ("resolved", "Resolved") if ended else ("active", "Active")
        verified = ("confirmed", "Confirmed") if certain else ("provisional", "Provisional")
        body: dict[str, Any] = {
            "clinicalStatus": hl7("condition-clinical", *status),
            "verificationStatus": hl7("condition-ver-status", *verified),
            "category": [hl7("condition-category", "problem-list-item", "Problem List Item")],
            "code": problem.concept(),
            "subject": self.subject,
            "onsetDateTime": (onset or day).isoformat(),
            "recordedDate": _instant(self.moment(day, 12)),
            "recorder": self.named(self.doctor),
        }
        if encounter:
            body["encounter"] = encounter
        if ended:
            body["abatementDateTime"] = ended.isoformat()
        return self._enter("Condition", body)

    def allergy(self, known: Allergy, day: date) -> None:
        code, words = known.manifestation
        self._allergy(
            concept(coding(codes.SNOMED, known.code, known.words), text=f"{known.chinese} {known.words}"),
            day,
            {
                "type": "allergy",
                "category": [known.category],
                "criticality": known.criticality,
                "reaction": [{"manifestation": [concept(coding(codes.SNOMED, code, words))], "severity": "moderate"}],
            },
        )

    def no_known_allergy(self, day: date) -> None:
        """Somebody asked, and there is none: not the same as an empty list."""
        code, words, chinese = codes.NO_KNOWN_ALLERGY
        self._allergy(concept(coding(codes.SNOMED, code, words), text=f"{chinese} {words}"), day, {})

    def _allergy(self, what: dict[str, Any], day: date, more: dict[str, Any]) -> None:
        body = {
            "clinicalStatus": hl7("allergyintolerance-clinical", "active", "Active"),
            "verificationStatus": hl7("allergyintolerance-verification", "confirmed", "Confirmed"),
            "code": what,
            "patient": self.subject,
            "recordedDate": _instant(self.moment(day, 8)),
            "recorder": self.named(self.doctor),
            **more,
        }
        self._enter("AllergyIntolerance", body)

    def no_known_medication(self, day: date) -> None:
        code, words, chinese = codes.NO_KNOWN_MEDICATION
        body = {
            "status": "active",
            "medicationCodeableConcept": concept(coding(codes.SNOMED, code, words), text=f"{chinese} {words}"),
            "subject": self.subject,
            "effectiveDateTime": day.isoformat(),
            "dateAsserted": _instant(self.moment(day, 9)),
            "informationSource": self.named(self.doctor),
        }
        self._enter("MedicationStatement", body)

    def medication(
        self,
        drug: Drug,
        day: date,
        encounter: dict[str, str],
        *,
        reason: dict[str, str] | None = None,
        days: int | None = None,
        stopped: bool = False,
    ) -> dict[str, str]:
        """A prescription. days: a short course, completed once they are over; none: until further notice."""
        over = days is not None and day + timedelta(days=days) < self.until
        route = codes.ROUTES[drug.route]
        timing = {"repeat": {"frequency": drug.often, "period": 1, "periodUnit": "d"}}
        dosage: dict[str, Any] = {
            "text": f"{drug.dose:g} {drug.unit}, {drug.often} a day" + (" when needed" if drug.as_needed else ""),
            "timing": timing,
            "route": concept(coding(codes.SNOMED, *route)),
            "doseAndRate": [{"doseQuantity": {"value": drug.dose, "unit": drug.unit}}],
        }
        if drug.as_needed:
            dosage["asNeededBoolean"] = True
        body: dict[str, Any] = {
            "status": "stopped" if stopped else "completed" if over else "active",
            "intent": "order",
            "medicationCodeableConcept": drug.concept(),
            "subject": self.subject,
            "encounter": encounter,
            "authoredOn": _instant(self.moment(day, 15)),
            "requester": self.named(self.doctor),
            "dosageInstruction": [dosage],
        }
        if reason:
            body["reasonReference"] = [reason]
        if days:
            end = day + timedelta(days=days)
            period = {"start": day.isoformat(), "end": end.isoformat()}
            body["dispenseRequest"] = {"validityPeriod": period, "expectedSupplyDuration": _days(days)}
        return self._enter("MedicationRequest", body)

    def measure(
        self, test: Test, value: float, day: date, encounter: dict[str, str], *, category: str = "vital-signs"
    ) -> dict[str, str]:
        """One number with its unit and reference range."""
        number = _number(test, value)
        body = {
            **self._observation(test.concept(), day, encounter, category),
            "valueQuantity": _quantity(test, value),
        }
        if test.low is not None or test.high is not None:
            body["interpretation"] = [_interpretation(test, number)]
            body["referenceRange"] = [_range(test)]
        return self._enter("Observation", body)

    def blood_pressure(self, systolic: float, diastolic: float, day: date, encounter: dict[str, str]) -> None:
        panel = concept(coding(codes.LOINC, "85354-9", "Blood pressure panel with all children optional"))
        body = {
            **self._observation(panel, day, encounter, "vital-signs"),
            "component": [
                {
                    "code": test.concept(),
                    "valueQuantity": _quantity(test, value),
                    "interpretation": [_interpretation(test, _number(test, value))],
                    "referenceRange": [_range(test)],
                }
                for test, value in ((codes.SYSTOLIC, systolic), (codes.DIASTOLIC, diastolic))
            ],
        }
        self._enter("Observation", body)

    def smoking(self, day: date, encounter: dict[str, str], answer: tuple[str, str]) -> None:
        code = concept(coding(codes.LOINC, "72166-2", "Tobacco smoking status"))
        body = self._observation(code, day, encounter, "social-history")
        self._enter("Observation", {**body, "valueCodeableConcept": concept(coding(codes.SNOMED, *answer))})

    def _observation(self, code: dict[str, Any], day: date, encounter: dict[str, str], category: str) -> dict[str, Any]:
        words = {"vital-signs": "Vital Signs", "laboratory": "Laboratory", "social-history": "Social History"}
        at = self.moment(day, 5 if category == "vital-signs" else 25)
        return {
            "status": "final",
            "category": [hl7("observation-category", category, words[category])],
            "code": code,
            "subject": self.subject,
            "encounter": encounter,
            "effectiveDateTime": _instant(at),
            "issued": _instant(at + timedelta(minutes=0 if category == "vital-signs" else 95)),
            "performer": [self.named(self.doctor)],
        }

    def panel(
        self, code: str, words: str, results: list[tuple[Test, float]], day: date, encounter: dict[str, str],
        *, conclusion: str = "",
    ) -> None:  # fmt: skip
        """Laboratory results and the report that gathers them."""
        found = [self.measure(test, value, day, encounter, category="laboratory") for test, value in results]
        body: dict[str, Any] = {
            "status": "final",
            "category": [hl7("v2-0074", "LAB", "Laboratory")],
            "code": concept(coding(codes.LOINC, code, words)),
            "subject": self.subject,
            "encounter": encounter,
            "effectiveDateTime": _instant(self.moment(day, 25)),
            "issued": _instant(self.moment(day, 120)),
            "performer": [self.named(self.house)],
            "result": found,
        }
        if conclusion:
            body["conclusion"] = conclusion
        self._enter("DiagnosticReport", body)

    def vaccination(self, cvx: str, words: str, day: date, encounter: dict[str, str] | None, *, lot: str) -> None:
        body: dict[str, Any] = {
            "status": "completed",
            "vaccineCode": concept(coding(codes.CVX, cvx, words)),
            "patient": self.subject,
            "occurrenceDateTime": _instant(self.moment(day, 18)),
            "primarySource": True,
            "lotNumber": lot,
            "site": hl7("v3-ActSite", "LA", "left arm"),
            "performer": [{"actor": self.named(self.doctor)}],
        }
        if encounter:
            body["encounter"] = encounter
        self._enter("Immunization", body)

    def procedure(
        self,
        code: str,
        words: str,
        day: date,
        encounter: dict[str, str],
        *,
        reason: dict[str, str] | None = None,
    ) -> None:
        start = self.moment(day, 30)
        body: dict[str, Any] = {
            "status": "completed",
            "code": concept(coding(codes.SNOMED, code, words)),
            "subject": self.subject,
            "encounter": encounter,
            "performedPeriod": {"start": _instant(start), "end": _instant(start + timedelta(minutes=40))},
            "performer": [{"actor": self.named(self.doctor)}],
        }
        if reason:
            body["reasonReference"] = [reason]
        self._enter("Procedure", body)

    def document(self, code: str, title: str, text: str, day: date, encounter: dict[str, str]) -> None:
        """A note as plain text."""
        attachment = {
            "contentType": "text/plain; charset=utf-8",
            "language": self.human.language,
            "data": base64.b64encode(text.encode()).decode(),
            "title": title,
            "creation": _instant(self.moment(day, 60)),
        }
        body = {
            "status": "current",
            "docStatus": "final",
            "type": concept(coding(codes.LOINC, code, title)),
            "subject": self.subject,
            "date": _instant(self.moment(day, 61)),
            "author": [self.named(self.doctor)],
            "custodian": self.named(self.house),
            "content": [{"attachment": attachment}],
            "context": {"encounter": [encounter]},
        }
        self._enter("DocumentReference", body)

    def plan(self, title: str, why: dict[str, str], day: date, tasks: tuple[str, ...]) -> None:
        body = {
            "status": "active",
            "intent": "plan",
            "title": title,
            "subject": self.subject,
            "period": {"start": day.isoformat()},
            "author": self.named(self.doctor),
            "addresses": [why],
            "activity": [{"detail": {"status": "in-progress", "description": task}} for task in tasks],
        }
        self._enter("CarePlan", body)

    def to_bytes(self) -> bytes:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": self.entries}
        return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _days(count: int) -> dict[str, Any]:
    return {"value": count, "unit": "days", "system": codes.UCUM, "code": "d"}


def _number(test: Test, value: float) -> float | int:
    return round(value, test.digits) if test.digits else round(value)


def _quantity(test: Test, value: float) -> dict[str, Any]:
    return {"value": _number(test, value), "unit": test.unit, "system": codes.UCUM, "code": test.ucum}


def _range(test: Test) -> dict[str, Any]:
    ends = (("low", test.low), ("high", test.high))
    return {name: _quantity(test, end) for name, end in ends if end is not None}


def _interpretation(test: Test, number: float) -> dict[str, Any]:
    code, words = "N", "Normal"
    if test.low is not None and number < test.low:
        code, words = "L", "Low"
    elif test.high is not None and number > test.high:
        code, words = "H", "High"
    return hl7("v3-ObservationInterpretation", code, words)
