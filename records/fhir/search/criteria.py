"""Which function compiles which kind of parameter, with which modifier."""

from collections.abc import Callable, Mapping
from typing import Final

from records.fhir import definitions

from . import by_parts, by_row, by_token
from .criterion import Asked, Criterion, find_parameter
from .errors import SearchError, shown
from .parameters import Kind
from .request import Key, alternatives
from .statement import Draft, Where

Adds = Callable[[Criterion, list[str]], None]

# Kinds whose presence is a token, for `:missing`.
_MISSING: Final = frozenset({"token", "reference", "string", "date", "number", "quantity", "uri"})


def add_criterion(draft: Draft, where: Where, types: tuple[str, ...], key: Key, value: str, asked: Asked) -> None:
    """Adds the conditions of `key=value`, a key without chain, on records of these types. Raises SearchError."""
    parameter = find_parameter(types, key.code, key.name)
    criterion = Criterion(draft, where, types, key, parameter, asked)
    kind, modifier = parameter.kind, key.modifier
    if modifier == "missing" and kind in _MISSING:
        by_token.missing(criterion, value)
        return
    values = alternatives(key.name, value)
    if modifier is None:
        _PLAIN[kind](criterion, values)
    elif (kind, modifier) in _MODIFIED:
        _MODIFIED[kind, modifier](criterion, values)
    elif kind == "reference" and modifier in definitions.TYPE_NUMBERS:
        by_token.reference_to(criterion, values, modifier)
    else:
        raise _no_modifier(criterion, modifier)


def modifiers(kind: Kind) -> tuple[str, ...]:
    """The modifiers of a kind of parameter, apart from the types of a reference."""
    of_kind = [modifier for one, modifier in _MODIFIED if one == kind]
    return tuple(sorted((*of_kind, "missing") if kind in _MISSING else of_kind))


def _no_modifier(criterion: Criterion, modifier: str) -> SearchError:
    kind = criterion.parameter.kind
    possible = [*modifiers(kind), *(["a resource type"] if kind == "reference" else [])]
    can = f"it can have {', '.join(possible)}" if possible else "it can have none"
    return SearchError(
        "search-modifier-unsupported",
        criterion.name,
        f"{criterion.parameter.code} cannot have the modifier {shown(modifier)!r} here; {can}.",
    )


def _add_plain(criterion: Criterion, values: list[str]) -> None:
    _PLAIN[criterion.parameter.kind](criterion, values)


def _composite(criterion: Criterion, values: list[str]) -> None:
    by_parts.composite(criterion, values, _add_plain)


_PLAIN: Final[Mapping[Kind, Adds]] = {
    "token": by_token.token,
    "reference": by_token.reference,
    "string": by_row.string,
    "phonetic": by_token.phonetic,
    "date": by_row.date,
    "number": by_row.number,
    "quantity": by_row.quantity,
    "uri": by_token.uri,
    "composite": _composite,
    "id": by_token.record_id,
    "last-updated": by_row.last_updated,
}

_MODIFIED: Final[Mapping[tuple[Kind, str], Adds]] = {
    ("token", "not"): by_token.not_token,
    ("id", "not"): by_token.not_record_id,
    ("string", "exact"): by_token.exact,
    ("string", "contains"): by_row.contains,
    ("reference", "identifier"): by_token.identifier,
}
