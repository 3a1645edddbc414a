"""Text from records made safe to show. Templates escape markup; this deals with what escaping does not."""

import re
from typing import Any, Final

LINE: Final = 300
"""Characters of a title, a name or a value in a list."""
PARAGRAPH: Final = 4_000
"""Characters of a value on a record's own page."""

# Embeddings, overrides and isolates make a name read as another one: they must not work, and must not vanish.
_DIRECTION = "\\u202a-\\u202e\\u2066-\\u2069"
_STEERING: Final = re.compile(f"[{_DIRECTION}]")
_UNSEEN: Final = re.compile(
    f"[{_DIRECTION}\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e007f]"
)
# More than this many accents on one letter paint over the lines around them.
_MARK = "[\\u0300-\\u036f\\u0489\\u1ab0-\\u1aff\\u20d0-\\u20ff]"
_PILED_MARKS: Final = re.compile(f"({_MARK}{{3}}){_MARK}+")
_SPACES: Final = re.compile(r"\s+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[-_]+")


def line(value: Any, limit: int = LINE) -> str:
    """`value` as one line of at most `limit` characters; empty for what is not a string or a number.

    Characters that steer direction or cannot be seen become U+FFFD.
    """
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return ""
    written = str(value)
    # Cutting first keeps a value of a megabyte from being scanned whole for each line of a page.
    text = _SPACES.sub(" ", _clean(written[: 4 * limit])).strip()
    if len(text) <= limit and len(written) <= 4 * limit:
        return text
    return text[: limit - 1].rstrip() + "…"


def paragraph(value: Any, limit: int = PARAGRAPH) -> tuple[str, bool]:
    """`value` with its line breaks kept, and whether it was cut short."""
    if not isinstance(value, str):
        return line(value, limit), False
    text = _clean(value[:limit]).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return text, len(value) > limit


def _clean(text: str) -> str:
    return _PILED_MARKS.sub(r"\1", _UNSEEN.sub("\ufffd", text))


def spelled_out(text: str) -> tuple[str, int]:
    """`text` for a display of raw JSON: each direction mark written as ⟦U+202E⟧, and how many there were."""
    return _STEERING.subn(lambda found: f"⟦U+{ord(found.group()):04X}⟧", text)


def words_of(name: str) -> str:
    """A member's name as words: `bodySite` is "Body site"."""
    words = _HUMP.sub(" ", name[:200]).split()
    return " ".join(words).capitalize() if words else name
