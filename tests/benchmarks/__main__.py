"""`python -m tests.benchmarks [--small]`: one table, the machine's limits beside ours, from one run."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import figures, limits, material
from tests.benchmarks.loadgen import Load

LARGE = 300_000
SMALL = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. reached: None where there is no target."""

    what: str
    target: str
    ours: str
    limit: str
    reached: bool | None


def rate(number: float, unit: str = "/s") -> str:
    return f"{number:,.0f}{unit}"


def speed(load: Load) -> str:
    return f"{rate(load.rate)}, p50 {load.p50:.1f}, p99 {load.p99:.1f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help=f"grow to {SMALL * 3:,} resources instead of {LARGE:,}")
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it tidies up as with Ctrl-C
    folder = Path(tempfile.mkdtemp(prefix="xinglin-bench-"))
    began = time.monotonic()
    try:
        rows = measure(folder, large=SMALL * 3 if options.small else LARGE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{platform.machine()}, {cores()} cores, Python {platform.python_version()}; ", end="")
    print(f"load generator, node, worker and PostgreSQL on the same cores; {time.monotonic() - began:.0f} s\n")
    widths = [max(len(cell(row)[column]) for row in [*rows, HEAD]) for column in range(5)]
    for row in [HEAD, *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(cell(row), widths, strict=True)).rstrip())
    if options.json:
        options.json.write_text(json.dumps([cell(row) for row in rows], indent=1, ensure_ascii=False))
    return 0


HEAD = Row("", "target", "ours", "this machine's limit", None)


def cell(row: Row) -> tuple[str, str, str, str, str]:
    verdict = "" if row.reached is None else "reached" if row.reached else "NOT REACHED"
    return row.what, row.target, row.ours, row.limit, verdict


def cores() -> int:
    return len(os.sched_getaffinity(0))


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def measure(folder: Path, *, large: int) -> list[Row]:
    rows: list[Row] = []

    def add(what: str, target: str, ours: str, limit: str, reached: bool | None) -> None:
        rows.append(Row(what, target, ours, limit, reached))
        say(f"{what}: {ours}")

    sample = folder / "sample.ndjson"
    material.write_ndjson(sample, resources=3_000, seed=900)
    lines = sample.read_bytes().splitlines()
    say("the machine alone ...")
    validation, hashing = limits.validation(lines), limits.hashing()
    syncs, bare = limits.syncing(folder), limits.bare_view(folder)
    with figures.Bench(folder) as bench:
        copying = limits.copying(bench.demo.cluster, lines)

        small = folder / "small.ndjson"
        material.write_ndjson(small, resources=SMALL, seed=20)
        count, seconds = figures.ndjson(bench, small)
        alone = f"COPY alone {rate(copying)}, validation alone {rate(validation)} a core"
        add("NDJSON import, a small file", "", f"{rate(count / seconds)} ({count:,}, start-up included)", alone, None)
        stored_before, before = count, figures.searches_by_code(bench).p50

        outside = material.synthea()
        alone = f"validation alone {rate(validation)} a core"
        if outside:
            count, seconds = figures.transactions(bench, outside, alone=2)
            ours = f"{rate(count / seconds)} ({count:,} resources)"
            add("Synthea's transactions by HTTP", "600/s", ours, alone, count / seconds >= 600)
        charts = [content for _, content in material.own_bundles(40, seed=7)]
        count, seconds = figures.transactions(bench, charts, alone=1)
        ours = f"{rate(count / seconds)} ({count:,} resources)"
        add("validated transactions by HTTP", "600/s", ours, alone, count / seconds >= 600)

        view = f"an empty Django view {rate(bare.rate)}, p50 {bare.p50:.1f} ms; fdatasync {rate(syncs)}"
        load = figures.reads(bench)
        good = load.rate >= 1200 and load.p50 <= 7
        add("read by id, authorised, audited", "1,200/s, p50 7 ms", speed(load), view, good)
        load = figures.searches(bench)
        add("Observation?patient=&_count=20", "400/s", speed(load), view, load.rate >= 400)
        load = figures.including_pages(bench)
        add("page of 20 with _include", "p50 25 ms", f"p50 {load.p50:.1f}, p99 {load.p99:.1f} ms", view, load.p50 <= 25)

        waited = figures.anchoring(bench)
        ours = f"p50 {waited.p50:.1f}, p99 {waited.p99:.1f} s ({waited.count} records)"
        cadence = "a round each 2 s, a block each 1 s"
        add("record to inclusion of its anchor", "p99 5 s", ours, cadence, waited.p99 <= 5)
        leaves = figures.sequencing(bench)
        alone = f"hashing alone {rate(hashing)} a core"
        add("log sequencing", "10,000 leaves/s", rate(leaves), alone, leaves >= 10_000)
        proved = figures.proving()
        add("inclusion proofs verified", "50,000/s", rate(proved), f"17 hashes each, {alone}", proved >= 50_000)

        say(f"growing to {large:,} resources ...")
        more = folder / "large.ndjson"
        material.write_ndjson(more, resources=large - figures.stored(bench), seed=5_000)
        count, seconds = figures.ndjson(bench, more)
        alone = f"COPY alone {rate(copying)}, validation alone {rate(validation)} a core"
        ours = f"{rate(count / seconds)} ({count:,} resources)"
        add("NDJSON import", "2,000/s", ours, alone, count / seconds >= 2000)
        after = figures.searches_by_code(bench).p50
        what = f"search p50, {stored_before:,} to {figures.stored(bench):,}"
        ours = f"{before:.1f} to {after:.1f} ms, {after / before:.2f}-fold"
        add(what, "at most twofold", ours, "one connection, by patient and code, worker paused", after <= 2 * before)
        each = figures.bytes_each(bench)
        size = more.stat().st_size / count
        add("bytes a resource, with indexes", "2,500", rate(each, ""), f"{rate(size, '')} of JSON", each <= 2500)
        say(figures.sizes(bench))
    return rows


if __name__ == "__main__":
    sys.exit(main())
