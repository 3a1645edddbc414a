"""The official R4 search parameters of each type, compiled: what they are, and where in a resource their values are.

Nothing is picked by hand. The few that are not served are named in UNSUPPORTED, each with its reason.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from records.fhir import definitions

from .dates import RANGE_READERS
from .hashing import slot_number
from .numbers import NUMBER_READERS, QUANTITY_READERS
from .paths import Branch, Path, UnsupportedExpression, parse, resolve
from .strings import STRING_READERS

Kind = Literal[
    "token",
    "reference",
    "string",
    "phonetic",
    "date",
    "number",
    "quantity",
    "uri",
    "composite",
    "id",
    "last-updated",
]

UNSUPPORTED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "_text": "searching the narrative needs a text index that this node does not keep",
        "_content": "searching whole records for words needs a text index that this node does not keep",
        "_query": "this node defines no named queries",
        "_filter": "the filter language is not understood; use the parameters of the type",
        "_list": "membership of a List is not a search here; read the List and search by _id",
        "_contained": "contained resources are not searched by themselves",
        "_containedType": "contained resources are not searched by themselves",
        "_score": "results have no score",
        "near": "distances between locations are not computed",
    }
)
"""Parameters that R4 defines and this node refuses, and why."""

TOKEN_TYPES: Final = frozenset(
    {
        "CodeableConcept",
        "Coding",
        "Identifier",
        "ContactPoint",
        "boolean",
        "code",
        "id",
        "string",
        "uri",
        "dateTime",
    }
)
REFERENCE_TYPES: Final = frozenset({"Reference", "canonical", "uri", "Resource"})
URI_TYPES: Final = frozenset({"uri", "url", "canonical", "oid", "uuid"})

_READABLE: Final[Mapping[str, frozenset[str]]] = {
    "token": TOKEN_TYPES,
    "reference": REFERENCE_TYPES,
    "string": frozenset(STRING_READERS),
    "phonetic": frozenset(STRING_READERS),
    "date": frozenset(RANGE_READERS),
    "number": frozenset(NUMBER_READERS),
    "quantity": frozenset(QUANTITY_READERS),
    "uri": URI_TYPES,
}

RESOURCE_LEVEL: Final = "Resource"
_PREFERRED_PATIENT: Final = ("patient", "subject", "beneficiary")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One slot: where its values are, and what narrows them for one parameter.

    `target`: only references to this type count (the row is shared with parameters that count all). `truth`: the
    value is whether there is one that is not false.
    """

    slot: int
    expression: str
    branches: tuple[Branch, ...]
    target: str | None = None
    truth: bool = False

    @property
    def repeats(self) -> bool:
        return any(branch.repeats for branch in self.branches)


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite over a repeating element. `absolute`: read from the whole resource, not from the
    element."""

    kind: Kind
    branches: tuple[Branch, ...]
    absolute: bool
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Composite:
    """How the values of a composite are found.

    `parts`: parameters that all have to match, where the composite is over the resource itself; empty if it is not.
    `slot`, `elements`, `components`: the repeating element, with rows or tokens of its own; no elements if there is
    none.
    """

    parts: tuple["Parameter", ...]
    slot: int
    elements: tuple[Branch, ...]
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type. `targets`: the types that a reference may point to, of those this node
    serves."""

    code: str
    kind: Kind
    url: str
    leaves: tuple[Leaf, ...] = ()
    targets: tuple[str, ...] = ()
    composite: Composite | None = None

    @property
    def slots(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(leaf.slot for leaf in self.leaves))

    @property
    def fhir_type(self) -> str:
        """The SearchParamType that the standard and the capability statement call it."""
        return {"phonetic": "string", "id": "token", "last-updated": "date"}.get(self.kind, self.kind)

    @property
    def local_targets(self) -> tuple[str, ...]:
        """Types a chain or an include can go to: none where only canonicals and whole resources are pointed to."""
        references = any(b.fhir_type == "Reference" for leaf in self.leaves for b in leaf.branches)
        return self.targets if references else ()


