"""Access events in the log: at every tick of a fixed clock, the root over all new rows becomes one leaf.

The root is RFC 9162's over salted hashes of canonical rows, so that one row can be shown and proved later
without showing another, and the log says nothing about any. A row that was changed, removed or slipped in
after its batch was sealed no longer fits the root.

Which rows are new is decided by transaction numbers: a batch takes rows of transactions that had ended when
its snapshot was taken and had not when the batch before took its own. No row is ever updated, and none that
commits late is missed. Numbers mean something within one database cluster only; after a restore into
another one a closing batch takes what was left over (`_close_cluster`).
"""

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db import connection, transaction

from consortium.audit.models import AuditBatch
from ledger import log, proofs
from ledger.commitments import Kind, commit, derive_salt

ROW_FORMAT = "xinglin-audit-row/1"
BATCH_FORMAT = "xinglin-audit-batch/1"
MOST_ROWS = 50_000
_ROW_TAG = b"xinglin/v1/audit-row\x00"
ROW_COLUMNS = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "organisation_id",
    "interaction",
    "type",
    "resource_id",
    "version",
    "compartment",
    "query",
    "matches",
    "outcome",
    "because",
    "purpose",
    "request_id",
)
_ROWS = f"SELECT {', '.join(ROW_COLUMNS)} FROM consortium_accessevent WHERE "


class AuditProofError(Exception):
    """A row cannot be proved. `code` is stable: `no-such-event`, `not-sealed-yet`, `batch-changed`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class RowProof:
    """One row's way to a leaf of the log.

    `row` are canonical bytes, `row_salt` opens its hash at `index` of `size` in the tree whose `root` the
    batch's `statement` names; `batch_salt` opens the leaf of kind audit-batch that commits to the
    statement.
    """

    row: bytes
    row_salt: bytes
    index: int
    size: int
    path: tuple[bytes, ...]
    statement: bytes
    batch_salt: bytes

    @property
    def commitment(self) -> bytes:
        """What the log's leaf holds."""
        return commit(Kind.AUDIT_BATCH, self.batch_salt, self.statement)

    def verify(self) -> None:
        """ProofError or ValueError unless the row is in the batch that the statement describes."""
        statement = json.loads(self.statement)
        if statement["format"] != BATCH_FORMAT or statement["rows"] != self.size:
            raise ValueError("The statement is not of this batch.")
        proofs.verify_inclusion(
            self.index,
            self.size,
            row_hash(self.row_salt, self.row),
            self.path,
            bytes.fromhex(statement["root"]),
        )


def canonical_row(values: Iterable[Any]) -> bytes:
    """The bytes that a row's hash is of; `values` in the order of ROW_COLUMNS."""
    members: dict[str, Any] = dict(zip(ROW_COLUMNS, values, strict=True))
    at: datetime = members["at"]
    members["at"] = at.astimezone(UTC).isoformat(timespec="microseconds")
    members["request_id"] = str(members["request_id"])
    return _canonical({"format": ROW_FORMAT, **members})


def row_salt(node_salt: bytes, event_id: int) -> bytes:
    return derive_salt(node_salt, f"audit-row/{event_id}")


def row_hash(salt: bytes, row: bytes) -> bytes:
    """The leaf hash of one row in its batch's tree."""
    return proofs.leaf_hash(hmac.digest(salt, _ROW_TAG + sha256(row).digest(), "sha256"))


