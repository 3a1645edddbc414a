"""From a resource to what it is found by: one pass over the members that are there, by plans compiled once per type."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from records.fhir import definitions

from .clinical_dates import clinical_date_leaves, clinical_date_slot
from .dates import RANGE_READERS
from .emit import (
    MAKERS,
    DateRow,
    Emit,
    QuantityRow,
    ReferenceRow,
    Rows,
    StringRow,
    composite_rows,
    local_reference,
    presence,
    token_pairs,
    truth,
)
from .hashing import coding_hash
from .numbers import UCUM
from .parameters import Composite, Leaf, parameters, patient_leaves
from .paths import Hop, getter


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a version is found and decided by; rows are without their `source`, see the tables of the first migration.

    `sort_date` and `period_end` are [low, high) of the clinical date (see `clinical_dates`), both None where there is
    none; an open end is `dates.EARLIEST` or `dates.LATEST`. `patients`: ids of the patients whose compartments it is
    in, the primary one first. `labels` and `codes`: `coding_hash` of meta.security and of every coding in the record.
    """

    tokens: list[int]
    references: list[ReferenceRow]
    strings: list[StringRow]
    dates: list[DateRow]
    quantities: list[QuantityRow]
    labels: list[int]
    codes: list[int]
    sort_date: datetime | None
    period_end: datetime | None
    patients: tuple[str, ...]


def extract(type_name: str, resource: dict[str, Any], *, zone: tzinfo, base_url: str = "") -> Extracted:
    """What this version of a resource is found by.

    `resource` is valid JSON of that type as Python values (numbers int, float or Decimal); a value of the wrong shape
    is passed over, never raised upon. `zone` is where dates without one are; `base_url` is the node's own, whose
    absolute references are local.
    """
    rows = Rows(resource, zone, base_url)
    plan = _plan(type_name)
    for member in resource:
        for get, emits in plan.by_member.get(member, ()):
            values = get(resource)
            if values:
                for emit in emits:
                    emit(rows, values)
    for emit_always in plan.always:
        emit_always(rows)
    sort_date, period_end = _clinical_date(plan, resource, zone)
    return Extracted(
        list(rows.tokens),
        list(rows.references),
        list(rows.strings),
        list(rows.dates),
        list(rows.quantities),
        _labels(resource),
        _codes(resource),
        sort_date,
        period_end,
        _patients(type_name, plan, resource, base_url),
    )


def warm_up() -> None:
    """Compiles every served type now, in a third of a second, instead of at its first write or search."""
    for type_name in sorted(definitions.SERVED_TYPES):
        _plan(type_name)


Getter = Callable[[Any], list[Any]]


@dataclass(frozen=True, slots=True)
class _Plan:
    by_member: dict[str, tuple[tuple[Getter, tuple[Emit, ...]], ...]]
    always: tuple[Callable[[Rows], None], ...]
    dates: tuple[tuple[Getter, Callable[[Any, tzinfo], Any]], ...]
    patients: tuple[Getter, ...]


@functools.cache
def _plan(type_name: str) -> _Plan:
    """Each way through the JSON once, under its first member, with everything that is made of its values."""
    emits: dict[tuple[Hop, ...], dict[tuple[Any, ...], Emit]] = {}
    truths: dict[int, Leaf] = {}
    composites: dict[int, Composite] = {}
    in_columns = clinical_date_slot(type_name)
    waiting = list(parameters(type_name).values())
    while waiting:
        parameter = waiting.pop()
        if parameter.composite:
            waiting.extend(parameter.composite.parts)
            if parameter.composite.elements:
                composites[parameter.composite.slot] = parameter.composite
        for leaf in parameter.leaves:
            if leaf.truth:
                truths[leaf.slot] = leaf
                continue
            for branch in leaf.branches:
                made = emits.setdefault(branch.hops, {})
                made[leaf.slot, "presence"] = presence(leaf.slot)
                if parameter.kind == "date" and leaf.slot == in_columns:
                    continue
                made[leaf.slot, parameter.kind] = MAKERS[parameter.kind](leaf, branch)
    for composite in composites.values():
        for branch in composite.elements:
            emits.setdefault(branch.hops, {})[composite.slot, "composite"] = composite_rows(composite)

    by_member: dict[str, list[tuple[Getter, tuple[Emit, ...]]]] = {}
    for hops, made in emits.items():
        by_member.setdefault(hops[0].name, []).append((getter(hops), tuple(made.values())))
    return _Plan(
        {member: tuple(found) for member, found in by_member.items()},
        tuple(truth(leaf) for leaf in truths.values()),
        tuple(
            (getter(branch.hops), RANGE_READERS[branch.fhir_type])
            for leaf in clinical_date_leaves(type_name)
            for branch in leaf.branches
        ),
        tuple(getter(branch.hops) for leaf in patient_leaves(type_name) for branch in leaf.branches),
    )


def _clinical_date(plan: _Plan, resource: dict[str, Any], zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    for get, read in plan.dates:
        for value in get(resource):
            found = read(value, zone)
            if found is not None:
                return found.low, found.high
    return None, None


def _patients(type_name: str, plan: _Plan, resource: dict[str, Any], base_url: str) -> tuple[str, ...]:
    patients: dict[str, None] = {}
    own = resource.get("id")
    if type_name == "Patient" and type(own) is str:
        patients[own] = None
    for get in plan.patients:
        for value in get(resource):
            text = value.get("reference") if type(value) is dict else None
            local = local_reference(text, base_url) if type(text) is str else None
            if local is not None and local[0] == "Patient":
                patients[local[1]] = None
    return tuple(patients)


def _labels(resource: dict[str, Any]) -> list[int]:
    meta = resource.get("meta")
    security = meta.get("security") if type(meta) is dict else None
    found = {
        coding_hash(*pair)
        for label in (security if type(security) is list else ())
        for pair in token_pairs("Coding", label)
    }
    return sorted(found)


_coding_key = functools.lru_cache(maxsize=16_384)(coding_hash)


def _codes(resource: dict[str, Any]) -> list[int]:
    """Every coding in the record, wherever it is (R4: "if this code is found in an instance, then the rule applies").

    Not the record's own meta, whose security labels are apart, nor units of measure, which classify nothing.
    """
    found: set[int] = set()
    waiting: list[Any] = [value for member, value in resource.items() if member != "meta"]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            code = value.get("code")
            if type(code) is str:
                system = value.get("system")
                if type(system) is str and system != UCUM:
                    found.add(_coding_key(system, code))
            codings = value.get("coding")
            if type(codings) is list:
                for coding in codings:
                    if type(coding) is dict and "system" not in coding and type(coding.get("code")) is str:
                        found.add(_coding_key("", coding["code"]))
            waiting.extend(v for v in value.values() if type(v) in (dict, list))
        elif type(value) is list:
            waiting.extend(v for v in value if type(v) in (dict, list))
    return sorted(found)
