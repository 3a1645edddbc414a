"""The worker's loops go on after what passes, and end with what does not."""

import threading
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.utils import timezone

from consortium.audit.models import AuditBatch
from consortium.audit.partitions import ACCESS_EVENTS, MONTHS_AHEAD, Month, ensure_months, months_of
from consortium.management import examination, loops
from consortium.members.keys import create_missing_keys
from ledger import log
from ledger.trust import write_trust
from tests.ledger.conftest import Scene


def run_until(loop: loops.Loop, ended: threading.Event, seconds: float = 5.0) -> None:
    thread = threading.Thread(target=loop.run, args=[ended])
    thread.start()
    thread.join(seconds)
    ended.set()
    thread.join()


def test_a_loop_waits_for_a_database_that_went_away():
    ended = threading.Event()
    seen: list[str] = []

    def step() -> float:
        seen.append("try")
        if len(seen) < 3:
            raise OperationalError("the server closed the connection")
        ended.set()
        return 0.0

    run_until(loops.Loop("test", step), ended)
    assert len(seen) == 3


def test_what_is_not_the_databases_fault_ends_the_worker(monkeypatch, settings):
    def broken() -> float:
        raise ZeroDivisionError

    def quiet() -> float:
        return 0.05

    monkeypatch.setattr(loops, "sequence", broken)
    monkeypatch.setattr(loops, "beat", quiet)
    monkeypatch.setattr(loops, "tidy", quiet)
    monkeypatch.setattr(loops.Batches, "__init__", lambda self, every: None)
    monkeypatch.setattr(loops.Batches, "step", lambda self: 0.05)
    settings.CHAIN_ANCHOR_CONTRACT = ""
    ended = threading.Event()
    with pytest.raises(ZeroDivisionError):
        loops.run(audit_every=1.0, ended=ended)
    assert ended.is_set()


@pytest.mark.django_db(transaction=True)
def test_an_empty_audit_batch_is_sealed_at_every_tick_and_once(settings, tmp_path):
    settings.NODE_KEYS = tmp_path / "keys"
    create_missing_keys(settings.NODE_KEYS)
    batches = loops.Batches(every=1.0)
    time.sleep(1.0 - time.time() % 1.0 + 0.05)
    for _ in range(3):
        pause = batches.step()
    assert AuditBatch.objects.count() == 1
    assert log.backlog() == 1
    time.sleep(pause + 0.05)
    batches.step()
    assert AuditBatch.objects.count() == 2


@pytest.mark.django_db
def test_tidying_makes_the_audit_trails_months_and_drops_those_whose_time_is_over(settings):
    this_month = Month.of(timezone.now().astimezone(UTC).date())
    last_to_come = this_month.plus(MONTHS_AHEAD)
    ensure_months(ACCESS_EVENTS, date(2020, 1, 1))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {ACCESS_EVENTS.name}_{last_to_come.suffix}")

    settings.AUDIT_KEEP_MONTHS = 0
    assert loops.tidy() == loops.TIDY_EVERY
    assert last_to_come in months_of(ACCESS_EVENTS)
    assert Month(2020, 1) in months_of(ACCESS_EVENTS)

    settings.AUDIT_KEEP_MONTHS = 12
    loops.tidy()
    assert Month(2020, 4) not in months_of(ACCESS_EVENTS)
    assert this_month in months_of(ACCESS_EVENTS)


@pytest.mark.django_db
def test_the_doctor_misses_a_worker_that_never_ran_or_ran_long_ago():
    cache.delete(loops.HEARTBEAT)
    assert examination.worker().state is examination.State.FAILED
    loops.beat()
    assert examination.worker().state is examination.State.OK
    assert datetime.fromisoformat(cache.get(loops.HEARTBEAT)) <= timezone.now()
    cache.set(loops.HEARTBEAT, (timezone.now() - timedelta(minutes=5)).isoformat())
    found = examination.worker()
    assert found.state is examination.State.FAILED
    assert "manage.py worker" in found.sentence


@pytest.mark.django_db(databases=["default", "vault"])
def test_the_doctor_finds_the_databases_and_their_migrations():
    for check in (examination.database, examination.vault, examination.migrations, examination.clock):
        assert check().state is examination.State.OK


def test_the_doctor_says_which_command_makes_missing_keys(settings, tmp_path):
    settings.NODE_KEYS = tmp_path / "none"
    found = examination._protected(examination.keys)
    assert found.state is examination.State.FAILED
    assert "node_keys" in found.sentence


@pytest.fixture
def trusted(settings, tmp_path) -> Scene:
    """A node whose trust file is about its contract."""
    scene = Scene()
    settings.TRUST_FILE = tmp_path / "trust.json"
    settings.TRUST_FILE.write_bytes(write_trust(scene.trust()))
    settings.CHAIN_ANCHOR_CONTRACT = "0x" + scene.trust().contract.hex()
    return scene


def test_the_doctor_is_content_with_the_trust_file_of_this_chain_and_contract(trusted):
    trust = trusted.trust()
    assert examination.trust_file().state is examination.State.OK
    (found,) = examination._trusted_chain(trust.chain_id, trust.genesis)
    assert found.state is examination.State.OK


def test_the_doctor_warns_of_a_missing_trust_file_and_says_where_to_put_it(trusted, settings):
    settings.TRUST_FILE.unlink()
    found = examination.trust_file()
    assert found.state is examination.State.WARNING
    assert str(settings.TRUST_FILE) in found.sentence
    assert list(examination._trusted_chain(1, bytes(32))) == []


def test_the_doctor_finds_a_trust_file_that_cannot_be_read_or_used(trusted, settings):
    settings.TRUST_FILE.write_bytes(b"not JSON")
    assert examination.trust_file().state is examination.State.FAILED
    assert "not JSON" in examination.trust_file().sentence
    settings.TRUST_FILE.unlink()
    settings.TRUST_FILE.mkdir()
    assert examination.trust_file().state is examination.State.FAILED


def test_the_doctor_finds_the_trust_file_of_another_contract_or_chain(trusted, settings):
    trust = trusted.trust()
    for chain_id, genesis in ((trust.chain_id + 1, trust.genesis), (trust.chain_id, bytes(32))):
        (found,) = examination._trusted_chain(chain_id, genesis)
        assert found.state is examination.State.FAILED
        assert "CHAIN_RPC_URL" in found.sentence
    settings.CHAIN_ANCHOR_CONTRACT = "0x" + "11" * 20
    assert examination.trust_file().state is examination.State.FAILED
    assert "CHAIN_ANCHOR_CONTRACT" in examination.trust_file().sentence


@pytest.mark.django_db(transaction=True)
def test_tidying_makes_the_months_to_come_once(settings):
    settings.AUDIT_KEEP_MONTHS = 0
    assert loops.tidy() == loops.TIDY_EVERY
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'records_history'::regclass")
        history = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'consortium_accessevent'::regclass")
        events = cursor.fetchone()[0]
    assert history >= 13
    assert events >= 4
    loops.tidy()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'records_history'::regclass")
        assert cursor.fetchone()[0] == history
