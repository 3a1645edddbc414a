"""Our own figures, taken from one hospital's node as the demonstration runs it: two web processes and a worker."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from consortium.client import Node
from consortium.management import processes
from consortium.management.demo.nodes import CHECKOUT, HospitalNode
from consortium.management.demo.plan import HOSPITALS
from consortium.management.demo.supervisor import INTEGRATION, Supervisor
from tests.benchmarks import loadgen

CLIENTS = 4


@dataclass
class Bench:
    """A running node and a client of it."""

    folder: Path

    def __enter__(self) -> Self:
        member = replace(HOSPITALS[0], port=processes.free_port())
        with (self.folder / "supervisor.log").open("w") as log:
            self.demo = Supervisor(
                self.folder / "demo", self.folder / "shown", members=(member,), patients=0, out=log,
                environment={"API_RATE": "1000000"},
            )  # fmt: skip
            self.demo.start()
        self.node: HospitalNode = next(iter(self.demo.nodes.values()))
        secret = self.demo.state["secrets"][member.key][INTEGRATION["name"]]
        self.client = Node(self.node.url, secret["client_id"], secret["client_secret"], timeout=300)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.demo.stop()
        self.demo.cluster.remove()

    @property
    def host(self) -> str:
        return f"localhost:{self.node.port}"

    def sql(self, statement: str) -> Any:
        """The first column of the first row, from the records' database; None where there are no rows."""
        import psycopg

        with psycopg.connect(self.demo.cluster.url(self.node.member.database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]

    def in_node(self, program: str, *arguments: str) -> str:
        """Run a Python program in the node's environment, Django set up; what it printed."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{program}", *arguments],
            env=self.node.complete_environment(), cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        return done.stdout.strip()

    @contextmanager
    def without_worker(self) -> Iterator[None]:
        """The node serves, and its worker waits."""
        worker = self.demo.children.pop(f"{self.node.member.key} worker")
        processes.stop(worker.process)
        try:
            yield
        finally:
            worker.process = worker.start()
            self.demo.children[worker.name] = worker


def transactions(bench: Bench, bundles: Sequence[bytes], *, alone: int) -> tuple[int, float]:
    """(resources, seconds) of sending these transactions by HTTP.

    The first `alone` ones, to which the others refer (Synthea's hospitals and practitioners, our staff), go one after
    another; then several clients send at once.
    """
    before = bench.sql("SELECT count(*) FROM records_current")
    began = time.perf_counter()
    for bundle in bundles[:alone]:
        bench.client.request("POST", "", content=bundle)
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda bundle: bench.client.request("POST", "", content=bundle), bundles[alone:]))
    seconds = time.perf_counter() - began
    return bench.sql("SELECT count(*) FROM records_current") - before, seconds


def ndjson(bench: Bench, path: Path) -> tuple[int, float]:
    """(resources, seconds) of `manage.py import_fhir`, from its start to its end."""
    before = bench.sql("SELECT count(*) FROM records_current")
    began = time.perf_counter()
    bench.node.manage("import_fhir", str(path))
    seconds = time.perf_counter() - began
    return bench.sql("SELECT count(*) FROM records_current") - before, seconds


def _paths(bench: Bench, statement: str) -> list[str]:
    import psycopg

    with psycopg.connect(bench.demo.cluster.url(bench.node.member.database), autocommit=True) as connection:
        return [row[0] for row in connection.execute(statement.encode()).fetchall()]


def _load(bench: Bench, paths: Iterable[str], *, connections: int = 8, seconds: float = 6.0) -> loadgen.Load:
    token = bench.client.token()
    requests = [loadgen.request(path, host=bench.host, token=token) for path in paths]
    return loadgen.drive(bench.node.port, requests, connections=connections, seconds=seconds)


def _number(type: str) -> int:
    from records.fhir.definitions import TYPE_NUMBERS

    return TYPE_NUMBERS[type]


def _patients(bench: Bench, count: int) -> list[str]:
    kind = _number("Patient")
    return _paths(
        bench, f"SELECT id FROM records_current WHERE type = {kind} AND NOT deleted ORDER BY self LIMIT {count}"
    )


def reads(bench: Bench) -> loadgen.Load:
    """GET of one record by id, each authorised and audited, at eight connections."""
    kind = _number("Observation")
    ids = _paths(bench, f"SELECT id FROM records_current WHERE type = {kind} AND NOT deleted ORDER BY self LIMIT 4000")
    return _load(bench, [f"/fhir/Observation/{id}" for id in ids])


def searches(bench: Bench) -> loadgen.Load:
    """Observation?patient=&_count=20 over many patients."""
    return _load(bench, [f"/fhir/Observation?patient={id}&_count=20" for id in _patients(bench, 400)])


def stored(bench: Bench) -> int:
    """How many resources the node has."""
    return int(bench.sql("SELECT count(*) FROM records_current"))


def searches_by_code(bench: Bench) -> loadgen.Load:
    """Newest first, by patient and code, over 48 patients, one connection: how long one search takes.

    After VACUUM and ANALYZE, which PostgreSQL does by itself some minutes after an import, and without the worker,
    which still seals the import's audit rows.
    """
    bench.sql("VACUUM (ANALYZE)")
    paths = [
        f"/fhir/Observation?patient={id}&code=http%3A%2F%2Floinc.org%7C85354-9&_sort=-date&_count=20"
        for id in _patients(bench, 48)
    ]
    with bench.without_worker():
        return _load(bench, paths, connections=1, seconds=4.0)


def including_pages(bench: Bench) -> loadgen.Load:
    """A page of twenty observations with their patients and visits, one connection."""
    paths = [
        f"/fhir/Observation?patient={id}&_count=20&_include=Observation:subject&_include=Observation:encounter"
        for id in _patients(bench, 400)
    ]
    return _load(bench, paths, connections=1, seconds=4.0)


SEQUENCING = """
import time
from hashlib import sha256
from django.db import transaction
from ledger import log
from ledger.commitments import Kind
rows = [(Kind.EVENT, sha256(number.to_bytes(4, "big")).digest()) for number in range(100_000)]
with transaction.atomic():
    log.append(rows)
began = time.perf_counter()
done = 0
while done < len(rows):
    done += log.sequence()
print(done / (time.perf_counter() - began))
"""


def sequencing(bench: Bench) -> float:
    """Leaves a second that the sequencer numbers, in the database, with tiles and head."""
    with bench.without_worker():  # it would take its share of the leaves
        return float(bench.in_node(SEQUENCING))


def proving() -> float:
    """Inclusion proofs a second that one core verifies, in a log of 100,000 leaves."""
    from ledger import proofs

    hashes = [proofs.leaf_hash(number.to_bytes(4, "big")) for number in range(100_000)]
    levels = [hashes]
    while len(levels[-1]) > 1:
        row = levels[-1]
        levels.append([proofs.node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)])
    root = proofs.root_of(hashes)
    made = [
        (index, proofs.prove_inclusion(index, len(hashes), lambda level, at: levels[level][at]))
        for index in range(0, len(hashes), 5)
    ]
    began = time.perf_counter()
    for index, proof in made:
        proofs.verify_inclusion(index, len(hashes), hashes[index], proof, root)
    return len(made) / (time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Latency:
    p50: float
    p99: float
    count: int


def anchoring(bench: Bench, *, seconds: float = 30.0) -> Latency:
    """From a record's acknowledgement to the inclusion of an anchor that covers it, as the node stores both.

    Records are stored at a steady trickle. An anchor covers a record if its size was reached after the record was
    logged; the log grows in the order of time, so for each record it is the first anchor larger than the log was
    when the record was acknowledged.
    """
    kept: list[tuple[float, int]] = []
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(0.05):
            body = {"resourceType": "Basic", "code": {"text": "latency"}}
            bench.client.create("Basic", json.dumps(body).encode())
            # Every row that is in the outbox or the log now, ours too, is below this size.
            size = bench.sql(
                "SELECT (SELECT coalesce(max(size), 0) FROM ledger_state) + (SELECT count(*) FROM ledger_outbox)"
            )
            kept.append((time.time(), int(size)))

    thread = threading.Thread(target=trickle)
    thread.start()
    time.sleep(seconds)
    ended.set()
    thread.join()
    deadline = time.monotonic() + 30
    largest = max(size for _, size in kept)
    while bench.sql("SELECT coalesce(max(size), 0) FROM ledger_anchor") < largest and time.monotonic() < deadline:
        time.sleep(0.2)
    anchors = json.loads(
        bench.sql(
            "SELECT coalesce(json_agg(json_build_array(size, extract(epoch FROM included_at)) ORDER BY size), '[]')::text "
            "FROM ledger_anchor WHERE status <> 'lost'"
        )
    )
    waited = sorted(
        next((at for size, at in anchors if size >= wanted), float("inf")) - acknowledged
        for acknowledged, wanted in kept
    )
    return Latency(statistics.median(waited), waited[int(len(waited) * 0.99)], len(waited))


def bytes_each(bench: Bench) -> float:
    """Bytes on disk for each stored resource: every records_ table with its indexes and TOAST."""
    total = bench.sql(
        "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'm') AND c.relname LIKE 'records\\_%'"
    )
    return float(total) / bench.sql("SELECT count(*) FROM records_current")


def sizes(bench: Bench) -> str:
    """The largest relations of the records, in bytes a resource."""
    listed = bench.sql(
        "SELECT string_agg(name || ' ' || each, ', ') FROM (SELECT c.relname AS name, "
        "pg_relation_size(c.oid) / (SELECT count(*) FROM records_current) AS each FROM pg_class c "
        "WHERE c.relname LIKE 'records\\_%' OR c.relname LIKE 'pg\\_toast%' ORDER BY 2 DESC LIMIT 14) AS listed"
    )
    return f"bytes a resource of each relation: {listed}"
