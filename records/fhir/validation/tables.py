"""The element tables in the shape that the walker wants: one look-up a member, nothing computed twice."""

import builtins
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from .. import definitions
from ..definitions import Element, ElementType
from .invariants import Rule, rule
from .primitives import PRIMITIVES, Accepts


class Kind(IntEnum):
    """What the value of a member is. A sibling is the `_birthDate` of a `birthDate`."""

    PRIMITIVE = 0
    COMPLEX = 1
    RESOURCE = 2
    SIBLING = 3


@dataclass(slots=True, eq=False)
class Member:
    """One member name of a structure and what its value must be."""

    name: str
    kind: Kind
    many: bool
    element: Element
    type: str
    """The datatype, the backbone's path, the resource type or "Resource"."""
    python: "builtins.type" = object
    accepts: Accepts = bool
    codes: frozenset[str] | None = None
    codings: Mapping[str, frozenset[str]] | None = None
    targets: frozenset[str] | None = None
    profile: str | None = None
    of: str | None = None
    choice: str | None = None
    rules: tuple[Rule, ...] = ()
    table: "Table | None" = None


@dataclass(slots=True, eq=False)
class Table:
    """A structure: its members by JSON name, which of them must be there, and the rules of the whole."""

    name: str
    members: dict[str, Member]
    required: tuple[tuple[str, ...], ...]
    rules: tuple[Rule, ...]
    advice: tuple[Rule, ...]
    is_resource: bool


# Value sets of outside code systems whose form R4 relies on.
_FORMS: Final[dict[str, Accepts]] = {
    "http://hl7.org/fhir/ValueSet/currencies": re.compile(r"[A-Z]{3}").fullmatch,
}


@functools.cache
def table(name: str) -> Table:
    """The table of a resource type, datatype or backbone. Those of its members are made when they are
    first walked.
    """
    structure = definitions.structure(name)
    members: dict[str, Member] = {}
    required: list[tuple[str, ...]] = []
    for element in structure.elements:
        names = element.json_names()
        for json_name, kind in names.items():
            member = _member(json_name, element, kind)
            members[json_name] = member
            if member.kind is Kind.PRIMITIVE and not _is_attribute(element):
                members[f"_{json_name}"] = Member(
                    name=f"_{json_name}",
                    kind=Kind.SIBLING,
                    many=member.many,
                    element=element,
                    type="Element",
                    of=json_name,
                    choice=member.choice,
                )
        if element.min:
            required.append(tuple(names))
    rules = tuple(r for r in map(rule, structure.invariants) if r is not None)
    return Table(
        name=name,
        members=members,
        required=tuple(required),
        rules=tuple(r for r in rules if r.invariant.severity == "error"),
        advice=tuple(r for r in rules if r.invariant.severity != "error"),
        is_resource=structure.kind == "resource",
    )


def table_of(member: Member) -> Table:
    """The table of a member's value."""
    if member.table is None:
        member.table = table(member.type)
    return member.table


def allowed_codes(member: Member, *, limit: int = 12) -> str:
    """The codes of a required binding, for people: all of them when they are few."""
    codes = sorted(member.codes or {c for listed in (member.codings or {}).values() for c in listed})
    return ", ".join(codes[:limit]) + (f" and {len(codes) - limit} more" if len(codes) > limit else "")


def _is_attribute(element: Element) -> bool:
    """Ids and Extension.url are attributes in XML: in JSON they have no id and no extensions of their own."""
    return element.name == "id" or element.path == "Extension.url"


def _member(json_name: str, element: Element, kind: ElementType | None) -> Member:
    member = Member(
        name=json_name,
        kind=Kind.COMPLEX,
        many=element.repeats,
        element=element,
        type=element.structure or (kind.code if kind else ""),
        choice=element.name if element.choice else None,
        rules=tuple(r for r in map(rule, element.invariants) if r is not None and r.invariant.severity == "error"),
    )
    if element.structure is not None:
        return member
    if kind is None:
        raise definitions.DefinitionsError(f"{element.path} has neither a type nor a content reference.")
    value_set = definitions.codes(element.binding) if element.binding else None
    if kind.code in PRIMITIVES:
        primitive = PRIMITIVES[kind.code]
        member.kind, member.python, member.accepts = Kind.PRIMITIVE, primitive.python, primitive.accepts
        if element.binding and kind.code == "code":
            if value_set is not None:
                member.codes = frozenset().union(*value_set.values())
                member.accepts = member.codes.__contains__
            else:
                member.accepts = _FORMS.get(element.binding, member.accepts)
        return member
    if kind.code == "Resource" or definitions.structure(kind.code).kind == "resource":
        member.kind = Kind.RESOURCE
        return member
    if kind.targets and "Resource" not in kind.targets:
        member.targets = frozenset(kind.targets)
    member.codings = value_set if kind.code == "CodeableConcept" else None
    member.profile = kind.profile
    return member
