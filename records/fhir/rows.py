"""The SQL of the write path: rows of current records, their history and their index, on one raw cursor.

Nothing here decides anything. Callers are inside a transaction and have sorted what they lock, see `records.fhir.store`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import psycopg

Cursor: TypeAlias = "psycopg.Cursor[tuple[Any, ...]]"

# Up to this many rows are inserted by statements in one pipeline; more are copied.
FEW: Final = 12

_HISTORY_COLUMNS: Final = (
    "rid, type, id, version, stored_at, deleted, compartment, others, labels, codes, sort_date, period_end, content"
)


@dataclass(frozen=True, slots=True)
class Current:
    """The newest version of a record, locked for update. `content` is there only when it was asked for."""

    rid: int
    self_hash: int
    type: int
    id: str
    version: int
    stored_at: datetime
    deleted: bool
    compartment: int
    others: tuple[int, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class NewRow:
    """One row of records_current as it is to be; columns as in the first migration."""

    rid: int
    self_hash: int
    type: int
    id: str
    version: int
    stored_at: datetime
    deleted: bool
    compartment: int
    others: list[int] | None
    sort_date: datetime | None
    period_end: datetime | None
    labels: list[int] | None
    codes: list[int] | None
    tokens: list[int]
    content: bytes

    def values(self) -> tuple[Any, ...]:
        return (
            self.rid, self.self_hash, self.type, self.id, self.version, self.stored_at, self.deleted,
            self.compartment, self.others, self.sort_date, self.period_end, self.labels, self.codes, self.tokens,
            self.content,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows go: columns and their PostgreSQL types, in the order of the values."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def insert(self) -> str:
        marks = ", ".join(f"%s::{t}" for t in self.types)
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({marks})"

    @property
    def copy(self) -> str:
        return f"COPY {self.name} ({', '.join(self.columns)}) FROM STDIN (FORMAT BINARY)"


CURRENT: Final = Table(
    "records_current",
    ("rid", "self", "type", "id", "version", "stored_at", "deleted", "compartment", "others", "sort_date",
     "period_end", "labels", "codes", "tokens", "content"),
    ("int8", "int8", "int2", "text", "int4", "timestamptz", "bool", "int8", "int8[]", "timestamptz",
     "timestamptz", "int8[]", "int8[]", "int8[]", "bytea"),
)  # fmt: skip
REFERENCES: Final = Table(
    "records_reference", ("source", "slot", "target", "target_type"), ("int8", "int4", "int8", "int2")
)
STRINGS: Final = Table("records_string", ("source", "slot", "value"), ("int8", "int4", "text"))
DATES: Final = Table(
    "records_date",
    ("source", "slot", "low", "high", "code"),
    ("int8", "int4", "timestamptz", "timestamptz", "int8"),
)
QUANTITIES: Final = Table(
    "records_quantity",
    ("source", "slot", "low", "high", "unit", "code"),
    ("int8", "int4", "numeric", "numeric", "int8", "int8"),
)
INDEX_TABLES: Final = (REFERENCES, STRINGS, DATES, QUANTITIES)


def put_rows(cursor: Cursor, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows, by COPY when they are many."""
    if not rows:
        return
    if len(rows) <= FEW:
        cursor.executemany(table.insert, rows)
        return
    with cursor.copy(table.copy) as copy:
        copy.set_types(table.types)
        for row in rows:
            copy.write_row(row)


def lock_current(cursor: Cursor, self_hashes: Iterable[int], *, with_content: bool = False) -> dict[int, Current]:
    """Locks the rows that exist, in ascending order of their hash, so that two writers never wait for each other in a ring."""
    wanted = sorted(set(self_hashes))
    if not wanted:
        return {}
    content = "content" if with_content else "''::bytea"
    cursor.execute(
        f"SELECT rid, self, type, id, version, stored_at, deleted, compartment, others, {content}"
        " FROM records_current WHERE self = ANY(%s::int8[]) ORDER BY self FOR UPDATE",
        (wanted,),
        binary=True,
    )
    return {row[1]: _current(row) for row in cursor.fetchall()}


