"""The top of a patient's page: who the patient is, and problems, medicines and allergies at a glance.

"None known" is a statement that somebody made; "not recorded" is the absence of one. They are never mixed up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from django.utils.translation import gettext as _

from records.portal import datatypes, dates, labels
from records.portal.dates import Setting
from records.portal.text import line

Resource = Mapping[str, Any]
State = Literal["listed", "none_known", "none_current", "not_recorded"]

SNOMED: Final = "http://snomed.info/sct"
# Codes by which a source states that there is nothing to list: SNOMED CT's, and IPS's absent-unknown ones.
_NOTHING: Final = {
    "allergies": frozenset({"716186003", "no-known-allergies"}),
    "problems": frozenset({"160245001", "no-known-problems"}),
    "medications": frozenset({"787481004", "no-known-medications"}),
}
# "No known allergy to drugs", "to food" and so on: true statements that do not cover the rest.
_NOTHING_IN_PART: Final = frozenset(
    {
        "409137002",
        "428607008",
        "429625007",
        "428197003",
        "1003774007",
        "no-known-medication-allergies",
        "no-known-environmental-allergies",
        "no-known-food-allergies",
    }
)
# "No information": says as much as having no record.
_NO_INFORMATION: Final = frozenset({"no-allergy-info", "no-problem-info", "no-medication-info"})
# What a List is of: LOINC sections, and FHIR's list-example-use-codes.
_LIST_CODES: Final = {
    "allergies": frozenset({"48765-2", "52472-8", "allergies"}),
    "problems": frozenset({"11450-4", "problems"}),
    "medications": frozenset({"10160-0", "medications"}),
}
# Characters of a name: the longest real ones have about a hundred.
_NAME: Final = 120
_WITHDRAWN: Final = frozenset({"entered-in-error", "refuted"})


@dataclass(frozen=True, slots=True)
class Banner:
    """Who the patient is, as every page about them says at the top."""

    id: str
    name: str
    other_names: tuple[str, ...]
    born: str
    age: str
    died: str
    sex: str
    identifiers: tuple[datatypes.ShownIdentifier, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """That somebody said there is nothing to list: what, who and when ("" where the record does not say)."""

    text: str
    said_by: str
    said_on: str
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a summary. `alert` is a word that must catch the eye, such as "high risk"."""

    title: str
    detail: str
    when: str
    status: str
    alert: str
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Section:
    """One of the three summaries.

    `statements` are those of "none known"; in state "listed" they contradict the items and are shown so.
    `in_part` are narrower ones. `earlier` counts what is no longer current; `more`: the list was cut.
    """

    kind: Literal["problems", "medications", "allergies"]
    state: State
    items: tuple[Item, ...] = ()
    statements: tuple[Statement, ...] = ()
    in_part: tuple[Statement, ...] = ()
    earlier: int = 0
    more: bool = False


def banner(patient: Resource, setting: Setting) -> Banner:
    """The banner of a Patient resource."""
    born = dates.read(patient.get("birthDate"), setting.zone)
    died = dates.read(patient.get("deceasedDateTime"), setting.zone)
    is_dead = patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient
    name = datatypes.best_name(patient.get("name"))
    others = (datatypes.human_name(one) for one in datatypes.items(patient.get("name"))[:10])
    listed = (datatypes.identifier(one) for one in datatypes.items(patient.get("identifier"))[:20])
    shown = (datatypes.ShownIdentifier(line(one.label, 40), line(one.value, 60)) for one in listed)
    return Banner(
        id=line(patient.get("id"), 64),
        name=line(name, _NAME) or _("Name not recorded"),
        other_names=tuple(dict.fromkeys(line(other, _NAME) for other in others if other and other != name)),
        born=dates.show(born, setting) if born else line(patient.get("birthDate"), 40),
        age=dates.age(born, died.moment.date() if died else setting.today) if born and (died or not is_dead) else "",
        died=(dates.show(died, setting) if died else _("date not recorded")) if is_dead else "",
        sex=labels.code(patient.get("gender")) if patient.get("gender") else "",
        identifiers=tuple(dict.fromkeys(one for one in shown if one.value)),
        active=patient.get("active") is not False,
    )


