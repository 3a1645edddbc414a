"""Reading the ledger's own JSON forms: strict about members, numbers and the spelling of bytes."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from ledger.errors import LedgerRefusal

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 16

_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


class JsonFormError(LedgerRefusal):
    """JSON is broken, or not of the form that its format version prescribes."""


class Form:
    """Reads one JSON object member by member; `where` names it in refusals; `finish` refuses the unread."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise JsonFormError("form_type", f"{where} must be a JSON object.")
        self._members: dict[str, Any] = dict(value)
        self._where = where

    def take(self, name: str) -> Any:
        if name not in self._members:
            raise JsonFormError("form_missing", f"{self._where} lacks the member {name!r}.")
        return self._members.pop(name)

    def text(self, name: str) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not value or any("\ud800" <= c <= "\udfff" for c in value):
            raise self._wrong(name, "a string that is not empty")
        return value

    def optional_text(self, name: str) -> str | None:
        if self._members.get(name, "") is None:
            self._members.pop(name)
            return None
        return self.text(name)

    def integer(self, name: str, *, minimum: int = 0) -> int:
        value = self.take(name)
        if type(value) is not int or not minimum <= value <= MAX_INTEGER:
            raise self._wrong(name, f"a whole number from {minimum} up")
        return value

    def optional_integer(self, name: str) -> int | None:
        if self._members.get(name, "") is None:
            self._members.pop(name)
            return None
        return self.integer(name)

    def hex(self, name: str, length: int | None = None, *, prefix: str = "0x") -> bytes:
        return self._hex(name, self.take(name), length, prefix)

    def hex_list(self, name: str, *, most: int) -> tuple[bytes, ...]:
        return tuple(self._hex(name, value, None, "0x") for value in self.items(name, most=most))

    def items(self, name: str, *, most: int) -> list[Any]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            raise self._wrong(name, f"a list of at most {most}")
        return value

    def form(self, name: str) -> Form:
        return Form(self.take(name), f"{self._where}.{name}")

    def forms(self, name: str, *, most: int) -> list[Form]:
        values = self.items(name, most=most)
        return [Form(value, f"{self._where}.{name}[{number}]") for number, value in enumerate(values)]

    def finish(self) -> None:
        if self._members:
            name = sorted(self._members)[0]
            raise JsonFormError("form_unknown", f"{self._where} has a member that its format does not know: {name!r}.")

    def _hex(self, name: str, value: Any, length: int | None, prefix: str) -> bytes:
        if isinstance(value, str) and value.startswith(prefix):
            try:
                data = bytes.fromhex(value[len(prefix) :])
            except ValueError:
                data = b""
            if data and prefix + data.hex() == value and len(data) == (length or len(data)):
                return data
        bytes_wanted = f"{length} bytes" if length else "bytes"
        raise self._wrong(name, f"{bytes_wanted} in lower-case hexadecimal" + (f" after {prefix}" if prefix else ""))

    def _wrong(self, name: str, wanted: str) -> JsonFormError:
        return JsonFormError("form_value", f"{self._where}.{name} must be {wanted}.")


def nesting(text: str) -> int:
    """How deep the brackets of a JSON text are nested.

    Asked before parsing: the parser counts on Python's recursion limit, and where a library has raised that,
    deep nesting overflows the stack and ends the process.
    """
    deepest = depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def parse_object(data: bytes, *, what: str, most_bytes: int) -> Form:
    """The one JSON object in these bytes: UTF-8, no duplicate names, no fractions, no odd constants."""
    if len(data) > most_bytes:
        raise JsonFormError("form_size", f"{what} has at most {most_bytes} bytes.")
    try:
        text = data.decode()
        if nesting(text) > MAX_DEPTH:
            raise JsonFormError("form_depth", f"{what} is nested deeper than {MAX_DEPTH}.")
        value = json.loads(text, object_pairs_hook=_unique, parse_float=_no_fraction, parse_constant=_no_fraction)
    except JsonFormError:
        raise
    except ValueError:
        raise JsonFormError("form_json", f"{what} is not JSON in UTF-8.") from None
    return Form(value, what)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonFormError("form_duplicate", "A JSON object names a member twice.")
    return members


def _no_fraction(text: str) -> NoReturn:
    raise JsonFormError("form_number", f"{text[:40]} is not a whole number.")
