"""POST of a batch or a transaction: entries become calls, calls are carried out, answers become entries again.

A transaction is carried out whole or not at all, its writes together and its reads after them. The entries of a batch are each
on their own; creates that stand side by side share a database transaction where all of them succeed, for speed alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from records.access import Asker
from records.access.audit import audited_refusals
from records.access.unit import write_unit
from records.fhir import searchset, validation
from records.fhir.answers import Answer
from records.fhir.changes import WriteRequest
from records.fhir.jsontext import Document, entry_documents
from records.fhir.node import fhir_node
from records.fhir.outcome import FhirRefusal, Issue, refuse, render
from records.fhir.replays import carry_out_once, digest_of
from records.fhir.rest import writing
from records.fhir.rest.calls import Call, Route, Router
from records.fhir.rest.refusals import REFUSALS, issues_of
from records.fhir.stamps import fhir_instant

# Creates of a batch that share one database transaction.
_TOGETHER: Final = 200
_MOST_ISSUES: Final = 100
_WRITES: Final[Mapping[str, Any]] = {
    "create": writing.create_request,
    "update": writing.update_request,
    "conditional-update": writing.conditional_update_request,
    "delete": writing.delete_request,
    "conditional-delete": writing.conditional_delete_request,
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry: its call, the route that answers it, and, of a write, the request that it makes."""

    index: int
    call: Call
    route: Route
    arguments: Mapping[str, str]
    request: WriteRequest | None


def process(call: Call, router: Router) -> Answer:
    """Carry out the bundle that came as the body."""
    if call.document is None or call.document.type != "Bundle":
        raise refuse("not-a-bundle", "Send a Bundle of type batch or transaction here.", expression="Bundle")
    answers = _carry_out(call, call.document, router)
    entries = (_response_entry(answer, call) for answer in answers)
    kind = call.document.value["type"]
    return Answer(200, searchset.bundle(f"{kind}-response", links=(), entries=entries))


def carry_out_bundle(bundle: Document, *, writer: Asker, router: Router) -> Sequence[Answer]:
    """Carry out a batch or transaction that did not come by HTTP; an answer for each entry."""
    return _carry_out(Call(asker=writer, method="POST", document=bundle), bundle, router)


def _carry_out(call: Call, bundle: Document, router: Router) -> Sequence[Answer]:
    validation.raise_for(validation.validate(bundle, expected_type="Bundle", skip_entries=True))
    match bundle.value.get("type"):
        case "transaction":
            with audited_refusals(call.asker, interaction="transaction", type=None):
                return _transaction(call, bundle, router)
        case "batch":
            return _batch(call, bundle, router)
    raise refuse(
        "bundle-type",
        "Only bundles of type batch and transaction are carried out; a document is stored at /fhir/Bundle.",
        code="value",
        expression="Bundle.type",
    )


# --- Entries -------------------------------------------------------------------------------------------------------


def _entries(call: Call, bundle: Document, router: Router, *, resolves: bool) -> Iterable[_Entry | FhirRefusal]:
    """The entries one by one, each judged, or why it is refused."""
    documents = entry_documents(bundle)
    for index, entry in enumerate(bundle.value.get("entry", ())):
        place = f"Bundle.entry[{index}]"
        try:
            yield _entry(call, index, entry, documents.get(index), router, place=place, resolves=resolves)
        except FhirRefusal as refusal:
            yield _at(refusal, place)


def _at(refusal: FhirRefusal, place: str) -> FhirRefusal:
    issues = [
        i
        if i.expression and i.expression.startswith("Bundle.")
        else Issue(i.severity, i.code, i.details_code, place, i.diagnostics)
        for i in refusal.issues
    ]
    return FhirRefusal(issues, status=refusal.status)


def _entry(
    call: Call,
    index: int,
    entry: Mapping[str, Any],
    document: Document | None,
    router: Router,
    *,
    place: str,
    resolves: bool,
) -> _Entry:
    request = entry.get("request")
    if not isinstance(request, dict):
        raise refuse("request-missing", "Each entry says what to do in request.", code="required", expression=place)
    method, address, params = request.get("method", ""), *_address(str(request.get("url", "")), place)
    if method == "HEAD":
        method = "GET"
    route, arguments = router.find(method, address)
    if route.code in ("batch", "transaction"):
        raise refuse("bundle-in-bundle", "A bundle cannot be carried out within a bundle.", expression=place)
    own = replace(
        call,
        method=method,
        params=params,
        document=document,
        if_match=request.get("ifMatch"),
        if_none_match=request.get("ifNoneMatch"),
        if_modified_since=request.get("ifModifiedSince"),
        if_none_exist=request.get("ifNoneExist"),
        place=place,
        resolves=resolves,
        full_url=entry.get("fullUrl"),
    )
    builder = _WRITES.get(route.code)
    return _Entry(index, own, route, arguments, builder(own, **arguments) if builder else None)


