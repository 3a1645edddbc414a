"""One line for any record on a patient's timeline: when, what, the result or outcome, and from whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from records.portal import datatypes, dates, labels
from records.portal.dates import Setting
from records.portal.summary import medicine_name
from records.portal.text import line

Resource = Mapping[str, Any]


class Named(Protocol):
    """What a record is stored under."""

    @property
    def type(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def version(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One record on the timeline. `day` is "" where the record has no date; `time` is the time of day or the span.

    `status` is "" for the one that is to be expected; `flag` is a result out of range.
    """

    kind: str
    type: str
    id: str
    version: int
    day: str
    time: str
    title: str
    detail: str
    status: str
    flag: str
    source: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice of kinds of record. An empty tuple of types stands for all."""

    key: str
    label: Promise
    icon: str
    types: tuple[str, ...]


FILTERS: Final = (
    Filter("all", gettext_lazy("Everything"), "list", ()),
    Filter("visits", gettext_lazy("Visits"), "stethoscope", ("Appointment", "Encounter", "EpisodeOfCare")),
    Filter(
        "results",
        gettext_lazy("Results"),
        "microscope",
        ("DiagnosticReport", "ImagingStudy", "Media", "MolecularSequence", "Observation", "Specimen"),
    ),
    Filter(
        "problems",
        gettext_lazy("Problems and allergies"),
        "alert-triangle",
        (
            "AdverseEvent",
            "AllergyIntolerance",
            "ClinicalImpression",
            "Condition",
            "DetectedIssue",
            "FamilyMemberHistory",
            "Flag",
            "RiskAssessment",
        ),
    ),
    Filter(
        "medicines",
        gettext_lazy("Medicines and vaccines"),
        "pill",
        (
            "Immunization",
            "ImmunizationRecommendation",
            "MedicationAdministration",
            "MedicationDispense",
            "MedicationRequest",
            "MedicationStatement",
        ),
    ),
    Filter(
        "care",
        gettext_lazy("Procedures and plans"),
        "heartbeat",
        (
            "CarePlan",
            "CareTeam",
            "Device",
            "DeviceRequest",
            "DeviceUseStatement",
            "Goal",
            "NutritionOrder",
            "Procedure",
            "ServiceRequest",
            "Task",
            "VisionPrescription",
        ),
    ),
    Filter(
        "documents",
        gettext_lazy("Documents"),
        "file-text",
        (
            "Communication",
            "Composition",
            "Consent",
            "DocumentManifest",
            "DocumentReference",
            "List",
            "QuestionnaireResponse",
        ),
    ),
    Filter(
        "billing",
        gettext_lazy("Billing"),
        "receipt",
        ("Account", "ChargeItem", "Claim", "ClaimResponse", "Coverage", "ExplanationOfBenefit", "Invoice"),
    ),
)
FILTER_BY_KEY: Final[Mapping[str, Filter]] = MappingProxyType({one.key: one for one in FILTERS})
ICONS: Final[Mapping[str, str]] = MappingProxyType({name: one.icon for one in FILTERS[1:] for name in one.types})

# Members that say what a record is about, the most telling first.
_TITLES: Final = (
    "code",
    "vaccineCode",
    "medicationCodeableConcept",
    "type",
    "serviceType",
    "description",
    "title",
    "name",
    "class",
    "scope",
    "relationship",
    "productCodeableConcept",
    "item",
    "category",
)
# Members that say when it happened to the patient, before those that say when it was written down.
_DATES: Final = (
    "effective",
    "occurrence",
    "performed",
    "onset",
    "period",
    "actualPeriod",
    "start",
    "started",
    "whenHandedOver",
    "collected",
    "created",
    "authoredOn",
    "authored",
    "billablePeriod",
    "serviced",
    "recordedDate",
    "recorded",
    "issued",
    "date",
    "dateTime",
    "dateAsserted",
    "sent",
    "statusDate",
)
# What a record's status usually is; saying so on every line would hide the ones that are not.
_EXPECTED: Final = frozenset({"active", "completed", "complete", "current", "final", "finished"})
# Members that say who it comes from.
_SOURCES: Final = (
    "performer",
    "author",
    "recorder",
    "requester",
    "asserter",
    "informationSource",
    "participant",
    "serviceProvider",
    "custodian",
    "provider",
    "organization",
    "source",
    "insurer",
    "location",
)


def entry(resource: Resource, named: Named, medicines: Mapping[str, Resource], setting: Setting) -> Entry:
    """The timeline's line for any resource of any type.

    Type, id and version are those under which it is stored, whatever its bytes say by now.
    """
    kind = named.type
    status = line(resource.get("status"), 60) or next(datatypes.codes_of(resource.get("clinicalStatus")), "")
    day, time = _date(resource, setting)
    doubt = next(datatypes.codes_of(resource.get("verificationStatus")), "")
    return Entry(
        kind=labels.kind_of(kind),
        type=kind,
        id=named.id,
        version=named.version,
        day=day,
        time=time,
        title=_title(resource, medicines) or labels.kind_of(kind),
        detail=_detail(resource, setting),
        status="" if status in _EXPECTED else labels.code(status),
        flag=flag(resource),
        source=source(resource),
        withdrawn="entered-in-error" in {status, doubt} or doubt == "refuted",
    )


def source(resource: Resource) -> str:
    """Who the record says it comes from; "" where it does not say."""
    for name in _SOURCES:
        for one in datatypes.items(resource.get(name))[:3]:
            nested = next((one[key] for key in ("actor", "individual", "member", "location") if key in one), one)
            if isinstance(nested, dict) and (shown := line(nested.get("display"))):
                return shown
    return ""


def flag(resource: Resource) -> str:
    """An Observation's interpretation where it is not normal; "" otherwise."""
    for one in datatypes.items(resource.get("interpretation"))[:3]:
        codes = set(datatypes.codes_of(one))
        for code in sorted(codes & _FLAGS.keys()):
            return str(_FLAGS[code])
        if not codes & {"N", "IND", "IE"} and (shown := datatypes.concept(one)):
            return shown
    return ""


