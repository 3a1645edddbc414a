"""FHIR R4's own definitions as tables: types, elements, bindings, invariants, search parameters, the patient
compartment.

They are compiled once (`python -m records.fhir.definitions build`) into the folder that XINGLIN_DEFINITIONS
names, by default `var/definitions` of the checkout, and loaded when first asked for. Tables that are stale
are compiled again.
"""

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from .build import FORMAT, OPEN_VALUE_SETS, DefinitionsError, build, source_key
from .resource_types import NOT_SERVED, RESOURCE_TYPES, SERVED_TYPES, TYPE_NAMES, TYPE_NUMBERS

__all__ = [
    "NOT_SERVED",
    "OPEN_VALUE_SETS",
    "RESOURCE_TYPES",
    "SERVED_TYPES",
    "TYPE_NAMES",
    "TYPE_NUMBERS",
    "DefinitionsError",
    "Element",
    "ElementType",
    "Invariant",
    "Structure",
    "codes",
    "compartment",
    "elements",
    "ensure_built",
    "search_parameters",
    "structure",
    "structure_names",
]

_CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of the specification; `path` is the element that it is stated on, the context of its FHIRPath
    expression.
    """

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str
    path: str


@dataclass(frozen=True, slots=True)
class ElementType:
    """One type an element may have. `targets` are the resource types a Reference or canonical may point
    to; empty: any.
    """

    code: str
    profile: str | None
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """One member of a type. `name` is without `[x]`; `structure` names the backbone whose members a value
    has, if any.
    """

    name: str
    path: str
    choice: bool
    min: int
    max: int | None
    types: tuple[ElementType, ...]
    structure: str | None
    binding: str | None
    summary: bool
    modifier: bool
    invariants: tuple[Invariant, ...]

    @property
    def repeats(self) -> bool:
        """Whether JSON writes it as an array."""
        return self.max is None or self.max > 1

    def json_names(self) -> Mapping[str, ElementType | None]:
        """Member name in JSON to its type: `valueQuantity` and so on for a choice, the name itself
        otherwise.
        """
        if self.choice:
            return {self.name + t.code[0].upper() + t.code[1:]: t for t in self.types}
        return {self.name: self.types[0] if self.types else None}


@dataclass(frozen=True, slots=True)
class Structure:
    """A resource type, a datatype, a primitive, or a backbone (named by its path) with its members in R4's
    order.
    """

    name: str
    kind: Literal["resource", "datatype", "primitive", "backbone"]
    base: str
    elements: tuple[Element, ...]
    invariants: tuple[Invariant, ...]


def folder() -> Path:
    """Where compiled definitions are kept."""
    return Path(os.environ.get("XINGLIN_DEFINITIONS") or _CHECKOUT / "var" / "definitions")


def sources() -> Path:
    """Where the npm package's R4 definitions are."""
    return _CHECKOUT / "node_modules" / "@medplum" / "definitions" / "dist" / "fhir" / "r4"


def ensure_built(*, again: bool = False) -> tuple[Path, Path]:
    """The compiled files (structures, search), built if they are missing, stale, or `again` is asked for.

    A node that was deployed with compiled tables and without the package uses the ones it has.
    """
    target = folder()
    if not sources().is_dir():
        existing = sorted(target.glob("structures-*.json"), key=lambda p: p.stat().st_mtime)
        if existing:
            return existing[-1], existing[-1].with_name(existing[-1].name.replace("structures-", "search-"))
    key = source_key(sources())
    structures_file, search_file = target / f"structures-{key}.json", target / f"search-{key}.json"
    if again or not (structures_file.is_file() and search_file.is_file()):
        return build(sources(), target)
    return structures_file, search_file


def _load(path: Path) -> dict[str, Any]:
    tables: dict[str, Any] = json.loads(path.read_bytes())
    if tables.get("format") != FORMAT:
        raise DefinitionsError(
            f"{path.name} has format {tables.get('format')}, not {FORMAT}: "
            "run python -m records.fhir.definitions build."
        )
    return tables


@functools.cache
def _structure_tables() -> dict[str, Any]:
    return _load(ensure_built()[0])


@functools.cache
def _search_tables() -> dict[str, Any]:
    return _load(ensure_built()[1])


def structure_names() -> tuple[str, ...]:
    """Every resource type (also the abstract two), datatype, primitive and backbone path."""
    return tuple(_structure_tables()["structures"])


@functools.cache
def structure(name: str) -> Structure:
    """The structure called `name`: "Patient", "Patient.contact", "HumanName", "string". KeyError when R4
    has none.
    """
    table = _structure_tables()["structures"][name]
    return Structure(
        name=name,
        kind=table["kind"],
        base=table["base"],
        elements=tuple(
            Element(
                **{
                    **e,
                    "types": tuple(ElementType(code, profile, tuple(targets)) for code, profile, targets in e["types"]),
                    "invariants": tuple(Invariant(**i) for i in e["invariants"]),
                }
            )
            for e in table["elements"]
        ),
        invariants=tuple(Invariant(**i) for i in table["invariants"]),
    )


@functools.cache
def elements(name: str) -> Mapping[str, Element]:
    """The members of a structure by their names in JSON; a choice appears under each of its names
    (`valueQuantity`, ...).
    """
    return MappingProxyType({n: e for e in structure(name).elements for n in e.json_names()})


@functools.cache
def codes(value_set: str) -> Mapping[str, frozenset[str]] | None:
    """The codes of a required binding's value set, by system; None where R4 leaves it to an outside code
    system.
    """
    if value_set in OPEN_VALUE_SETS:
        return None
    table = _structure_tables()["value_sets"][value_set]
    return MappingProxyType({system: frozenset(listed) for system, listed in table.items()})


@functools.cache
def search_parameters() -> tuple[Mapping[str, Any], ...]:
    """The official R4 search parameters, each a mapping with the members of its SearchParameter resource
    that matter: id, url, code, base, type, expression, target, multipleOr, multipleAnd, comparator,
    modifier, chain, component, xpathUsage.
    """
    return tuple(MappingProxyType(p) for p in _search_tables()["parameters"])


@functools.cache
def compartment(kind: str = "Patient") -> Mapping[str, tuple[str, ...]]:
    """Resource type to the search parameters whose references put a resource into a compartment of this
    kind.
    """
    table = _search_tables()["compartments"][kind]
    return MappingProxyType({name: tuple(parameters) for name, parameters in table.items()})
