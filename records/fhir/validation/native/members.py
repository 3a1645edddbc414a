"""Reading members as FHIRPath does, and the forms that most invariants have."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

Element = dict[str, Any]
Holds = Callable[[Any, Element], bool]
"""Whether an invariant holds for the element that it is stated on, given the resource around it."""
Rules = dict[tuple[str, str], Holds]
"""By (path that the invariant is stated on, key): keys alone are not unique in R4 (inv-1)."""


def has(element: Element, name: str) -> bool:
    """FHIRPath exists() of a member: its value or, for a primitive, its extensions."""
    return name in element or f"_{name}" in element


def has_choice(element: Element, name: str) -> bool:
    """exists() of a choice such as value[x]."""
    return any(key.removeprefix("_").startswith(name) and _is_choice(key.removeprefix("_"), name) for key in element)


def _is_choice(key: str, name: str) -> bool:
    return len(key) > len(name) and key[len(name)].isupper()


def items(element: Element, name: str) -> list[Any]:
    """A repeating member, empty when absent or, which is a finding of its own, of another shape."""
    value = element.get(name)
    return value if isinstance(value, list) else []


def objects(element: Element, name: str) -> Iterator[Element]:
    """The objects of a repeating member."""
    return (item for item in items(element, name) if isinstance(item, dict))


def member(element: Element, name: str) -> Element:
    """An object member, empty when absent or of another shape."""
    value = element.get(name)
    return value if isinstance(value, dict) else {}


def number(element: Element, name: str) -> Decimal | int | None:
    """A number member; None when absent or of another shape."""
    value = element.get(name)
    return value if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def distinct(values: Iterable[Any]) -> bool:
    """isDistinct(), in linear time."""
    seen = [v for v in values if v is not None]
    return len(seen) == len(set(seen))


def distinct_members(list_name: str, *names: str) -> Holds:
    """No two items of a list agree in all of `names`."""

    def holds(element: Element, resource: Element) -> bool:
        return distinct(
            tuple(i.get(n) for n in names)
            for i in objects(element, list_name)
            if any(isinstance(i.get(n), str) for n in names) and all(isinstance(i.get(n, ""), str) for n in names)
        )

    return holds


def any_of(*names: str) -> Holds:
    """At least one of `names` is there."""
    return lambda element, resource: any(has(element, n) for n in names)


def not_both(first: str, second: str) -> Holds:
    """Not both are there."""
    return lambda element, resource: not (has(element, first) and has(element, second))


def exactly_one(first: str, second: str) -> Holds:
    """One of the two is there, and not the other."""
    return lambda element, resource: has(element, first) != has(element, second)


def needs(first: str, *others: str) -> Holds:
    """Whoever has `first` has one of `others`."""
    return lambda element, resource: not has(element, first) or any(has(element, n) for n in others)
