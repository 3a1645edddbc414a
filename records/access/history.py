"""Histories through the gate: of one record, of a type, of the node. Newest first, paged by position, never by offset.

A version is shown when the asker may read it by its own patient and labels, whatever became of the record since.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from records.fhir.definitions import TYPE_NAMES, TYPE_NUMBERS
from records.fhir.search.hashing import record_key

from .asker import Asker
from .audit import access_event, record_refusal
from .errors import NotPermitted, NotVisible
from .permitted import STORED_TYPES, may_use, rule
from .reads import StoredRecord
from .session import Row, read_session

MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of a history ended."""

    stored_at: datetime
    rid: int
    version: int


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Versions, newest first, and where the next page begins. `total` is counted for one record's history only."""

    records: tuple[StoredRecord, ...]
    next: Position | None
    total: int | None = None


_COLUMNS: Final = "r.type, r.id, r.version, r.stored_at, r.deleted, r.compartment, r.content, r.rid"
_ORDER: Final = "ORDER BY stored_at DESC, rid DESC, version DESC LIMIT %(limit)s::int4"
_BEFORE: Final = "(r.stored_at, r.rid, r.version) < (%(at)s::timestamptz, %(rid)s::int8, %(version)s::int4)"


def history(
    asker: Asker,
    type: str | None = None,
    id: str | None = None,
    *,
    since: datetime | None = None,
    at: tuple[datetime, datetime] | None = None,
    count: int = 50,
    before: Position | None = None,
) -> HistoryPage:
    """One page of a history.

    `since`: versions stored at or after it. `at`: [low, high), versions that were current at some time in it. `before`: the
    position that the page before ended at. Raises NotVisible for a record that is not there or may not be seen.
    """
    interaction = "history-instance" if id else "history-type" if type else "history-system"
    if type is not None and not may_use(asker, type, "r"):
        record_refusal(asker, interaction=interaction, type=type, id=id, because=NotPermitted.code)
        raise NotPermitted(_("You may not read %(type)s: your scopes or your role do not include it.") % {"type": type})
    decided = rule(asker, "r")
    params: dict[str, Any] = {**decided.params, "limit": min(count, MOST) + 1}
    conditions = [decided.sql]
    if since is not None:
        conditions.append("r.stored_at >= %(since)s::timestamptz")
        params["since"] = since
    if before is not None:
        conditions.append(_BEFORE)
        params |= {"at": before.stored_at, "rid": before.rid, "version": before.version}
    if id is not None and type is not None:
        params |= {"self": record_key(type, id), "type": TYPE_NUMBERS[type], "id": id}
    statement = _statement(type, id, conditions, at is not None)
    if at is not None:
        params |= {"from_": at[0], "until": at[1]}
    if id is None:
        params["types"] = [TYPE_NUMBERS[type]] if type else [TYPE_NUMBERS[name] for name in STORED_TYPES]
    with read_session(asker) as session:
        answer = session.execute(statement, params)
        counted = session.execute(_count(decided.sql), params) if id is not None else None
        rows = answer.fetchall()
        total = counted.fetchone() if counted else None
        session.check()
        shown = rows[: min(count, MOST)]
        met = Counter(row[5] for row in shown) or Counter({0: 0})
        nothing = total is not None and total[0] == 0
        for compartment, matches in sorted(met.items()):
            session.audit(
                access_event(
                    asker, interaction=interaction, type=type, id=id, compartment=compartment, matches=matches,
                    refused=nothing, because=NotVisible.code if nothing else None,
                )
            )  # fmt: skip
    if nothing:
        raise NotVisible(_("There is no %(type)s with this id that you may read.") % {"type": type})
    following = None
    if len(rows) > len(shown) and shown:
        last = shown[-1]
        following = Position(last[3], last[7], last[2])
    return HistoryPage(tuple(map(_record, shown)), following, total[0] if total else None)


def _statement(type: str | None, id: str | None, conditions: list[str], at: bool) -> str:
    current, past = list(conditions), list(conditions)
    if at:
        # Current from when it was stored until it was replaced.
        current.append("r.stored_at < %(until)s::timestamptz")
        past.append("r.stored_at < %(until)s::timestamptz AND r.replaced_at > %(from_)s::timestamptz")
    now, then = " AND ".join(f"({c})" for c in current), " AND ".join(f"({c})" for c in past)
    if id is not None:
        return (
            f"SELECT * FROM (SELECT {_COLUMNS} FROM records_current r WHERE {_THIS_ONE} AND {now}"
            f" UNION ALL SELECT {_COLUMNS} FROM records_history r"
            f" WHERE r.rid = (SELECT k.rid FROM records_current k WHERE k.self = %(self)s::int8)"
            f" AND r.type = %(type)s::int2 AND r.id = %(id)s::text AND {then}) AS versions {_ORDER}"
        )
    # Type by type, because that is how both are indexed; the newest of each are all that can be among the newest of all.
    each = (
        "SELECT v.* FROM unnest(%(types)s::int2[]) AS t(number) CROSS JOIN LATERAL"
        f" (SELECT {_COLUMNS} FROM {{table}} r WHERE r.type = t.number AND {{conditions}} {_ORDER}) AS v"
    )
    return (
        f"SELECT * FROM ({each.format(table='records_current', conditions=now)}"
        f" UNION ALL {each.format(table='records_history', conditions=then)}) AS versions {_ORDER}"
    )


_THIS_ONE: Final = "r.self = %(self)s::int8 AND r.type = %(type)s::int2 AND r.id = %(id)s::text"


def _count(decided: str) -> str:
    return (
        f"SELECT (SELECT count(*) FROM records_current r WHERE {_THIS_ONE} AND {decided})"
        " + (SELECT count(*) FROM records_history r"
        " WHERE r.rid = (SELECT k.rid FROM records_current k WHERE k.self = %(self)s::int8)"
        f" AND r.type = %(type)s::int2 AND r.id = %(id)s::text AND {decided})"
    )


def _record(row: Row) -> StoredRecord:
    return StoredRecord(TYPE_NAMES[row[0]], row[1], row[2], row[3], row[4], row[5], bytes(row[6]))
