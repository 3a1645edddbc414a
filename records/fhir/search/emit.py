"""What is made of the values of one slot: hashes for `tokens`, and rows for the index tables.

A value of the wrong shape is passed over: what is stored was validated, and what was not must not stop a read or a
write.
"""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from records.fhir import definitions

from .dates import RANGE_READERS
from .hashing import (
    code_texts,
    coding_hash,
    exact_hash,
    presence_hash,
    record_key,
    slot_number,
    token_hashes,
    value_hash,
)
from .numbers import NUMBER_READERS, QUANTITY_READERS
from .parameters import Component, Composite, Leaf, row_shape
from .paths import Branch, getter
from .strings import STRING_READERS, normalised, sounds

ReferenceRow = tuple[int, int, int]
"""slot, target, target_type"""
StringRow = tuple[int, str]
"""slot, value"""
DateRow = tuple[int, datetime, datetime, int | None]
"""slot, low, high, code"""
QuantityRow = tuple[int, Decimal, Decimal, int | None, int | None]
"""slot, low, high, unit, code"""


@dataclass(slots=True)
class Rows:
    """What is gathered while `resource` is walked through."""

    resource: dict[str, Any]
    zone: tzinfo
    base_url: str
    tokens: set[int] = field(default_factory=set)
    references: set[ReferenceRow] = field(default_factory=set)
    strings: set[StringRow] = field(default_factory=set)
    dates: set[DateRow] = field(default_factory=set)
    quantities: set[QuantityRow] = field(default_factory=set)


Emit = Callable[[Rows, Sequence[Any]], None]
"""Takes the values of one branch of one slot, at least one."""

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?", re.ASCII)

_REMOTE = re.compile(r"https?://.*/([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?", re.ASCII)


def local_reference(text: str, base_url: str = "") -> tuple[str, str] | None:
    """Type and id of a reference to a record of this node: relative, or absolute under `base_url`
    (`https://node/fhir/`)."""
    if base_url and text.startswith(base_url):
        text = text[len(base_url) :].removeprefix("/")
    match = _LOCAL.fullmatch(text)
    if match is None or match[1] not in definitions.TYPE_NUMBERS:
        return None
    return match[1], match[2]


def presence(slot: int) -> Emit:
    present = presence_hash(slot)

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        rows.tokens.add(present)

    return emit


def truth(leaf: Leaf) -> Callable[[Rows], None]:
    """Always one token, true or false: whoever is not said to have died has not."""
    gets = tuple(getter(branch.hops) for branch in leaf.branches)
    present = presence_hash(leaf.slot)

    def emit(rows: Rows) -> None:
        found = any(value is not False for get in gets for value in get(rows.resource))
        rows.tokens.add(present)
        rows.tokens.update(token_hashes(leaf.slot, "", "true" if found else "false"))

    return emit


def token_pairs(fhir_type: str, value: Any) -> Iterable[tuple[str, str]]:
    """System and code of each token in a value: empty where there is none. A contact's system is `phone`, `email` ..."""
    if type(value) is dict:
        codings = value.get("coding") if fhir_type == "CodeableConcept" else [value]
        name = "value" if fhir_type in ("Identifier", "ContactPoint") else "code"
        for coding in codings if isinstance(codings, list) else []:
            if type(coding) is not dict:
                continue
            system, code = coding.get("system"), coding.get(name)
            pair = (system if type(system) is str else "", code if type(code) is str else "")
            if pair != ("", ""):
                yield pair
    elif type(value) is str:
        yield "", value
    elif type(value) is bool:
        yield "", "true" if value else "false"


def _token(leaf: Leaf, branch: Branch) -> Emit:
    slot, fhir_type = leaf.slot, branch.fhir_type

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            for system, code in token_pairs(fhir_type, value):
                rows.tokens.update(token_hashes(slot, system, code))

    return emit


def identifier_slot(leaf: Leaf) -> int:
    """The slot of the identifiers by which the references of a leaf name what they mean (`:identifier`)."""
    return slot_number(leaf.expression.partition(".")[0], f"{leaf.expression}.identifier")


def _reference(leaf: Leaf, branch: Branch) -> Emit:
    slot = leaf.slot
    if branch.fhir_type != "Reference":
        return _address(slot)
    by_identifier = identifier_slot(leaf)

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            if type(value) is not dict:
                continue
            text = value.get("reference")
            local = local_reference(text, rows.base_url) if type(text) is str else None
            target_type = value.get("type")
            if local is not None:
                target_type, target_id = local
                rows.tokens.add(value_hash(slot, f"{target_type}/{target_id}"))
                number = definitions.TYPE_NUMBERS[target_type]
                rows.references.add((slot, record_key(target_type, target_id), number))
            elif type(text) is str and not text.startswith("#"):
                rows.tokens.add(value_hash(slot, text))
                remote = _REMOTE.fullmatch(text)
                target_type = remote[1] if remote else target_type
            if type(target_type) is str:
                rows.tokens.add(presence_hash(slot, target_type))
            if "identifier" in value:
                for system, code in token_pairs("Identifier", value["identifier"]):
                    rows.tokens.update(token_hashes(by_identifier, system, code))

    return emit


