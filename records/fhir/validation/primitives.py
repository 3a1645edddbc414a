"""R4's primitive types as JSON: which Python values are one, and what to say about those that are not.

Source: R4 "Data types", the regular expressions of each primitive's StructureDefinition, tightened where the
text says more than the expression does (no control characters, real calendar days, 32-bit integers, at most 1
Mi characters).
"""

import binascii
import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

Accepts = Callable[[Any], object]

_LENGTH: Final = "{1,1048576}"
_TEXT: Final = r"[^\x00-\x08\x0b\x0c\x0e-\x1f]" + _LENGTH
_YEAR: Final = r"(?!0000)[0-9]{4}"
_DAY: Final = r"(?:0[1-9]|[12][0-9]|3[01])"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
# Seconds stop at 59: Python, PostgreSQL and most clients know no leap second.
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,18})?"
_ZONE: Final = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

_date = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?", re.ASCII).fullmatch
_date_time = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?", re.ASCII).fullmatch
_instant = re.compile(f"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}", re.ASCII).fullmatch
_uri = re.compile(r"[^\s\x00-\x1f]" + _LENGTH).fullmatch


def _day_exists(text: str) -> bool:
    # The expression has seen to the rest; only the 29th to the 31st depend on the month.
    if text[8:10] < "29":
        return True
    return int(text[8:10]) <= calendar.monthrange(int(text[:4]), int(text[5:7]))[1]


def _is_date(text: str) -> bool:
    return _date(text) is not None and _day_exists(text)


def _is_date_time(text: str) -> bool:
    return _date_time(text) is not None and _day_exists(text)


def _is_instant(text: str) -> bool:
    return _instant(text) is not None and _day_exists(text)


def _is_base64(text: str) -> bool:
    if not text.isascii():
        return False
    try:
        decoded = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except binascii.Error:
        return False
    return bool(decoded)


def _always(value: object) -> bool:
    return True


def _between(low: int, high: int) -> Accepts:
    def accepts(number: int) -> bool:
        return low <= number <= high

    return accepts


@dataclass(frozen=True, slots=True)
class Primitive:
    """A value is one when its Python type is `python` and `accepts` says so; `form` completes "This must
    be ...".
    """

    python: type
    accepts: Accepts
    form: str


_STRING: Final = Primitive(
    str,
    re.compile(_TEXT).fullmatch,
    "a non-empty string without control characters, of up to 1,048,576 characters",
)
_URI: Final = Primitive(str, _uri, "a non-empty URI without white space")
_INTEGERS: Final = {
    "integer": (-(2**31), 2**31 - 1),
    "unsignedInt": (0, 2**31 - 1),
    "positiveInt": (1, 2**31 - 1),
}

PRIMITIVES: Final[dict[str, Primitive]] = {
    "boolean": Primitive(bool, _always, "true or false, without quotes"),
    "string": _STRING,
    "markdown": _STRING,
    "xhtml": _STRING,
    "uri": _URI,
    "url": _URI,
    "canonical": _URI,
    "code": Primitive(
        str,
        re.compile(r"[^\s\x00-\x1f]+(?: [^\s\x00-\x1f]+)*").fullmatch,
        "a code: no white space but single spaces inside",
    ),
    "id": Primitive(
        str,
        re.compile(r"[A-Za-z0-9.-]{1,64}").fullmatch,
        "an id: 1 to 64 letters, digits, hyphens and full stops",
    ),
    "oid": Primitive(
        str, re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch, "an OID such as urn:oid:1.2.3"
    ),
    "uuid": Primitive(
        str,
        re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch,
        "a UUID in lower case such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    ),
    "date": Primitive(str, _is_date, "a date: YYYY, YYYY-MM or YYYY-MM-DD, a day that exists"),
    "dateTime": Primitive(
        str, _is_date_time, "a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone"
    ),
    "instant": Primitive(str, _is_instant, "an instant: YYYY-MM-DDThh:mm:ss with a time zone"),
    "time": Primitive(str, re.compile(_CLOCK, re.ASCII).fullmatch, "a time: hh:mm:ss without a time zone"),
    "base64Binary": Primitive(str, _is_base64, "content in base64 with its padding"),
    "decimal": Primitive(Decimal, _always, "a number, without quotes"),
    **{
        name: Primitive(int, _between(low, high), f"a whole number from {low} to {high}, without quotes")
        for name, (low, high) in _INTEGERS.items()
    },
}


def complaint(kind: str, value: object) -> tuple[str, str, str] | None:
    """Why `value` is no `kind`, as (FHIR issue type, our code, sentence); None when it is one after all."""
    primitive = PRIMITIVES[kind]
    if kind == "decimal" and type(value) is int:
        return None
    if type(value) is primitive.python and primitive.accepts(value):
        return None
    if value is None:
        return "structure", "null-value", "null stands only in arrays of primitives: leave the element out."
    if value == "":
        return "value", "empty-string", "An element is never empty: leave it out."
    if type(value) is not primitive.python:
        return "structure", "wrong-json-type", f"This must be {primitive.form}."
    return "value", f"bad-{_kebab(kind)}", f"This must be {primitive.form}."


def _kebab(kind: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind).lower()
