"""Strings as a search compares them: without accents, case, and repeated space; and as they sound, for `phonetic`."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final

MAX_INDEXED: Final = 500
"""Characters of one string that are searched by start and by part. An index entry has to fit into a third of a page."""


def normalised(text: str) -> str:
    """NFKD, without combining marks, lower case, single spaces, cut to MAX_INDEXED characters."""
    if text.isascii():
        return " ".join(text.lower().split())[:MAX_INDEXED]
    # What is cut away can only be marks and spaces of the part that is kept, or lie behind it.
    decomposed = unicodedata.normalize("NFKD", text[: MAX_INDEXED * 8])
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(bare.casefold().split())[:MAX_INDEXED]


def _plain(value: Any) -> Iterator[str]:
    if type(value) is str:
        yield value


def _parts(*names: str) -> Callable[[Any], Iterator[str]]:
    def parts(value: Any) -> Iterator[str]:
        if type(value) is not dict:
            return
        for name in names:
            member = value.get(name)
            if type(member) is str:
                yield member
            elif type(member) is list:
                yield from (part for part in member if type(part) is str)

    return parts


STRING_READERS: Final[dict[str, Callable[[Any], Iterator[str]]]] = {
    "string": _plain,
    "markdown": _plain,
    "HumanName": _parts("family", "given", "prefix", "suffix", "text"),
    "Address": _parts("line", "city", "district", "state", "postalCode", "country", "text"),
}
"""FHIR type to the strings in a value of it, each of which a search may match."""

_SOUNDEX: Final = {
    letter: digit
    for letters, digit in (("bfpv", "1"), ("cgjkqsxz", "2"), ("dt", "3"), ("l", "4"), ("mn", "5"), ("r", "6"))
    for letter in letters
}


def sounds(text: str) -> Iterator[str]:
    """How each word sounds: American Soundex for Latin letters; R4 leaves the algorithm open. Other words as they
    are."""
    for word in normalised(text).split():
        letters = "".join(c for c in word if c.isalpha())
        if not letters:
            continue
        yield _soundex(letters) if letters.isascii() else letters


def _soundex(word: str) -> str:
    code, previous = word[0].upper(), _SOUNDEX.get(word[0])
    for letter in word[1:]:
        digit = _SOUNDEX.get(letter)
        if digit is not None and digit != previous:
            code += digit
        # h and w do not part two letters of the same sound; vowels do.
        if letter not in "hw":
            previous = digit
    return code[:4].ljust(4, "0")