def seal_batch(*, node_salt: bytes, most_rows: int = MOST_ROWS) -> AuditBatch:
    """Seals the next batch, empty or not, and appends its leaf. One transaction.

    1. Nobody else seals meanwhile.
    2. The snapshot tells the first transaction that is still running: rows of earlier ones are complete.
    3. Where many are waiting, a batch is cut at `most_rows`, but never within the rows of one transaction.
    4. Rows are hashed in the order (transaction, id); batch row and leaf are written.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE consortium_auditbatch IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " (SELECT system_identifier FROM pg_control_system()), clock_timestamp()"
        )
        running_from, cluster, now = cursor.fetchone()
        last = AuditBatch.objects.order_by("-number").first()
        if last is not None and last.cluster != cluster:
            return _close_cluster(last, cluster=cluster, now=now, node_salt=node_salt)
        since = last.until_transaction if last else 0
        first_id = _epoch_start(last)
        waiting = (
            "SELECT transaction FROM consortium_accessevent"
            " WHERE id > %s AND transaction >= %s AND transaction < %s ORDER BY transaction"
        )
        bounds = [first_id, since, running_from]
        cursor.execute(f"SELECT ({waiting} LIMIT 1), ({waiting} OFFSET %s LIMIT 1)", [*bounds, *bounds, most_rows])
        first, beyond = cursor.fetchone()
        until = running_from if beyond is None else max(beyond, first + 1)
        batch = AuditBatch(
            number=last.number + 1 if last else 1,
            cluster=cluster,
            first_id=first_id,
            from_transaction=since,
            until_transaction=until,
            sealed_at=now,
        )
        return _store(batch, node_salt=node_salt)


def unsealed_from() -> tuple[int, int]:
    """Rows that are in no batch yet have a higher id than the first and no lower transaction than the second."""
    last = AuditBatch.objects.order_by("-number").first()
    return _epoch_start(last), last.until_transaction if last else 0


def prove_row(event_id: int, *, node_salt: bytes) -> RowProof:
    """The proof that this event's row is in the log; AuditProofError where there is none to give."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT transaction, at FROM consortium_accessevent WHERE id = %s", [event_id])
        found = cursor.fetchone()
        if found is None:
            raise AuditProofError("no-such-event", "There is no such access event, or its month was dropped.")
        number, at = found
        batch = (
            AuditBatch.objects.filter(
                closing=False,
                first_id__lt=event_id,
                from_transaction__lte=number,
                until_transaction__gt=number,
                sealed_at__gte=at,
            )
            .order_by("number")
            .first()
        ) or AuditBatch.objects.filter(closing=True, first_id__lt=event_id, last_id__gte=event_id).first()
        if batch is None:
            raise AuditProofError("not-sealed-yet", "The event is not in a sealed batch yet: ask again in a minute.")
        rows = _rows_of(batch)
    hashes = [row_hash(row_salt(node_salt, row[0]), canonical_row(row)) for row in rows]
    index = next((i for i, row in enumerate(rows) if row[0] == event_id), None)
    if index is None or len(rows) != batch.rows or proofs.root_of(hashes) != bytes(batch.root):
        raise AuditProofError("batch-changed", "The rows of this batch are not what was sealed.")
    return RowProof(
        row=canonical_row(rows[index]),
        row_salt=row_salt(node_salt, event_id),
        index=index,
        size=len(rows),
        path=tuple(proofs.prove_inclusion(index, len(rows), proofs.reader_of(hashes))),
        statement=bytes(batch.statement),
        batch_salt=batch_salt(node_salt, batch.number),
    )


def batch_salt(node_salt: bytes, number: int) -> bytes:
    return derive_salt(node_salt, f"audit-batch/{number}")


def _store(batch: AuditBatch, *, node_salt: bytes) -> AuditBatch:
    rows = _rows_of(batch)
    # A clock that was set back must not leave a row outside its own batch (see the condition in _rows_of).
    batch.sealed_at = max([batch.sealed_at, *(row[1] for row in rows)])
    root = proofs.root_of([row_hash(row_salt(node_salt, row[0]), canonical_row(row)) for row in rows])
    batch.rows = len(rows)
    batch.root = root
    batch.statement = _canonical(
        {
            "format": BATCH_FORMAT,
            "number": batch.number,
            "root": root.hex(),
            "rows": len(rows),
            "sealed_at": batch.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
    )
    batch.save(force_insert=True)
    log.append([(Kind.AUDIT_BATCH, commit(Kind.AUDIT_BATCH, batch_salt(node_salt, batch.number), batch.statement))])
    return batch


def _rows_of(batch: AuditBatch) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        if batch.closing:
            cursor.execute(
                f"{_ROWS} id > %s AND id <= %s AND (transaction >= %s OR at > %s) ORDER BY transaction, id",
                [
                    batch.first_id,
                    batch.last_id,
                    batch.from_transaction,
                    AuditBatch.objects.values_list("sealed_at", flat=True).get(number=batch.number - 1),
                ],
            )
        else:
            # Rows of another cluster may have the same numbers; they are younger than any batch of this one.
            sealed = batch.sealed_at if batch.statement else None
            cursor.execute(
                f"{_ROWS} id > %s AND transaction >= %s AND transaction < %s"
                " AND at <= coalesce(%s::timestamptz, 'infinity') ORDER BY transaction, id",
                [batch.first_id, batch.from_transaction, batch.until_transaction, sealed],
            )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _epoch_start(last: AuditBatch | None) -> int:
    """The id above which all rows were written in the present cluster."""
    if last is None:
        return 0
    return last.last_id if last.last_id is not None else last.first_id


def _close_cluster(last: AuditBatch, *, cluster: int, now: datetime, node_salt: bytes) -> AuditBatch:
    """The one batch after a restore into another cluster, where transaction numbers began again.

    It takes rows that no batch has: those which the old numbers leave over, and those written here since,
    which are younger than the last batch. Writers wait meanwhile, so that every later row has a higher id.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE consortium_accessevent IN SHARE MODE")
        cursor.execute("SELECT coalesce(max(id), 0) FROM consortium_accessevent")
        highest = cursor.fetchone()[0]
    first_id = _epoch_start(last)
    return _store(
        AuditBatch(
            number=last.number + 1,
            cluster=cluster,
            first_id=first_id,
            last_id=max(highest, first_id),
            from_transaction=last.until_transaction,
            until_transaction=0,
            closing=True,
            sealed_at=now,
        ),
        node_salt=node_salt,
    )


def _canonical(members: dict[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