def allergies(found: Sequence[Resource], lists: Iterable[Resource], setting: Setting, *, more: bool = False) -> Section:
    """The summary of AllergyIntolerance resources, with Lists of allergies for their `emptyReason`."""
    items: list[tuple[datetime | None, Item]] = []
    statements, in_part, earlier = [], [], 0
    for one in _standing(found):
        codes = frozenset(datatypes.codes_of(one.get("code")))
        status = frozenset(datatypes.codes_of(one.get("clinicalStatus")))
        if status & {"inactive", "resolved"}:
            earlier += 1
        elif codes & _NOTHING["allergies"]:
            statements.append(_statement(one, setting))
        elif codes & _NOTHING_IN_PART:
            in_part.append(_statement(one, setting))
        elif not codes & _NO_INFORMATION:
            items.append((_moment(one, setting, "onset", "recordedDate"), _allergy(one, setting)))
    return _section("allergies", items, statements, in_part, earlier, lists, setting, more)


def problems(found: Sequence[Resource], lists: Iterable[Resource], setting: Setting, *, more: bool = False) -> Section:
    """The summary of Condition resources: those that are not said to be over."""
    items: list[tuple[datetime | None, Item]] = []
    statements, earlier = [], 0
    for one in _standing(found):
        codes = frozenset(datatypes.codes_of(one.get("code")))
        status = frozenset(datatypes.codes_of(one.get("clinicalStatus")))
        ended = not status and datatypes.choice(one, "abatement")[0] not in {"", "Boolean"}
        if status & {"inactive", "remission", "resolved"} or ended or one.get("abatementBoolean") is True:
            earlier += 1
        elif codes & _NOTHING["problems"]:
            statements.append(_statement(one, setting))
        elif not codes & _NO_INFORMATION:
            items.append((_moment(one, setting, "onset", "recordedDate"), _problem(one, setting)))
    return _section("problems", items, statements, [], earlier, lists, setting, more)


def medications(
    found: Sequence[Resource],
    medicines: Mapping[str, Resource],
    lists: Iterable[Resource],
    setting: Setting,
    *,
    more: bool = False,
) -> Section:
    """The summary of MedicationRequest and MedicationStatement resources that are in force.

    `medicines` holds the Medication resources that they refer to, by "Medication/id".
    """
    items: list[tuple[datetime | None, Item]] = []
    statements, earlier = [], 0
    for one in _standing(found):
        codes = frozenset(datatypes.codes_of(one.get("medicationCodeableConcept")))
        status = line(one.get("status"), 40)
        if status in {"cancelled", "completed", "stopped"}:
            earlier += 1
        elif status in {"draft", "not-taken"}:
            continue
        elif codes & _NOTHING["medications"]:
            statements.append(_statement(one, setting))
        elif not codes & _NO_INFORMATION:
            moment = _moment(one, setting, "authoredOn", "effective", "dateAsserted")
            items.append((moment, _medication(one, medicines, setting)))
    return _section("medications", items, statements, [], earlier, lists, setting, more)


def medicine_name(resource: Resource, medicines: Mapping[str, Resource]) -> str:
    """What a request, statement, dispense or administration is of, by `medicines` where it refers to one."""
    if shown := datatypes.concept(resource.get("medicationCodeableConcept")):
        return shown
    reference = resource.get("medicationReference")
    found = medicines.get(line(reference.get("reference"))) if isinstance(reference, dict) else None
    return (datatypes.concept(found.get("code")) if found else "") or datatypes.reference(reference)


def _standing(found: Iterable[Resource]) -> list[Resource]:
    """Without what was withdrawn: entered in error or refuted."""
    return [
        one
        for one in found
        if one.get("status") != "entered-in-error"
        and not _WITHDRAWN & frozenset(datatypes.codes_of(one.get("verificationStatus")))
    ]


def _section(
    kind: Literal["problems", "medications", "allergies"],
    items: list[tuple[datetime | None, Item]],
    statements: list[Statement],
    in_part: list[Statement],
    earlier: int,
    lists: Iterable[Resource],
    setting: Setting,
    more: bool,
) -> Section:
    statements = statements + [_statement(one, setting) for one in lists if _says_none(one, kind)]
    state: State = "listed" if items else "none_known" if statements else "none_current" if earlier else "not_recorded"
    # The latest first; those without a date after them, in the order they came.
    items.sort(key=lambda pair: (pair[0] is None, -pair[0].timestamp() if pair[0] else 0.0))
    return Section(
        kind, state, tuple(item for _moment, item in items), tuple(statements), tuple(in_part), earlier, more
    )


