"""Files of FHIR data: bundles and NDJSON, plain or gzip, read piece by piece."""

import gzip
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Final, Literal

from records.fhir.jsontext import LIMITS

_GZIP: Final = b"\x1f\x8b"
_NAMES: Final = re.compile(r"\.(json|ndjson|jsonl)(\.gz)?\Z", re.IGNORECASE)
_BUNDLE_TYPE: Final = re.compile(rb'"type"\s*:\s*"([a-z-]+)"')
_PEEK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """One file. `kind` is what it holds; `size` its bytes on disk."""

    path: Path
    kind: Literal["bundle", "lines"]
    bundle_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line of NDJSON, numbered from 1. `offset`: bytes of the file read so far."""

    number: int
    data: bytes
    offset: int


class SourceError(Exception):
    """A path that cannot be imported from."""

    code = "source-unreadable"


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """The files at these paths; of a folder those that look like FHIR data, by name. What others refer to comes first."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.is_file() and _NAMES.search(p.name))
        elif path.is_file():
            files.append(path)
        else:
            raise SourceError(f"{path} is neither a file nor a folder.")
    sources = [_source(file) for file in dict.fromkeys(files)]
    # Batches and lines hold what transactions refer to by conditions (practitioners, organisations).
    return sorted(sources, key=lambda s: s.bundle_type == "transaction")


def _source(path: Path) -> Source:
    size = path.stat().st_size
    start = b""
    # Whoever imports it will say what is wrong with it; what could be read says what it is.
    with suppress(OSError, EOFError), opened(path) as file:
        while len(start) < _PEEK and (piece := file.read(_PEEK // 8)):
            start += piece
    first_line, newline, rest = start.lstrip().partition(b"\n")
    # A line of NDJSON is a whole object; a bundle in one line holds nothing behind it.
    whole_line = first_line.rstrip().endswith(b"}") and first_line.startswith(b"{") and len(first_line.strip()) > 2
    if re.search(r"\.(ndjson|jsonl)(\.gz)?\Z", path.name, re.IGNORECASE) or (whole_line and newline and rest.strip()):
        return Source(path, "lines", "", size)
    match = _BUNDLE_TYPE.search(start)
    return Source(path, "bundle", match[1].decode() if match else "", size)


def opened(path: Path) -> BufferedIOBase:
    """The file, unpacked if it is gzip by its first bytes."""
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def read_whole(path: Path) -> bytes:
    """All of a bundle's file. Raises SourceError beyond the limit of a body, and for damaged gzip."""
    try:
        with opened(path) as file:
            data = file.read(LIMITS.body + 1)
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be read: {error}.") from error
    if len(data) > LIMITS.body:
        raise SourceError(f"{path} holds more than {LIMITS.body} bytes, unpacked: split it, or use NDJSON.")
    return data


def read_lines(path: Path) -> Iterator[Line]:
    """The lines that are not blank. One that is longer than a body may be is given cut, and so refused by the parser."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            file: BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            number = 0
            while data := file.readline(LIMITS.body + 2):
                number += 1
                while not data.endswith(b"\n") and len(data) > LIMITS.body:
                    more = file.readline(LIMITS.body)
                    if not more or more.endswith(b"\n"):
                        break
                if data.strip():
                    yield Line(number, data.strip(b" \t\r\n"), raw.tell())
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be read to its end: {error}.") from error
