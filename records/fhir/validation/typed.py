"""Datatypes whose values are judged by where they stand: references, bound concepts, quantities, narratives."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..definitions import TYPE_NUMBERS
from ..outcome import shown
from . import narrative
from .native.datatypes import money_quantity
from .native.members import has
from .references import Target, take_apart
from .tables import Member, allowed_codes

if TYPE_CHECKING:
    from .walker import Place, Walk

Json = dict[str, Any]

_DEFINITIONS: Final = "http://hl7.org/fhir/StructureDefinition/"


def _reference(walk: "Walk", value: Json, member: Member, place: "Place") -> None:
    text = value.get("reference")
    found: str | None = None
    if type(text) is str and text:
        target = take_apart(text)
        if target is None:
            walk.find(
                (place, "reference"),
                "malformed-reference",
                "Write Type/id, an absolute URL, or #id of a contained resource.",
                code="value",
            )
            return
        if target.form == "contained":
            inner = walk.contained.get(target.id or "")
            if inner is None:
                walk.find(
                    (place, "reference"),
                    "dangling-contained-reference",
                    f"ref-1: no contained resource has the id {shown(target.id or '')}.",
                    code="invariant",
                )
                return
            found = inner.get("resourceType")
        elif target.form == "container":
            found = walk.root.get("resourceType")
        elif _is_placeholder(walk, target):
            walk.find(
                (place, "reference"),
                "placeholder-reference",
                "urn: and conditional references are resolved inside a transaction only: write Type/id.",
                code="value",
            )
            return
        else:
            found = target.type
    declared = value.get("type")
    if type(declared) is str:
        found = _declared_type(walk, declared, found, place)
    if found is not None and member.targets is not None and found not in member.targets:
        walk.find(
            (place, "reference") if text is not None else place,
            "wrong-reference-target",
            f"{member.element.path} refers to {' or '.join(sorted(member.targets))}, not to {found}.",
            code="value",
        )


def _is_placeholder(walk: "Walk", target: Target) -> bool:
    if target.form == "urn":
        return not (walk.in_transaction or walk.in_bundle)
    return target.form == "conditional" and not walk.in_transaction


def _declared_type(walk: "Walk", declared: str, found: str | None, place: "Place") -> str | None:
    """What Reference.type adds: it names the type, and agrees with the reference itself."""
    name = declared.removeprefix(_DEFINITIONS)
    if name in TYPE_NUMBERS:
        if found is not None and name != found:
            walk.find(
                (place, "type"),
                "reference-type-mismatch",
                f"The type says {name}, the reference {found}: make them agree.",
                code="value",
            )
        return found or name
    if ":" not in name:
        walk.find((place, "type"), "unknown-resource-type", f"R4 has no resource type {shown(name)}.", code="value")
    return found


def _concept(walk: "Walk", value: Json, member: Member, place: "Place") -> None:
    allowed = member.codings
    if allowed is None:
        return
    codings = value.get("coding")
    if type(codings) is list:
        for coding in codings:
            if type(coding) is dict:
                system, code = coding.get("system"), coding.get("code")
                if type(system) is str and type(code) is str and code in allowed.get(system, ()):
                    return
    elif "text" not in value and "extension" in value:
        return
    walk.find(
        (place, "coding") if codings else place,
        "code-not-in-value-set",
        f"R4 requires a coding of {' or '.join(sorted(allowed))} here: {allowed_codes(member)}.",
        code="code-invalid",
    )


def _quantity(walk: "Walk", value: Json, member: Member, place: "Place") -> None:
    if member.profile == "SimpleQuantity" and has(value, "comparator"):
        walk.find(
            (place, "comparator"), "sqty-1", "sqty-1: no comparator is used here: leave it out.", code="invariant"
        )
    elif member.profile == "MoneyQuantity" and not money_quantity(value):
        walk.find(place, "mqty-1", "mqty-1: an amount of money has a code of urn:iso:std:iso:4217.", code="invariant")


def _narrative(walk: "Walk", value: Json, member: Member, place: "Place") -> None:
    div = value.get("div")
    if type(div) is str:
        found = narrative.complaint(div)
        if found is not None:
            walk.find((place, "div"), found[0], found[1], code="invariant")


CHECKS: Final[dict[str, Callable[["Walk", Json, Member, "Place"], None]]] = {
    "CodeableConcept": _concept,
    "Narrative": _narrative,
    "Quantity": _quantity,
    "Reference": _reference,
}
"""By datatype, asked after the walk of the value itself."""
