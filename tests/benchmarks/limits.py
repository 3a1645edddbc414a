"""What this machine can do when it does one thing only, measured in the same run as our own figures."""

import os
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import psycopg

from consortium.management import processes
from consortium.management.demo.nodes import CHECKOUT
from consortium.management.postgres import Cluster
from ledger import proofs
from tests.benchmarks.loadgen import Load, drive, request


def rate_of(work: Callable[[], int], *, seconds: float = 2.0) -> float:
    """Units a second; `work` does some and says how many."""
    done, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        done += work()
    return done / spent


def validation(lines: list[bytes]) -> float:
    """Resources a second that one core parses and validates, without storing anything."""
    from records.fhir import validation as rules

    kinds = [(line, line.split(b'"resourceType":"', 1)[1].split(b'"', 1)[0].decode()) for line in lines]
    rules.validate(lines[0], expected_type=kinds[0][1])

    def work() -> int:
        for line, kind in kinds:
            if rules.validate(line, expected_type=kind):
                raise RuntimeError(f"not valid: {line[:200]!r}")
        return len(kinds)

    return rate_of(work, seconds=3.0)


def copying(cluster: Cluster, lines: list[bytes]) -> float:
    """Rows a second by COPY into a table without any index."""
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare_copy")
        connection.execute("CREATE TABLE bare_copy (id bigint, content bytea)")

        def work() -> int:
            with connection.cursor().copy("COPY bare_copy FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "bytea"])
                for number, line in enumerate(lines):
                    copy.write_row((number, line))
            return len(lines)

        found = rate_of(work)
        connection.execute("DROP TABLE bare_copy")
    return found


def hashing() -> float:
    """Leaves a second of which one core computes the tree's root."""
    leaves = [sha256(number.to_bytes(4, "big")).digest() for number in range(65_536)]

    def work() -> int:
        proofs.root_of([proofs.leaf_hash(leaf) for leaf in leaves])
        return len(leaves)

    return rate_of(work)


def syncing(folder: Path) -> float:
    """How often a second 8 kB reach the disk for certain."""
    with (folder / "sync").open("wb") as file:

        def work() -> int:
            file.write(b"\0" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
            return 1

        return rate_of(work, seconds=1.0)


def bare_view(folder: Path) -> Load:
    """An empty Django view on the same server with the same number of workers and threads."""
    port = processes.free_port()
    granian = Path(sys.executable).parent / "granian"
    log = folder / "bare.log"
    server = processes.spawn(
        [
            granian, "--interface", "wsgi", "--port", str(port), "--http", "1", "--workers", "2",
            "--blocking-threads", "4", "--no-ws", "--log-level", "warning", "tests.benchmarks.bare:application",
        ],
        log=log,
        folder=CHECKOUT,
    )  # fmt: skip
    try:
        processes.wait_until(
            lambda: not processes.port_is_free(port), process=server, log=log, seconds=30, what="The bare server"
        )
        time.sleep(1.0)
        return drive(port, [request("/", host="localhost")], seconds=4.0, warm=1.0)
    finally:
        processes.stop(server)
