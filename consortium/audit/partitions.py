"""Monthly partitions of tables that only grow: made ahead of time, dropped when their retention is over.

A table is `PARTITION BY RANGE (a timestamptz column)` with partitions named `<table>_YYYY_MM` and
`<table>_default`. Months are those of UTC. Rows that landed in the default partition, because the worker
was away for long, are moved when their month's partition is made.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import connection, transaction
from psycopg import sql

MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> "Month":
        return cls(day.year, day.month)

    def plus(self, months: int) -> "Month":
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def suffix(self) -> str:
        return f"{self.year:04d}_{self.number:02d}"


@dataclass(frozen=True, slots=True)
class MonthlyTable:
    """A table that is partitioned by month of the column `by`."""

    name: str
    by: str


ACCESS_EVENTS = MonthlyTable("consortium_accessevent", "at")


def months_of(table: MonthlyTable) -> list[Month]:
    """The months that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
            " WHERE inhparent = %s::regclass",
            [table.name],
        )
        names = [name for (name,) in cursor.fetchall()]
    pattern = re.compile(re.escape(table.name) + r"_(\d{4})_(\d{2})")
    return sorted(Month(int(m[1]), int(m[2])) for m in map(pattern.fullmatch, names) if m)


def ensure_months(table: MonthlyTable, today: date) -> list[Month]:
    """Makes what is missing of this month's partition and the next three; returns the months made.

    A month that has rows in the default partition is made first, by moving them.
    """
    have = set(months_of(table))
    wanted = [Month.of(today).plus(n) for n in range(MONTHS_AHEAD + 1)]
    stray = _stray_months(table)
    missing = sorted({*wanted, *stray} - have)
    if not missing:
        return []
    with transaction.atomic():
        if stray:
            _detach_default(table)
        with connection.cursor() as cursor:
            for month in missing:
                cursor.execute(
                    sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(f"{table.name}_{month.suffix}"),
                        sql.Identifier(table.name),
                        sql.Literal(month.start),
                        sql.Literal(month.plus(1).start),
                    )
                )
        if stray:
            _move_detached(table)
    return missing


def drop_months(table: MonthlyTable, before: Month) -> list[Month]:
    """Drops the partitions of months before `before`, for good; returns them."""
    gone = [month for month in months_of(table) if month < before]
    with transaction.atomic(), connection.cursor() as cursor:
        for month in gone:
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(f"{table.name}_{month.suffix}")))
    return gone


def _stray_months(table: MonthlyTable) -> list[Month]:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT DISTINCT date_trunc('month', {}, 'UTC') FROM {}").format(
                sql.Identifier(table.by), sql.Identifier(f"{table.name}_default")
            )
        )
        return [Month.of(at.astimezone(UTC)) for (at,) in cursor.fetchall()]


def _detach_default(table: MonthlyTable) -> None:
    with connection.cursor() as cursor:
        default, old = (sql.Identifier(f"{table.name}_{end}") for end in ("default", "moving"))
        parent = sql.Identifier(table.name)
        cursor.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(parent, default))
        cursor.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(default, old))
        # Index names are taken per schema: the old table's keep theirs until it is dropped, the new one
        # gets others.
        cursor.execute(sql.SQL("CREATE TABLE {} PARTITION OF {} DEFAULT").format(default, parent))


def _move_detached(table: MonthlyTable) -> None:
    with connection.cursor() as cursor:
        old = sql.Identifier(f"{table.name}_moving")
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = ''",
            [f"{table.name}_moving"],
        )
        columns = sql.SQL(", ").join(sql.Identifier(name) for (name,) in cursor.fetchall())
        cursor.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(sql.Identifier(table.name), columns, columns, old)
        )
        cursor.execute(sql.SQL("DROP TABLE {}").format(old))