def _address(slot: int) -> Emit:
    """Canonicals and URIs by their whole text, and canonicals also without their version; a whole resource as
    Type/id."""

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            if type(value) is dict:
                text = f"{value.get('resourceType')}/{value.get('id')}" if "id" in value else ""
            else:
                text = value if type(value) is str else ""
            if text:
                rows.tokens.add(value_hash(slot, text))
                if "|" in text:
                    rows.tokens.add(value_hash(slot, text.partition("|")[0]))

    return emit


def _uri(leaf: Leaf, branch: Branch) -> Emit:
    return _address(leaf.slot)


def _string(leaf: Leaf, branch: Branch) -> Emit:
    slot, read = leaf.slot, STRING_READERS[branch.fhir_type]

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            for text in read(value):
                rows.tokens.add(exact_hash(slot, text))
                rows.strings.add((slot, normalised(text)))

    return emit


def _phonetic(leaf: Leaf, branch: Branch) -> Emit:
    slot, read = leaf.slot, STRING_READERS[branch.fhir_type]

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        rows.tokens.update(
            value_hash(slot, "~" + sound) for value in values for text in read(value) for sound in sounds(text)
        )

    return emit


def _date(leaf: Leaf, branch: Branch) -> Emit:
    slot, read = leaf.slot, RANGE_READERS[branch.fhir_type]

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            found = read(value, rows.zone)
            if found is not None:
                rows.dates.add((slot, found.low, found.high, None))

    return emit


def _number(leaf: Leaf, branch: Branch) -> Emit:
    slot, read = leaf.slot, NUMBER_READERS[branch.fhir_type]

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            found = read(value)
            if found is not None:
                rows.quantities.add((slot, found.low, found.high, None, None))

    return emit


def _quantity(leaf: Leaf, branch: Branch) -> Emit:
    slot, read = leaf.slot, QUANTITY_READERS[branch.fhir_type]

    def emit(rows: Rows, values: Sequence[Any]) -> None:
        for value in values:
            found = read(value)
            if found is not None:
                for unit in _unit_keys(found.units):
                    rows.quantities.add((slot, found.low, found.high, unit, None))

    return emit


@functools.lru_cache(maxsize=4096)
def _unit_keys(units: tuple[tuple[str, str], ...]) -> tuple[int | None, ...]:
    return tuple(coding_hash(*unit) for unit in units) or (None,)


MAKERS: Final[dict[str, Callable[[Leaf, Branch], Emit]]] = {
    "token": _token,
    "reference": _reference,
    "uri": _uri,
    "string": _string,
    "phonetic": _phonetic,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
}


def composite_rows(composite: Composite) -> Emit:
    """Rows or tokens of their own, because two values have to be of the same element."""
    slot, shape = composite.slot, row_shape(composite)
    reads = tuple(
        (component, tuple((getter(branch.hops), branch.fhir_type) for branch in component.branches))
        for component in composite.components
    )

    def values_of(index: int, rows: Rows, element: Any) -> list[tuple[str, Any]]:
        component, gets = reads[index]
        start = rows.resource if component.absolute else element
        return [(fhir_type, value) for get, fhir_type in gets for value in get(start)]

    def texts(index: int, rows: Rows, element: Any) -> set[str]:
        component = reads[index][0]
        return {
            text
            for fhir_type, value in values_of(index, rows, element)
            for text in _texts(component, fhir_type, value, rows)
        }

    def emit(rows: Rows, elements: Sequence[Any]) -> None:
        for element in elements:
            firsts = texts(0, rows, element)
            if shape == "pair":
                seconds = texts(1, rows, element)
                rows.tokens.update(value_hash(slot, f"{a}${b}") for a in firsts for b in seconds)
                continue
            keys = [composite_key(text) for text in firsts]
            if shape == "code-quantity":
                for fhir_type, value in values_of(1, rows, element):
                    found = QUANTITY_READERS[fhir_type](value)
                    if found is not None:
                        low, high, units = found.low, found.high, _unit_keys(found.units)
                        rows.quantities.update((slot, low, high, unit, key) for unit in units for key in keys)
            elif shape == "code-numbers":
                starts = [NUMBER_READERS[t](v) for t, v in values_of(1, rows, element)]
                ends = [NUMBER_READERS[t](v) for t, v in values_of(2, rows, element)]
                rows.quantities.update(
                    (slot, low.low, high.high, None, key)
                    for low in starts
                    for high in ends
                    if low and high
                    for key in keys
                )

    return emit


def composite_key(text: str) -> int:
    """The `code` of a row of a composite: of one of `hashing.code_texts`."""
    return value_hash(0, text)


def _texts(component: Component, fhir_type: str, value: Any, rows: Rows) -> Iterable[str]:
    if component.kind == "reference":
        text = value.get("reference") if type(value) is dict else None
        local = local_reference(text, rows.base_url) if type(text) is str else None
        return (f"{local[0]}/{local[1]}",) if local else (text,) if type(text) is str else ()
    return [text for pair in token_pairs(fhir_type, value) for text in code_texts(*pair)]
