"""`_summary` and `_elements`: parts of records, marked SUBSETTED. They are new texts, so that no evidence speaks of them.

Whole members are kept or left out, each as it was sent: no number loses its digits.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

import orjson

from records.fhir import definitions

_TAG: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS: Final = frozenset({"resourceType", "id"})
_SKIP: Final = json.JSONDecoder().raw_decode
_NAME: Final = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)


def subset(type: str, content: bytes, *, summary: str | None, elements: tuple[str, ...]) -> bytes:
    """The part of a stored record that was asked for; the record itself where all of it was."""
    known = definitions.structure(type).elements
    mandatory = {e.name for e in known if e.min > 0 or e.modifier}
    if elements:
        wanted = mandatory | set(elements)
    elif summary == "true":
        wanted = mandatory | {e.name for e in known if e.summary}
    elif summary == "text":
        wanted = mandatory | {"text"}
    elif summary == "data":
        wanted = {e.name for e in known} - {"text"}
    else:
        return content
    members = definitions.elements(type)
    kept, meta = [], b"{}"
    for name, value in _members(content.decode()):
        plain = name.removeprefix("_")
        element = members.get(plain)
        if name == "meta":
            meta = value.encode()
        elif name in _ALWAYS or plain in wanted or (element is not None and element.name in wanted):
            kept.append(f"{json.dumps(name)}:{value}")
    kept.insert(1, f'"meta":{_marked(meta)}')
    return ("{" + ",".join(kept) + "}").encode()


def _members(text: str) -> Iterator[tuple[str, str]]:
    """Names and raw values of the members of a stored record."""
    position = text.index("{") + 1
    while (match := _NAME.match(text, position)) is not None:
        position = _SKIP(text, match.end())[1]
        yield json.loads(match[1]), text[match.end() : position]


def _marked(meta: bytes) -> str:
    value = orjson.loads(meta)
    tags = [tag for tag in value.get("tag", []) if tag.get("code") != _TAG["code"]]
    return orjson.dumps({**value, "tag": [*tags, _TAG]}).decode()
