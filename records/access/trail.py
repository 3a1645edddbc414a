"""The audit trail through the gate: for auditors and privacy officers, and for machines whose scopes name AuditEvent.

Looking into the trail is an access like any other and leaves its own row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from consortium.audit.models import AccessEvent
from consortium.audit.trail import Names, Place, event_by_id, events_before, names_in
from records.models import Compartment

from .asker import Asker
from .audit import access_event, record_events, record_refusal
from .errors import NotPermitted, NotVisible
from .permitted import AUDIT_EVENT, Letter, may_use


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Events, newest first, with the names and the patients in them, and the place where the next page begins."""

    events: tuple[AccessEvent, ...]
    names: Names
    patients: dict[int, str]
    next: Place | None


def trail_event(asker: Asker, id: str) -> TrailPage:
    """One event. Raises NotVisible, NotPermitted."""
    _check(asker, "read", "r", id=id)
    number = int(id) if id.isascii() and id.isdigit() and len(id) < 19 else 0
    with transaction.atomic():
        event = event_by_id(number)
        record_events(
            [
                access_event(
                    asker,
                    interaction="read",
                    type=AUDIT_EVENT,
                    id=id,
                    compartment=event.compartment if event else None,
                    refused=event is None,
                    because=None if event else NotVisible.code,
                )
            ]
        )
    if event is None:
        raise NotVisible(_("There is no AuditEvent with this id."))
    return _page([event], None)


def trail(
    asker: Asker,
    *,
    query: str,
    since: datetime | None = None,
    until: datetime | None = None,
    patient_id: str | None = None,
    actor: tuple[int, int] | None = None,
    count: int = 50,
    before: Place | None = None,
) -> TrailPage:
    """One page of the trail in [`since`, `until`). `actor` is (kind, id). `query` is what the row about this says."""
    _check(asker, "search-type", "s", query=query)
    with transaction.atomic():
        compartment = None
        if patient_id is not None:
            compartment = Compartment.objects.filter(patient_id=patient_id).values_list("pk", flat=True).first() or -1
        events = events_before(
            before=before, since=since, until=until, compartment=compartment, actor=actor, count=count + 1
        )
        shown = events[:count]
        record_events(
            [
                access_event(
                    asker,
                    interaction="search-type",
                    type=AUDIT_EVENT,
                    compartment=compartment if compartment and compartment > 0 else None,
                    query=query,
                    matches=len(shown),
                )
            ]
        )
    following = Place(shown[-1].at, shown[-1].id) if len(events) > count and shown else None
    return _page(shown, following)


def _check(asker: Asker, interaction: str, letter: Letter, *, id: str | None = None, query: str | None = None) -> None:
    if not may_use(asker, AUDIT_EVENT, letter):
        record_refusal(asker, interaction=interaction, type=AUDIT_EVENT, id=id, query=query, because=NotPermitted.code)
        raise NotPermitted(_("Only auditors, privacy officers and machines with that scope may read AuditEvent."))


def _page(events: Sequence[AccessEvent], following: Place | None) -> TrailPage:
    numbers = {event.compartment for event in events if event.compartment is not None}
    patients = dict(Compartment.objects.filter(pk__in=numbers).values_list("pk", "patient_id"))
    return TrailPage(tuple(events), names_in(events), patients, following)
