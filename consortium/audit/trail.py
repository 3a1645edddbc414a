"""Reading access events: pages for auditors and privacy officers, and what FHIR's AuditEvent needs of each.

Who may read them is decided by the caller; records has the gate and renders AuditEvent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consortium.audit.models import AccessEvent
from consortium.members.models import Machine, Organisation, Person

MOST_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Interaction:
    """How AuditEvent names an interaction: `action` of audit-event-action, `type` and `subtype` as
    system|code.
    """

    action: str
    type: tuple[str, str]
    subtype: tuple[str, str]


_REST: Final = ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_RESTFUL: Final = "http://hl7.org/fhir/restful-interaction"
_ACTIONS: Final = {
    "read": "R",
    "vread": "R",
    "history-instance": "R",
    "history-type": "R",
    "history-system": "R",
    "capabilities": "R",
    "search-type": "E",
    "search-system": "E",
    "create": "C",
    "update": "U",
    "patch": "U",
    "delete": "D",
    "batch": "E",
    "transaction": "E",
    "operation": "E",
}
_SIGNING: Final = {
    "sign-in": ("110122", "Login"),
    "sign-out": ("110123", "Logout"),
}


def interaction_of(event: AccessEvent) -> Interaction:
    """AuditEvent's codes for this event; what is not one of FHIR's interactions counts as an operation."""
    if event.interaction in _SIGNING:
        return Interaction("E", (_DICOM, "110114"), (_DICOM, _SIGNING[event.interaction][0]))
    name = event.interaction if event.interaction in _ACTIONS else "operation"
    return Interaction(_ACTIONS[name], _REST, (_RESTFUL, name))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: events come newest first, and the next page begins behind this one."""

    at: datetime
    id: int


def events_before(
    *,
    before: Place | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    compartment: int | None = None,
    actor: tuple[int, int] | None = None,
    count: int = 50,
) -> list[AccessEvent]:
    """Up to `count` events, newest first. `actor` is (kind, id); `since` is inclusive, `until` is not."""
    found = AccessEvent.objects.order_by("-at", "-id")
    if since is not None:
        found = found.filter(at__gte=since)
    if until is not None:
        found = found.filter(at__lt=until)
    if compartment is not None:
        found = found.filter(compartment=compartment)
    if actor is not None:
        found = found.filter(actor_kind=actor[0], actor_id=actor[1])
    if before is not None:
        found = found.extra(where=["(at, id) < (%s, %s)"], params=[before.at, before.id])
    return list(found[: min(count, MOST_EVENTS)])


def event_by_id(event_id: int) -> AccessEvent | None:
    return AccessEvent.objects.filter(id=event_id).first()


@dataclass(frozen=True, slots=True)
class Names:
    """Names of those who appear in a page of events, by their ids."""

    people: dict[int, str]
    machines: dict[int, str]
    organisations: dict[int, str]

    def actor(self, event: AccessEvent) -> str:
        """The actor's name; empty for one who is not known."""
        if event.actor_id is None:
            return ""
        names = self.people if event.actor_kind == AccessEvent.Actor.PERSON else self.machines
        return names.get(event.actor_id, "")


def names_in(events: Sequence[AccessEvent]) -> Names:
    """Three queries for a page, however many events."""

    def ids(kind: int) -> set[int]:
        return {e.actor_id for e in events if e.actor_kind == kind and e.actor_id is not None}

    return Names(
        people=dict(Person.objects.filter(pk__in=ids(AccessEvent.Actor.PERSON)).values_list("pk", "name")),
        machines=dict(Machine.objects.filter(pk__in=ids(AccessEvent.Actor.MACHINE)).values_list("pk", "name")),
        organisations=dict(
            Organisation.objects.filter(
                pk__in={e.organisation_id for e in events if e.organisation_id is not None}
            ).values_list("pk", "name")
        ),
    )
