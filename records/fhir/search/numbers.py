"""FHIR numbers and quantities as ranges, and the implicit precision of the numbers that a search names.

Stored bounds are inclusive [low, high] and exact: R4 gives an implicit range to the number that is searched for, not
to the one in the record. `<5` is everything below 5, written as bounds from minus infinity to the largest number of
40 digits below it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Any, Final

INFINITY: Final = Decimal("Infinity")
UCUM: Final = "http://unitsofmeasure.org"
CURRENCY: Final = "urn:iso:std:iso:4217"

# Forty digits hold every measurement; a hostile number of ten thousand digits would not fit into an index.
_DIGITS = 40
_EXPONENT = 100
_DOWN = Context(prec=_DIGITS, rounding=ROUND_FLOOR, Emin=-999_999, Emax=999_999)
_UP = Context(prec=_DIGITS, rounding=ROUND_CEILING, Emin=-999_999, Emax=999_999)
_SMALLEST = Decimal(f"1e-{_EXPONENT}")
_LARGEST = Decimal(f"1e{_EXPONENT}")

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """[low, high], both inclusive; infinite where it is open."""

    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class UnitRange:
    """The bounds of a quantity and its units as rows know them: (system, code), or ("", unit)."""

    low: Decimal
    high: Decimal
    units: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SearchedNumber:
    """A number that a search names: exactly, and the half-open range [low, high) that its digits mean."""

    exact: Decimal
    low: Decimal
    high: Decimal
    whole: bool


def searched_number(text: str) -> SearchedNumber:
    """The number that a search names, with the range of its implicit precision. ValueError.

    Half a unit of the last digit on either side: 100 is [99.5, 100.5), 100.00 is [99.995, 100.005). In exponential
    form the standard's two examples (1e2 is [95, 105), 5.40e-3 is 0.0054 ± 0.00005) count the significant digits of
    the number without the zeros at its end, and two at least.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= 60 else None
    if match is None:
        raise ValueError("not a number")
    exact = Decimal(text)
    if exact and abs(exact.adjusted()) > _EXPONENT:
        raise ValueError("the number is too large or too small")
    _, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int), "the expression admits neither infinity nor NaN"
    last = exponent
    if match[1] is not None and exact:
        significant = max(len(str(int("".join(map(str, digits)))).rstrip("0")), 2)
        last = exact.adjusted() - significant + 1
    half = Decimal((0, (5,), last - 1))
    whole = match[1] is None and exact == exact.to_integral_value()
    return SearchedNumber(exact, _DOWN.subtract(exact, half), _UP.add(exact, half), whole)


def _decimal(value: Any) -> Decimal | None:
    if type(value) is int or isinstance(value, Decimal):
        number = Decimal(value)
    elif type(value) is float:
        # The shortest text that reads back as this float: what the client wrote, for up to 17 digits.
        number = Decimal(repr(value))
    else:
        return None
    return number if number.is_finite() else None


def _down(value: Decimal) -> Decimal:
    if value and value.adjusted() > _EXPONENT:
        return _LARGEST if value > 0 else -INFINITY
    if value and value.adjusted() < -_EXPONENT:
        return Decimal(0) if value > 0 else -_SMALLEST
    return _DOWN.plus(value)


def _up(value: Decimal) -> Decimal:
    return -_down(-value)


def _number_range(value: Any) -> NumberRange | None:
    number = _decimal(value)
    return NumberRange(_down(number), _up(number)) if number is not None else None


def _units(value: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The code with its system; a code of a system other than UCUM, and the unit's own words, also without:
    `number||unit`.

    `number||mg` looks for UCUM's mg as well, so a UCUM code needs no second row.
    """
    system, code, unit = value.get("system"), value.get("code"), value.get("unit")
    units: dict[tuple[str, str], None] = {}
    if type(code) is str:
        if type(system) is str:
            units[system, code] = None
        if system != UCUM:
            units["", code] = None
    if type(unit) is str and unit and unit != code:
        units["", unit] = None
    return tuple(units)


def _quantity_range(value: Any) -> UnitRange | None:
    if type(value) is not dict:
        return None
    number = _decimal(value.get("value"))
    if number is None:
        return None
    low, high = _down(number), _up(number)
    match value.get("comparator"):
        case "<":
            low, high = -INFINITY, low.next_minus(_DOWN)
        case "<=":
            low = -INFINITY
        case ">":
            low, high = high.next_plus(_UP), INFINITY
        case ">=":
            high = INFINITY
    return UnitRange(low, high, _units(value))


def _money_range(value: Any) -> UnitRange | None:
    if type(value) is not dict:
        return None
    number, currency = _decimal(value.get("value")), value.get("currency")
    if number is None:
        return None
    units = ((CURRENCY, currency), ("", currency)) if type(currency) is str else ()
    return UnitRange(_down(number), _up(number), units)


def _range_range(value: Any) -> UnitRange | None:
    if type(value) is not dict:
        return None
    low, high = _quantity_range(value.get("low")), _quantity_range(value.get("high"))
    if low is None and high is None:
        return None
    units = dict.fromkeys((*(low.units if low else ()), *(high.units if high else ())))
    return UnitRange(low.low if low else -INFINITY, high.high if high else INFINITY, tuple(units))


def _sampled_range(value: Any) -> UnitRange | None:
    """From the smallest to the largest sample: origin + factor × sample; E, L and U (error, below, above) are no
    numbers."""
    if type(value) is not dict:
        return None
    origin_value = value.get("origin")
    origin = _quantity_range(origin_value)
    if origin is None or type(origin_value) is not dict:
        return None
    data, factor = value.get("data"), _decimal(value.get("factor", 1))
    samples = []
    for text in data.split() if type(data) is str and factor is not None else ():
        try:
            sample = Decimal(text)
        except InvalidOperation:
            continue
        if sample.is_finite() and abs(sample.adjusted()) <= _EXPONENT:
            samples.append(sample)
    if not samples or factor is None:
        return UnitRange(origin.low, origin.high, origin.units)
    ends = [_UP.fma(end, factor, origin.low) for end in (min(samples), max(samples))]
    return UnitRange(_down(min(ends)), _up(max(ends)), origin.units)


def _unitless(read: Callable[[Any], UnitRange | None]) -> Callable[[Any], NumberRange | None]:
    def number(value: Any) -> NumberRange | None:
        found = read(value)
        return NumberRange(found.low, found.high) if found else None

    return number


NUMBER_READERS: Final[dict[str, Callable[[Any], NumberRange | None]]] = {
    "decimal": _number_range,
    "integer": _number_range,
    "positiveInt": _number_range,
    "unsignedInt": _number_range,
    "Range": _unitless(_range_range),
}
"""FHIR type to the function that reads a number of it; None for a value without a number."""

QUANTITY_READERS: Final[dict[str, Callable[[Any], UnitRange | None]]] = {
    "Quantity": _quantity_range,
    "Age": _quantity_range,
    "Count": _quantity_range,
    "Distance": _quantity_range,
    "Duration": _quantity_range,
    "SimpleQuantity": _quantity_range,
    "Money": _money_range,
    "Range": _range_range,
    "SampledData": _sampled_range,
}
"""FHIR type to the function that reads a quantity of it; None for a value without a number."""
