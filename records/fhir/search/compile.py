"""A search as SQL.

Paging: what is promised
------------------------
The first page sets a marker: the newest row number and the time of the database at that moment. The pages that follow
it show

1. no record twice,
2. every record that matched when the first page was read, and matches and may be read when its page is, exactly once
and in its current version: also one that was updated in between, at the place that it had before,
3. no record that was created after the first page; one whose creation was not committed yet may appear, once,
4. no deleted record.

This holds without `_sort`, and for `_sort` by `_id`, `_lastUpdated` and a type's clinical date (`clinical_dates`):
the place of a record that changed since the marker is the one of its version at the marker, out of its history. When
sorted by any other parameter a record is placed by its current value; if an update moves that very value across the
place that the reader has reached, the record may be met twice or not at all. Totals are those of the moment at which
they are counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final

from records.fhir import definitions

from . import ordering
from .chains import add_condition, type_condition
from .criterion import Asked
from .cursor import Paging, Position, SortValue, open_cursor, seal, search_digest
from .errors import SearchError, shown
from .includes import COLUMNS, MAX_ROUNDS, Include, include_statement, parse_include
from .ordering import SortKey
from .pages import ROW, WAS, page_statement
from .request import (
    DEFAULT_COUNT,
    MAX_COUNT,
    MAX_INCLUDES,
    checked,
    one_of,
    parse_key,
)
from .statement import Draft, Permitted, Statement, Where

SUMMARIES: Final = ("true", "text", "data", "count", "false")
TOTALS: Final = ("none", "estimate", "accurate")
# Read elsewhere; kept, so that links ask for the same.
_ELSEWHERE: Final = frozenset({"_format", "_pretty"})
_ONCE: Final = frozenset({"_count", "_sort", "_summary", "_elements", "_total", "_type", *_ELSEWHERE})
_INCLUDES: Final = frozenset({"_include", "_revinclude"})
# What lenient handling passes over. A modifier or a value that is not understood is refused even then, as R4 wants.
_IGNORABLE: Final = frozenset({"search-parameter-unknown", "search-parameter-unsupported"})

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A parameter that was not applied because the client asked for lenient handling, and why."""

    name: str
    value: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page (the first columns are `includes.COLUMNS`) and the cursor of the next one, None after the
    last."""

    rows: tuple[Row, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A search ready to run.

    `page`: the statement of the page, None if only the total is asked for; give its rows to `cut`. `total`: the
    statement that counts the matches, None if nobody asked. `applied` are the parameters of the self link, in order;
    `ignored` those left out. `summary` and `elements` are for whoever renders. `types`: the types that can be found.
    """

    types: tuple[str, ...]
    count: int
    page: Statement | None
    total: Statement | None
    summary: str | None
    elements: tuple[str, ...]
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[Ignored, ...]
    _permitted: Permitted = field(repr=False)
    _includes: tuple[Include, ...] = ()
    _sorted_by: int = 0
    _position: Position | None = None
    _paging: Paging | None = None
    _digest: bytes = b""

    def cut(self, rows: Sequence[Row]) -> Page:
        """What is shown of the rows that `page` gave (one more than asked for, if there are more), and where the next
        page begins."""
        shown_rows = tuple(rows[: self.count])
        if len(rows) <= self.count or self._paging is None or not shown_rows:
            return Page(shown_rows, None)
        last = shown_rows[-1]
        end = len(COLUMNS) + self._sorted_by
        values: tuple[SortValue, ...] = tuple(last[len(COLUMNS) : end])
        if self._position is None:
            marker_rid, marker_time = last[end], last[end + 1]
        else:
            marker_rid, marker_time = self._position.marker_rid, self._position.marker_time
        position = Position(marker_rid, marker_time, values, last[0])
        return Page(shown_rows, seal(position, paging=self._paging, digest=self._digest))

    def include(self, round_number: int, rids: Sequence[int], seen: Sequence[int]) -> Statement | None:
        """The statement of what is included with the rows `rids`, its columns `includes.COLUMNS`; None if that is
        nothing.

        Round 0 begins at the page's rows; each further one (for `:iterate`) at the rows that the round before it
        found, until one finds none. `seen`: all rows so far, which are not given again. At most `MAX_INCLUDED` + 1
        rows a statement.
        """
        if round_number >= MAX_ROUNDS:
            return None
        going_on = [one for one in self._includes if round_number == 0 or one.iterate]
        return include_statement(self._permitted, going_on, rids, seen)

    @property
    def includes(self) -> bool:
        return bool(self._includes)


def compile_search(
    type_name: str | None,
    params: Iterable[tuple[str, str]],
    *,
    permitted: Permitted,
    lenient: bool,
    zone: tzinfo,
    now: datetime,
    cursor: str | None = None,
    paging: Paging | None = None,
    base_url: str = "",
) -> SearchPlan:
    """The plan of a search of one type, or of several (None: all, or those of `_type`).

    `params` are decoded names and values in order, without the cursor. `permitted` is what the asker may read: no
    other record has an influence on anything. `zone` is where dates without a zone are, `now` the time that `ap` is
    near to. Without `paging` there is one page and no cursor. Raises SearchError, and nothing else, for whatever a
    client sends.
    """
    return _Compilation(type_name, permitted, lenient, Asked(zone, now, base_url), paging).plan(
        checked(list(params)), cursor
    )


