"""What the pages about a patient read, each with as few questions to the gate as it can."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from records.access.asker import Asker
from records.access.chronology import chronology
from records.access.everything import everything
from records.access.history import HistoryPage, history
from records.access.permitted import STORED_TYPES
from records.access.reads import StoredRecord, read
from records.access.search import search
from records.portal import summary, timeline
from records.portal.datatypes import Target
from records.portal.dates import Setting, show_instant
from records.portal.documents import resource_of
from records.portal.readable import references
from records.proofs import marks

_SUMMARY_TYPES: Final = (
    "Patient",
    "AllergyIntolerance",
    "Condition",
    "List",
    "MedicationRequest",
    "MedicationStatement",
)
_BANNER_TYPES: Final = ("Patient", "AllergyIntolerance", "List")
_PAGE: Final = 1_000
_MOST_PAGES: Final = 4
_MOST_TYPES_NAMED: Final = 6


@dataclass(frozen=True, slots=True)
class Chart:
    """The top of a patient's page. The two sections that a banner does not need may be missing.

    `unreliable`: records that went into it and are not what was stored at first.
    """

    banner: summary.Banner
    allergies: summary.Section
    unreliable: tuple[Target, ...]
    problems: summary.Section | None = None
    medications: summary.Section | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the timeline with its mark and icon."""

    entry: timeline.Entry
    mark: str
    icon: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A page of the timeline; `more` is the cursor of the next one, "" after the last."""

    filter: timeline.Filter
    rows: tuple[Row, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a record in the list of them."""

    version: int
    stored_at: str
    deleted: bool
    mark: str


def open_chart(asker: Asker, patient_id: str, setting: Setting) -> Chart:
    """The banner and the three summaries. Raises NotVisible."""
    found, unreliable, more = _all_of(asker, patient_id, _SUMMARY_TYPES)
    lists = found["List"]
    requests = [*found["MedicationRequest"], *found["MedicationStatement"]]
    medicines = medicines_of(asker, requests)
    return Chart(
        banner=summary.banner(found["Patient"][0], setting),
        allergies=summary.allergies(found["AllergyIntolerance"], lists, setting, more=more),
        unreliable=unreliable,
        problems=summary.problems(found["Condition"], lists, setting, more=more),
        medications=summary.medications(requests, medicines, lists, setting, more=more),
    )


def open_banner(asker: Asker, patient_id: str, setting: Setting) -> Chart:
    """The banner with the allergies that it shows. Raises NotVisible."""
    found, unreliable, more = _all_of(asker, patient_id, _BANNER_TYPES)
    return Chart(
        banner=summary.banner(found["Patient"][0], setting),
        allergies=summary.allergies(found["AllergyIntolerance"], found["List"], setting, more=more),
        unreliable=unreliable,
    )


def open_stretch(asker: Asker, patient_id: str, kind: timeline.Filter, cursor: str | None, setting: Setting) -> Stretch:
    """A page of the timeline. Raises NotVisible, SearchError."""
    page = chronology(asker, patient_id, types=kind.types, cursor=cursor)
    resources = [resource_of(one) for one in page.records]
    medicines = medicines_of(asker, resources)
    standing = marks(page.records)
    rows = tuple(
        Row(
            timeline.entry(resource, one, medicines, setting),
            standing[one.type, one.id, one.version].status,
            timeline.ICONS.get(one.type, "file-text"),
        )
        for one, resource in zip(page.records, resources, strict=True)
    )
    return Stretch(kind, rows, page.next_cursor or "")


def versions_of(asker: Asker, type: str, id: str, setting: Setting) -> tuple[tuple[Version, ...], bool]:
    """The newest versions of a record with their marks, and whether there are more. Raises NotVisible."""
    page: HistoryPage = history(asker, type, id)
    standing = marks(page.records)
    listed = tuple(
        Version(
            one.version,
            show_instant(one.stored_at, setting),
            one.deleted,
            standing[one.type, one.id, one.version].status,
        )
        for one in page.records
    )
    return listed, page.next is not None


def names_of(asker: Asker, resource: Mapping[str, Any], setting: Setting) -> dict[str, str]:
    """What to call the records that a resource refers to without naming them, by "Type/id", as far as they may be seen.

    One search for all types, so that one page opened is one line in the trail for these names and not one for each type.
    """
    targets = [target for target in references(resource) if target.type in STORED_TYPES]
    types = sorted({target.type for target in targets})[:_MOST_TYPES_NAMED]
    wanted = {(target.type, target.id) for target in targets if target.type in types}
    if not wanted:
        return {}
    ids = sorted({id for _type, id in wanted})
    # Records of these types that share an id with one that is meant are found too, and are passed over.
    most = len(types) * len(ids)
    params = [("_type", ",".join(types)), ("_id", ",".join(ids)), ("_count", str(most))]
    found: dict[str, str] = {}
    for record in search(asker, None, params).records:
        if (record.type, record.id) in wanted:
            entry = timeline.entry(resource_of(record), record, {}, setting)
            named = ", ".join(part for part in (entry.title, entry.detail, entry.flag) if part)
            found[f"{record.type}/{record.id}"] = named
    return found


def medicines_of(asker: Asker, resources: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The Medication resources that these refer to and that the asker may see, by "Medication/id"."""
    references = (one.get("medicationReference") for one in resources)
    written = (one.get("reference") for one in references if isinstance(one, dict))
    ids = sorted({one[11:] for one in written if isinstance(one, str) and one.startswith("Medication/")})
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(ids), 100):
        wanted = [("_id", ",".join(ids[start : start + 100])), ("_count", "100")]
        for record in search(asker, "Medication", wanted).records:
            found[f"Medication/{record.id}"] = resource_of(record)
    return found


def _all_of(
    asker: Asker, patient_id: str, types: Sequence[str]
) -> tuple[dict[str, list[Mapping[str, Any]]], tuple[Target, ...], bool]:
    """A patient's records of these types, which of them do not match, and whether some were left out as too many."""
    records: list[StoredRecord] = []
    after: int | None = None
    for _page in range(_MOST_PAGES):
        page = everything(asker, patient_id, types=types, after=after, count=_PAGE)
        records += page.records
        after = page.next
        if after is None:
            break
    if not any(record.type == "Patient" for record in records):
        # The Patient came after more records than are read here.
        records.append(read(asker, "Patient", patient_id))
    found: dict[str, list[Mapping[str, Any]]] = {type: [] for type in types}
    for record in records:
        found[record.type].append(resource_of(record))
    unreliable = (key for key, mark in marks(records).items() if mark.status == "mismatch")
    return found, tuple(Target(*key) for key in unreliable), after is not None
