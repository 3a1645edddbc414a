"""The months of the history: partitions made ahead of time."""

from datetime import UTC, datetime
from typing import Final

from django.db import connection

AHEAD: Final = 12


def make_history_months(*, now: datetime | None = None, ahead: int = AHEAD) -> list[str]:
    """Makes the partitions of this month and of those `ahead`, where they are missing; returns the names of those made."""
    today = (now or datetime.now(UTC)).astimezone(UTC)
    first = today.year * 12 + today.month - 1
    made = []
    with connection.cursor() as cursor:
        for month in range(first, first + ahead + 1):
            name = f"records_history_{month // 12:04}_{month % 12 + 1:02}"
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
            row = cursor.fetchone()
            if row is not None and row[0]:
                continue
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF records_history"
                f" FOR VALUES FROM ('{_start(month)}') TO ('{_start(month + 1)}')"
            )
            made.append(name)
    return made


def _start(month: int) -> str:
    return f"{month // 12:04}-{month % 12 + 1:02}-01 00:00:00+00"
