"""Literal references: what they may look like and what they may point to.

R4, References: a relative `Type/id`, an absolute URL, a fragment `#id` of a contained resource. In a
transaction also the fullUrl of another entry (urn:uuid:...) and a conditional reference
`Type?parameter=value`, both resolved before storing.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from ..definitions import TYPE_NUMBERS

_ID: Final = r"[A-Za-z0-9.-]{1,64}"
_RELATIVE: Final = re.compile(rf"([A-Z][A-Za-z]+)/({_ID})(?:/_history/({_ID}))?(?:#(\S+))?")
_REST_TAIL: Final = re.compile(rf"/([A-Z][A-Za-z]+)/({_ID})(?:/_history/({_ID}))?(?:#\S+)?\Z")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"\\^`{|}]+")
_CONDITIONAL: Final = re.compile(r"([A-Z][A-Za-z]+)\?(?=[^?#]*=)[^\s#]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A reference taken apart. `type` is the resource type that it names, if it names one."""

    form: Literal["relative", "absolute", "urn", "contained", "container", "conditional"]
    type: str | None
    id: str | None


def take_apart(text: str) -> Target | None:
    """The parts of a literal reference; None when it is none of R4's forms."""
    if text.startswith("#"):
        return Target("contained", None, text[1:]) if len(text) > 1 else Target("container", None, None)
    match = _RELATIVE.fullmatch(text)
    if match:
        return Target("relative", match[1], match[2]) if match[1] in TYPE_NUMBERS else None
    match = _CONDITIONAL.fullmatch(text)
    if match:
        return Target("conditional", match[1], None) if match[1] in TYPE_NUMBERS else None
    if not _ABSOLUTE.fullmatch(text):
        return None
    if text[:4].lower() == "urn:":
        return Target("urn", None, None)
    tail = _REST_TAIL.search(text)
    if tail and tail[1] in TYPE_NUMBERS:
        return Target("absolute", tail[1], tail[2])
    return Target("absolute", None, None)
