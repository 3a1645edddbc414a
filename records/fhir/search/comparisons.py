"""What a prefix means for the range that is searched for and the range that is stored, as R4's table of prefixes has
it."""

import re
from datetime import datetime, tzinfo
from typing import Final

from .dates import DateRange, date_range, widened
from .errors import SearchError, shown
from .numbers import SearchedNumber, searched_number
from .statement import Draft, either

PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_PREFIXED = re.compile(r"([a-z]{2})(.*)", re.DOTALL)


def prefixed(text: str, name: str) -> tuple[str, str]:
    """The prefix of a date or number, `eq` if there is none, and the rest."""
    match = _PREFIXED.fullmatch(text)
    if match is None:
        return "eq", text
    if match[1] not in PREFIXES:
        raise SearchError(
            "search-prefix-unsupported",
            name,
            f"{shown(match[1])} is not a prefix; use one of {', '.join(PREFIXES)}.",
        )
    return match[1], match[2]


def searched_date(text: str, name: str, zone: tzinfo) -> tuple[str, DateRange]:
    """Prefix and range of a date that a search names."""
    prefix, rest = prefixed(text, name)
    # A plus sign that was not percent-encoded arrives as a space; nothing else in a date can be one.
    rest = rest.replace(" ", "+")
    try:
        found = date_range(rest, zone) if len(rest) <= 40 else None
    except ValueError:
        found = None
    if found is None:
        raise SearchError(
            "search-date-invalid",
            name,
            f"{shown(text)!r} is not a date like 2024, 2024-03, 2024-03-09 or 2024-03-09T10:00:00+08:00.",
        )
    return prefix, found


def date_condition(draft: Draft, low: str, high: str, prefix: str, wanted: DateRange, now: datetime) -> str:
    """`low` and `high` are the columns of the stored [low, high)."""
    if prefix == "ap":
        wider = widened(wanted, now)
        first, last = draft.bind(wider.low, "timestamptz"), draft.bind(wider.high, "timestamptz")
        return f"({low} < {last} AND {high} > {first})"
    start, end = draft.bind(wanted.low, "timestamptz"), draft.bind(wanted.high, "timestamptz")
    # `low < end` follows from the other two and lets an index over low stop there.
    inside = f"({low} >= {start} AND {low} < {end} AND {high} <= {end})"
    match prefix:
        case "eq":
            return inside
        case "ne":
            return f"({low} < {start} OR {high} > {end})"
        case "gt":
            return f"{high} > {end}"
        case "lt":
            return f"{low} < {start}"
        case "ge":
            return f"({high} > {end} OR {inside})"
        case "le":
            return f"({low} < {start} OR {inside})"
        case "sa":
            return f"{low} >= {end}"
        case _:
            return f"{high} <= {start}"


def moment_condition(draft: Draft, column: str, prefix: str, wanted: DateRange, now: datetime) -> str:
    """The same for a column that holds a moment, of a millisecond (`_lastUpdated`): plain comparisons, which an index
    serves."""
    if prefix == "ap":
        wanted = widened(wanted, now)
    # A stored millisecond ends after its start: what is inside a finer range than that is found by where it starts.
    start, end = draft.bind(wanted.low, "timestamptz"), draft.bind(wanted.high, "timestamptz")
    match prefix:
        case "eq" | "ap":
            return f"({column} >= {start} AND {column} < {end})"
        case "ne":
            return f"({column} < {start} OR {column} >= {end})"
        case "gt" | "sa":
            return f"{column} >= {end}"
        case "lt" | "eb":
            return f"{column} < {start}"
        case "ge":
            return f"{column} >= {start}"
        case _:
            return f"{column} < {end}"


def searched(text: str, name: str) -> tuple[str, SearchedNumber]:
    """Prefix and value of a number that a search names."""
    prefix, rest = prefixed(text, name)
    try:
        return prefix, searched_number(rest)
    except ValueError as error:
        raise SearchError(
            "search-number-invalid",
            name,
            f"{shown(text)!r} is not a number that can be searched for: {error}.",
        ) from None


def number_condition(
    draft: Draft, low: str, high: str, prefix: str, wanted: SearchedNumber, *, integers: bool = False
) -> str:
    """`low` and `high` are the columns of the stored [low, high]. With `integers` a whole number is meant exactly."""
    exact = draft.bind(wanted.exact, "numeric")
    match prefix:
        case "gt":
            return f"{high} > {exact}"
        case "lt":
            return f"{low} < {exact}"
        case "ge":
            return f"{high} >= {exact}"
        case "le":
            return f"{low} <= {exact}"
        case "sa":
            return f"{low} > {exact}"
        case "eb":
            return f"{high} < {exact}"
        case "ap":
            margin = abs(wanted.exact) / 10
            start, end = (
                draft.bind(wanted.exact - margin, "numeric"),
                draft.bind(wanted.exact + margin, "numeric"),
            )
            return f"({low} <= {end} AND {high} >= {start})"
    if integers and wanted.whole:
        return (
            f"({low} = {exact} AND {high} = {exact})" if prefix == "eq" else f"({low} <> {exact} OR {high} <> {exact})"
        )
    start, end = draft.bind(wanted.low, "numeric"), draft.bind(wanted.high, "numeric")
    if prefix == "eq":
        return f"({low} >= {start} AND {low} < {end} AND {high} < {end})"
    return either((f"{low} < {start}", f"{high} >= {end}"))
