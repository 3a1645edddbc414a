"""The worker's loops go on after what passes, and end with what does not."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone

from consortium.audit.models import AuditBatch
from consortium.management import examination, loops
from consortium.members.keys import create_missing_keys
from ledger import log


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
