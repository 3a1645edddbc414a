"""The list of accesses for auditors and privacy officers: who did what, to whose record, and whether it was permitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consortium.audit.models import AccessEvent
from consortium.audit.trail import Place
from records.access.asker import Asker
from records.access.paging import open_position, seal_position
from records.access.trail import TrailPage, trail
from records.fhir.definitions import TYPE_NAMES
from records.portal import dates, labels
from records.portal.dates import Setting, When
from records.portal.text import line

PAGE: Final = 50

DONE: Final[Mapping[str, Promise]] = MappingProxyType(
    {
        "read": gettext_lazy("read"),
        "vread": gettext_lazy("read a version"),
        "history-instance": gettext_lazy("read the versions"),
        "history-type": gettext_lazy("read the versions"),
        "history-system": gettext_lazy("read the versions"),
        "search-type": gettext_lazy("searched"),
        "search-system": gettext_lazy("searched"),
        "everything": gettext_lazy("opened the patient's records"),
        "evidence": gettext_lazy("fetched evidence"),
        "create": gettext_lazy("stored"),
        "update": gettext_lazy("changed"),
        "delete": gettext_lazy("deleted"),
        "sign-in": gettext_lazy("signed in"),
        "sign-out": gettext_lazy("signed out"),
    }
)


@dataclass(frozen=True, slots=True)
class Access:
    """One line of the list. `patient` is the id of the patient it was about, "" for none."""

    day: str
    time: str
    who: str
    machine: bool
    did: str
    what: str
    patient: str
    patient_short: str
    purpose: str
    refused: bool


@dataclass(frozen=True, slots=True)
class Stretch:
    """A page of the list; `more` is the cursor of the next one, "" after the last."""

    entries: tuple[Access, ...]
    patient: str
    more: str


def open_accesses(asker: Asker, patient_id: str, cursor: str | None, setting: Setting) -> Stretch:
    """A page of the accesses, of one patient's records if named. Raises NotPermitted, SearchError."""
    path = f"accesses/{patient_id}"
    before = None
    if cursor is not None:
        at, number, _version = open_position(asker, path, cursor)
        before = Place(at, number)
    query = f"patient={patient_id}" if patient_id else ""
    page = trail(asker, query=query, patient_id=patient_id or None, count=PAGE, before=before)
    entries = tuple(_access(event, page, setting) for event in page.events)
    more = seal_position(asker, path, page.next.at, page.next.id, 0) if page.next else ""
    return Stretch(entries, patient_id, more)


def _access(event: AccessEvent, page: TrailPage, setting: Setting) -> Access:
    when = When("", event.at.astimezone(setting.zone), "time")
    done = DONE.get(event.interaction)
    patient = page.patients.get(event.compartment, "") if event.compartment is not None else ""
    # The patient is named beside; saying so twice would only make the line longer.
    about = "" if event.resource_id == patient else _short(line(event.resource_id, 64))
    kind = labels.kind_of(TYPE_NAMES[event.type]) if event.type is not None else ""
    return Access(
        day=dates.show_day(when, setting),
        time=dates.show_time(when, setting),
        who=line(page.names.actor(event)) or _("somebody unknown"),
        machine=event.actor_kind == AccessEvent.Actor.MACHINE,
        did=str(done) if done else line(event.interaction, 60),
        what=" ".join(part for part in (kind, about) if part),
        patient=patient,
        patient_short=_short(patient),
        purpose=labels.purpose(event.purpose),
        refused=event.outcome != AccessEvent.Outcome.PERMITTED,
    )


def _short(id: str) -> str:
    """Enough of an id to tell one from another; the whole one is behind the link."""
    return id if len(id) <= 14 else f"{id[:8]}…{id[-4:]}"
