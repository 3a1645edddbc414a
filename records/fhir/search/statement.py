"""Statements under construction: names of values and of tables that are unique, and the relation that reads are limited
to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Permitted:
    """The records that may be read: a parenthesised SELECT of all columns of rows of records_current that are not
    deleted.

    `params` are the values of its named placeholders, `%(name)s`.
    """

    sql: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with psycopg's named placeholders, and their values.

    `prepare`: whether a plan that is made once, without looking at the values, is as good as one made for them. Where
    it is not (a code may be in three records or in all), execute with `prepare=False`: a wrong plan costs a hundred
    times its planning.
    """

    sql: str
    params: Mapping[str, Any]
    prepare: bool


@dataclass(slots=True)
class Draft:
    """Hands out placeholders and aliases. The only place where the permitted relation becomes text."""

    permitted: Permitted
    params: dict[str, Any] = field(init=False)
    _prefix: str = field(init=False, default="q")
    _aliases: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.params = dict(self.permitted.params)
        while any(name.startswith(self._prefix) for name in self.params):
            self._prefix += "q"

    def bind(self, value: object, sql_type: str) -> str:
        """A placeholder for a value, cast to the type of the column that it is compared with."""
        name = f"{self._prefix}{len(self.params)}"
        self.params[name] = value
        return f"%({name})s::{sql_type}"

    @property
    def tables(self) -> int:
        """How many aliases were handed out: what the statement costs to plan."""
        return self._aliases

    def alias(self, letter: str) -> str:
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def records(self, alias: str) -> str:
        """The permitted relation under an alias: how records are named in a FROM or JOIN, every time."""
        return f"{self.permitted.sql} AS {alias}"

    def statement(self, sql: str, *, prepare: bool) -> Statement:
        return Statement(sql, dict(self.params), prepare)


@dataclass(slots=True)
class Where:
    """The conditions on one alias.

    `tokens` all have to be there: they become one array, which one index scan intersects. `one_compartment`: the
    records are of one patient's compartment, whose index is in the order of their dates. `named`: they are named by
    their ids. `rare`: by the nature of what is asked for there are few.
    """

    alias: str
    of_type: str
    tokens: list[int] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)
    one_compartment: bool = False
    named: bool = False
    rare: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether there are few records whatever the values are, so that one plan serves them all."""
        return self.one_compartment or self.named

    def sql(self, draft: Draft) -> str:
        """The conditions as SQL, `true` if there are none."""
        found = [self.of_type] if self.of_type else []
        if self.tokens and self.one_compartment:
            # Not by @>: a plan that serves all values would then read every record with this code, whoever's it is.
            found += [f"{draft.bind(token, 'bigint')} = ANY({self.alias}.tokens)" for token in sorted(set(self.tokens))]
        elif self.tokens:
            found.append(all_of(draft, self.alias, self.tokens))
        return " AND ".join((*found, *self.clauses)) or "true"


def any_of(draft: Draft, alias: str, tokens: Iterable[int]) -> str:
    return f"{alias}.tokens && {draft.bind(sorted(set(tokens)), 'bigint[]')}"


def all_of(draft: Draft, alias: str, tokens: Iterable[int]) -> str:
    return f"{alias}.tokens @> {draft.bind(sorted(set(tokens)), 'bigint[]')}"


def either(clauses: Iterable[str]) -> str:
    """One of these; nothing can be one of none."""
    found = list(dict.fromkeys(clauses))
    if not found:
        return "false"
    return found[0] if len(found) == 1 else "(" + " OR ".join(found) + ")"


def in_slots(column: str, slots: Iterable[int]) -> str:
    """Slots are numbers of our own, so they stand in the SQL, where the planner's statistics see them."""
    return f"{column} IN ({', '.join(str(slot) for slot in sorted(set(slots)))})"
