"""What the benchmarks import: Synthea's bundles where they are, and any number of our own patients."""

import gzip
import json
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from consortium.management.demo.nodes import CHECKOUT
from consortium.management.seed import Hospital, transactions

UNTIL = date(2026, 11, 20)
SENDING = Hospital(0, "Yunxi Hospital", "云溪医院", "hospital-a.example")
# NDJSON repeats the hospital with every chart, so it is another one: a condition must find one or none.
FILED = Hospital(1, "Qingshi Hospital", "青石医院", "hospital-b.example")
LINK = re.compile(rb"urn:uuid:[0-9a-f-]{36}")


def synthea() -> list[bytes]:
    """Synthea's transaction bundles, shared ones (hospitals, practitioners) first; empty where they are absent."""
    folder = Path(os.environ.get("XINGLIN_SHARED_DATA", CHECKOUT.parent / "shared" / "data")) / "synthea"
    files = sorted(folder.rglob("*.json")) + sorted(folder.rglob("*.json.gz")) if folder.is_dir() else []
    files.sort(key=lambda file: ("Information" not in file.name, file.name))
    return [gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in files]


def own_bundles(patients: int, *, seed: int, hospital: Hospital = SENDING) -> Iterator[tuple[int, bytes]]:
    """(resources, transaction) of our own patients."""
    for chart in transactions(hospital, patients=patients, until=UNTIL, seed=seed):
        yield chart.resources, chart.content


def write_ndjson(path: Path, *, resources: int, seed: int) -> int:
    """Our own patients as NDJSON with ids and resolved references; how many were written."""
    written = 0
    with path.open("wb") as file:
        while written < resources:
            for _, bundle in own_bundles(200, seed=seed, hospital=FILED):
                for line in _lines(bundle):
                    file.write(line)
                    written += 1
                if written >= resources:
                    break
            seed += 1
    return written


def _lines(bundle: bytes) -> Iterator[bytes]:
    entries: list[dict[str, Any]] = json.loads(bundle)["entry"]
    names = {
        entry["fullUrl"].encode(): f"{entry['resource']['resourceType']}/{entry['fullUrl'][9:]}".encode()
        for entry in entries
    }
    for entry in entries:
        resource = {**entry["resource"], "id": entry["fullUrl"][9:]}
        text = json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()
        yield LINK.sub(lambda found: names[found[0]], text) + b"\n"
