"""Access events: rows that only grow, months, batches in the log, and proofs of single rows."""

import dataclasses
import json
import threading
import time
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from consortium.audit import batches, events, partitions, trail
from consortium.audit.batches import AuditProofError
from consortium.audit.models import AccessEvent, AuditBatch
from consortium.audit.partitions import ACCESS_EVENTS, Month
from consortium.audit.retention import keep_months
from ledger.commitments import Kind
from ledger.proofs import ProofError, root_of

SALT = bytes(range(32))


def event(**changes: Any) -> events.AccessEvent:
    given: dict[str, Any] = {
        "actor_kind": AccessEvent.Actor.MACHINE,
        "actor_id": 1,
        "organisation_id": 1,
        "interaction": "read",
        "outcome": AccessEvent.Outcome.PERMITTED,
        "purpose": "TREAT",
        "request_id": uuid.uuid4(),
        "type": 103,
        "resource_id": "p1",
        "version": 1,
        "compartment": 7,
    }
    return events.AccessEvent(**given | changes)


def outbox() -> list[tuple[int, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT kind, commitment FROM ledger_outbox ORDER BY id")
        return [(kind, bytes(commitment)) for kind, commitment in cursor.fetchall()]


def seal(**options) -> AuditBatch:
    """Seals when what was written here can be sealed: other databases of a shared server may be writing, too."""
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
                " > coalesce((SELECT max(transaction) FROM consortium_accessevent WHERE transaction < 1000000000), 0)"
            )
            if cursor.fetchone()[0]:
                return batches.seal_batch(node_salt=SALT, **options)
            time.sleep(0.05)
    raise AssertionError("Another transaction on this server has been open for 10 s.")


# Rows


@pytest.mark.django_db
def test_an_event_reads_back_as_it_was_written():
    written = event(query="name=Zhang", matches=3, because="care-team")
    events.write(written)
    row = AccessEvent.objects.get()
    for field in dataclasses.fields(written):
        assert getattr(row, field.name) == getattr(written, field.name)
    assert row.at is not None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consortium_accessevent SET outcome = 4",
        "DELETE FROM consortium_accessevent",
        "UPDATE consortium_accessevent SET at = at - interval '1 year'",
    ],
)
def test_a_row_is_neither_changed_nor_deleted(statement):
    events.write(event())
    with (
        pytest.raises(DatabaseError, match="only grows"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AccessEvent.objects.get().outcome == 0


@pytest.mark.django_db
@pytest.mark.parametrize("changes", [{"actor_kind": 4}, {"outcome": 1}])
def test_a_row_of_an_unknown_kind_is_refused(changes):
    with pytest.raises(IntegrityError), transaction.atomic():
        events.write(event(**changes))


@pytest.mark.django_db
def test_a_row_goes_with_its_transaction():
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        events.write(event())
        raise ZeroDivisionError
    assert not AccessEvent.objects.exists()


@pytest.mark.django_db
def test_one_statement_can_read_and_audit():
    columns = ", ".join(f"%({name})s" for name in events.COLUMN_NAMES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH found AS (SELECT 42 AS answer), event AS ({events.INSERT_SELECT} SELECT {columns} FROM found)"
            " SELECT answer FROM found",
            {f.name: getattr(event(), f.name) for f in dataclasses.fields(events.AccessEvent)},
        )
        assert cursor.fetchone() == (42,)
    assert AccessEvent.objects.count() == 1


# Months


@pytest.mark.django_db
def test_a_row_lands_in_the_partition_of_its_month():
    events.write(event())
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM consortium_accessevent")
        assert cursor.fetchone()[0] == f"consortium_accessevent_{now:%Y_%m}"


@pytest.mark.django_db
def test_months_are_made_ahead_of_time_and_once():
    partitions.ensure_months(ACCESS_EVENTS, date(2031, 11, 30))
    assert {Month(2031, 11), Month(2031, 12), Month(2032, 1), Month(2032, 2)} <= set(
        partitions.months_of(ACCESS_EVENTS)
    )
    assert partitions.ensure_months(ACCESS_EVENTS, date(2031, 11, 30)) == []


@pytest.mark.django_db
def test_rows_of_a_month_that_had_no_partition_are_moved_into_it_unchanged():
    with connection.cursor() as cursor:
        for at in ("2031-05-31 23:59:59.999999+00", "2031-06-01 00:00:00+00", "2031-06-30 12:00:00+08"):
            cursor.execute(
                "INSERT INTO consortium_accessevent (at, actor_kind, outcome, interaction, purpose, request_id)"
                " VALUES (%s, 2, 0, 'read', '', %s)",
                [at, uuid.uuid4()],
            )
    before = list(AccessEvent.objects.order_by("id").values())
    made = partitions.ensure_months(ACCESS_EVENTS, date(2031, 6, 15))
    assert Month(2031, 5) in made
    assert list(AccessEvent.objects.order_by("id").values()) == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM consortium_accessevent ORDER BY id")
        places = [place for (place,) in cursor.fetchall()]
        cursor.execute("SELECT count(*) FROM consortium_accessevent_default")
        assert cursor.fetchone() == (0,)
    assert places == [f"consortium_accessevent_2031_{m}" for m in ("05", "06", "06")]
    events.write(event())
    with (
        pytest.raises(DatabaseError, match="only grows"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM consortium_accessevent_2031_05")


@pytest.mark.django_db
def test_old_months_are_dropped_whole():
    partitions.ensure_months(ACCESS_EVENTS, date(2020, 1, 1))
    dropped = partitions.drop_months(ACCESS_EVENTS, Month(2020, 3))
    assert dropped == [Month(2020, 1), Month(2020, 2)]
    assert Month(2020, 3) in partitions.months_of(ACCESS_EVENTS)


def test_months_are_counted_over_the_turn_of_the_year():
    assert Month(2031, 12).plus(1) == Month(2032, 1)
    assert Month(2031, 1).plus(-1) == Month(2030, 12)
    assert Month.of(date(2031, 7, 4)).start == datetime(2031, 7, 1, tzinfo=UTC)


# Batches. Transactions must really commit: a snapshot does not take rows of one that is still open.

committed = pytest.mark.django_db(transaction=True)


@committed
def test_a_batch_takes_every_committed_row_once():
    for _ in range(3):
        events.write(event())
    first = seal()
    events.write(event())
    second = seal()
    assert (first.number, first.rows, second.number, second.rows) == (1, 3, 2, 1)


@committed
def test_an_empty_batch_is_a_leaf_too_and_looks_like_any_other():
    events.write(event())
    seal()
    empty = seal()
    assert empty.rows == 0
    assert bytes(empty.root) == root_of([])
    leaves = outbox()
    assert [kind for kind, _ in leaves] == [Kind.AUDIT_BATCH] * 2
    assert len({commitment for _, commitment in leaves}) == 2
    assert {len(commitment) for _, commitment in leaves} == {32}


@committed
def test_a_row_that_commits_late_is_in_the_next_batch():
    began, go_on = threading.Event(), threading.Event()

    def late():
        with transaction.atomic():
            events.write(event(resource_id="late"))
            began.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    try:
        assert began.wait(10)
        events.write(event(resource_id="early"))
        early = batches.seal_batch(node_salt=SALT)
    finally:
        go_on.set()
        thread.join()
    late_batch = seal()
    # The early row has a higher transaction number than the one that was still running, so it waits as well.
    assert (early.rows, late_batch.rows) == (0, 2)
    for row in AccessEvent.objects.all():
        batches.prove_row(row.id, node_salt=SALT).verify()


@committed
def test_a_backlog_is_sealed_in_batches_of_a_bounded_size():
    for _ in range(7):
        events.write(event())
    sizes = [seal(most_rows=3).rows for _ in range(4)]
    assert sizes == [3, 3, 1, 0]


@committed
def test_rows_of_one_transaction_stay_together():
    with transaction.atomic():
        events.write_all([event() for _ in range(5)])
    events.write(event())
    sizes = [seal(most_rows=2).rows for _ in range(3)]
    assert sizes == [5, 1, 0]


@committed
def test_two_sealers_at_once_seal_one_after_the_other():
    seal()
    for _ in range(4):
        events.write(event())
    errors = []

    def in_thread():
        try:
            batches.seal_batch(node_salt=SALT)
        except Exception as error:  # noqa: BLE001 (a thread's error must reach the test)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    seal()
    sealed = list(AuditBatch.objects.order_by("number").values_list("number", "rows"))
    assert [number for number, _ in sealed] == [1, 2, 3, 4, 5, 6]
    assert sum(rows for _, rows in sealed) == 4


@committed
def test_one_row_is_proved_to_the_leaf_without_the_others():
    for n in range(5):
        events.write(event(resource_id=f"p{n}"))
    seal()
    row = AccessEvent.objects.get(resource_id="p3")
    proof = batches.prove_row(row.id, node_salt=SALT)
    proof.verify()
    assert json.loads(proof.row)["resource_id"] == "p3"
    assert (int(Kind.AUDIT_BATCH), proof.commitment) in outbox()
    shown = proof.row + proof.statement
    assert b"p2" not in shown
    assert b"p4" not in shown


@committed
@pytest.mark.parametrize(
    "change",
    [
        lambda p: dataclasses.replace(p, row=p.row.replace(b'"p0"', b'"p9"')),
        lambda p: dataclasses.replace(p, row_salt=bytes(32)),
        lambda p: dataclasses.replace(p, index=1),
        lambda p: dataclasses.replace(p, path=p.path[::-1]),
        lambda p: dataclasses.replace(p, size=4),
        lambda p: dataclasses.replace(p, statement=p.statement.replace(b'"rows":3', b'"rows":4')),
    ],
)
def test_a_changed_proof_is_refused(change):
    for n in range(3):
        events.write(event(resource_id=f"p{n}"))
    seal()
    proof = batches.prove_row(AccessEvent.objects.get(resource_id="p0").id, node_salt=SALT)
    with pytest.raises((ProofError, ValueError)):
        change(proof).verify()


@committed
def test_a_row_changed_behind_the_triggers_back_no_longer_fits_its_batch():
    for n in range(3):
        events.write(event(resource_id=f"p{n}"))
    seal()
    ids = dict(AccessEvent.objects.values_list("resource_id", "id"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE consortium_accessevent DISABLE TRIGGER only_grows")
        cursor.execute("UPDATE consortium_accessevent SET actor_id = 99 WHERE resource_id = 'p1'")
        cursor.execute("ALTER TABLE consortium_accessevent ENABLE TRIGGER only_grows")
    for name in ids:
        with pytest.raises(AuditProofError) as refusal:
            batches.prove_row(ids[name], node_salt=SALT)
        assert refusal.value.code == "batch-changed"


@committed
def test_a_row_that_waits_for_its_batch_says_so():
    events.write(event())
    with pytest.raises(AuditProofError) as refusal:
        batches.prove_row(AccessEvent.objects.get().id, node_salt=SALT)
    assert refusal.value.code == "not-sealed-yet"
    with pytest.raises(AuditProofError) as refusal:
        batches.prove_row(10**12, node_salt=SALT)
    assert refusal.value.code == "no-such-event"


@committed
def test_salts_of_two_nodes_make_two_roots_of_the_same_rows():
    events.write(event())
    row = next(iter(AccessEvent.objects.values_list(*batches.ROW_COLUMNS)))
    canonical = batches.canonical_row(row)
    hashes = {batches.row_hash(batches.row_salt(salt, row[0]), canonical) for salt in (SALT, bytes(32))}
    assert len(hashes) == 2


@committed
def test_after_a_restore_into_another_cluster_no_row_is_lost_or_sealed_twice():
    """The numbers of transactions begin anew there; here that is acted out by making the old ones larger."""
    events.write(event(resource_id="sealed"))
    seal()
    events.write(event(resource_id="left-over"))
    ahead = 10**9
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE consortium_accessevent DISABLE TRIGGER only_grows")
        cursor.execute("UPDATE consortium_accessevent SET transaction = transaction + %s", [ahead])
        cursor.execute("ALTER TABLE consortium_accessevent ENABLE TRIGGER only_grows")
        cursor.execute(
            "UPDATE consortium_auditbatch SET cluster = 1, from_transaction = 0,"
            " until_transaction = until_transaction + %s",
            [ahead],
        )
    events.write(event(resource_id="before-the-worker"))
    closing = seal()
    events.write(event(resource_id="after"))
    ordinary = seal()
    assert (closing.closing, closing.rows) == (True, 2)
    assert (ordinary.closing, ordinary.rows) == (False, 1)
    assert seal().rows == 0
    numbers = {}
    for row in AccessEvent.objects.all():
        proof = batches.prove_row(row.id, node_salt=SALT)
        proof.verify()
        numbers[row.resource_id] = json.loads(proof.statement)["number"]
    assert numbers == {"sealed": 1, "left-over": 2, "before-the-worker": 2, "after": 3}


@committed
def test_a_clock_that_is_set_back_loses_no_row():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO consortium_accessevent (at, actor_kind, outcome, interaction, purpose, request_id)"
            " VALUES (now() + interval '1 hour', 2, 0, 'read', '', %s)",
            [uuid.uuid4()],
        )
    batch = seal()
    assert batch.rows == 1
    batches.prove_row(AccessEvent.objects.get().id, node_salt=SALT).verify()


# Retention


@committed
def test_months_are_dropped_when_their_time_is_over_and_all_of_them_is_sealed():
    partitions.ensure_months(ACCESS_EVENTS, date(2020, 1, 1))
    with connection.cursor() as cursor:
        for at in ("2020-01-05", "2020-03-05"):
            cursor.execute(
                "INSERT INTO consortium_accessevent (at, actor_kind, outcome, interaction, purpose, request_id)"
                " VALUES (%s, 2, 0, 'read', '', %s)",
                [f"{at} 00:00:00+00", uuid.uuid4()],
            )
    try:
        assert keep_months(today=date(2020, 6, 15), keep=3)[1] == []
        seal()
        assert keep_months(today=date(2020, 6, 15), keep=0)[1] == []
        assert keep_months(today=date(2020, 6, 15), keep=3)[1] == [Month(2020, 1), Month(2020, 2)]
        assert AccessEvent.objects.count() == 1
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO consortium_accessevent (at, actor_kind, outcome, interaction, purpose, request_id)"
                " VALUES ('2020-03-06 00:00:00+00', 2, 0, 'read', '', %s)",
                [uuid.uuid4()],
            )
        assert keep_months(today=date(2020, 12, 15), keep=1)[1] == []
        seal()
        assert Month(2020, 3) in keep_months(today=date(2020, 12, 15), keep=1)[1]
    finally:
        partitions.drop_months(ACCESS_EVENTS, Month(2021, 6))


# The trail


@pytest.mark.django_db
def test_the_trail_is_read_in_pages_newest_first(alice, machine):
    events.write(event(actor_id=machine.machine.pk, organisation_id=machine.machine.organisation_id))
    for _ in range(4):
        events.write(event(actor_kind=AccessEvent.Actor.PERSON, actor_id=alice.pk, compartment=None))
    first = trail.events_before(count=3)
    rest = trail.events_before(before=trail.Place(first[-1].at, first[-1].id), count=3)
    assert [e.id for e in first + rest] == sorted((e.id for e in first + rest), reverse=True)
    assert (len(first), len(rest)) == (3, 2)
    names = trail.names_in(first + rest)
    assert names.actor(first[0]) == "Dr Alice"
    assert names.actor(rest[-1]) == "Interface engine"
    assert list(names.organisations.values()) == ["Hospital A"]
    assert trail.events_before(compartment=7) == [rest[-1]]
    assert len(trail.events_before(actor=(AccessEvent.Actor.PERSON, alice.pk))) == 4
    assert trail.events_before(until=first[0].at - timedelta(days=1)) == []
    assert trail.event_by_id(first[0].id) == first[0]


@pytest.mark.parametrize(
    ("interaction", "action", "subtype"),
    [
        ("read", "R", "read"),
        ("search-type", "E", "search-type"),
        ("create", "C", "create"),
        ("evidence", "E", "operation"),
        ("sign-in", "E", "110122"),
    ],
)
def test_every_interaction_has_audit_event_codes(interaction, action, subtype):
    codes = trail.interaction_of(AccessEvent(interaction=interaction))
    assert (codes.action, codes.subtype[1]) == (action, subtype)
