"""Invariants of ElementDefinition, of which a StructureDefinition has hundreds."""

import re
from typing import Final

from .members import Element, Rules, distinct_members, has, has_choice, items, needs

_SLICE_NAME: Final = re.compile(r"[a-zA-Z0-9/\-_\[\]@]+")
# Its FHIRPath looks for such a piece anywhere, as matches() does in R4.
_PATH_PIECE: Final = re.compile(r"[^\s.,:;'\"/|?!@#$%&*()\[\]{}]")
_REFERRING: Final = ("Reference", "canonical")


def _range_of_cardinality(element: Element, resource: Element) -> bool:
    low, high = element.get("min"), element.get("max")
    if not isinstance(low, int) or not isinstance(high, str) or high == "*":
        return True
    return high.isascii() and high.isdigit() and low <= int(high[:20])


def _content_is_elsewhere(element: Element, resource: Element) -> bool:
    if not has(element, "contentReference"):
        return True
    own = any(has(element, n) for n in ("type", "example", "maxLength", "binding"))
    return not own and not any(
        has_choice(element, n) for n in ("defaultValue", "fixed", "pattern", "minValue", "maxValue")
    )


def _one_type_for(name: str, element: Element) -> bool:
    return not has_choice(element, name) or len(items(element, "type")) <= 1


def _slice_name(element: Element, resource: Element) -> bool:
    name = element.get("sliceName")
    return not isinstance(name, str) or _SLICE_NAME.fullmatch(name) is not None


def _path(element: Element, resource: Element) -> bool:
    path = element.get("path")
    return not isinstance(path, str) or _PATH_PIECE.search(path) is not None


def _cardinality(value: str, resource: Element) -> bool:
    return value == "*" or (value.isascii() and value.isdigit())


def _refers(element: Element) -> bool:
    return element.get("code") in _REFERRING


RULES: Final[Rules] = {
    ("ElementDefinition", "eld-13"): distinct_members("type", "code"),
    ("ElementDefinition", "eld-14"): distinct_members("constraint", "key"),
    ("ElementDefinition", "eld-15"): lambda e, r: not (has_choice(e, "defaultValue") and has(e, "meaningWhenMissing")),
    ("ElementDefinition", "eld-16"): _slice_name,
    ("ElementDefinition", "eld-18"): lambda e, r: e.get("isModifier") is not True or has(e, "isModifierReason"),
    ("ElementDefinition", "eld-19"): _path,
    ("ElementDefinition", "eld-2"): _range_of_cardinality,
    ("ElementDefinition", "eld-22"): needs("sliceIsConstraining", "sliceName"),
    ("ElementDefinition", "eld-5"): _content_is_elsewhere,
    ("ElementDefinition", "eld-6"): lambda e, r: _one_type_for("fixed", e),
    ("ElementDefinition", "eld-7"): lambda e, r: _one_type_for("pattern", e),
    ("ElementDefinition", "eld-8"): lambda e, r: not (has_choice(e, "pattern") and has_choice(e, "fixed")),
    ("ElementDefinition.max", "eld-3"): _cardinality,
    ("ElementDefinition.type", "eld-17"): lambda e, r: _refers(e) or not has(e, "targetProfile"),
    ("ElementDefinition.type", "eld-4"): lambda e, r: _refers(e) or not has(e, "aggregation"),
}
