"""Finding a patient: what somebody typed becomes searches, tried in turn until one finds something."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from records.access.asker import Asker
from records.access.search import search
from records.portal.dates import Setting
from records.portal.documents import resource_of
from records.portal.summary import Banner, banner

Params = tuple[tuple[str, str], ...]

PAGE: Final = 20
MOST_TYPED: Final = 100
_DATE: Final = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})(?:\s*[-/.月]\s*(\d{1,2})\s*日?|月?)")
_HAN: Final = re.compile(r"[\u3400-\u9fff\U00020000-\U0003134f]{2,6}")


@dataclass(frozen=True, slots=True)
class Found:
    """Patients found. `more` continues the list; `sentence` says what was done, for a screen reader too."""

    text: str
    patients: tuple[Banner, ...]
    more: str
    sentence: str


def searches(text: str) -> tuple[Params, ...]:
    """The searches of Patient for `text`, best guess first.

    1. Nothing typed: the patients of the asker's care teams, the latest changed first.
    2. A date: patients born then (a day or a month).
    3. Something with a digit: an identifier, whole; then a name.
    4. Names: each word begins a part of the name.
    5. A Chinese name without a space: also as family name and given name.
    """
    words = text.split()
    if not words:
        return ((("_sort", "-_lastUpdated"),),)
    if found := _DATE.fullmatch(text.strip()):
        year, month, day = found.groups()
        return ((("birthdate", f"{year}-{int(month):02}" + (f"-{int(day):02}" if day else "")),),)
    by_name: Params = tuple(("name", escaped(word)) for word in words[:6])
    if any(character.isdigit() for character in text):
        return ((("identifier", escaped(text.strip())),), by_name)
    if len(words) == 1 and _HAN.fullmatch(words[0]):
        name = words[0]
        # Two-character family names are rare and long names longer: try the common split, then the other.
        splits = [1] if len(name) == 2 else [1, 2]
        return (by_name, *((("family", name[:at]), ("given", name[at:])) for at in splits))
    return (by_name,)


def escaped(value: str) -> str:
    """`value` as the value of one search parameter: what FHIR gives a meaning loses it."""
    return re.sub(r"([\\,|$])", r"\\\1", value)


def find_patients(asker: Asker, text: str, cursor: str, setting: Setting) -> Found:
    """A page of the patients that `text` finds, among those that the asker may see."""
    text = text[:MOST_TYPED]
    tried = searches(text)
    which, _dot, rest = cursor.partition(".")
    chosen: Sequence[tuple[int, Params]] = list(enumerate(tried))
    if rest and which.isdigit() and int(which) < len(tried):
        chosen = [chosen[int(which)]]
    for number, params in chosen:
        page = search(asker, "Patient", [*params, ("_count", str(PAGE))], cursor=rest or None)
        if page.records or number == chosen[-1][0]:
            patients = tuple(banner(resource_of(one), setting) for one in page.records)
            more = f"{number}.{page.next_cursor}" if page.next_cursor else ""
            return Found(text, patients, more, _sentence(text, len(patients), bool(more)))
    raise AssertionError("the last search always answers")


def _sentence(text: str, count: int, more: bool) -> str:
    if not text.strip():
        return _("Patients of your care teams, the latest changed first.") if count else _("No patients yet.")
    if not count:
        return _("No patient found.")
    if more:
        return _("The first %(count)d patients that match.") % {"count": count}
    return ngettext("%(count)d patient found.", "%(count)d patients found.", count) % {"count": count}
