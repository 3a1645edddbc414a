"""Interactions that read: instances, versions, searches, histories, everything about a patient, evidence."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from ledger.anchoring import Pending
from records import proofs
from records.access import everything as everything_of
from records.access import history as history_of
from records.access import read as read_record
from records.access import search as search_records
from records.access.history import Position as HistoryPosition
from records.access.paging import open_position, seal_position
from records.access.reads import StoredRecord
from records.access.search import SearchPage
from records.fhir import searchset
from records.fhir.answers import Answer, stored
from records.fhir.definitions import SERVED_TYPES
from records.fhir.node import fhir_node
from records.fhir.outcome import FhirRefusal, Issue, refuse, render
from records.fhir.rest.calls import Call, Params, unknown_type
from records.fhir.rest.negotiation import matches_none, not_modified_since
from records.fhir.search import CURSOR_PARAMETER
from records.fhir.search.dates import date_range
from records.fhir.stamps import fhir_instant
from records.fhir.subset import subset

_EVERYWHERE: Final = frozenset({"_format", "_pretty"})


def read(call: Call, *, type: str, id: str) -> Answer:
    return _instance(call, read_record(call.asker, type, id))


def vread(call: Call, *, type: str, id: str, version: str) -> Answer:
    return _instance(call, read_record(call.asker, type, id, int(version)))


def _instance(call: Call, record: StoredRecord) -> Answer:
    if matches_none(call.if_none_match, record.version) or (
        call.if_none_match is None and not_modified_since(call.if_modified_since, record.stored_at)
    ):
        return Answer(304, b"", record.version, record.stored_at)
    answer = stored(record)
    if not call.params:
        return answer
    given = _only(call.params, {"_summary", "_elements"})
    summary, elements = given.get("_summary"), tuple(filter(None, given.get("_elements", "").split(",")))
    if summary is None and not elements:
        return answer
    if summary not in (None, "true", "text", "data", "false"):
        raise refuse("summary-unknown", "_summary of one resource is true, text, data or false.", code="value")
    body = subset(record.type, record.content, summary=summary, elements=elements)
    return Answer(200, body, record.version, record.stored_at)


def search_type(call: Call, *, type: str) -> Answer:
    return _search(call, type)


def search_system(call: Call) -> Answer:
    return _search(call, None)


def _search(call: Call, type: str | None) -> Answer:
    params = [(name, value) for name, value in call.params if name != CURSOR_PARAMETER]
    cursor = next((value for name, value in call.params if name == CURSOR_PARAMETER), None)
    page = search_records(call.asker, type, params, lenient=call.preferences.lenient, cursor=cursor)
    node, path = fhir_node(), type or ""
    links = [("self", searchset.address(node, path, page.applied))]
    if page.next_cursor is not None:
        links.append(("next", searchset.address(node, path, [*page.applied, (CURSOR_PARAMETER, page.next_cursor)])))
    return Answer(200, searchset.bundle("searchset", links=links, entries=_entries(page), total=page.total))


def _entries(page: SearchPage) -> Iterable[bytes]:
    node = fhir_node()
    for mode, records in (("match", page.records), ("include", page.included)):
        for record in records:
            if page.summary is not None or page.elements:
                content = subset(record.type, record.content, summary=page.summary, elements=page.elements)
                yield searchset.search_entry(record, node, mode=mode, content=content)
            else:
                yield searchset.search_entry(record, node, mode=mode)
    warnings = [
        Issue("warning", "not-supported", "search-parameter-ignored", f"http.{one.name}", one.sentence)
        for one in page.ignored
    ]
    if page.cut_short:
        sentence = "More records belong to this page than are sent along: ask for fewer results at a time."
        warnings.append(Issue("warning", "too-costly", "includes-cut-short", None, sentence))
    if warnings:
        yield searchset.outcome_entry(render(warnings))


# --- Histories -----------------------------------------------------------------------------------------------------


def history_instance(call: Call, *, type: str, id: str) -> Answer:
    return _history(call, type, id)


def history_type(call: Call, *, type: str) -> Answer:
    return _history(call, type, None)


def history_system(call: Call) -> Answer:
    return _history(call, None, None)


def _history(call: Call, type: str | None, id: str | None) -> Answer:
    given = _only(call.params, {"_since", "_at", "_count", CURSOR_PARAMETER})
    path = "/".join(filter(None, (type, id, "_history")))
    since = _instant(given["_since"], "_since") if "_since" in given else None
    at = _range(given["_at"], "_at") if "_at" in given else None
    before = None
    if CURSOR_PARAMETER in given:
        stored_at, rid, version = open_position(call.asker, path, given[CURSOR_PARAMETER])
        before = HistoryPosition(stored_at, rid, version)
    page = history_of(call.asker, type, id, since=since, at=at, count=_count(given, 50), before=before)
    applied = [(name, value) for name, value in given.items() if name != CURSOR_PARAMETER]
    node = fhir_node()
    links = [("self", searchset.address(node, path, applied))]
    if page.next is not None:
        cursor = seal_position(call.asker, path, page.next.stored_at, page.next.rid, page.next.version)
        links.append(("next", searchset.address(node, path, [*applied, (CURSOR_PARAMETER, cursor)])))
    entries = (_history_entry(record) for record in page.records)
    return Answer(200, searchset.bundle("history", links=links, entries=entries, total=page.total))


def _history_entry(record: StoredRecord) -> bytes:
    node = fhir_node()
    url = f"{record.type}/{record.id}"
    method, status = ("DELETE", "204") if record.deleted else ("POST", "201") if record.version == 1 else ("PUT", "200")
    resource = b"" if record.deleted else b',"resource":' + record.content
    request = searchset.text(record.type if method == "POST" else url)
    return (
        b'{"fullUrl":%b%b,"request":{"method":"%b","url":%b},"response":{"status":"%b","etag":%b,"lastModified":"%b"}}'
    ) % (
        searchset.text(f"{node.base_url}/{url}"),
        resource,
        method.encode(),
        request,
        status.encode(),
        searchset.text(record.etag),
        fhir_instant(record.stored_at).encode(),
    )


# --- Operations ----------------------------------------------------------------------------------------------------


def everything(call: Call, *, type: str, id: str) -> Answer:
    given = _only(call.params, {"_since", "_type", "_count", "start", "end", CURSOR_PARAMETER})
    types = tuple(filter(None, given.get("_type", "").split(",")))
    for one in types:
        if one not in SERVED_TYPES:
            raise unknown_type(one)
    path = f"{type}/{id}/$everything"
    page = everything_of(
        call.asker,
        id,
        after=open_position(call.asker, path, given[CURSOR_PARAMETER])[1] if CURSOR_PARAMETER in given else None,
        count=_count(given, 100),
        types=types,
        since=_instant(given["_since"], "_since") if "_since" in given else None,
        start=_range(given["start"], "start")[0] if "start" in given else None,
        end=_range(given["end"], "end")[1] if "end" in given else None,
    )
    applied = [(name, value) for name, value in given.items() if name != CURSOR_PARAMETER]
    node = fhir_node()
    links = [("self", searchset.address(node, path, applied))]
    if page.next is not None:
        cursor = seal_position(call.asker, path, page.records[-1].stored_at, page.next, 0)
        links.append(("next", searchset.address(node, path, [*applied, (CURSOR_PARAMETER, cursor)])))
    entries = [searchset.search_entry(record, node) for record in page.records]
    entries += [searchset.search_entry(record, node, mode="include") for record in page.included]
    return Answer(200, searchset.bundle("searchset", links=links, entries=entries))


def evidence(call: Call, *, type: str, id: str, version: str) -> Answer:
    try:
        found = proofs.evidence(call.asker, type, id, int(version))
    except proofs.RecordMismatch as error:
        raise refuse(error.code, str(error), status=409, code="conflict") from error
    if isinstance(found, Pending):
        issue = Issue("information", "incomplete", found.code, None, found.sentence)
        return Answer(202, render([issue]), retry_after=found.retry_after)
    return Answer(200, found, content_type="application/json")


# --- Parameters ----------------------------------------------------------------------------------------------------


def _only(params: Params, known: set[str]) -> dict[str, str]:
    """The parameters of an interaction that is not a search; an unknown one, or one given twice, is refused."""
    given: dict[str, str] = {}
    for name, value in params:
        if name in _EVERYWHERE:
            continue
        if name not in known:
            raise refuse(
                "parameter-unknown",
                f"This takes {', '.join(sorted(known))}, not {name[:60]!r}.",
                code="not-supported",
                expression=f"http.{name[:60]}",
            )
        if name in given:
            raise _bad(name, "may be given once")
        given[name] = value
    return given


def _count(given: dict[str, str], default: int) -> int:
    text = given.get("_count", str(default))
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise _bad("_count", "is a whole number from 1 upwards")
    return max(1, int(text))


def _instant(text: str, name: str) -> datetime:
    return _range(text, name)[0]


def _range(text: str, name: str) -> tuple[datetime, datetime]:
    try:
        # A plus sign that was not percent-encoded arrives as a space.
        found = date_range(text.replace(" ", "+"), fhir_node().zone)
    except ValueError:
        raise _bad(name, "is a date like 2024, 2024-03-09 or 2024-03-09T10:00:00+08:00") from None
    return found.low, found.high


def _bad(name: str, what: str) -> FhirRefusal:
    return refuse("parameter-invalid", f"{name} {what}.", code="value", expression=f"http.{name}")
