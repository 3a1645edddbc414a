"""Any record as labelled values: what R4's definitions say of a member decides how it is shown.

The narrative (`text`) is left out: it is markup by a stranger, and the members it was made from are all here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.translation import gettext as _

from records.fhir import definitions
from records.portal import datatypes, dates, labels
from records.portal.datatypes import Target
from records.portal.dates import Setting
from records.portal.text import line, paragraph

_MOST_VALUES: Final = 1_500
_MOST_IN_A_ROW: Final = 100
_DEEPEST: Final = 8
# Said elsewhere on the page, or not for people.
_LEFT_OUT: Final = frozenset({"resourceType", "id", "meta", "text", "implicitRules", "language", "contained"})
_DATES: Final = frozenset({"date", "dateTime", "instant"})
_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@dataclass(frozen=True, slots=True)
class Value:
    """One value: a line of text, a block of text, a record to open, or further members."""

    text: str = ""
    note: str = ""
    block: bool = False
    target: Target | None = None
    members: tuple["Member", ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A labelled member. `warns`: R4 says that it can change the meaning of the rest."""

    label: str
    values: tuple[Value, ...]
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Readable:
    """A record's members in R4's order; `cut` when there were too many, or too long, for a page."""

    members: tuple[Member, ...]
    contained: tuple[Member, ...]
    warns: bool
    has_narrative: bool
    cut: bool


