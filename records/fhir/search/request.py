"""A search as it was asked for: parameters split into names, modifiers, chains and values, within limits."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from .errors import SearchError, shown

MAX_PARAMETERS: Final = 64
MAX_VALUES: Final = 500
MAX_TEXT: Final = 2_000
MAX_LINKS: Final = 4
MAX_COUNT: Final = 1_000
DEFAULT_COUNT: Final = 20
MAX_SORT_KEYS: Final = 4
MAX_INCLUDES: Final = 16
MAX_UNION_TYPES: Final = 8
MAX_TABLES: Final = 48


@dataclass(frozen=True, slots=True)
class Link:
    """A step of a chain along a reference: `subject` or `subject:Patient`."""

    code: str
    to_type: str | None


@dataclass(frozen=True, slots=True)
class Reverse:
    """A step of `_has`: records of `from_type` whose reference `code` points here."""

    from_type: str
    code: str


Step: TypeAlias = Link | Reverse


@dataclass(frozen=True, slots=True)
class Key:
    """The left side of a search parameter: `name` as it was given, and what it means."""

    name: str
    steps: tuple[Step, ...]
    code: str
    modifier: str | None


def checked(params: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters, if they are few, short, and text that a database takes."""
    if len(params) > MAX_PARAMETERS:
        raise SearchError(
            "search-too-complex",
            "",
            f"A search has at most {MAX_PARAMETERS} parameters; this one has {len(params)}.",
        )
    for name, value in params:
        if len(name) > MAX_TEXT or not _clean(name):
            raise SearchError("search-parameter-unknown", name, "The name of a parameter is not one of FHIR's.")
        if not _clean(value):
            raise SearchError(
                "search-value-invalid",
                name,
                "The value contains U+0000 or half a surrogate pair; send UTF-8 text without.",
            )
    return params


def _clean(text: str) -> bool:
    return "\x00" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def parse_key(name: str) -> Key:
    """`code`, `code:modifier`, `reference.code`, `reference:Type.code`, `_has:Type:reference:code`, and these in one
    another."""
    steps: list[Step] = []
    rest = name
    while True:
        if len(steps) > MAX_LINKS:
            raise SearchError(
                "search-too-complex",
                name,
                f"A chain has at most {MAX_LINKS} steps; search in two requests instead.",
            )
        if rest.startswith("_has:"):
            parts = rest.split(":", 3)
            if len(parts) != 4 or not all(parts):
                raise SearchError(
                    "search-chain-unsupported",
                    name,
                    "_has is written _has:Type:reference:parameter, as in _has:Observation:patient:code.",
                )
            steps.append(Reverse(parts[1], parts[2]))
            rest = parts[3]
            continue
        head, dot, tail = rest.partition(".")
        code, colon, detail = head.partition(":")
        if not dot:
            if colon and not detail:
                raise SearchError("search-modifier-unsupported", name, "There is a colon without a modifier after it.")
            return Key(name, tuple(steps), code, detail or None)
        steps.append(Link(code, detail or None))
        rest = tail


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash precedes; escapes are left as they are."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    parts.append(text[start:])
    return parts


def unescape(text: str, name: str) -> str:
    r"""`\,` `\|` `\$` and `\\` as the characters they stand for."""
    if "\\" not in text:
        return text
    plain, at = [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            if text[at : at + 1] not in (",", "|", "$", "\\"):
                raise SearchError(
                    "search-value-invalid",
                    name,
                    r"A backslash is followed by one of , | $ and \ in a search value.",
                )
        plain.append(text[at])
        at += 1
    return "".join(plain)


def alternatives(name: str, value: str) -> list[str]:
    """The values of which one has to match, still escaped."""
    if value.count(",") >= MAX_VALUES:
        raise SearchError(
            "search-too-complex", name, f"A parameter has at most {MAX_VALUES} values with commas between."
        )
    values = split(value, ",")
    for one in values:
        if not one.strip():
            raise SearchError(
                "search-value-empty",
                name,
                "The parameter has an empty value; leave it out, or say what to search for.",
            )
        if len(one) > MAX_TEXT:
            raise SearchError("search-too-complex", name, f"A search value has at most {MAX_TEXT} characters.")
    return values


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """The value of a result parameter, if it is one of these."""
    if value not in allowed:
        raise SearchError(
            "search-result-parameter-invalid",
            name,
            f"{name} is one of {', '.join(allowed)}, not {shown(value)!r}.",
        )
    return value
