"""Where things are in a JSON text: every key and scalar with its place in bytes and its path."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

Path = tuple[str | int, ...]

STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TOKEN: Final = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")(\s*+:)?|([{}\[\]])|[^\s,:{}\[\]"]++', re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_SHOWN: Final = 40
# A place costs a look at every token before it; in a body larger than this the sender is told without one.
_SEARCHED: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Token:
    """A key, a string or another scalar, `data[start:end]`. `raw` is a string's text with quotes and escapes."""

    start: int
    end: int
    path: Path
    is_key: bool
    raw: bytes | None
    scalar: bytes | None


def tokens(data: bytes) -> Iterator[Token]:
    """Every key and scalar in order, with its path. A text that is no JSON is followed as far as it can be."""
    path: list[str | int] = []
    counts: list[int | None] = []  # items so far in each open array; None for an object
    for match in _TOKEN.finditer(data):
        string, colon, bracket = match.group(1, 2, 3)
        if bracket is not None and bracket in b"}]":
            if not counts:
                return
            counts.pop()
            if counts and path:
                path.pop()
            continue
        if colon is not None and counts and counts[-1] is None:
            try:
                key = json.loads(string, strict=False)
            except ValueError:
                return
            path.append(key)
            yield Token(match.start(), match.end() - len(colon), tuple(path), True, string, None)
            continue
        if counts and counts[-1] is not None:
            path.append(counts[-1])
            counts[-1] += 1
        if bracket is not None:
            counts.append(None if bracket == b"{" else 0)
            continue
        scalar = None if string is not None else match.group()
        yield Token(match.start(), match.end(), tuple(path), False, string, scalar)
        if path:
            path.pop()


def searched(data: bytes) -> Iterator[Token]:
    """The tokens of a text that is small enough to look for a place in; nothing of a larger one."""
    return tokens(data) if len(data) <= _SEARCHED else iter(())


def expression(root: str, path: Sequence[str | int]) -> str:
    """A path as FHIRPath: ("name", 0, "given") below Patient is `Patient.name[0].given`.

    A name that R4 could not have is delimited, escaped and cut, so that what is echoed is short and printable.
    """
    return root + "".join(map(_step, path))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _NAME.fullmatch(step):
        return f".{step}"
    return ".`" + json.dumps(step[:_SHOWN])[1:-1].replace("`", "\\u0060") + "`"


def expression_in(data: bytes, path: Path) -> str:
    """`path` below the resource type that the text claims at its top."""
    for token in searched(data):
        if token.path == ("resourceType",) and token.raw is not None and not token.is_key:
            claimed = re.fullmatch(rb'"([A-Za-z]{1,64})"', token.raw)
            return expression(claimed[1].decode() if claimed else "Resource", path)
    return expression("Resource", path)


def expression_at(data: bytes, offset: int) -> str | None:
    """The FHIRPath of the last key or value that begins before `offset`."""
    path: Path | None = None if len(data) > _SEARCHED else ()
    for token in searched(data):
        if token.start >= offset:
            break
        path = token.path
    return None if path is None else expression_in(data, path)
