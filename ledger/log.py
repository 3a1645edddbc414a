"""The node's append-only Merkle log in PostgreSQL.

A writer puts commitments into the outbox, in the transaction that stores what they commit to (`append`). One
sequencer at a time takes committed rows from it, gives them the next leaf numbers, and brings tiles and head up to date
in the same transaction (`sequence`), so a crash at any point leaves every commitment either in the outbox or in
the log, once. It takes whatever rows are there, never "ids above the last one": a transaction that commits late has
a low id.

Everything that reads takes the size it reads at from a head, so that proofs fit a checkpoint while the log grows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

import psycopg
from django.db import connection, transaction
from django.utils import timezone

from ledger import proofs, tiles
from ledger.checkpoints import LogSigner
from ledger.commitments import DIGEST_BYTES, LEAF_FORMAT, CommitmentError, Kind, leaf_data
from ledger.errors import LedgerRefusal
from ledger.locks import LockClass, lock_for_transaction
from ledger.models import Checkpoint, LogState
from ledger.models import Leaf as LeafRow

# From here on COPY is faster than one INSERT of arrays.
COPY_FROM = 200
DEFAULT_ROUND = 10_000


class LogError(LedgerRefusal):
    """The log was asked for what it does not have, or finds its own tables at odds."""


@dataclass(frozen=True, slots=True)
class Head:
    """The log's size in leaves and the RFC 9162 root over them (32 bytes)."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint as it was published: `note` is the signed C2SP note, byte for byte."""

    id: int
    head: Head
    key_digest: bytes
    note: bytes
    signed_at: datetime


# Writing


def append(entries: Sequence[tuple[Kind, bytes]]) -> None:
    """Put commitments (kind, 32 bytes) into the outbox, in their order, in the caller's transaction.

    Raises:
        RuntimeError: there is no transaction, so the entries could be logged without what they commit to.
        CommitmentError: a commitment has not 32 bytes, or a kind is unknown.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Append to the log inside the transaction that stores what is logged.")
    kinds = [int(Kind(kind)) for kind, _ in entries]
    commitments = [bytes(commitment) for _, commitment in entries]
    if any(len(commitment) != DIGEST_BYTES for commitment in commitments):
        raise CommitmentError("commitment_length", "A commitment has exactly 32 bytes.")
    if not entries:
        return
    with connection.wrap_database_errors, _raw_cursor() as cursor:
        if len(entries) < COPY_FROM:
            cursor.execute(
                "INSERT INTO ledger_outbox (kind, commitment)"
                " SELECT kind, commitment FROM unnest(%s::int2[], %s::bytea[])"
                " WITH ORDINALITY AS entry (kind, commitment, place) ORDER BY place",
                [kinds, commitments],
            )
            return
        with cursor.copy("COPY ledger_outbox (kind, commitment) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int2", "bytea"])
            for row in zip(kinds, commitments, strict=True):
                copy.write_row(row)


def sequence(max_rows: int = DEFAULT_ROUND) -> int:
    """Give leaf numbers to up to `max_rows` committed outbox rows, lowest id first; returns to how many.

    One transaction:

    1. The sequencer's lock: no other sequencer runs until this one has committed.
    2. Take the rows out of the outbox.
    3. Number them from the log's size on, and store the leaves.
    4. Bring the tiles at the right edge up to date, and with them the root.
    5. Store the new head.
    """
    with transaction.atomic(durable=True), connection.wrap_database_errors:
        lock_for_transaction(LockClass.SEQUENCER)
        with _raw_cursor() as cursor:
            cursor.execute(
                "WITH taken AS (DELETE FROM ledger_outbox WHERE id = ANY(ARRAY("
                "SELECT id FROM ledger_outbox ORDER BY id LIMIT %s)) RETURNING id, kind, commitment)"
                " SELECT kind, commitment FROM taken ORDER BY id",
                [max_rows],
            )
            rows = cast(list[tuple[int, bytes]], cursor.fetchall())
            if not rows:
                return 0
            size = head().size
            prefixes = {kind: b"\x00" + bytes((LEAF_FORMAT, kind)) for kind in Kind}
            hashes = [sha256(prefixes[Kind(kind)] + commitment).digest() for kind, commitment in rows]
            _store_leaves(cursor, size, rows, hashes)
            appended = tiles.append_leaves(size, read_tile, hashes)
            _store_tiles(cursor, appended.tiles)
            cursor.execute(
                "INSERT INTO ledger_state (id, size, root) VALUES (%s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET size = excluded.size, root = excluded.root",
                [LogState.ONLY, appended.size, appended.root],
            )
    return len(rows)


def _store_leaves(
    cursor: psycopg.Cursor[Any], first: int, rows: Sequence[tuple[int, bytes]], hashes: Sequence[bytes]
) -> None:
    with cursor.copy("COPY ledger_leaf (index, kind, commitment, handle) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int8", "int2", "bytea", "int8"])
        for index, (row, leaf_hash) in enumerate(zip(rows, hashes, strict=True), start=first):
            copy.write_row((index, *row, _handle(leaf_hash)))


def _store_tiles(cursor: psycopg.Cursor[Any], written: Sequence[tuple[tiles.Tile, bytes]]) -> None:
    cursor.execute(
        "INSERT INTO ledger_tile (level, index, data)"
        " SELECT * FROM unnest(%s::int2[], %s::int8[], %s::bytea[])"
        " ON CONFLICT (level, index) DO UPDATE SET data = excluded.data",
        [[t.level for t, _ in written], [t.index for t, _ in written], [data for _, data in written]],
    )


# Reading


def head() -> Head:
    """The log's head now."""
    state = LogState.objects.filter(id=LogState.ONLY).values_list("size", "root").first()
    return Head(0, proofs.EMPTY_ROOT) if state is None else Head(state[0], bytes(state[1]))