def _current(row: tuple[Any, ...]) -> Current:
    rid, self_hash, type, id, version, stored_at, deleted, compartment, others, content = row
    return Current(
        rid, self_hash, type, id, version, stored_at, deleted, compartment, tuple(others or ()), bytes(content)
    )


def newest_bytes(cursor: Cursor, self_hashes: Iterable[int]) -> dict[int, tuple[int, datetime, bytes]]:
    """Version, time and bytes of the records with these hashes that are not deleted, without locking them."""
    cursor.execute(
        "SELECT self, version, stored_at, content FROM records_current WHERE self = ANY(%s::int8[]) AND NOT deleted",
        (sorted(set(self_hashes)),),
        binary=True,
    )
    return {row[0]: (row[1], row[2], bytes(row[3])) for row in cursor.fetchall()}


def reserve_rids(cursor: Cursor, count: int) -> list[int]:
    """Row numbers for `count` new records."""
    if not count:
        return []
    cursor.execute("SELECT nextval('records_current_rid_seq') FROM generate_series(1, %s::int4)", (count,))
    return [row[0] for row in cursor.fetchall()]


def compartments(cursor: Cursor, patient_ids: Iterable[str]) -> dict[str, int]:
    """The compartments of these patients, made where there are none yet (in ascending order, see `lock_current`)."""
    wanted = sorted(set(patient_ids))
    if not wanted:
        return {}
    find = "SELECT patient_id, id FROM records_compartment WHERE patient_id = ANY(%s::text[])"
    found: dict[str, int] = dict(cursor.execute(find, (wanted,)).fetchall())
    missing = [patient for patient in wanted if patient not in found]
    if missing:
        cursor.execute(
            "INSERT INTO records_compartment (patient_id) SELECT p FROM unnest(%s::text[]) AS p ORDER BY p"
            " ON CONFLICT (patient_id) DO NOTHING",
            (missing,),
        )
        found |= dict(cursor.execute(find, (missing,)).fetchall())
    return found


def supersede(cursor: Cursor, rids: Sequence[int], *, at: datetime) -> None:
    """Copies the newest versions to the history and forgets their index rows; `replace` then writes over them."""
    if not rids:
        return
    wanted = (sorted(rids),)
    cursor.execute(
        f"INSERT INTO records_history ({_HISTORY_COLUMNS}, replaced_at)"
        f" SELECT {_HISTORY_COLUMNS}, %s::timestamptz FROM records_current WHERE rid = ANY(%s::int8[])",
        (at, *wanted),
    )
    for table in INDEX_TABLES:
        cursor.execute(f"DELETE FROM {table.name} WHERE source = ANY(%s::int8[])", wanted)


_REPLACE: Final = (
    "UPDATE records_current SET version = %s::int4, stored_at = %s, deleted = %s::bool, compartment = %s::int8,"
    " others = %s::int8[], sort_date = %s::timestamptz, period_end = %s::timestamptz, labels = %s::int8[],"
    " codes = %s::int8[], tokens = %s::int8[], content = %s::bytea WHERE rid = %s::int8 AND version = %s::int4"
)


def replace(cursor: Cursor, rows: Sequence[NewRow]) -> int:
    """Writes new versions over the ones that went to the history; how many rows it met, each once by its old version."""
    if not rows:
        return 0
    cursor.executemany(_REPLACE, [(*row.values()[4:], row.rid, row.version - 1) for row in rows])
    return cursor.rowcount


def patients_of(cursor: Cursor, numbers: Iterable[int]) -> dict[int, str]:
    """The patients whose compartments have these numbers."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    cursor.execute("SELECT id, patient_id FROM records_compartment WHERE id = ANY(%s::int8[])", (wanted,))
    return dict(cursor.fetchall())
