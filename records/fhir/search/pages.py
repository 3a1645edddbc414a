"""The statement of one page: the rows, in order, with what the next page has to know. What it promises is in
`compile`."""

from collections.abc import Sequence
from typing import Final

from .cursor import Position
from .includes import COLUMNS
from .ordering import SortKey, after, order_by
from .statement import Draft, Statement, Where

ROW: Final = "c"
"""The alias of the records that are searched."""
WAS: Final = "was"
"""The alias of a record's version at the marker."""


def page_statement(
    draft: Draft,
    where: Where,
    conditions: str,
    keys: tuple[SortKey, ...],
    count: int,
    position: Position | None,
) -> Statement:
    """Rows of COLUMNS, then the values of the keys, then on a first page the marker; one row more than `count`, if
    there is one."""
    return draft.statement(_sql(draft, where, conditions, keys, count, position), prepare=where.is_narrow)


def _sql(
    draft: Draft,
    where: Where,
    conditions: str,
    keys: tuple[SortKey, ...],
    count: int,
    position: Position | None,
) -> str:
    expressions = [key.expression for key in keys]
    # Few records are found by what these are found by. A planner that expects more would walk through all records in
    # the order of their numbers, to have so many the sooner; an expression has no such order.
    rid = f"{ROW}.rid + 0" if where.rare else f"{ROW}.rid"
    limit = f"LIMIT {count + 1}"
    if position is None:
        # The marker comes with the rows, so that it is taken at the same moment.
        return (
            f"SELECT {_columns(expressions)}, (SELECT last_value FROM records_current_rid_seq) AS marker_rid,"
            f" statement_timestamp() AS marker_time FROM {draft.records(ROW)} WHERE {conditions}"
            f" {order_by(expressions, keys, rid)} {limit}"
        )
    known = f"{conditions} AND {ROW}.rid <= {draft.bind(position.marker_rid, 'bigint')}"
    if not keys:
        return (
            f"SELECT {_columns(())} FROM {draft.records(ROW)} WHERE {known}"
            f" AND {after(draft, (), (), f'{ROW}.rid', position)} {order_by((), (), rid)} {limit}"
        )
    if any(key.was is None for key in keys):
        return _by_value(draft, known, keys, position, limit)
    return _by_history(draft, known, keys, position, limit)


def _columns(keys: Sequence[str]) -> str:
    columns = [f"{ROW}.{column}" for column in COLUMNS]
    return ", ".join((*columns, *(f"{key} AS k{n}" for n, key in enumerate(keys))))


def _by_value(draft: Draft, known: str, keys: tuple[SortKey, ...], position: Position, limit: str) -> str:
    """Each value is computed once, before it is compared."""
    names = [f"matches.k{n}" for n in range(len(keys))]
    return (
        f"WITH matches AS MATERIALIZED (SELECT {_columns([key.expression for key in keys])}"
        f" FROM {draft.records(ROW)} WHERE {known}) SELECT * FROM matches"
        f" WHERE {after(draft, names, keys, 'matches.rid', position)}"
        f" {order_by(names, keys, 'matches.rid')} {limit}"
    )


def _by_history(draft: Draft, known: str, keys: tuple[SortKey, ...], position: Position, limit: str) -> str:
    """Records that did not change since the marker by their own columns, and the few that did by their version of
    then."""
    time = draft.bind(position.marker_time, "timestamptz")
    expressions = [key.expression for key in keys]
    order = order_by(expressions, keys, f"{ROW}.rid")
    branches = [
        f"SELECT {_columns(expressions)} FROM {draft.records(ROW)}"
        f" WHERE {known} AND {ROW}.stored_at <= {time} AND {following} {order} {limit}"
        for following in _following(draft, expressions, keys, position)
    ]
    # Without an older version the record is as old as the marker, whatever two machines' clocks say of it.
    then = [f"CASE WHEN {WAS}.version IS NULL THEN {k.expression} ELSE {k.was} END" for k in keys]
    branches.append(
        f"SELECT {_columns(then)} FROM {draft.records(ROW)} LEFT JOIN LATERAL ("
        f"SELECT h.version, h.sort_date, h.stored_at, h.deleted FROM records_history AS h WHERE h.rid = {ROW}.rid"
        f" AND h.stored_at <= {time} ORDER BY h.version DESC LIMIT 1) AS {WAS} ON true"
        f" WHERE {known} AND {ROW}.stored_at > {time} AND {WAS}.deleted IS NOT TRUE"
        f" AND {after(draft, then, keys, f'{ROW}.rid', position)}"
        f" {order_by(then, keys, f'{ROW}.rid')} {limit}"
    )
    names = [f"page.k{n}" for n in range(len(keys))]
    union = " UNION ALL ".join(f"({branch})" for branch in branches)
    return f"SELECT * FROM ({union}) AS page {order_by(names, keys, 'page.rid')} {limit}"


def _following(draft: Draft, expressions: list[str], keys: tuple[SortKey, ...], position: Position) -> list[str]:
    """Conditions of which one holds for each row after the position. For one date they are two, because no index serves
    "earlier, or without a date" in one go."""
    if len(keys) > 1 or not keys[0].nullable or position.values[0] is None:
        return [after(draft, expressions, keys, f"{ROW}.rid", position)]
    date, comparison = expressions[0], "<" if keys[0].descending else ">"
    bound, rid = draft.bind(position.values[0], keys[0].sql_type), draft.bind(position.rid, "bigint")
    return [
        f"{date} {comparison}= {bound} AND ({date} {comparison} {bound} OR {ROW}.rid {comparison} {rid})",
        f"{date} IS NULL",
    ]
