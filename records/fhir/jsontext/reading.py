"""Strict reading: a body is one JSON object that every reader understands alike, or it is refused with a
reason.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NoReturn

from ..outcome import FhirRefusal, refuse
from .tokens import STRING, Path, Token, expression_at, expression_in, searched


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may cost. Sizes in bytes; `depth` counts arrays and objects, `values` members and items
    of all of them.
    """

    body: int = 32 * 1024 * 1024
    depth: int = 64
    values: int = 2_000_000
    entries: int = 20_000
    string: int = 16 * 1024 * 1024
    number: int = 64
    exponent: int = 200


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object as bytes and as Python values: str, bool, None, int, Decimal (exact, never float),
    list, dict.
    """

    data: bytes
    value: dict[str, Any]

    @property
    def type(self) -> str | None:
        """The resource type it claims."""
        claimed = self.value.get("resourceType")
        return claimed if isinstance(claimed, str) else None


class _Refused(Exception):
    """Raised inside the decoder, which knows no place; `code` is why."""

    code = ""
    sentence = ""


class _Duplicate(_Refused):
    code = "duplicate-member"
    sentence = "A member appears twice in one object: keep one."


class _Number(_Refused):
    code = "number-out-of-range"
    sentence = "A number has more digits or a larger exponent than this server keeps exactly: shorten it."


class _NotFinite(_Refused):
    code = "number-not-finite"
    sentence = "NaN and Infinity are not JSON numbers: leave the element out and say why with dataAbsentReason."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Duplicate
    return result


def _integer(text: str) -> int:
    if len(text) > LIMITS.number:
        raise _Number
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > LIMITS.number:
        raise _Number
    number = Decimal(text)
    if abs(number.adjusted()) > LIMITS.exponent:
        raise _Number
    return number


def _constant(name: str) -> NoReturn:
    raise _NotFinite


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
)

_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"{}[]")))
_SUSPICIOUS_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# Whole pairs and other escapes are stepped over: after an escaped backslash, u0000 is text.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u0000)|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def parse(data: bytes, *, limits: Limits = LIMITS) -> Document:
    """Read one JSON object strictly. Raises FhirRefusal (413 when a size limit is passed, 400 otherwise)."""
    if len(data) > limits.body:
        raise refuse(
            "body-too-large",
            f"The body has {len(data)} bytes; this server takes up to {limits.body}. Send it in parts.",
            status=413,
            code="too-long",
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise refuse("byte-order-mark", "The body starts with a byte-order mark: send plain UTF-8.", code="structure")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise refuse(
            "not-utf8", f"The body is not UTF-8 at byte {error.start}: send JSON in UTF-8.", code="structure"
        ) from None
    if not text.strip(" \t\r\n"):
        raise refuse("empty-body", "The body is empty: send one FHIR resource as JSON.", code="structure")
    _check_size(data, limits)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise refuse(
            "json-syntax",
            f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            code="structure",
            expression=expression_at(data, len(text[: error.pos].encode())),
        ) from None
    except _Refused as refused:
        raise refuse(refused.code, refused.sentence, code="value", expression=_place_of_refused(data)) from None
    except RecursionError:
        raise _too_deep(limits) from None
    if _SUSPICIOUS_ESCAPE.search(data):
        _check_escapes(data)
    if not isinstance(value, dict):
        raise refuse("not-an-object", "The body is not a JSON object: send one FHIR resource.", code="structure")
    entries = value.get("entry")
    if isinstance(entries, list) and len(entries) > limits.entries and value.get("resourceType") == "Bundle":
        raise refuse(
            "too-many-entries",
            f"The bundle has {len(entries)} entries; this server takes up to {limits.entries}. Send it in parts.",
            status=413,
            code="too-costly",
            expression="Bundle.entry",
        )
    return Document(data, value)


def _check_size(data: bytes, limits: Limits) -> None:
    openers = data.count(b"{") + data.count(b"[")
    if openers + data.count(b",") > limits.values:
        raise refuse(
            "too-many-values",
            f"The body holds more than {limits.values} values. Send it in parts.",
            status=413,
            code="too-costly",
        )
    if openers > limits.depth:
        _check_depth(data, limits)
    if len(data) > limits.string:
        for match in STRING.finditer(data):
            if match.end() - match.start() > limits.string:
                raise refuse(
                    "string-too-long",
                    f"A string is longer than {limits.string} bytes. Send large content as a Binary in parts.",
                    status=413,
                    code="too-long",
                    expression=expression_at(data, match.start()),
                )


def _check_depth(data: bytes, limits: Limits) -> None:
    # Without strings and scalars, innermost pairs vanish round by round: as many rounds as there are levels.
    brackets = left = STRING.sub(b"", data).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(limits.depth):
        fewer = left.replace(b"[]", b"")
        if len(fewer) == len(left):
            break
        left = fewer
    # What is left is deeper than the limit or not balanced. The decoder explains the second; it must never see the first.
    level = 0
    for bracket in brackets if left else b"":
        level += 1 if bracket == 0x5B else -1
        if level > limits.depth:
            raise _too_deep(limits)


def _too_deep(limits: Limits) -> FhirRefusal:
    return refuse(
        "too-deep",
        f"The body is nested more than {limits.depth} levels deep. Flatten it.",
        code="too-costly",
    )


def _check_escapes(data: bytes) -> None:
    for match in _ESCAPE.finditer(data):
        if match[1] is not None:
            code, sentence = "null-character", "A string holds U+0000, which no database keeps: remove it."
        elif match[2] is not None:
            code, sentence = (
                "lone-surrogate",
                "A string holds half of a surrogate pair, which is not a character: send the whole character.",
            )
        else:
            continue
        raise refuse(code, sentence, code="value", expression=expression_at(data, match.start()))


def _place_of_refused(data: bytes) -> str | None:
    """The place of the first token that the decoder's hooks refuse."""
    seen: set[Path] = set()
    for token in searched(data):
        if _is_refused(token, seen):
            return expression_in(data, token.path)
    return None


def _is_refused(token: Token, seen: set[Path]) -> bool:
    if token.is_key:
        if token.path in seen:
            return True
        seen.add(token.path)
    elif token.scalar is not None:
        try:
            _DECODER.decode(token.scalar.decode())
        except (_Refused, ValueError):
            return True
    return False