def root_at(size: int) -> bytes:
    """The root that the log had at an earlier size."""
    _check_size(size)
    return tiles.tree_root(size, read_tile)


def backlog() -> int:
    """How many committed rows wait for a leaf number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_outbox")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def find(leaf_hash: bytes) -> int | None:
    """The lowest index of the leaf with this hash, or None while (or when) it is not in the log."""
    rows = LeafRow.objects.filter(handle=_handle(leaf_hash)).order_by("index")
    for index, kind, commitment in rows.values_list("index", "kind", "commitment"):
        if proofs.leaf_hash(leaf_data(Kind(kind), bytes(commitment))) == leaf_hash:
            return index
    return None


def find_commitment(kind: Kind, commitment: bytes) -> int | None:
    """The lowest index of the leaf of this kind and commitment, or None while it is not in the log."""
    return find(proofs.leaf_hash(leaf_data(kind, commitment)))


def read_tile(tile: tiles.Tile) -> bytes:
    """The hashes of a tile, cut to the width asked for; fewer when the log has fewer."""
    with _raw_cursor() as cursor:
        cursor.execute(
            "SELECT substring(data FROM 1 FOR %s) FROM ledger_tile WHERE level = %s AND index = %s",
            [tile.width * proofs.HASH_BYTES, tile.level, tile.index],
        )
        row = cursor.fetchone()
    return bytes(row[0]) if row else b""


def read_entries(index: int, width: int) -> list[bytes]:
    """Leaf data of entry bundle `index`, up to `width` entries; fewer when the log has fewer."""
    first = index * tiles.TILE_WIDTH
    rows = LeafRow.objects.filter(index__gte=first, index__lt=first + width).order_by("index")
    return [leaf_data(Kind(kind), bytes(value)) for kind, value in rows.values_list("kind", "commitment")]


def prove_inclusion(index: int, size: int) -> list[bytes]:
    """Audit path of leaf `index` in the log as it was at `size` leaves."""
    _check_size(size)
    return proofs.prove_inclusion(index, size, tiles.node_reader(size, read_tile))


def prove_consistency(size1: int, size2: int) -> list[bytes]:
    """Proof that the log at `size2` leaves continues the log at `size1`; empty from the empty log."""
    _check_size(size2)
    if size1 == 0:
        return []
    return proofs.prove_consistency(size1, size2, tiles.node_reader(size2, read_tile))


# Checkpoints


def sign_checkpoint(signer: LogSigner, *, size: int | None = None, now: datetime | None = None) -> SignedHead:
    """The checkpoint of the head as it is now, or was at `size`: signed now, or as it was signed before.

    A head is signed once by a log key, for two ML-DSA signatures of one head differ.

    Raises:
        LogError: the log no longer contains the head that it last signed. Signing another would tell two
            histories.
    """
    with transaction.atomic():
        current = head()
        last = Checkpoint.objects.order_by("-size", "-id").first()
        if last is not None and (last.size > current.size or root_at(last.size) != bytes(last.root)):
            raise LogError(
                "log_lost_signed_head",
                f"The log does not contain its own signed head of {last.size} leaves. Restore the database "
                "from a newer back-up; nothing is signed until then.",
            )
        signed = current if size is None else Head(size, root_at(size))
        moment = now or timezone.now()
        row, _ = Checkpoint.objects.get_or_create(
            size=signed.size,
            root=signed.root,
            key_digest=signer.public.digest,
            defaults={
                "note": lambda: signer.sign(signed.size, signed.root, timestamp=int(moment.timestamp())),
                "signed_at": moment,
            },
        )
        return _signed_head(row)


def latest_checkpoint() -> SignedHead | None:
    """The checkpoint of the largest head, the newest of it, or None before the first."""
    row = Checkpoint.objects.order_by("-size", "-id").first()
    return None if row is None else _signed_head(row)


def _signed_head(row: Checkpoint) -> SignedHead:
    return SignedHead(
        id=row.pk,
        head=Head(row.size, bytes(row.root)),
        key_digest=bytes(row.key_digest),
        note=bytes(row.note),
        signed_at=row.signed_at,
    )


def _check_size(size: int) -> None:
    current = head().size
    if not 0 <= size <= current:
        raise LogError("log_size", f"The log has {current} leaves, not {size}.")


def _handle(leaf_hash: bytes) -> int:
    return int.from_bytes(leaf_hash[:8], "big", signed=True)


def _raw_cursor() -> psycopg.Cursor[Any]:
    """A psycopg cursor on Django's connection: for COPY, and for bytes in bulk without their text form."""
    connection.ensure_connection()
    cursor = psycopg.Cursor(cast("psycopg.Connection[Any]", connection.connection))
    cursor.format = psycopg.pq.Format.BINARY
    return cursor