@functools.cache
def _definitions_by_base() -> Mapping[str, tuple[Mapping[str, Any], ...]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for definition in definitions.search_parameters():
        for base in definition["base"]:
            found.setdefault(base, []).append(definition)
    return {base: tuple(listed) for base, listed in found.items()}


@functools.cache
def _definitions_by_url() -> Mapping[str, Mapping[str, Any]]:
    return {definition["url"]: definition for definition in definitions.search_parameters()}


@functools.cache
def resource_parameters() -> Mapping[str, Parameter]:
    """The parameters of every type: `_id`, `_lastUpdated`, `_profile`, `_security`, `_source`, `_tag`."""
    found = {}
    for definition in (
        *_definitions_by_base()["Resource"],
        *_definitions_by_base().get("DomainResource", ()),
    ):
        if definition["code"] not in UNSUPPORTED:
            found[definition["code"]] = _compiled(RESOURCE_LEVEL, definition)
    found["_id"] = Parameter("_id", "id", found["_id"].url)
    found["_lastUpdated"] = Parameter("_lastUpdated", "last-updated", found["_lastUpdated"].url)
    return MappingProxyType(found)


@functools.cache
def parameters(type_name: str) -> Mapping[str, Parameter]:
    """The served search parameters of a type, by code, those of every type included."""
    found = dict(resource_parameters())
    for definition in _definitions_by_base().get(type_name, ()):
        if definition["code"] not in UNSUPPORTED:
            found[definition["code"]] = _compiled(type_name, definition)
    return MappingProxyType(found)


def _compiled(type_name: str, definition: Mapping[str, Any]) -> Parameter:
    code, url = definition["code"], definition["url"]
    if definition["type"] == "composite":
        return Parameter(code, "composite", url, composite=_composite(type_name, definition))
    kind = cast(Kind, "phonetic" if code == "phonetic" else definition["type"])
    leaves = tuple(make_leaf(type_name, path, kind) for path in _paths(type_name, definition["expression"]))
    targets = _targets(definition, leaves) if kind == "reference" else ()
    return Parameter(code, kind, url, leaves, targets)


def _paths(type_name: str, expression: str) -> Iterator[Path]:
    """The paths of an expression that are of this type; a path without a root is of every type."""
    for path in parse(expression):
        if path.root == type_name:
            yield path
        elif path.root == "" and path.steps:
            yield replace(path, root=type_name)


def make_leaf(type_name: str, path: Path, kind: Kind) -> Leaf:
    """The slot of a path of this type, with the branches that a parameter of this kind can read. Raises
    UnsupportedExpression when it can read none."""
    reached = resolve(type_name, path.steps)
    branches = tuple(branch for branch in reached if branch.fhir_type in _READABLE[kind])
    if not branches:
        raise UnsupportedExpression(f"{type_name}: {path.expression} has no value of a type that a {kind} search reads")
    expression = path.expression
    for step in path.steps:
        # `ofType(DateTime)` in a composite is `ofType(dateTime)` elsewhere: one spelling, one slot.
        if step.of_type and len(reached) == 1 and reached[0].fhir_type.lower() == step.of_type.lower():
            expression = expression.replace(f"ofType({step.of_type})", f"ofType({reached[0].fhir_type})")
    return Leaf(slot_number(type_name, expression), expression, branches, path.target, path.truth)


def _targets(definition: Mapping[str, Any], leaves: Sequence[Leaf]) -> tuple[str, ...]:
    """What the parameter may point to, of what its elements may point to, of what is served."""
    stated = set(definition.get("target", ())) & definitions.SERVED_TYPES
    possible: set[str] = set()
    for leaf in leaves:
        for branch in leaf.branches:
            listed = set(branch.targets) - {"Resource"}
            allowed = (stated & listed) if listed else stated
            possible |= {leaf.target} & allowed if leaf.target else allowed
    return tuple(sorted(possible or stated))


def _composite(type_name: str, definition: Mapping[str, Any]) -> Composite:
    parts: tuple[Parameter, ...] = ()
    elements: list[Branch] = []
    stated: list[tuple[Mapping[str, Any], str]] = [
        (_definitions_by_url()[c["definition"]], c["expression"]) for c in definition["component"]
    ]
    bases = tuple(_paths(type_name, definition["expression"]))
    for base in bases:
        if base.steps:
            elements.extend(resolve(type_name, base.steps))
        else:
            parts = tuple(_part(type_name, part, expression) for part, expression in stated)
    components = tuple(_component(type_name, elements, *one) for one in stated) if elements else ()
    expression = "$".join((*(b.expression for b in bases if b.steps), *(text for _, text in stated)))
    composite = Composite(parts, slot_number(type_name, expression), tuple(elements), components)
    if elements and row_shape(composite) is None:
        raise UnsupportedExpression(f"{type_name}: a composite of {[c.kind for c in components]} over an element")
    return composite


def _part(type_name: str, definition: Mapping[str, Any], expression: str) -> Parameter:
    kind = cast(Kind, definition["type"])
    leaves = tuple(
        leaf for path in parse(expression) for leaf in [make_leaf(type_name, replace(path, root=type_name), kind)]
    )
    targets = _targets(definition, leaves) if kind == "reference" else ()
    return Parameter(definition["code"], kind, definition["url"], leaves, targets)


def _component(type_name: str, elements: Sequence[Branch], definition: Mapping[str, Any], expression: str) -> Component:
    kind = cast(Kind, definition["type"])
    reached: list[Branch] = []
    absolute = False
    for path in parse(expression):
        absolute = path.root == "%resource"
        for start in {type_name} if absolute else {element.fhir_type for element in elements}:
            reached.extend(resolve(start, path.steps))
    if not any(branch.fhir_type in _READABLE[kind] for branch in reached):
        # R4 itself mixed up the two components of DocumentReference's `relationship`: what is there decides.
        kind = "reference" if any(branch.fhir_type == "Reference" for branch in reached) else "token"
    branches = [branch for branch in reached if branch.fhir_type in _READABLE[kind]]
    listed = {target for branch in branches for target in branch.targets} & definitions.SERVED_TYPES
    return Component(kind, tuple(branches), absolute, tuple(sorted(listed)))


RowShape = Literal["code-quantity", "code-numbers", "pair"]


def row_shape(composite: Composite) -> RowShape | None:
    """How a composite over a repeating element is stored: rows of quantities with a code, of two numbers with a code
    (the first as `low`, the second as `high`), or tokens of pairs. None: R4 has no such composite."""
    match tuple(component.kind for component in composite.components):
        case ("token", "quantity"):
            return "code-quantity"
        case ("token", "number", "number"):
            return "code-numbers"
        case ("token", "token" | "reference"):
            return "pair"
    return None


@functools.cache
def patient_leaves(type_name: str) -> tuple[Leaf, ...]:
    """Where a resource names the patients whose compartments it is in, the primary one's place first.

    R4's patient compartment, and more on purpose: whatever has a `patient`, `subject` or `beneficiary` that is a
    patient is theirs, although R4 leaves out, say, Device and GuidanceResponse; and a Binary, whose security context
    may be a patient.
    """
    if type_name == "Binary":
        return (make_leaf(type_name, parse("Binary.securityContext.where(resolve() is Patient)")[0], "reference"),)
    known = parameters(type_name)
    stated = definitions.compartment("Patient").get(type_name, ())
    names = dict.fromkeys((*_PREFERRED_PATIENT, *stated))
    leaves: dict[int, Leaf] = {}
    for name in names:
        parameter = known.get(name)
        if parameter is None or parameter.kind != "reference":
            continue
        if name in stated or "Patient" in parameter.local_targets:
            for leaf in parameter.leaves:
                leaves.setdefault(leaf.slot, leaf)
    return tuple(leaves.values())


@functools.cache
def primary_patient_slot(type_name: str) -> int | None:
    """The slot whose value, if it is a patient, is always the record's primary compartment.

    That holds for the first place that is looked at, if it holds one reference only. Then `patient=X` implies that
    the row's compartment is X's (not the other way round: an Observation about a group by a patient is in that
    patient's too).
    """
    leaves = patient_leaves(type_name)
    return leaves[0].slot if leaves and not leaves[0].repeats else None