@dataclass(slots=True)
class _Page:
    """What is left of the page's room, and whether something did not fit."""

    setting: Setting
    left: int = _MOST_VALUES
    cut: bool = False
    warns: bool = False
    contained: dict[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def take(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.cut = True
        return self.left >= 0


def readable(resource: Mapping[str, Any], setting: Setting, names: Mapping[str, str] | None = None) -> Readable:
    """The readable view of a resource of any type. `names`: what to call records that it refers to, by "Type/id"."""
    page = _Page(setting, names=names or {})
    inside = datatypes.items(resource.get("contained"))[:_MOST_IN_A_ROW]
    page.contained = {line(one.get("id"), 64): labels.kind_of(line(one.get("resourceType"), 64)) for one in inside}
    members = tuple(_members(resource, line(resource.get("resourceType"), 64), page, 0))
    contained = tuple(
        Member(
            f"{labels.kind_of(kind)} #{line(one.get('id'), 64)}",
            (Value(members=tuple(_members(one, kind, page, 1))),),
        )
        for one in inside
        if (kind := line(one.get("resourceType"), 64))
    )
    return Readable(members, contained, page.warns, "text" in resource, page.cut)


def _elements(structure: str) -> Mapping[str, definitions.Element]:
    try:
        return definitions.elements(structure)
    except KeyError:
        return {}


def _members(value: Mapping[str, Any], structure: str, page: _Page, depth: int) -> Iterator[Member]:
    known = _elements(structure)
    # What may change the meaning of the rest comes first, and what R4 does not define comes last.
    order = {name: position for position, name in enumerate(known)}
    order.update(modifierExtension=-1, extension=len(order))
    names = dict.fromkeys(name.removeprefix("_") if name.startswith("_") else name for name in value)
    for name in sorted(names, key=lambda one: order.get(one, len(order) + 1))[: 2 * _MOST_IN_A_ROW]:
        if (depth == 0 or structure in definitions.TYPE_NUMBERS) and name in _LEFT_OUT:
            continue
        if name == "id" or not page.take():
            continue
        element = known.get(name)
        kind = element.json_names().get(name) if element else None
        code = kind.code if kind else ""
        inner = element.structure if element and element.structure else code
        shown = _values(value.get(name), value.get("_" + name), code, inner or "", page, depth)
        if name in {"extension", "modifierExtension"}:
            yield from _extensions(value.get(name), page, depth, warns=name == "modifierExtension")
        elif shown:
            label = labels.member(element.name if element else name)
            if name == "subject" and structure in {"Group", "Consent"}:
                label = labels.member("target")
            yield Member(label, shown)


def _values(value: Any, beside: Any, code: str, inner: str, page: _Page, depth: int) -> tuple[Value, ...]:
    listed = value if isinstance(value, list) else [value]
    extras = beside if isinstance(beside, list) else [beside]
    if len(listed) > _MOST_IN_A_ROW:
        page.cut = True
    shown = []
    for position, one in enumerate(listed[:_MOST_IN_A_ROW]):
        extra = extras[position] if position < len(extras) else None
        found = _value(one, code, inner, page, depth) if one is not None else _absent(extra)
        if found is not None:
            shown.append(found)
    return tuple(shown)


def _value(one: Any, code: str, inner: str, page: _Page, depth: int) -> Value | None:
    if not page.take():
        return None
    if isinstance(one, dict):
        if special := _special(one, code, page):
            return special
        if code in datatypes.SHOWN and (text := datatypes.SHOWN[code](one, page.setting)):
            return Value(text, note=_codes(one) if code == "CodeableConcept" else "")
        if depth >= _DEEPEST:
            page.cut = True
            return None
        members = tuple(_members(one, inner or line(one.get("resourceType"), 64), page, depth + 1))
        return Value(members=members) if members else None
    if isinstance(one, bool):
        return Value(_("yes") if one else _("no"))
    if code in _DATES and (moment := dates.read(one, page.setting.zone)):
        return Value(dates.show(moment, page.setting, zone_too=True))
    if code == "code":
        return Value(labels.code(one))
    if code == "base64Binary":
        return Value(datatypes.attachment({"data": one}))
    text, cut = paragraph(one) if isinstance(one, str) else (datatypes.number(one), False)
    page.cut = page.cut or cut
    return Value(text, block="\n" in text or len(text) > 200) if text else None


def _special(one: dict[str, Any], code: str, page: _Page) -> Value | None:
    """References, identifiers, attachments with text, and notes need more than a line."""
    if code == "Reference":
        written = one.get("reference")
        if isinstance(written, str) and written.startswith("#"):
            name = page.contained.get(written[1:], "")
            return Value(datatypes.reference(one) if one.get("display") else f"{name} {line(written, 66)}".strip())
        target = datatypes.target(written)
        known = page.names.get(f"{target.type}/{target.id}") if target and not one.get("display") else None
        return Value(known or datatypes.reference(one), target=target)
    if code == "Identifier":
        found = datatypes.identifier(one)
        return Value(found.value, note=found.label) if found.value else None
    if code == "Attachment" and (attached := datatypes.attached_text(one)) is not None:
        text, cut = attached
        page.cut = page.cut or cut
        return Value(text, note=datatypes.attachment({**one, "data": None}), block=True)
    if code == "Annotation" and (text := datatypes.annotation(one, page.setting)):
        return Value(text, block=True)
    return None


def _codes(concept: Mapping[str, Any]) -> str:
    """The codes behind a concept, for whoever needs them: "195967001 (snomed.info/sct)"."""
    listed = []
    for one in datatypes.items(concept.get("coding"))[:5]:
        system = line(one.get("system"), 120).removeprefix("http://").removeprefix("https://")
        # HL7's own codes say what the words beside them say.
        if (code := line(one.get("code"), 80)) and not system.startswith("terminology.hl7.org/"):
            listed.append(f"{code} ({system})" if system else code)
    return ", ".join(listed)


def references(resource: Mapping[str, Any], most: int = 60) -> list[Target]:
    """The records of this node that a resource refers to without saying what they are called, each once."""
    found: dict[Target, None] = {}
    waiting: list[Any] = [resource]
    while waiting and len(found) < most:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one[:_MOST_IN_A_ROW]))
        elif isinstance(one, dict):
            if not one.get("display") and (target := datatypes.target(one.get("reference"))):
                found[target] = None
            waiting.extend(reversed(one.values()))
    return list(found)


def _absent(beside: Any) -> Value | None:
    """Why a primitive has no value, where an extension in its place says so."""
    for one in datatypes.items(beside.get("extension") if isinstance(beside, dict) else None):
        if one.get("url") == _ABSENT:
            return Value(_("no value: %(reason)s") % {"reason": labels.code(one.get("valueCode"))})
    return None


def _extensions(value: Any, page: _Page, depth: int, *, warns: bool) -> Iterator[Member]:
    """Extensions, each under the last word of its address, which is all that is known of it here."""
    page.warns = page.warns or warns
    for one in datatypes.items(value)[:_MOST_IN_A_ROW]:
        name = line(one.get("url")).rstrip("/").rpartition("/")[2]
        label = labels.member(name) if name else labels.member("extension")
        suffix, found = datatypes.choice(one, "value")
        code = suffix if suffix in datatypes.SHOWN or suffix == "Identifier" else suffix[:1].lower() + suffix[1:]
        if suffix:
            shown = _values(found, None, code, suffix, page, depth)
        elif depth < _DEEPEST:
            nested = tuple(_extensions(one.get("extension"), page, depth + 1, warns=False))
            shown = (Value(members=nested),) if nested else ()
        else:
            shown = ()
        if shown:
            yield Member(label, shown, warns)
