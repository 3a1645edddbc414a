"""What the conditions of conditional writes and references meet, within what the writer may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

import psycopg
from django.db import connection

from records.fhir.definitions import TYPE_NAMES
from records.fhir.node import FhirNode
from records.fhir.search import SearchError, compile_search

from .asker import Asker
from .errors import NotPermitted
from .permitted import may_use, permitted

# One is what is wanted; a second proves that the condition is ambiguous.
_ENOUGH: Final = ("_count", "2")
# They shape an answer, and a condition has none.
_SHAPES: Final = frozenset({"_count", "_elements", "_sort", "_summary", "_total", "_include", "_revinclude"})


@dataclass(frozen=True, slots=True)
class Match:
    """A record that a condition meets, in its newest version. `content` is empty for who may search but not read."""

    rid: int
    id: str
    version: int
    stored_at: datetime
    content: bytes


def match_all(
    writer: Asker, conditions: Sequence[tuple[str, Sequence[tuple[str, str]]]], *, node: FhirNode
) -> list[tuple[Match, ...]]:
    """Up to two matches for each (type, search parameters), in the caller's transaction. Raises SearchError, NotPermitted."""
    for type in sorted({type for type, _ in conditions}):
        if not may_use(writer, type, "s"):
            raise NotPermitted(f"A condition on {type} is a search, which your scopes or your role do not include.")
    for name in (name for _, params in conditions for name, _ in params):
        if name.partition(":")[0] in _SHAPES:
            raise SearchError(
                "search-result-parameter-invalid",
                name,
                f"A condition says which record is meant: leave {name} out of it.",
            )
    visible = permitted(writer, "s")
    now = datetime.now(UTC)
    plans = [
        compile_search(
            type, [*params, _ENOUGH], permitted=visible, lenient=False, zone=node.zone, now=now,
            base_url=node.own_references,
        )
        for type, params in conditions
    ]  # fmt: skip
    with connection.wrap_database_errors:
        connection.ensure_connection()
        raw = cast("psycopg.Connection[Any]", connection.connection)
        with raw.pipeline():
            cursors = []
            for plan in plans:
                assert plan.page is not None, "a page of two is a page"
                cursors.append(psycopg.Cursor(raw).execute(plan.page.sql, plan.page.params, prepare=False, binary=True))
        found = []
        for (type, _), cursor in zip(conditions, cursors, strict=True):
            readable = may_use(writer, type, "r")
            found.append(
                tuple(
                    Match(row[0], row[2], row[3], row[4], bytes(row[6]) if readable else b"")
                    for row in cursor.fetchall()
                )
            )
    return found


def match_rids(writer: Asker, rids: Sequence[int]) -> dict[int, Match]:
    """Those of these rows that are records which the writer may see, in the caller's transaction."""
    wanted = sorted(set(rids) - {0})
    if not wanted:
        return {}
    visible = permitted(writer, "s")
    with connection.wrap_database_errors:
        connection.ensure_connection()
        cursor = psycopg.Cursor(cast("psycopg.Connection[Any]", connection.connection))
        cursor.execute(
            f"SELECT c.rid, c.id, c.version, c.stored_at, c.content, c.type FROM {visible.sql} AS c"
            " WHERE c.rid = ANY(%(wanted)s::int8[])",
            {**visible.params, "wanted": wanted},
            binary=True,
        )
        return {row[0]: _match(writer, row) for row in cursor.fetchall()}


def _match(writer: Asker, row: tuple[Any, ...]) -> Match:
    rid, id, version, stored_at, content, type = row
    readable = may_use(writer, TYPE_NAMES[type], "r")
    return Match(rid, id, version, stored_at, bytes(content) if readable else b"")
