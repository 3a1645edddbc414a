"""The transaction that a read of records runs in: lock first, then decide and read, then audit, then commit.

Statements go through one psycopg pipeline on Django's own connection: what is sent before the first fetch travels with
it, so that a read of one record is one round trip and a page of a search two. The lock is a statement of its own
before the deciding one, because each statement takes its snapshot when it begins: a revocation that was acknowledged
before is seen, and one that comes later waits until this read has committed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, cast

import psycopg
from django.db import connection
from django.utils.translation import gettext as _
from psycopg.abc import Params, QueryNoTemplate

from consortium.audit.events import AccessEvent
from ledger.locks import LockClass

from .asker import Asker
from .audit import INSERT_EVENT, event_values
from .bearer import CREDENTIAL_HOLDS, credential_params, forget
from .errors import NotAuthenticated

# A page that takes longer is given up, so that it cannot hold back a revocation for ever.
TIME_LIMIT: Final = "SET LOCAL statement_timeout = '20s'"

LOCK_NODE: Final = (
    f"SELECT pg_advisory_xact_lock_shared({LockClass.NODE:d}, 0),"
    f" pg_advisory_xact_lock_shared({LockClass.STANDING:d}, 0)"
)

Row: TypeAlias = tuple[Any, ...]


class Session:
    """Statements within one read. Results come in PostgreSQL's binary format, so that stored bytes arrive as they are."""

    def __init__(self, raw: "psycopg.Connection[Any]", asker: Asker) -> None:
        self._raw = raw
        self._asker = asker
        self._holding: psycopg.Cursor[Row] | None = None

    def execute(
        self, sql: QueryNoTemplate, params: Params | None = None, *, prepare: bool = True
    ) -> "psycopg.Cursor[Row]":
        """Sends a statement; its rows are there when they are fetched. `prepare`: plan it once for all values."""
        return psycopg.Cursor(self._raw).execute(sql, params, prepare=prepare, binary=True)

    def rows(self, sql: QueryNoTemplate, params: Params | None = None, *, prepare: bool = True) -> Sequence[Row]:
        return self.execute(sql, params, prepare=prepare).fetchall()

    def audit(self, event: AccessEvent) -> None:
        """The row of a permitted access, which commits with it."""
        psycopg.Cursor(self._raw).execute(INSERT_EVENT, event_values(event), prepare=True)

    def check(self) -> None:
        """Raises NotAuthenticated unless the asker's credential held when the session began. Ask before the audit row."""
        if self._holding is None:
            return
        row = self._holding.fetchone()
        self._holding = None
        if row is None or not row[0]:
            forget(self._asker)
            raise NotAuthenticated(_("The access token no longer holds: get a new one from the token endpoint."))

    def begin(self) -> None:
        """Lock, then look whether the credential holds."""
        self.execute(LOCK_NODE)
        if self._asker.credential is not None:
            self._holding = self.execute(f"SELECT {CREDENTIAL_HOLDS}", credential_params(self._asker))


@contextmanager
def read_session(asker: Asker, *, locked: bool = False) -> Iterator[Session]:
    """One transaction for one read. Within a transaction of the caller's it takes part in that one.

    `locked`: the caller's first statement takes the lock, and its second one looks at the credential. Both travel together,
    and what travels together up to a Sync is one transaction by PostgreSQL's protocol, without BEGIN and COMMIT.
    """
    with connection.wrap_database_errors:
        connection.ensure_connection()
        raw = cast("psycopg.Connection[Any]", connection.connection)
        if raw.prepare_threshold is None:
            # Django switches prepared statements off; its own cursors bind on the client and stay as they are.
            raw.prepare_threshold = 5
        session = Session(raw, asker)
        if connection.in_atomic_block:
            if not locked:
                session.begin()
            yield session
            return
        try:
            with raw.pipeline():
                if locked:
                    yield session
                    return
                psycopg.Cursor(raw).execute("BEGIN", prepare=False)
                psycopg.Cursor(raw).execute(TIME_LIMIT, prepare=False)
                session.begin()
                yield session
                psycopg.Cursor(raw).execute("COMMIT", prepare=False)
        except BaseException:
            _leave(raw)
            raise


def _leave(raw: "psycopg.Connection[Any]") -> None:
    """Gives up the transaction, and the connection with it where it is past use."""
    if raw.pgconn.pipeline_status != psycopg.pq.PipelineStatus.OFF:
        # A commit that failed at the Sync leaves libpq waiting for an answer that never comes.
        raw.close()
    elif not raw.closed and raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        psycopg.Cursor(raw).execute("ROLLBACK", prepare=False)
    if raw.closed:
        connection.close()