_FLAGS: Final[Mapping[str, Promise]] = MappingProxyType(
    {
        "A": gettext_lazy("Abnormal"),
        "AA": gettext_lazy("Critical"),
        "H": gettext_lazy("High"),
        "HH": gettext_lazy("Critically high"),
        "L": gettext_lazy("Low"),
        "LL": gettext_lazy("Critically low"),
        "POS": gettext_lazy("Positive"),
        "R": gettext_lazy("Resistant"),
    }
)


def result(resource: Resource, setting: Setting) -> str:
    """An Observation's value with its components; why there is none, where it says so."""
    parts = [datatypes.of_choice(resource, "value", setting)]
    for one in datatypes.items(resource.get("component"))[:8]:
        name = datatypes.concept(one.get("code"))
        shown = datatypes.of_choice(one, "value", setting) or datatypes.concept(one.get("dataAbsentReason"))
        parts.append(f"{name}: {shown}" if name and shown else shown)
    return "; ".join(part for part in parts if part) or datatypes.concept(resource.get("dataAbsentReason"))


def _title(resource: Resource, medicines: Mapping[str, Resource]) -> str:
    if shown := medicine_name(resource, medicines) if "medicationReference" in resource else "":
        return shown
    for name in _TITLES:
        value = resource.get(name)
        if isinstance(value, str):
            shown = line(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict) and "family" in value[0]:
            shown = datatypes.best_name(value)
        else:
            one = datatypes.first(value)
            shown = datatypes.concept(one) or datatypes.coding(one)
        if shown:
            return shown
    return ""


def _date(resource: Resource, setting: Setting) -> tuple[str, str]:
    for name in _DATES:
        value = resource.get(name)
        if value is None:
            value = datatypes.choice(resource, name)[1]
        if found := dates.day_and_time(value, setting):
            return found
    return "", ""


def _report(resource: Resource, setting: Setting) -> str:
    count = len(datatypes.items(resource.get("result")))
    listed = ngettext("%(count)d result", "%(count)d results", count) % {"count": count} if count else ""
    return line(resource.get("conclusion")) or listed


def _immunization(resource: Resource, setting: Setting) -> str:
    protocol = datatypes.first(resource.get("protocolApplied"))
    dose = datatypes.number(protocol.get("doseNumberPositiveInt")) or line(protocol.get("doseNumberString"), 40)
    return _("dose %(number)s") % {"number": dose} if dose else ""


def _dosages(resource: Resource, setting: Setting) -> str:
    listed = datatypes.items(resource.get("dosageInstruction") or resource.get("dosage"))
    return "; ".join(shown for one in listed[:3] if (shown := datatypes.dosage(one, setting)))


def _document(resource: Resource, setting: Setting) -> str:
    found = datatypes.first(resource.get("content"))
    return line(resource.get("description")) or datatypes.attachment(found.get("attachment"))


def _reasons(resource: Resource, setting: Setting) -> str:
    shown = datatypes.concepts(resource.get("reasonCode"))
    # A reference without a display would only be a number here.
    named = (line(one.get("display")) for one in datatypes.items(resource.get("reasonReference"))[:3])
    return shown or "; ".join(one for one in named if one)


def _reactions(resource: Resource, setting: Setting) -> str:
    listed = datatypes.items(resource.get("reaction"))[:5]
    return "; ".join(dict.fromkeys(s for one in listed if (s := datatypes.concepts(one.get("manifestation")))))


_DETAILS: Final[Mapping[str, Callable[[Resource, Setting], str]]] = MappingProxyType(
    {
        "AllergyIntolerance": _reactions,
        "Claim": lambda resource, setting: datatypes.money(resource.get("total")),
        "Condition": lambda resource, setting: datatypes.concepts(resource.get("bodySite")),
        "DiagnosticReport": _report,
        "DocumentReference": _document,
        "Encounter": _reasons,
        "ExplanationOfBenefit": lambda resource, setting: datatypes.money(
            datatypes.first(resource.get("payment")).get("amount")
        ),
        "Immunization": _immunization,
        "MedicationAdministration": _dosages,
        "MedicationDispense": _dosages,
        "MedicationRequest": _dosages,
        "MedicationStatement": _dosages,
        "Observation": result,
        "Procedure": lambda resource, setting: (
            datatypes.concept(resource.get("outcome")) or _reasons(resource, setting)
        ),
        "ServiceRequest": _reasons,
    }
)


def _detail(resource: Resource, setting: Setting) -> str:
    shown = _DETAILS.get(line(resource.get("resourceType"), 64))
    return line(shown(resource, setting)) if shown else ""
