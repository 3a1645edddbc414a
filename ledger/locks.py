"""PostgreSQL advisory locks: every class number of this project, so that no two uses ever meet.

All are of the two-number form `(class, key)`. Transaction locks end with the transaction; the anchorer's is a
session lock, for its round speaks to the chain between transactions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from django.db import connection


class LockClass(IntEnum):
    """The first number of a lock; the comment says what the second one is."""

    PATIENT = 1  # compartment id: shared by reads of one patient, exclusive by a revocation
    NODE = 2  # 0: shared by reads of many patients, exclusive by a revocation
    SEQUENCER = 3  # 0
    ANCHORER = 4  # 0: held for a round; whoever holds it is the only sender of this node's transactions
    CONDITIONAL_CREATE = 5  # 32-bit hash of the condition
    STANDING = 6  # 0: shared by every read, exclusive by whoever takes a role, a team or a token away


def lock_for_transaction(lock: LockClass, key: int = 0, *, shared: bool = False) -> None:
    """Wait for the lock; it is released when the caller's transaction ends."""
    if not connection.in_atomic_block:
        raise RuntimeError("A transaction lock outside a transaction would be released at once.")
    call = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {call}(%s, %s)", [int(lock), key])


@contextmanager
def try_session_lock(lock: LockClass, key: int = 0) -> Iterator[bool]:
    """Take the lock if it is free, and say whether it was; held until the block ends or the connection does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [int(lock), key])
        row = cursor.fetchone()
    taken = bool(row and row[0])
    session = connection.connection
    try:
        yield taken
    finally:
        # Had the connection been lost and made again, the lock would have gone with the old one.
        if taken and connection.connection is session and not session.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [int(lock), key])