def _address(url: str, place: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Path below the base and parameters of an entry's url."""
    base = fhir_node().own_references
    path, _, query = url.removeprefix(base).partition("?")
    if "://" in path or "#" in url or (not path.strip("/") and not query):
        raise refuse(
            "url-invalid", "request.url is relative to this node: Patient, Patient/1, Patient?identifier=...", code="value",
            expression=f"{place}.request.url",
        )  # fmt: skip
    try:
        params = tuple(parse_qsl(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=64))
    except ValueError:
        raise refuse(
            "url-invalid", "The query has too many parameters.", code="value", expression=f"{place}.request.url"
        ) from None
    return path, params


# --- Transactions --------------------------------------------------------------------------------------------------


def _transaction(call: Call, bundle: Document, router: Router) -> list[Answer]:
    entries: list[_Entry] = []
    refused: list[FhirRefusal] = []
    for entry in _entries(call, bundle, router, resolves=True):
        if isinstance(entry, FhirRefusal):
            refused.append(entry)
            if sum(len(r.issues) for r in refused) >= _MOST_ISSUES:
                break
        else:
            entries.append(entry)
    if refused:
        raise FhirRefusal([i for r in refused for i in r.issues][:_MOST_ISSUES], status=refused[0].status)
    digest = digest_of(bundle.data)

    def work() -> dict[int, Answer]:
        answers = carry_out_once(
            writer=call.asker,
            digest=digest,
            entries=len(entries),
            requests={e.index: e.request for e in entries if e.request is not None},
            names={e.index: e.call.full_url for e in entries if e.call.full_url is not None},
            node=fhir_node(),
        )
        for entry in entries:
            if entry.request is None:
                answers[entry.index] = _read(entry)
        return answers

    answers = write_unit(work)
    return [answers[entry.index] for entry in entries]


def _read(entry: _Entry) -> Answer:
    answer: Answer = entry.route.handler(entry.call, **entry.arguments)
    return answer


# --- Batches -------------------------------------------------------------------------------------------------------


def _batch(call: Call, bundle: Document, router: Router) -> list[Answer]:
    answers: dict[int, Answer] = {}
    digest, count = digest_of(bundle.data), len(bundle.value.get("entry", ()))
    together: list[_Entry] = []

    def flush() -> None:
        if together:
            answers.update(_create_together(call, digest, count, together))
            together.clear()

    for index, entry in enumerate(_entries(call, bundle, router, resolves=False)):
        if isinstance(entry, FhirRefusal):
            answers[index] = _refused(entry)
        elif entry.request is not None and entry.request.verb == "create":
            together.append(entry)
            if len(together) >= _TOGETHER:
                flush()
        else:
            flush()
            answers[index] = _alone(call, digest, count, entry)
    flush()
    return [answers[index] for index in range(count)]


def _create_together(call: Call, digest: bytes, count: int, entries: Sequence[_Entry]) -> dict[int, Answer]:
    if len(entries) > 1:
        try:
            return _write(call, digest, count, entries)
        except REFUSALS as error:
            if issues_of(error) is None:
                raise
    return {entry.index: _alone(call, digest, count, entry) for entry in entries}


def _alone(call: Call, digest: bytes, count: int, entry: _Entry) -> Answer:
    interaction = entry.request.verb if entry.request else entry.route.code
    try:
        if entry.request is None:
            return _read(entry)
        with audited_refusals(call.asker, interaction=interaction, type=entry.request.type, id=entry.request.id):
            return _write(call, digest, count, [entry])[entry.index]
    except REFUSALS as error:
        found = issues_of(error)
        if found is None:
            raise
        status, issues = found
        return _refused(FhirRefusal(issues, status=status))


def _write(call: Call, digest: bytes, count: int, entries: Sequence[_Entry]) -> dict[int, Answer]:
    return write_unit(
        lambda: carry_out_once(
            writer=call.asker,
            digest=digest,
            entries=count,
            requests={e.index: e.request for e in entries if e.request is not None},
            names={e.index: e.call.full_url for e in entries if e.call.full_url is not None},
            node=fhir_node(),
        )
    )


def _refused(refusal: FhirRefusal) -> Answer:
    return Answer(refusal.status, issues=refusal.issues)


# --- Responses -----------------------------------------------------------------------------------------------------


def _response_entry(answer: Answer, call: Call) -> bytes:
    refused = answer.status >= 400
    response = [b'{"status":' + searchset.text(f"{answer.status} {HTTPStatus(answer.status).phrase}")]
    if answer.location is not None:
        response.append(b'"location":' + searchset.text(answer.location))
    if answer.etag is not None:
        response.append(b'"etag":' + searchset.text(answer.etag))
    if answer.stored_at is not None:
        response.append(b'"lastModified":"' + fhir_instant(answer.stored_at).encode() + b'"')
    if refused or (answer.issues and call.preferences.returned == "OperationOutcome"):
        response.append(b'"outcome":' + render(answer.issues))
    wrote = answer.location is not None
    shown = answer.body and not refused and (not wrote or call.preferences.returned == "representation")
    resource = b'"resource":' + answer.body + b"," if shown else b""
    return b"{" + resource + b'"response":' + b",".join(response) + b"}}"