def _says_none(one: Resource, kind: str) -> bool:
    return (
        one.get("status") == "current"
        and bool(_LIST_CODES[kind] & frozenset(datatypes.codes_of(one.get("code"))))
        and "nilknown" in datatypes.codes_of(one.get("emptyReason"))
        and not one.get("entry")
    )


def _moment(one: Resource, setting: Setting, *names: str) -> datetime | None:
    for name in names:
        value = one.get(name) or datatypes.choice(one, name)[1]
        if isinstance(value, dict):
            value = value.get("start") or value.get("end")
        if found := dates.read(value, setting.zone):
            return found.moment
    return None


def _statement(one: Resource, setting: Setting) -> Statement:
    by = next(
        (one[name] for name in ("asserter", "informationSource", "recorder", "source", "requester") if name in one),
        None,
    )
    on = next((one[name] for name in ("recordedDate", "dateAsserted", "date", "authoredOn") if name in one), None)
    moment = dates.read(on, setting.zone)
    reason = one.get("emptyReason") or one.get("code") or one.get("medicationCodeableConcept")
    return Statement(
        text=datatypes.concept(reason),
        said_by=datatypes.reference(by),
        said_on=dates.show(moment, setting) if moment else "",
        type=line(one.get("resourceType"), 64),
        id=line(one.get("id"), 64),
    )


def _allergy(one: Resource, setting: Setting) -> Item:
    reactions = datatypes.items(one.get("reaction"))
    signs = [datatypes.concepts(reaction.get("manifestation")) for reaction in reactions[:5]]
    severe = any(reaction.get("severity") == "severe" for reaction in reactions)
    high = one.get("criticality") == "high"
    substance = next((shown for r in reactions if (shown := datatypes.concept(r.get("substance")))), "")
    return Item(
        title=datatypes.concept(one.get("code")) or substance or _("Substance not recorded"),
        detail="; ".join(dict.fromkeys(sign for sign in signs if sign)),
        when=datatypes.of_choice(one, "onset", setting),
        status=_doubt(one),
        alert=_("High risk") if high else _("Severe reaction") if severe else "",
        type="AllergyIntolerance",
        id=line(one.get("id"), 64),
    )


def _problem(one: Resource, setting: Setting) -> Item:
    clinical = next(datatypes.codes_of(one.get("clinicalStatus")), "")
    severity = datatypes.concept(one.get("severity"))
    return Item(
        title=datatypes.concept(one.get("code")) or _("Problem without a name"),
        detail=", ".join(part for part in (datatypes.concepts(one.get("bodySite")), severity) if part),
        when=datatypes.of_choice(one, "onset", setting) or _shown(one.get("recordedDate"), setting),
        status="; ".join(
            part for part in ("" if clinical in {"", "active"} else labels.code(clinical), _doubt(one)) if part
        ),
        alert="",
        type="Condition",
        id=line(one.get("id"), 64),
    )


def _medication(one: Resource, medicines: Mapping[str, Resource], setting: Setting) -> Item:
    kind = line(one.get("resourceType"), 64)
    dosages = datatypes.items(one.get("dosageInstruction") or one.get("dosage"))
    status = line(one.get("status"), 40)
    return Item(
        title=medicine_name(one, medicines) or _("Medicine without a name"),
        detail="; ".join(shown for d in dosages[:5] if (shown := datatypes.dosage(d, setting))),
        when=_shown(one.get("authoredOn") or one.get("dateAsserted"), setting)
        or datatypes.of_choice(one, "effective", setting),
        status="" if status == "active" else labels.code(status),
        alert=_("Must not be given") if one.get("doNotPerform") is True else "",
        type=kind,
        id=line(one.get("id"), 64),
    )


def _doubt(one: Resource) -> str:
    code = next(datatypes.codes_of(one.get("verificationStatus")), "")
    return labels.code(code) if code in {"unconfirmed", "provisional", "differential", "presumed"} else ""


def _shown(value: Any, setting: Setting) -> str:
    moment = dates.read(value, setting.zone)
    return dates.show(moment, setting) if moment else ""
