"""Where a resource points to another one: references, uris, and the links of its narrative, as tokens that
can be replaced.

R4, "Replacing references and links" of the transaction rules: a server that assigns ids replaces the entry's
fullUrl in Reference.reference, in elements of type uri, url, canonical, oid and uuid, and in `<a href>` and
`<img src>` of narratives.
"""

import functools
import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .. import definitions
from .editing import Edit, quote
from .reading import Document
from .tokens import Path, Token, tokens

_URI_TYPES: Final = frozenset({"uri", "url", "canonical", "oid", "uuid"})
_NARRATIVE_LINK: Final = re.compile(r"""(?:\bhref|\bsrc)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ESCAPE: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]")


@dataclass(frozen=True, slots=True)
class Reference:
    """A literal reference found in a document: its JSON path and its text."""

    path: Path
    text: str


def references(value: dict[str, Any]) -> list[Reference]:
    """Every `reference` string of a parsed resource, its contained ones too, in the order of the text."""
    found: list[Reference] = []
    _collect(value, (), found)
    return found


def _collect(value: Any, path: Path, found: list[Reference]) -> None:
    if type(value) is dict:
        for key, member in value.items():
            if type(member) is str:
                if key == "reference":
                    found.append(Reference((*path, key), member))
            elif type(member) is dict or type(member) is list:
                _collect(member, (*path, key), found)
    else:
        for index, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                _collect(item, (*path, index), found)


def relink(document: Document, replacements: Mapping[str, str]) -> list[Edit]:
    """The edits that replace each link whose text is a key of `replacements` by its value.

    A link is a string of one of the types above; the same text in an element of another type (an Identifier's
    value, a comment) is data and stays. The resources of a Bundle inside `document` are left alone: they are
    somebody's whole.
    """
    hits: list[tuple[str, Path, bool]] = []
    _hits(document.value, (), replacements, hits)
    edits: list[Edit] = []
    if hits:
        found = _places(document.data, [text for text, _, _ in hits])
        if found is None:
            edits += _relink_by_tokens(document, replacements)
        else:
            for (text, path, is_key), (start, end) in zip(hits, found, strict=True):
                if not is_key and _is_link(document.value, path):
                    edits.append(Edit(start, end, quote(replacements[text])))
    if _may_link_in_narrative(document.data):
        edits += _relink_narratives(document, replacements)
    return edits


def _may_link_in_narrative(data: bytes) -> bool:
    # Anything may be written as \u escapes; then only the tokens can tell.
    return b"\\u" in data or (b'"div"' in data and (b"href" in data or b"src" in data))


def _hits(value: Any, path: Path, replacements: Mapping[str, str], hits: list[tuple[str, Path, bool]]) -> None:
    """Every string, key or value, that is to be replaced if it proves to be a link, in the order of the
    text.
    """
    if type(value) is dict:
        for key, member in value.items():
            if key in replacements:
                hits.append((key, path, True))
            if type(member) is str:
                if member in replacements:
                    hits.append((member, (*path, key), False))
            elif type(member) is dict or type(member) is list:
                _hits(member, (*path, key), replacements, hits)
    else:
        for index, item in enumerate(value):
            if type(item) is str:
                if item in replacements:
                    hits.append((item, (*path, index), False))
            elif type(item) is dict or type(item) is list:
                _hits(item, (*path, index), replacements, hits)


def _places(data: bytes, texts: list[str]) -> list[tuple[int, int]] | None:
    """Where the strings `texts`, which is all there are and in order, stand; None when one is written with
    escapes.

    An unescaped quote followed by a letter or # can only open a string, so that each match is a whole token;
    and as every token with such a text is listed, the next match after the last one is the next in the list.
    """
    places = []
    position = 0
    for text in texts:
        if not text or not (text[0].isalnum() or text[0] == "#") or "\\" in text or '"' in text:
            return None
        token = b'"' + text.encode() + b'"'
        start = data.find(token, position)
        while start > 0 and data[start - 1] == 0x5C:
            start = data.find(token, start + 1)
        if start < 0:
            return None
        position = start + len(token)
        places.append((start, position))
    return places


def _relink_by_tokens(document: Document, replacements: Mapping[str, str]) -> Iterator[Edit]:
    for token in _strings(document.data):
        text = json.loads(token.raw or b'""')
        if text in replacements and _is_link(document.value, token.path):
            yield Edit(token.start, token.end, quote(replacements[text]))


def _strings(data: bytes) -> Iterator[Token]:
    return (t for t in tokens(data) if not t.is_key and t.raw is not None)


def _is_link(resource: dict[str, Any], path: Path) -> bool:
    """Whether the string at `path` is of a type whose links a transaction replaces."""
    kind = resource.get("resourceType")
    value: Any = resource
    keys: list[str] = []
    for step in path:
        if isinstance(step, str):
            keys.append(step)
        value = value[step]
        if isinstance(value, dict) and keys == ["contained"]:
            kind, keys = value.get("resourceType"), []
    return isinstance(kind, str) and kind in definitions.SERVED_TYPES and _type_at(kind, tuple(keys)) in _URI_TYPES


@functools.lru_cache(maxsize=4096)
def _type_at(structure: str, keys: tuple[str, ...]) -> str | None:
    """The type of the member that `keys` lead to; "uri" for Reference.reference, None for what R4 does not
    define.
    """
    for number, key in enumerate(keys):
        element = definitions.elements(structure).get(key)
        if element is None:
            return None
        kind = element.json_names()[key]
        if number == len(keys) - 1:
            if element.path == "Reference.reference":
                return "uri"
            return kind.code if kind else None
        if element.structure is not None:
            structure = element.structure
        elif kind is not None and kind.code != "Resource":
            structure = kind.code
        else:
            return None
    return None


def _relink_narratives(document: Document, replacements: Mapping[str, str]) -> Iterator[Edit]:
    for token in _strings(document.data):
        if token.path[-1:] == ("div",) and token.raw is not None and _is_narrative(document.value, token.path):
            yield from _relink_narrative(token, replacements)


def _is_narrative(resource: dict[str, Any], path: Path) -> bool:
    if path == ("text", "div") or (len(path) == 4 and path[0] == "contained" and path[2:] == ("text", "div")):
        return True
    kind = resource.get("resourceType")
    keys = tuple(step for step in path if isinstance(step, str))
    return isinstance(kind, str) and kind in definitions.SERVED_TYPES and _type_at(kind, keys) == "xhtml"


def _relink_narrative(token: Token, replacements: Mapping[str, str]) -> Iterator[Edit]:
    raw = (token.raw or b'""')[1:-1].decode()
    text: str = json.loads(f'"{raw}"')
    places: list[int] | None = None
    for match in _NARRATIVE_LINK.finditer(text):
        group = 1 if match.group(1) is not None else 2
        target = replacements.get(html.unescape(match.group(group)).strip())
        if target is None:
            continue
        if places is None:
            places = _raw_places(raw)
        start, end = (token.start + 1 + len(raw[: places[p]].encode()) for p in match.span(group))
        yield Edit(start, end, quote(html.escape(target))[1:-1])


def _raw_places(raw: str) -> list[int]:
    """For each character of the decoded string (and its end) where it starts in the escaped one."""
    places = [match.start() for match in _ESCAPE.finditer(raw)]
    places.append(len(raw))
    return places
