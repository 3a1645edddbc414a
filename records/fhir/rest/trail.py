"""AuditEvent: read and search, out of the audit trail."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from consortium.audit.trail import Place
from records.access.errors import NotVisible
from records.access.paging import open_position, seal_position
from records.access.trail import TrailPage, trail_event
from records.access.trail import trail as trail_of
from records.fhir import searchset
from records.fhir.answers import Answer
from records.fhir.auditevents import ACTOR_SYSTEMS, render_event
from records.fhir.node import fhir_node
from records.fhir.outcome import FhirRefusal, refuse
from records.fhir.rest.calls import Call
from records.fhir.search import CURSOR_PARAMETER, SearchError
from records.fhir.search.comparisons import searched_date

PARAMETERS: Final = {"_id": "token", "date": "date", "patient": "reference", "agent": "reference"}
_PATH: Final = "AuditEvent"
_MOST: Final = 1000


def read(call: Call, *, type: str, id: str) -> Answer:
    page = trail_event(call.asker, id)
    return Answer(200, _rendered(page)[0], 1, page.events[0].at)


def search(call: Call, *, type: str) -> Answer:
    since: datetime | None = None
    until: datetime | None = None
    patient: str | None = None
    actor: tuple[int, int] | None = None
    count, cursor, wanted = 50, None, None
    applied: list[tuple[str, str]] = []
    for name, value in call.params:
        match name:
            case "_format" | "_pretty":
                continue
            case "_sort" if value in ("-date", "-_lastUpdated"):
                pass
            case "_id":
                wanted = value
            case "date":
                low, high = _range(value)
                since = max(filter(None, (since, low)), default=None)
                until = min(filter(None, (until, high)), default=None)
            case "patient" | "patient:Patient" | "entity":
                patient = value.removeprefix(fhir_node().own_references).removeprefix("Patient/")
            case "agent:identifier" | "agent":
                actor = _actor(value)
            case "_count":
                count = _count(value)
            case _ if name == CURSOR_PARAMETER:
                cursor = value
                continue
            case _:
                if call.preferences.lenient:
                    continue
                raise refuse(
                    "search-parameter-unknown",
                    "AuditEvent is searched by _id, date, patient and agent, newest first.",
                    code="not-supported",
                    expression=f"http.{name[:60]}",
                )
        applied.append((name, value))
    query = urlencode(applied, errors="replace")
    if wanted is not None:
        return _by_id(call, wanted, applied)
    before = None
    if cursor is not None:
        at, number, _version = open_position(call.asker, f"{_PATH}?{query}", cursor)
        before = Place(at, number)
    page = trail_of(
        call.asker, query=query, since=since, until=until, patient_id=patient, actor=actor, count=count, before=before
    )
    node = fhir_node()
    links = [("self", searchset.address(node, _PATH, applied))]
    if page.next is not None:
        following = seal_position(call.asker, f"{_PATH}?{query}", page.next.at, page.next.id, 0)
        links.append(("next", searchset.address(node, _PATH, [*applied, (CURSOR_PARAMETER, following)])))
    return Answer(200, searchset.bundle("searchset", links=links, entries=_entries(page)))


def _by_id(call: Call, id: str, applied: list[tuple[str, str]]) -> Answer:
    try:
        entries = _entries(trail_event(call.asker, id))
    except NotVisible:
        entries = []
    links = [("self", searchset.address(fhir_node(), _PATH, applied))]
    return Answer(200, searchset.bundle("searchset", links=links, entries=entries))


def _rendered(page: TrailPage) -> list[bytes]:
    node = fhir_node()
    return [render_event(e, names=page.names, patients=page.patients, node=node) for e in page.events]


def _entries(page: TrailPage) -> list[bytes]:
    base = fhir_node().base_url.encode()
    return [
        b'{"fullUrl":"%b/AuditEvent/%d","resource":%b,"search":{"mode":"match"}}' % (base, event.id, resource)
        for event, resource in zip(page.events, _rendered(page), strict=True)
    ]


def _range(text: str) -> tuple[datetime | None, datetime | None]:
    """[low, high) that a date with a prefix means for events, which are moments."""
    try:
        prefix, wanted = searched_date(text, "date", fhir_node().zone)
    except SearchError as error:
        raise refuse(error.code, error.sentence, code="value", expression="http.date") from None
    match prefix:
        case "eq":
            return wanted.low, wanted.high
        case "ge":
            return wanted.low, None
        case "gt" | "sa":
            return wanted.high, None
        case "le":
            return None, wanted.high
        case "lt" | "eb":
            return None, wanted.low
    raise _bad("date", "takes the prefixes eq, ge, gt, le, lt, sa and eb here")


def _actor(text: str) -> tuple[int, int]:
    system, _, number = text.partition("|")
    for kind, known in ACTOR_SYSTEMS.items():
        if system == known and number.isascii() and number.isdigit() and len(number) < 19:
            return kind, int(number)
    raise _bad("agent", "is urn:xinglin:person|number or urn:xinglin:machine|number, as AuditEvent.agent.who says it")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise _bad("_count", "is a whole number")
    return min(max(1, int(text)), _MOST)


def _bad(name: str, what: str) -> FhirRefusal:
    return refuse("parameter-invalid", f"{name} {what}.", code="value", expression=f"http.{name}")
