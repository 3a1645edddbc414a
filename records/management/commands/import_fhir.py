"""manage.py import_fhir PATH...: bundles and NDJSON into this node."""

import multiprocessing
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, Final

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection, connections
from tqdm import tqdm

from records.fhir.import_process import begin, import_chunk, import_file
from records.fhir.importing import Outcome, Problem
from records.fhir.sources import Source, SourceError, find_sources, read_lines

# Lines that share one database transaction.
CHUNK: Final = 250
CHUNK_BYTES: Final = 4 * 1024 * 1024
# Refusals that another file, imported later, may mend.
_ANOTHER_FILE_MAY_MEND: Final = frozenset({"reference-not-resolved"})
_MOST_SHOWN: Final = 200


class Command(BaseCommand):
    help = (
        "Imports FHIR bundles and NDJSON, plain or gzip, from files and folders. Safe to repeat and to interrupt: what is "
        "stored already is left alone. What cannot be imported is listed with its line or entry, and does not stop the rest."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument(
            "--processes",
            type=int,
            default=min(4, os.cpu_count() or 1),
            help="how many work at once (default: one for each core, four at most)",
        )
        parser.add_argument("--quiet", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sources = find_sources(options["paths"])
        except (SourceError, OSError) as error:
            raise CommandError(str(error)) from error
        if not sources:
            raise CommandError("There are no .json, .ndjson or .jsonl files there.")
        run = _Run(self, uuid.uuid4(), max(1, options["processes"]), quiet=options["quiet"])
        try:
            totals = run.all(sources)
        except (BrokenExecutor, OperationalError, InterfaceError) as error:
            raise CommandError(
                f"The import stopped: {error} Run the command again; what is stored already is left alone.",
                returncode=2,
            ) from error
        counted = ", ".join(
            f"{totals[name]} {name}" for name in ("created", "updated", "unchanged", "deleted", "refused")
        )
        self.stdout.write(f"{len(sources)} files: {counted}")
        if totals["refused"]:
            raise CommandError(f"{totals['refused']} could not be imported; they are listed above.", returncode=1)


class _Here(Executor):
    """Work done at once, in this process."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(work(*args, **kwargs))
        return future


class _Run:
    """One run of the command: shards of work, a bar, and what could not be imported."""

    def __init__(self, command: Command, request_id: uuid.UUID, processes: int, *, quiet: bool) -> None:
        self._command = command
        self._request_id = request_id
        self._processes = processes
        self._quiet = quiet
        self._shown = 0
        self._totals: Counter[str] = Counter()

    def all(self, sources: list[Source]) -> Counter[str]:
        shards = [self._executor() for _ in range(self._processes)]
        bar = tqdm(total=sum(s.size for s in sources), unit="B", unit_scale=True, disable=True if self._quiet else None)
        try:
            with bar:
                self._lines(shards, [s for s in sources if s.kind == "lines"], bar)
                self._bundles(shards, [s for s in sources if s.kind == "bundle"], bar)
        finally:
            for shard in shards:
                shard.shutdown(cancel_futures=True)
        with connection.cursor() as cursor:
            # What waits in the index's pending list would be read by every search until a vacuum comes by.
            cursor.execute("SELECT gin_clean_pending_list('records_current_tokens'::regclass)")
            cursor.execute("ANALYZE records_current, records_reference, records_string, records_date, records_quantity")
        return self._totals

    def _executor(self) -> Executor:
        if self._processes == 1:
            return _Here()
        return ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), initializer=begin, initargs=(_databases(),)
        )

    def _bundles(self, shards: list[Executor], sources: list[Source], bar: "tqdm[Any]") -> None:
        """Bundles, those first that others refer to; those that refer to what is not there yet again, while any gets further."""
        for carried_out in (False, True):
            waiting = [s for s in sources if (s.bundle_type == "transaction") is carried_out]
            while waiting:
                refused: list[tuple[Source, Outcome]] = []
                free = list(shards)
                running: dict[Future[Outcome], tuple[Source, Executor]] = {}
                queue = iter(waiting)
                while True:
                    for source in _take(queue, len(free)):
                        shard = free.pop()
                        running[shard.submit(import_file, source.path, self._request_id)] = (source, shard)
                    if not running:
                        break
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        source, shard = running.pop(future)
                        free.append(shard)
                        outcome = future.result()
                        if any(p.number is None and p.code in _ANOTHER_FILE_MAY_MEND for p in outcome.problems):
                            refused.append((source, outcome))
                        else:
                            self._done(source, outcome)
                            bar.update(source.size)
                again = [source for source, _ in refused]
                if len(again) == len(waiting):
                    for source, outcome in refused:
                        self._done(source, outcome)
                        bar.update(source.size)
                    break
                waiting = again

    def _lines(self, shards: list[Executor], sources: list[Source], bar: "tqdm[Any]") -> None:
        """Lines in chunks; all lines of one record go to one shard, so that they stay in their order."""
        running: list[list[tuple[Future[Outcome], Source]]] = [[] for _ in shards]
        for source in sources:
            chunks: list[list[tuple[int, bytes]]] = [[] for _ in shards]
            sizes = [0] * len(shards)
            seen = 0
            try:
                for line in read_lines(source.path):
                    number = _shard_of(line.data, len(shards))
                    chunks[number].append((line.number, line.data))
                    sizes[number] += len(line.data)
                    if len(chunks[number]) >= CHUNK or sizes[number] >= CHUNK_BYTES:
                        self._submit(shards[number], running[number], source, chunks[number])
                        chunks[number], sizes[number] = [], 0
                        bar.update(line.offset - seen)
                        seen = line.offset
            except SourceError as error:
                self._show(source, Problem(None, error.code, str(error), None))
            for number, chunk in enumerate(chunks):
                if chunk:
                    self._submit(shards[number], running[number], source, chunk)
            bar.update(source.size - seen)
        for queue in running:
            for future, source in queue:
                self._done(source, future.result())

    def _submit(
        self,
        shard: Executor,
        running: list[tuple[Future[Outcome], Source]],
        source: Source,
        chunk: list[tuple[int, bytes]],
    ) -> None:
        running.append((shard.submit(import_chunk, chunk, self._request_id), source))
        while len(running) > 2:
            future, whose = running.pop(0)
            self._done(whose, future.result())

    def _done(self, source: Source, outcome: Outcome) -> None:
        self._totals.update(outcome.counts)
        for problem in outcome.problems:
            self._show(source, problem, counted=True)

    def _show(self, source: Source, problem: Problem, *, counted: bool = False) -> None:
        if not counted:
            self._totals["refused"] += 1
        self._shown += 1
        if self._shown > _MOST_SHOWN:
            if self._shown == _MOST_SHOWN + 1:
                self._command.stderr.write("... and more.")
            return
        where = f"{source.path}"
        if problem.number is not None:
            where += f":{problem.number}" if source.kind == "lines" else f" entry {problem.number}"
        at = f" ({problem.expression})" if problem.expression else ""
        self._command.stderr.write(f"{where}: {problem.code}: {problem.sentence}{at}")


def _take(queue: Iterator[Source], count: int) -> list[Source]:
    return [source for _, source in zip(range(count), queue, strict=False)]


def _shard_of(data: bytes, shards: int) -> int:
    if shards == 1:
        return 0
    try:
        value = orjson.loads(data)
        return hash((value.get("resourceType"), value.get("id"))) % shards
    except (ValueError, AttributeError, TypeError):
        return 0


def _databases() -> dict[str, dict[str, Any]]:
    """Where the parent's connections go, which a test may have pointed elsewhere."""
    keys = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    return {alias: {key: connections[alias].settings_dict[key] for key in keys} for alias in connections}
