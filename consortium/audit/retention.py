"""How long access events are kept: whole months, and no month before all of it is in sealed batches."""

from datetime import date

from django.db import connection
from psycopg import sql

from consortium.audit.batches import unsealed_from
from consortium.audit.partitions import ACCESS_EVENTS, Month, drop_months, ensure_months, months_of


def keep_months(*, today: date, keep: int) -> tuple[list[Month], list[Month]]:
    """Makes the months to come and drops those whose time is over; returns (made, dropped). For the worker,
    hourly.

    `today` is of UTC. `keep` counts full months besides the present one; 0 keeps all for ever. A month that
    has a row outside the sealed batches stays, and so do all after it.
    """
    made = ensure_months(ACCESS_EVENTS, today)
    if keep <= 0:
        return made, []
    limit = Month.of(today).plus(-keep)
    for month in months_of(ACCESS_EVENTS):
        if month < limit and has_unsealed_rows(month):
            limit = month
            break
    return made, drop_months(ACCESS_EVENTS, limit)


def has_unsealed_rows(month: Month) -> bool:
    """Whether a row of this month is in no batch yet."""
    first_id, transaction_number = unsealed_from()
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE id > %s AND transaction >= %s)").format(
                sql.Identifier(f"{ACCESS_EVENTS.name}_{month.suffix}")
            ),
            [first_id, transaction_number],
        )
        row = cursor.fetchone()
    return bool(row[0])
