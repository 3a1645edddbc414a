"""`_include` and `_revinclude`: records that the results refer to, or that refer to them. Both ends are permitted
records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .chains import referring_parameter, target_type_condition
from .errors import SearchError, shown
from .parameters import Parameter
from .request import MAX_COUNT
from .statement import Draft, Permitted, Statement, in_slots

MAX_INCLUDED: Final = MAX_COUNT
"""Records that one page is followed by at most; a statement gives one more, so that the reader sees that there are
more."""
MAX_ROUNDS: Final = 4
"""How often `:iterate` goes on from what was included before."""

COLUMNS: Final = ("rid", "type", "id", "version", "stored_at", "compartment", "content")
"""The columns of every row of a page or of what it includes."""


@dataclass(frozen=True, slots=True)
class Include:
    """One `_include` (from results to what they refer to) or `_revinclude` (`reverse`: from results to what refers to
    them)."""

    source_type: str
    parameter: Parameter
    targets: tuple[str, ...]
    reverse: bool
    iterate: bool

    def goes_on_from(self, types: Sequence[str]) -> bool:
        """Whether it can find anything that begins at records of these types."""
        return not set(types).isdisjoint(self.targets if self.reverse else (self.source_type,))


def parse_include(name: str, value: str, types: tuple[str, ...]) -> Include:
    """`_include=Observation:patient`, `..:Patient`, `_include:iterate=`, `_revinclude=`, for a search of these types."""
    code, _, modifier = name.partition(":")
    if modifier not in ("", "iterate"):
        raise SearchError(
            "search-modifier-unsupported",
            name,
            f"{code} cannot have the modifier {shown(modifier)!r}; it can have iterate.",
        )
    parts = value.split(":")
    if "*" in parts:
        raise SearchError(
            "search-include-unsupported",
            name,
            f"Name what to include, as in {code}=Observation:patient; * is not supported.",
        )
    if len(parts) not in (2, 3) or not all(parts):
        raise SearchError(
            "search-include-unsupported",
            name,
            f"{code} is written {code}=Type:parameter or Type:parameter:TargetType.",
        )
    parameter = referring_parameter(parts[0], parts[1], name)
    targets = parameter.local_targets
    if len(parts) == 3:
        if parts[2] not in targets:
            raise SearchError(
                "search-include-unsupported",
                name,
                f"{parts[1]} of {parts[0]} never refers to {shown(parts[2])}.",
            )
        targets = (parts[2],)
    include = Include(parts[0], parameter, targets, code == "_revinclude", modifier == "iterate")
    if not include.iterate and not include.goes_on_from(types):
        raise SearchError(
            "search-include-unsupported",
            name,
            f"{shown(value)} has nothing to do with {', '.join(types[:3])}; to follow what is itself "
            f"included, use {code}:iterate.",
        )
    return include


def include_statement(
    permitted: Permitted, includes: Sequence[Include], rids: Sequence[int], seen: Sequence[int]
) -> Statement | None:
    """What these includes find from the records `rids`, without the records `seen`; None for no includes."""
    if not includes or not rids:
        return None
    draft = Draft(permitted)
    found = []
    for reverse in (False, True):
        conditions = [_condition(include) for include in includes if include.reverse is reverse]
        if conditions:
            start, reached = ("t", "s") if reverse else ("s", "t")
            found.append(
                f"SELECT {reached}.rid FROM records_reference AS r"
                f" JOIN {draft.records('s')} ON r.source = s.rid JOIN {draft.records('t')} ON t.self = "
                f"r.target"
                f" WHERE {start}.rid = ANY({draft.bind(list(rids), 'bigint[]')}) AND "
                f"({' OR '.join(conditions)})"
            )
    columns = ", ".join(f"c.{column}" for column in COLUMNS)
    return draft.statement(
        f"SELECT {columns} FROM {draft.records('c')} WHERE c.rid IN ({' UNION '.join(found)})"
        f" AND c.rid <> ALL({draft.bind(list(seen), 'bigint[]')}) ORDER BY c.rid LIMIT {MAX_INCLUDED + 1}",
        prepare=True,
    )


def _condition(include: Include) -> str:
    slots = in_slots("r.slot", include.parameter.slots)
    stated = set(include.parameter.targets)
    if set(include.targets) == stated and all(leaf.target is None for leaf in include.parameter.leaves):
        return f"({slots})"
    return f"({slots} AND {target_type_condition('r', include.targets)})"
