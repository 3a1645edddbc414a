"""Changing a text at named tokens. Every byte outside the edits stays as it was sent.

The texts here have been accepted by `parse`, so the decoder is used to step over whole values; it says where
they end.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .reading import Document
from .tokens import Path, tokens

_SKIP: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_SPACE: Final = re.compile(r"[ \t\r\n]*+")
_KEY: Final = re.compile(r'[ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_BETWEEN: Final = re.compile(r"[ \t\r\n]*+,?+[ \t\r\n]*+")


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` where `data[start:end]` was."""

    start: int
    end: int
    text: bytes


@dataclass(frozen=True, slots=True)
class EntrySlice:
    """The resource of entry `index` as the exact bytes `bundle[start:end]`."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of an object: where its key and its value are, in characters."""

    key: str
    key_start: int
    key_end: int
    start: int
    end: int


def splice(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Apply edits that do not overlap; edits that insert at one place keep their order."""
    parts: list[bytes] = []
    position = 0
    for edit in sorted(edits, key=lambda e: (e.start, e.end)):
        if not position <= edit.start <= edit.end <= len(data):
            raise ValueError("edits overlap or lie outside the text")
        parts.append(data[position : edit.start])
        parts.append(edit.text)
        position = edit.end
    parts.append(data[position:])
    return b"".join(parts)


def assign(data: bytes, *, id: str, version_id: str, last_updated: str) -> list[Edit]:
    """The edits that give a resource the server's id, meta.versionId and meta.lastUpdated.

    Members that are there get new values in place. Missing ones are inserted in the spacing of the text
    around them: id and meta after resourceType, the other two first in meta.
    """
    text = data.decode()
    at = _Offsets(data, text)
    opening = text.index("{")
    members = {m.key: m for m in _members(text, opening)}
    kind = members["resourceType"]
    gap = text[opening + 1 : _end(_SPACE, text, opening + 1)]
    colon = _colon(text, kind)
    wanted = {"versionId": version_id, "lastUpdated": last_updated}

    edits: list[Edit] = []
    inserted = ""
    if "id" in members:
        edits.append(_set(at, members["id"], id))
    else:
        inserted += f",{gap}{_string('id')}{colon}{_string(id)}"
    if "meta" in members:
        edits += _assign_meta(text, at, members["meta"], wanted)
    else:
        pairs = ",".join(f"{_string(k)}{colon}{_string(v)}" for k, v in wanted.items())
        inserted += f",{gap}{_string('meta')}{colon}{{{pairs}}}"
    if inserted:
        edits.append(Edit(at(kind.end), at(kind.end), inserted.encode()))
    return edits


def _assign_meta(text: str, at: "_Offsets", meta: _Member, wanted: Mapping[str, str]) -> Iterator[Edit]:
    if text[meta.start] != "{":
        raise ValueError("meta is not an object; validate before assigning")
    members = {m.key: m for m in _members(text, meta.start)}
    missing = [k for k in wanted if k not in members]
    if missing:
        first = next(iter(members.values()), None)
        gap = text[meta.start + 1 : first.key_start] if first else ""
        colon = _colon(text, first) if first else ":"
        pairs = [f"{gap}{_string(k)}{colon}{_string(wanted[k])}" for k in missing]
        place = at(meta.start + 1)
        yield Edit(place, place, (",".join(pairs) + ("," if first else "")).encode())
    for key, value in wanted.items():
        if key in members:
            yield _set(at, members[key], value)


def replace_at(data: bytes, replacements: Mapping[Path, str]) -> list[Edit]:
    """The edits that put new strings at JSON paths such as ("subject", "reference"). KeyError where there
    is no string.
    """
    missing = set(replacements)
    edits = []
    for token in tokens(data):
        if not token.is_key and token.raw is not None and token.path in missing:
            missing.discard(token.path)
            edits.append(Edit(token.start, token.end, quote(replacements[token.path])))
    if missing:
        raise KeyError(f"no string at {sorted(map(str, missing))}")
    return edits


def entry_slices(bundle: bytes) -> list[EntrySlice]:
    """Where the resource of each entry is in a Bundle; entries without one are left out."""
    text = bundle.decode()
    at = _Offsets(bundle, text)
    return [EntrySlice(index, at(start), at(end)) for index, start, end in _entry_resources(text)]


def entry_documents(bundle: Document) -> dict[int, Document]:
    """The resources of a Bundle's entries by entry index, each with its own exact bytes."""
    entries = bundle.value["entry"] if isinstance(bundle.value.get("entry"), list) else []
    documents = {}
    for part in entry_slices(bundle.data):
        value = entries[part.index]["resource"]
        if isinstance(value, dict):
            documents[part.index] = Document(bundle.data[part.start : part.end], value)
    return documents


def quote(text: str) -> bytes:
    """`text` as a JSON string token."""
    return _string(text).encode()


def _entry_resources(text: str) -> Iterator[tuple[int, int, int]]:
    position = _value_of(text, text.index("{"), "entry")
    if position is None or text[position] != "[":
        return
    position = _end(_SPACE, text, position + 1)
    index = 0
    while text[position] != "]":
        if text[position] == "{":
            position += 1
            while (match := _KEY.match(text, position)) is not None:
                end = _SKIP(text, match.end())[1]
                if _key(match) == "resource":
                    yield index, match.end(), end
                position = _end(_BETWEEN, text, end)
            position = _end(_SPACE, text, position) + 1
        else:
            position = _SKIP(text, position)[1]
        position = _end(_BETWEEN, text, position)
        index += 1


def _value_of(text: str, start: int, wanted: str) -> int | None:
    """Where the value of member `wanted` begins, in the object that opens at `start`; the value itself is
    not read.
    """
    position = start + 1
    while (match := _KEY.match(text, position)) is not None:
        if _key(match) == wanted:
            return match.end()
        position = _end(_BETWEEN, text, _SKIP(text, match.end())[1])
    return None


def _members(text: str, start: int) -> Iterator[_Member]:
    """The members of the object that opens at `start`."""
    position = start + 1
    while (match := _KEY.match(text, position)) is not None:
        end = _SKIP(text, match.end())[1]
        yield _Member(_key(match), match.start(1), match.end(1), match.end(), end)
        position = _end(_BETWEEN, text, end)


def _key(match: re.Match[str]) -> str:
    raw = match.group(1)
    return str(json.loads(raw)) if "\\" in raw else raw[1:-1]


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


def _colon(text: str, member: _Member) -> str:
    return text[member.key_end : member.start]


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _set(at: "_Offsets", member: _Member, value: str) -> Edit:
    start = at(member.start)
    return Edit(start, at(member.end), quote(value))


class _Offsets:
    """Character positions to byte positions. Asked in ascending order it reads the text once."""

    def __init__(self, data: bytes, text: str) -> None:
        self._text = text
        self._plain = len(data) == len(text)
        self._characters = self._octets = 0

    def __call__(self, position: int) -> int:
        if self._plain:
            return position
        if position < self._characters:
            self._characters = self._octets = 0
        self._octets += len(self._text[self._characters : position].encode())
        self._characters = position
        return self._octets
