"""Invariants of the datatypes."""

from decimal import Decimal
from typing import Final

from .members import (
    Element,
    Holds,
    Rules,
    any_of,
    exactly_one,
    has,
    has_choice,
    items,
    member,
    needs,
    not_both,
    number,
)
from .times import not_after

_UCUM: Final = "http://unitsofmeasure.org"
_CURRENCY: Final = "urn:iso:std:iso:4217"


def _period(element: Element, resource: Element) -> bool:
    return "start" not in element or "end" not in element or not_after(element["start"], element["end"])


def _ucum_quantity(element: Element, resource: Element) -> bool:
    return (has(element, "code") or not has(element, "value")) and _system_is(element, _UCUM)


def _system_is(element: Element, system: str) -> bool:
    return not has(element, "system") or element.get("system") == system


def _age(element: Element, resource: Element) -> bool:
    value = number(element, "value")
    return _ucum_quantity(element, resource) and (value is None or value > 0)


def _count(element: Element, resource: Element) -> bool:
    value = element.get("value")
    return (
        _ucum_quantity(element, resource)
        and (not has(element, "code") or element.get("code") == "1")
        and not (isinstance(value, Decimal) and "." in str(value))
    )


def money_quantity(element: Element) -> bool:
    """mqty-1, of the profile MoneyQuantity."""
    return (has(element, "code") or not has(element, "value")) and _system_is(element, _CURRENCY)


def _duration(element: Element, resource: Element) -> bool:
    return not has(element, "code") or (element.get("system") == _UCUM and has(element, "value"))


def _range(element: Element, resource: Element) -> bool:
    low, high = member(element, "low"), member(element, "high")
    below, above = number(low, "value"), number(high, "value")
    if below is None or above is None:
        return True
    same_unit = (low.get("system"), low.get("code")) == (high.get("system"), high.get("code")) and (
        "code" in low or low.get("unit") == high.get("unit")
    )
    return not same_unit or below <= above


def _ratio(element: Element, resource: Element) -> bool:
    above, below = has(element, "numerator"), has(element, "denominator")
    return above == below and (above or has(element, "extension"))


def _extension(element: Element, resource: Element) -> bool:
    return has(element, "extension") != has_choice(element, "value")


def _not_negative(name: str) -> Holds:
    def holds(element: Element, resource: Element) -> bool:
        value = number(element, name)
        return value is None or value >= 0

    return holds


def _timing_offset(element: Element, resource: Element) -> bool:
    if not has(element, "offset"):
        return True
    when = items(element, "when")
    return bool(when) and not any(w in ("C", "CM", "CD", "CV") for w in when)


def _trigger(element: Element, resource: Element) -> bool:
    kind = element.get("type")
    return (
        (kind != "named-event" or has(element, "name"))
        and (kind != "periodic" or has_choice(element, "timing"))
        and (not str(kind or "").startswith("data-") or has(element, "data"))
    )


RULES: Final[Rules] = {
    ("Age", "age-1"): _age,
    ("Age", "qty-3"): needs("code", "system"),
    ("Attachment", "att-1"): needs("data", "contentType"),
    ("ContactPoint", "cpt-2"): needs("value", "system"),
    ("Count", "cnt-3"): _count,
    ("Count", "qty-3"): needs("code", "system"),
    ("DataRequirement.codeFilter", "drq-1"): exactly_one("path", "searchParam"),
    ("DataRequirement.dateFilter", "drq-2"): exactly_one("path", "searchParam"),
    ("Distance", "dis-1"): _ucum_quantity,
    ("Distance", "qty-3"): needs("code", "system"),
    ("Duration", "drt-1"): _duration,
    ("Duration", "qty-3"): needs("code", "system"),
    ("Expression", "exp-1"): any_of("expression", "reference"),
    ("Extension", "ext-1"): _extension,
    ("Period", "per-1"): _period,
    ("Quantity", "qty-3"): needs("code", "system"),
    ("Range", "rng-2"): _range,
    ("Ratio", "rat-1"): _ratio,
    ("Timing.repeat", "tim-1"): needs("duration", "durationUnit"),
    ("Timing.repeat", "tim-10"): not_both("timeOfDay", "when"),
    ("Timing.repeat", "tim-2"): needs("period", "periodUnit"),
    ("Timing.repeat", "tim-4"): _not_negative("duration"),
    ("Timing.repeat", "tim-5"): _not_negative("period"),
    ("Timing.repeat", "tim-6"): needs("periodMax", "period"),
    ("Timing.repeat", "tim-7"): needs("durationMax", "duration"),
    ("Timing.repeat", "tim-8"): needs("countMax", "count"),
    ("Timing.repeat", "tim-9"): _timing_offset,
    ("TriggerDefinition", "trd-1"): lambda e, r: not (has(e, "data") and has_choice(e, "timing")),
    ("TriggerDefinition", "trd-2"): needs("condition", "data"),
    ("TriggerDefinition", "trd-3"): _trigger,
}