@dataclass(slots=True)
class _Compilation:
    type_name: str | None
    permitted: Permitted
    lenient: bool
    asked: Asked
    paging: Paging | None
    draft: Draft = field(init=False)
    where: Where = field(init=False)
    types: tuple[str, ...] = field(init=False)
    applied: list[tuple[str, str]] = field(init=False, default_factory=list)
    ignored: list[Ignored] = field(init=False, default_factory=list)
    results: dict[str, str] = field(init=False, default_factory=dict)
    includes: list[Include] = field(init=False, default_factory=list)

    def plan(self, params: list[tuple[str, str]], cursor: str | None) -> SearchPlan:
        self.draft, self.where = Draft(self.permitted), Where(ROW, "")
        self.types = self._types(params)
        if self.type_name is not None or any(name == "_type" for name, _ in params):
            self.where.of_type = type_condition(ROW, self.types)
        for name, value in params:
            self._apply(name, value)
        count = self._count()
        keys = self._keys()
        summary = self._one_of("_summary", SUMMARIES)
        total = self._one_of("_total", TOTALS)
        counts_only = summary == "count" or count == 0
        digest = search_digest(self.type_name, self.applied)
        position = None
        if cursor is not None:
            if self.paging is None:
                raise ValueError("a cursor needs the paging that it was given under")
            position = open_cursor(cursor, paging=self.paging, digest=digest)
        conditions = self.where.sql(self.draft)
        page = None if counts_only else page_statement(self.draft, self.where, conditions, keys, count, position)
        counting = None
        if counts_only or total in ("estimate", "accurate"):
            # An estimate out of statistics would count records that may not be seen: what is promised loosely is
            # given exactly.
            counting = self.draft.statement(
                f"SELECT count(*) FROM {self.draft.records(ROW)} WHERE {conditions}",
                prepare=self.where.is_narrow,
            )
        return SearchPlan(
            types=self.types,
            count=count,
            page=page,
            total=counting,
            summary=summary,
            elements=self._elements(),
            applied=tuple(self.applied),
            ignored=tuple(self.ignored),
            _permitted=self.permitted,
            _includes=tuple(self.includes),
            _sorted_by=len(keys),
            _position=position,
            _paging=self.paging,
            _digest=digest,
        )

    # parameters

    def _types(self, params: list[tuple[str, str]]) -> tuple[str, ...]:
        if self.type_name is not None:
            return (self._served(self.type_name, ""),)
        stated = next((value for name, value in params if name == "_type"), None)
        if stated is None:
            return tuple(sorted(definitions.SERVED_TYPES))
        return tuple(dict.fromkeys(self._served(one, "_type") for one in stated.split(",")))

    def _served(self, type_name: str, name: str) -> str:
        if type_name not in definitions.SERVED_TYPES:
            raise SearchError(
                "search-type-unknown",
                name,
                f"{shown(type_name)!r} is not a resource type that this node serves.",
            )
        return type_name

    def _apply(self, name: str, value: str) -> None:
        head = name.partition(":")[0]
        if name in _ONCE and (name != "_type" or self.type_name is None):
            if name in self.results:
                raise SearchError("search-parameter-repeated", name, f"{name} may be given once.")
            self.results[name] = value
            if name != "_count" and name != "_sort":
                self.applied.append((name, value))
        elif head in _INCLUDES:
            self._include(name, value)
        else:
            try:
                add_condition(self.draft, self.where, self.types, parse_key(name), value, self.asked)
            except SearchError as error:
                if not self._may_ignore(error):
                    raise
                self.ignored.append(Ignored(shown(name, 100), shown(value, 100), error.sentence))
                return
            self.applied.append((name, value))

    def _may_ignore(self, error: SearchError) -> bool:
        return self.lenient and error.code in _IGNORABLE

    def _include(self, name: str, value: str) -> None:
        if len(self.includes) == MAX_INCLUDES:
            raise SearchError(
                "search-too-complex",
                name,
                f"A search has at most {MAX_INCLUDES} _include and _revinclude together.",
            )
        self.includes.append(parse_include(name, value, self.types))
        self.applied.append((name, value))

    def _one_of(self, name: str, allowed: tuple[str, ...]) -> str | None:
        value = self.results.get(name)
        return None if value is None else one_of(name, value, allowed)

    def _count(self) -> int:
        """The size of a page; more than the limit means the limit, as R4 lets a server decide."""
        value = self.results.get("_count")
        if value is None:
            return DEFAULT_COUNT
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            raise SearchError("search-result-parameter-invalid", "_count", "_count is a whole number from 0 upwards.")
        count = min(int(value), MAX_COUNT)
        self.applied.append(("_count", str(count)))
        return count

    def _elements(self) -> tuple[str, ...]:
        value = self.results.get("_elements")
        if value is None:
            return ()
        names = tuple(dict.fromkeys(value.split(",")))
        if not all(name.isascii() and name.isalnum() and len(name) <= 64 for name in names):
            raise SearchError(
                "search-result-parameter-invalid",
                "_elements",
                "_elements lists names of elements, as in _elements=code,subject.",
            )
        return names

    def _keys(self) -> tuple[SortKey, ...]:
        stated = self.results.get("_sort")
        if stated is None:
            return (ordering.timeline(ROW, WAS),) if self.where.one_compartment else ()
        if not stated.replace("-", "").replace(",", "").strip():
            raise SearchError("search-value-empty", "_sort", "_sort names parameters, as in _sort=-date,_id.")
        try:
            keys = ordering.sort_keys(self.draft, ROW, self.types, stated, WAS)
        except SearchError as error:
            if not self._may_ignore(error):
                raise
            self.ignored.append(Ignored("_sort", shown(stated, 100), error.sentence))
            return ()
        self.applied.append(("_sort", stated))
        return keys
