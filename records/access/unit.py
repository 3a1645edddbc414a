"""The transaction that a write of records runs in, tried again where somebody else was faster."""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg
from django.db import DatabaseError, connection, transaction

from .errors import Busy

T = TypeVar("T")

ATTEMPTS: Final = 6
LOCK_TIMEOUT: Final = "8s"
# serialization_failure, deadlock_detected, lock_not_available
_AGAIN: Final = frozenset({"40001", "40P01", "55P03"})
# Two creations of the same record, or of the same bundle, at once: the second finds the first when it tries again.
_SOMEBODY_WAS_FASTER: Final = frozenset({"records_current_self", "records_bundle_pkey"})


def write_unit(work: Callable[[], T]) -> T:
    """Runs `work` in a transaction of its own, anew each time that another writer got in the way. Raises Busy after that."""
    if connection.in_atomic_block:
        return work()
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                return work()
        except DatabaseError as error:
            if not _worth_another_try(error):
                raise
        time.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - spreads writers, guards nothing
    raise Busy("Others were writing the same records at the same time: wait a moment and send the request again.")


def _worth_another_try(error: BaseException) -> bool:
    cause = error.__cause__ if not isinstance(error, psycopg.Error) else error
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate in _AGAIN:
        return True
    return cause.sqlstate == "23505" and cause.diag.constraint_name in _SOMEBODY_WAS_FASTER
