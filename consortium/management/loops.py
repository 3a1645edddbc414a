"""The worker's loops: numbers for the log, batches of audit rows, anchors, and tidying.

Each loop has a thread and a database connection of its own, so that a chain that does not answer never delays
the log. Any number of workers may run: each round takes an advisory lock or a table lock of its own.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

from consortium.audit.batches import seal_batch
from consortium.audit.retention import keep_months
from consortium.members import services
from consortium.members.keys import load_keys
from ledger import log
from ledger.anchoring import Anchorer
from ledger.chain import Account, Chain
from ledger.trust import member_id
from records.partitions import make_history_months

logger = logging.getLogger("consortium.worker")

HEARTBEAT = "worker/heartbeat"
IDLE = 0.1
"""Seconds between two looks at an empty outbox."""
ANCHOR_EVERY = 2.0
OBSERVE_EVERY = 0.5
"""How often to look whether what was sent is in a block by now; sends nothing."""
HEARTBEAT_EVERY = 5.0
TIDY_EVERY = 3600.0
LONGEST_PAUSE = 10.0


@dataclass
class Loop:
    """Runs `step` again and again until told to end. `step` returns the seconds to wait before the next one.

    A database that went away is waited for: the connection is dropped, and the loop tries again.
    """

    name: str
    step: Callable[[], float]

    def run(self, ended: threading.Event) -> None:
        failures = 0
        while not ended.is_set():
            try:
                pause = self.step()
            except DatabaseError as error:
                failures += 1
                pause = min(0.1 * 2**failures, LONGEST_PAUSE)
                logger.warning("%s: the database refused (%s); trying again in %.1f s.", self.name, error, pause)
                for connection in connections.all(initialized_only=True):
                    connection.close()
            else:
                if failures:
                    logger.warning("%s: the database is back.", self.name)
                failures = 0
            ended.wait(pause)
        connections.close_all()


def sequence() -> float:
    """Number what waits; at once again while there is much of it."""
    taken = log.sequence()
    return 0.0 if taken >= log.DEFAULT_ROUND else IDLE


class Batches:
    """Seals a batch of audit rows at every tick, empty or not: the log shows no rhythm of use."""

    def __init__(self, every: float) -> None:
        self.every = every
        self.node_salt = load_keys(settings.NODE_KEYS).node_salt

    def step(self) -> float:
        if time.time() // self.every > self._last_tick():
            seal_batch(node_salt=self.node_salt)
        return self.every - time.time() % self.every

    def _last_tick(self) -> float:
        from consortium.audit.models import AuditBatch

        last = AuditBatch.objects.order_by("-number").values_list("sealed_at", flat=True).first()
        return -1.0 if last is None else last.timestamp() // self.every


class Anchoring:
    """A round every two seconds, and between two rounds a look at what became of the last one."""

    def __init__(self) -> None:
        keys = load_keys(settings.NODE_KEYS)
        self.anchorer = Anchorer(
            Chain(settings.CHAIN_RPC_URL),
            account=Account(keys.evm),
            signer=keys.log_signer(settings.NODE_LOG_ORIGIN),
            member=member_id(settings.NODE_NAME),
            contract=bytes.fromhex(settings.CHAIN_ANCHOR_CONTRACT.removeprefix("0x")),
        )
        self.next_round = 0.0

    def step(self) -> float:
        now = time.monotonic()
        if now >= self.next_round:
            self.anchorer.run_once()
            self.next_round = now + ANCHOR_EVERY
        else:
            self.anchorer.observe()
        return OBSERVE_EVERY


def beat() -> float:
    """Say that the worker lives; doctor reads it."""
    cache.set(HEARTBEAT, timezone.now().isoformat(), timeout=None)
    return HEARTBEAT_EVERY


def tidy() -> float:
    """Remove what has run out, and make the partitions of the months to come."""
    removed = services.clear_expired()
    if any(removed.values()):
        logger.info("Removed what had run out: %s", removed)
    today = timezone.now().date()
    made, dropped = keep_months(today=today, keep=settings.AUDIT_KEEP_MONTHS)
    names = [f"access events {month.suffix}" for month in made] + make_history_months()
    if names or dropped:
        ended = ", ".join(month.suffix for month in dropped) or "none"
        logger.info("Made partitions: %s; dropped months of access events: %s", ", ".join(names) or "none", ended)
    return TIDY_EVERY


def run(*, audit_every: float, ended: threading.Event) -> None:
    """Run every loop until `ended` is set. A failure that is not the database's ends the process."""
    loops = [
        Loop("sequencer", sequence),
        Loop("audit", Batches(audit_every).step),
        Loop("heartbeat", beat),
        Loop("tidying", tidy),
    ]
    if settings.CHAIN_ANCHOR_CONTRACT:
        loops.append(Loop("anchorer", Anchoring().step))
    else:
        logger.warning("CHAIN_ANCHOR_CONTRACT is not set: the log grows, and is not anchored.")
    broken: list[BaseException] = []

    def guarded(loop: Loop) -> None:
        try:
            loop.run(ended)
        except BaseException as error:
            logger.exception("The loop %s failed.", loop.name)
            broken.append(error)
            ended.set()

    threads = [threading.Thread(target=guarded, args=[loop], name=loop.name) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    if broken:
        raise broken[0]
