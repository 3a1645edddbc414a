"""Kills parts of a running node at random moments of an import, and looks at what is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from consortium.management import processes
from consortium.management.demo.nodes import CHECKOUT
from consortium.management.demo.plan import HOSPITALS
from consortium.management.demo.supervisor import INTEGRATION, Supervisor
from tests.crash.importing import Acknowledged, Importer

TARGETS = ("web", "web worker", "worker", "database", "database session", "chain")
GO_ON = 60.0
"""Seconds within which the import must go on after a kill."""
CATCH_UP = 120.0
"""Seconds within which everything must be anchored once the import has ended."""


class CrashFailure(AssertionError):
    """Something acknowledged is missing, or the node did not come back."""


@dataclass
class Outcome:
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    failures: int = 0
    seconds: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)


def run(folder: Path, *, kills: int, seed: int, importers: int = 4, say: Callable[[str], object] = print) -> Outcome:
    """One node, several clients that import, and `kills` SIGKILLs; then the audit of everything.

    Raises:
        CrashFailure: with the complaints.
    """
    rng = Random(seed)
    member = replace(HOSPITALS[0], port=processes.free_port())
    with (folder / "supervisor.log").open("w") as log:
        demo = Supervisor(folder / "demo", folder / "shown", members=(member,), patients=0, out=log)
        outcome = Outcome()
        began = time.monotonic()
        ended = threading.Event()
        try:
            demo.start()
            clients = _clients(demo, importers, seed, ended)
            threads = [threading.Thread(target=client.run) for client in clients]
            for thread in threads:
                thread.start()
            for number in range(kills):
                _wait_for_progress(demo, clients)
                time.sleep(rng.uniform(0.0, 0.5))
                target = TARGETS[number % len(TARGETS)] if number < len(TARGETS) else rng.choice(TARGETS)
                _kill(demo, target, rng)
                outcome.kills[target] += 1
                if number % 10 == 9:
                    say(f"{number + 1} kills, {sum(len(c.acknowledged) for c in clients):,} versions acknowledged")
            _wait_for_progress(demo, clients)
            ended.set()
            for thread in threads:
                thread.join()
            acknowledged = [one for client in clients for one in client.acknowledged]
            outcome.acknowledged = len(acknowledged)
            outcome.failures = sum(client.failures for client in clients)
            refusals = [refusal for client in clients for refusal in client.refusals]
            if refusals:
                raise CrashFailure(f"{len(refusals)} requests were refused as if they were wrong: {refusals[:5]}")
            outcome.report = _audit(demo, folder, acknowledged)
            outcome.seconds = time.monotonic() - began
        finally:
            ended.set()
            demo.stop()
            demo.cluster.remove()
    return outcome


def _clients(demo: Supervisor, count: int, seed: int, ended: threading.Event) -> list[Importer]:
    (node,) = demo.nodes.values()
    secret = demo.state["secrets"][node.member.key][INTEGRATION["name"]]
    return [
        Importer(node.url, secret["client_id"], secret["client_secret"], seed * 1000 + number, ended)
        for number in range(count)
    ]


def _wait_for_progress(demo: Supervisor, clients: list[Importer]) -> None:
    """Until the import goes on, starting again what has ended meanwhile."""
    before = [len(client.acknowledged) for client in clients]
    deadline = time.monotonic() + GO_ON
    while all(len(client.acknowledged) == seen for client, seen in zip(clients, before, strict=True)):
        demo.mend()
        if time.monotonic() > deadline:
            raise CrashFailure(f"The import did not go on within {GO_ON:.0f} s.")
        time.sleep(0.02)
    demo.mend()


def _kill(demo: Supervisor, target: str, rng: Random) -> None:
    names = {child.name.rpartition(" ")[2]: child.process.pid for child in demo.children.values()}
    if target == "web":
        os.killpg(names["web"], signal.SIGKILL)
    elif target == "web worker":
        _kill_one_of(_children(names["web"]), rng)
    elif target == "worker":
        os.kill(names["worker"], signal.SIGKILL)
    elif target == "database":
        os.kill(names["postgresql"], signal.SIGKILL)
    elif target == "database session":
        _kill_one_of(_children(names["postgresql"]), rng)
    else:
        os.kill(names["chain"], signal.SIGKILL)


def _kill_one_of(pids: list[int], rng: Random) -> None:
    if pids:
        try:
            os.kill(rng.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return


def _children(parent: int) -> list[int]:
    """Our own server's children, by /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return sorted(found)


def _audit(demo: Supervisor, folder: Path, acknowledged: list[Acknowledged]) -> dict[str, Any]:
    """The audit until nothing is left to catch up, at most for CATCH_UP seconds."""
    (node,) = demo.nodes.values()
    listed = folder / "acknowledged.jsonl"
    listed.write_text("".join(json.dumps(asdict(one)) + "\n" for one in acknowledged))
    deadline = time.monotonic() + CATCH_UP
    while True:
        demo.mend()
        done = subprocess.run(
            [sys.executable, "-m", "tests.crash.auditing", str(listed)],
            env=node.complete_environment(), cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"complaints": [done.stderr[-2000:]]}
        if not report["complaints"]:
            return report
        if time.monotonic() > deadline:
            raise CrashFailure("\n".join(report["complaints"]))
        time.sleep(1.0)
