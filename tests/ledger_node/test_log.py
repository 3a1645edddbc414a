"""The log in PostgreSQL: outbox, sequencing, tiles, proofs; and what a crash leaves behind."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.postgresql.base import DatabaseWrapper

from ledger import log, proofs, tiles
from ledger.commitments import CommitmentError, Kind, leaf_data
from ledger.locks import LockClass, lock_for_transaction
from ledger.models import Leaf, OutboxEntry
from tests.ledger_node.world import grow, new_signer, write

pytestmark = pytest.mark.django_db(transaction=True)


def hashes(commitments: list[bytes], kind: Kind = Kind.RECORD) -> list[bytes]:
    return [proofs.leaf_hash(leaf_data(kind, commitment)) for commitment in commitments]


def logged() -> list[bytes]:
    return [bytes(c) for c in Leaf.objects.order_by("index").values_list("commitment", flat=True)]


def test_the_empty_log_has_the_root_of_nothing():
    assert log.head() == log.Head(0, proofs.EMPTY_ROOT)
    assert log.sequence() == 0
    assert log.root_at(0) == proofs.EMPTY_ROOT


def test_appending_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError, match="inside the transaction"):
        log.append([(Kind.RECORD, bytes(32))])


def test_a_rolled_back_transaction_leaves_nothing_to_log():
    with transaction.atomic():
        log.append([(Kind.RECORD, os.urandom(32))])
        log.append([(Kind.RECORD, os.urandom(32))] * 1000)
        assert OutboxEntry.objects.count() == 1001
        transaction.set_rollback(True)
    assert log.backlog() == 0
    assert log.sequence() == 0


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(33)])
def test_a_commitment_of_another_length_is_refused(bad):
    with pytest.raises(CommitmentError), transaction.atomic():
        log.append([(Kind.RECORD, bytes(32)), (Kind.RECORD, bad)])
    assert log.backlog() == 0


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="77"), transaction.atomic():
        log.append([(77, bytes(32))])  # type: ignore[list-item]


@pytest.mark.parametrize("count", [1, 2, log.COPY_FROM - 1, log.COPY_FROM, 700])
def test_leaves_keep_the_order_in_which_they_were_appended(count):
    commitments = write(count)
    assert log.sequence() == count
    assert logged() == commitments
    assert log.head() == log.Head(count, proofs.root_of(hashes(commitments)))
    assert log.backlog() == 0


def test_every_kind_is_a_leaf_of_its_own():
    commitment = os.urandom(32)
    with transaction.atomic():
        log.append([(kind, commitment) for kind in Kind])
    log.sequence()
    assert [log.find_commitment(kind, commitment) for kind in Kind] == [0, 1, 2, 3, 4]
    assert log.read_entries(0, 256) == [leaf_data(kind, commitment) for kind in Kind]


def test_a_leaf_is_found_by_its_hash_and_a_duplicate_by_its_first_place():
    commitments = write(5)
    with transaction.atomic():
        log.append([(Kind.RECORD, commitments[3])])
    assert log.find(hashes(commitments)[3]) is None
    log.sequence()
    assert [log.find(leaf) for leaf in hashes(commitments)] == [0, 1, 2, 3, 4]
    assert log.find(os.urandom(32)) is None
    assert log.find_commitment(Kind.DELETION, commitments[3]) is None


def test_roots_and_proofs_hold_at_every_size_over_several_tiles():
    commitments: list[bytes] = []
    for step in (1, 3, 252, 1, 255, 300, 1):
        commitments += write(step)
        assert log.sequence() == step
    leaves = hashes(commitments)
    size = len(leaves)
    for earlier in (0, 1, 2, 255, 256, 257, 511, 512, 513, size):
        assert log.root_at(earlier) == proofs.root_of(leaves[:earlier])
        if earlier:
            proof = log.prove_consistency(earlier, size)
            proofs.verify_consistency(earlier, size, proofs.root_of(leaves[:earlier]), log.head().root, proof)
    assert log.prove_consistency(0, size) == []
    for index, at in ((0, 1), (0, size), (255, 256), (255, 257), (256, 300), (size - 1, size)):
        proof = log.prove_inclusion(index, at)
        proofs.verify_inclusion(index, at, leaves[index], proof, proofs.root_of(leaves[:at]))


def test_a_third_level_of_tiles_is_begun_at_65536_leaves():
    for _ in range(7):
        write(9_363)
        log.sequence()
    assert log.head().size == 65_541
    leaves = [proofs.leaf_hash(leaf_data(Kind.RECORD, commitment)) for commitment in logged()]
    assert log.head().root == proofs.root_of(leaves)
    assert len(log.read_tile(tiles.Tile(2, 0, 1))) == 32
    proof = log.prove_inclusion(65_540, 65_541)
    proofs.verify_inclusion(65_540, 65_541, leaves[65_540], proof, log.head().root)


def test_what_the_log_does_not_have_is_refused():
    grow(5)
    for call in (
        lambda: log.root_at(6),
        lambda: log.prove_inclusion(0, 6),
        lambda: log.prove_consistency(3, 6),
    ):
        with pytest.raises(log.LogError, match="5 leaves"):
            call()
    with pytest.raises(proofs.ProofError):
        log.prove_inclusion(5, 5)
    assert log.read_tile(tiles.Tile(0, 7)) == b""


def test_a_round_takes_no_more_than_it_was_told_to():
    commitments = write(250)
    assert [log.sequence(100) for _ in range(4)] == [100, 100, 50, 0]
    assert logged() == commitments


def in_thread(work: Any) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_row_that_commits_late_with_a_low_id_is_taken_later():
    appended, may_commit = threading.Event(), threading.Event()
    early = os.urandom(32)

    def slow_writer() -> None:
        with transaction.atomic():
            log.append([(Kind.RECORD, early)])
            appended.set()
            may_commit.wait(10)

    writer = in_thread(slow_writer)
    appended.wait(10)
    late = write(3)
    assert log.sequence() == 3
    may_commit.set()
    writer.join()
    assert log.sequence() == 1
    assert logged() == [*late, early]


def test_sequencers_at_work_together_lose_nothing_and_repeat_nothing():
    commitments = [write(40) for _ in range(20)]
    counts: list[int] = []

    def work() -> None:
        while (done := log.sequence(37)) > 0:
            counts.append(done)

    threads = [in_thread(work) for _ in range(4)]
    for thread in threads:
        thread.join()
    expected = [commitment for group in commitments for commitment in group]
    assert sum(counts) == 800
    assert logged() == expected
    assert log.head().root == proofs.root_of(hashes(expected))


def test_writers_never_wait_for_the_sequencer():
    with transaction.atomic():
        lock_for_transaction(LockClass.SEQUENCER)
        began = time.monotonic()
        in_thread(lambda: write(10)).join(10)
        assert time.monotonic() - began < 5
    assert log.sequence() == 10


@pytest.mark.parametrize("step", ["_store_leaves", "_store_tiles", "head"])
def test_a_crash_at_any_step_of_sequencing_leaves_every_row_in_the_outbox(step, monkeypatch):
    grow(10)
    before = log.head()
    commitments = write(300)

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log, step, crash)
        with pytest.raises(KeyboardInterrupt):
            log.sequence()
    assert log.head() == before
    assert log.backlog() == 300
    assert log.sequence() == 300
    assert logged()[10:] == commitments
    assert log.root_at(310) == log.head().root


@pytest.mark.parametrize("step", ["before the tiles", "before the commit"])
def test_a_database_that_goes_away_while_sequencing_leaves_every_row_in_the_outbox(step, monkeypatch):
    commitments = write(300)

    def lose_connection(*_: Any) -> None:
        with psycopg.connect(**connection.get_connection_params()) as other:
            pid = connection.connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        connection.connection.commit()

    target = (log, "_store_tiles") if step == "before the tiles" else (DatabaseWrapper, "_commit")
    with monkeypatch.context() as patch:
        patch.setattr(*target, lose_connection)
        with pytest.raises((OperationalError, psycopg.OperationalError)):
            log.sequence()
    connection.close()
    assert (log.head().size, log.backlog()) == (0, 300)
    assert log.sequence() == 300
    assert logged() == commitments


def test_a_checkpoint_is_signed_once_for_a_head():
    signer = new_signer()
    grow(7)
    first = log.sign_checkpoint(signer)
    assert first.head == log.head()
    assert log.sign_checkpoint(signer) == first
    grow(1)
    second = log.sign_checkpoint(signer)
    assert second.head.size == 8
    assert log.latest_checkpoint() == second
    # A new key signs the same head for itself; a former head can be signed again too.
    other = log.sign_checkpoint(new_signer())
    assert (other.head, other.note == second.note) == (second.head, False)
    assert log.sign_checkpoint(signer, size=7) == first
    assert log.latest_checkpoint() == other


def test_a_log_that_lost_a_signed_head_signs_nothing():
    signer = new_signer()
    grow(7)
    log.sign_checkpoint(signer)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE ledger_leaf, ledger_tile, ledger_state")
    for size in (3, 20):
        grow(size)
        with pytest.raises(log.LogError) as refused:
            log.sign_checkpoint(signer)
        assert refused.value.code == "log_lost_signed_head"


def test_ten_thousand_leaves_a_second_are_sequenced():
    began = time.perf_counter()
    for _ in range(20):
        write(1000)
    while log.sequence():
        pass
    rate = 20_000 / (time.perf_counter() - began)
    assert OutboxEntry.objects.count() == 0
    assert rate >= 10_000, f"{rate:.0f} leaves/s from append to sequenced"
