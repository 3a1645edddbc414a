"""What one search parameter is compiled from, and the conditions that every kind of parameter is made of."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from .errors import SearchError, shown
from .parameters import UNSUPPORTED, Parameter, parameters, resource_parameters
from .request import Key, unescape
from .statement import Draft, Where, any_of, in_slots


@dataclass(frozen=True, slots=True)
class Asked:
    """What values are read with: the node's zone, the clock, and the node's own base URL."""

    zone: tzinfo
    now: datetime
    base_url: str


def find_parameter(types: tuple[str, ...], code: str, name: str) -> Parameter:
    """The parameter of one type, or one that every type has. Raises SearchError."""
    known = parameters(types[0]) if len(types) == 1 else resource_parameters()
    parameter = known.get(code)
    if parameter is not None:
        return parameter
    if code in UNSUPPORTED:
        raise SearchError("search-parameter-unsupported", name, f"{code} is not supported: {UNSUPPORTED[code]}.")
    where = types[0] if len(types) == 1 else "a search over several types"
    raise SearchError(
        "search-parameter-unknown",
        name,
        f"{where} has no search parameter {shown(code)!r}; "
        "the capability statement at /metadata lists those that it has.",
    )


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a search, on its way into the conditions on one alias."""

    draft: Draft
    where: Where
    types: tuple[str, ...]
    key: Key
    parameter: Parameter
    asked: Asked

    @property
    def name(self) -> str:
        """The parameter as the client wrote it."""
        return self.key.name

    def of(self, parameter: Parameter, where: Where) -> "Criterion":
        """The same for a part of a composite."""
        return Criterion(self.draft, where, self.types, self.key, parameter, self.asked)

    def plain(self, text: str) -> str:
        return unescape(text, self.name)

    def invalid(self, sentence: str) -> SearchError:
        return SearchError("search-value-invalid", self.name, sentence)

    def add(self, clause: str) -> None:
        self.where.clauses.append(clause)

    def require(self, keys_of_values: Iterable[Iterable[int]]) -> None:
        """One of the values, each of which is found under any of its keys."""
        keys = {key for keys in keys_of_values for key in keys}
        if not keys:
            self.add("false")
        elif len(keys) == 1:
            self.where.tokens.extend(keys)
        else:
            self.add(any_of(self.draft, self.where.alias, keys))

    def refuse(self, keys: Iterable[int]) -> None:
        """None of the keys."""
        found = set(keys)
        if found:
            self.add(f"NOT ({any_of(self.draft, self.where.alias, found)})")

    def rows(self, table: str, alias: str, slots: Iterable[int], condition: str) -> str:
        """That the record has a row in an index table that meets the condition."""
        return (
            f"EXISTS (SELECT FROM {table} AS {alias} WHERE {alias}.source = {self.where.alias}.rid"
            f" AND {in_slots(alias + '.slot', slots)} AND {condition})"
        )
