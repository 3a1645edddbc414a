"""Writes as clients ask for them (with conditions, references to each other, versions to match), carried out together.

A single create, update or delete is a list of one; a transaction is a longer one. In the order of R4's rules:

    1. the same identity is not written twice
    2. advisory locks on the conditions, in ascending order, so that equal conditional creates wait for one another
    3. conditions and conditional references are searched for, within what the writer may see
    4. every entry gets its identity: the one matched, the client's, or a new one
    5. links between entries are replaced by those identities, token by token
    6. the store writes all of it, or nothing
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl

import psycopg
from django.db import connection

from ledger.locks import LockClass
from records.access.asker import Asker
from records.access.matching import Match, match_all
from records.fhir import jsontext
from records.fhir.answers import Answer, written
from records.fhir.definitions import TYPE_NUMBERS
from records.fhir.jsontext import Document
from records.fhir.node import FhirNode
from records.fhir.outcome import FhirRefusal, Issue, refuse
from records.fhir.stamps import instant_now, new_id
from records.fhir.store import Put, Remove, write_records

Verb = Literal["create", "update", "delete"]
Criteria = tuple[tuple[str, str], ...]

_SHOWING: Final = frozenset(
    {"_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude", "_format", "_pretty", "_cursor"}
)
_CONDITIONAL: Final = re.compile(r"(?:https?://[^?#\s]*/)?([A-Z][A-Za-z]+)\?([^#]+)\Z")


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One write. `criteria` are the search parameters of a conditional one, `known` the record that an earlier sending of the
    same entry made. `place` is where it is for whoever reads a refusal (`Bundle.entry[3]`). `resolves`: it is part of a
    transaction, in which other entries refer to it by `full_url`."""

    verb: Verb
    type: str
    id: str | None = None
    document: Document | None = None
    criteria: Criteria | None = None
    if_match: int | None = None
    if_absent: bool = False
    skip_unchanged: bool = False
    known: Match | None = None
    place: str | None = None
    resolves: bool = False
    full_url: str | None = None
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decided:
    """A request with its identity. `found` is set where a conditional create has nothing to do."""

    request: WriteRequest
    id: str
    new: bool
    found: Match | None = None
    absent: bool = False


def parse_criteria(text: str, *, place: str | None = None) -> Criteria:
    """Search parameters as If-None-Exist and conditional references have them. Raises FhirRefusal."""
    try:
        params = parse_qsl(text.removeprefix("?"), keep_blank_values=True, errors="surrogateescape", max_num_fields=64)
    except ValueError:
        raise refuse("condition-too-long", "A condition has at most 64 parameters.", code="too-costly") from None
    return check_criteria(params, place=place)


def check_criteria(params: Iterable[tuple[str, str]], *, place: str | None = None) -> Criteria:
    """The parameters of a condition. Raises FhirRefusal for none at all, and for those that say how results are shown."""
    criteria = tuple(params)
    if not criteria or any(name.partition(":")[0] in _SHOWING for name, _ in criteria):
        raise refuse(
            "condition-empty",
            "Say which record is meant: a condition names at least one search parameter, and none about how results are shown.",
            code="required",
            expression=place,
        )
    return criteria


def carry_out(*, writer: Asker, requests: Sequence[WriteRequest], node: FhirNode) -> list[Answer]:
    """Carry out all of `requests` in the caller's transaction; the answers are in their order.

    Raises FhirRefusal, SearchError, AccessRefusal, VaultRefusal; psycopg's errors mean what they mean to `write_records`.
    """
    wanted = _conditional_references(requests)
    _lock(requests)
    conditions = [(r.type, r.criteria) for r in requests if r.criteria is not None and r.known is None]
    searched = [*conditions, *((one.type, one.criteria) for one in wanted.values())]
    found = match_all(writer, searched, node=node) if searched else []
    removed: set[tuple[str, str | None]] = {(r.type, r.id) for r in requests if r.verb == "delete" and r.id}
    matches = iter(found[: len(conditions)])
    decided = [_decide(r, () if r.criteria is None or r.known else next(matches), removed) for r in requests]
    _check_identities(decided)
    links = {**_links_of_entries(decided, node), **_links_of_conditions(wanted, found[len(conditions) :])}
    writing = [d for d in decided if d.found is None and not d.absent]
    seen = _Viewpoints(links)
    changes = [_change(d, seen.relinked(d.request)) for d in writing]
    done = iter(write_records(writer=writer, changes=changes, at=instant_now(), node=node))
    return [
        _answer(d, None if d.found is not None or d.absent else written(next(done), d.request.issues)) for d in decided
    ]


def _answer(decided: _Decided, answer: Answer | None) -> Answer:
    if answer is not None:
        return answer
    if decided.found is None:
        return Answer(204)
    match, type = decided.found, decided.request.type
    location = f"{type}/{match.id}/_history/{match.version}"
    return Answer(200, match.content, match.version, match.stored_at, location, decided.request.issues, rid=match.rid)


# --- Conditions ----------------------------------------------------------------------------------------------------


def condition_key(type: str, criteria: Iterable[tuple[str, str]]) -> int:
    """The number of the advisory lock for a condition: 32 bits; that two share one only makes them wait."""
    text = "\x1f".join([type, *(f"{name}\x1e{value}" for name, value in sorted(criteria))])
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big", signed=True)


def _lock(requests: Sequence[WriteRequest]) -> None:
    keys = sorted({condition_key(r.type, r.criteria) for r in requests if r.criteria is not None})
    if keys:
        psycopg.Cursor(connection.connection).execute(
            f"SELECT count(pg_advisory_xact_lock({LockClass.CONDITIONAL_CREATE:d}, key))"
            " FROM (SELECT key FROM unnest(%s::int4[]) AS key ORDER BY key OFFSET 0) AS ordered",
            (keys,),
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a conditional reference asks for, and where it first stands."""

    type: str
    criteria: Criteria
    place: str


def _conditional_references(requests: Sequence[WriteRequest]) -> dict[str, _Asked]:
    """Every `Type?criteria` that a reference of a transaction says, with what it asks for."""
    found: dict[str, _Asked] = {}
    for request in requests:
        if not request.resolves or request.document is None or b"?" not in request.document.data:
            continue
        for reference in jsontext.references(request.document.value):
            if "?" not in reference.text or reference.text in found:
                continue
            match = _CONDITIONAL.match(reference.text)
            if match is None or match[1] not in TYPE_NUMBERS:
                continue
            place = jsontext.expression(f"{request.place}.resource", reference.path)
            found[reference.text] = _Asked(match[1], parse_criteria(match[2], place=place), place)
    return found


def _links_of_conditions(wanted: Mapping[str, _Asked], found: Sequence[Sequence[Match]]) -> dict[str, str]:
    links = {}
    for (text, asked), matches in zip(wanted.items(), found, strict=True):
        if len(matches) != 1:
            how_many = "no resource" if not matches else "more than one resource"
            raise refuse(
                "reference-not-resolved" if not matches else "reference-ambiguous",
                f"The conditional reference {text[:200]} meets {how_many}: it must meet one.",
                status=412,
                code="not-found" if not matches else "multiple-matches",
                expression=asked.place,
            )
        links[text] = f"{asked.type}/{matches[0].id}"
    return links


# --- Identities ----------------------------------------------------------------------------------------------------


def _decide(request: WriteRequest, matches: Sequence[Match], removed: set[tuple[str, str | None]]) -> _Decided:
    if request.known is not None:
        return _Decided(request, request.known.id, new=False, found=request.known)
    if request.criteria is None:
        return _Decided(request, request.id or new_id(), new=request.id is None)
    matches = [m for m in matches if (request.type, m.id) not in removed]
    if len(matches) > 1:
        raise refuse(
            "condition-ambiguous",
            "The condition meets more than one resource: make it narrower.",
            status=412,
            code="multiple-matches",
            expression=request.place,
        )
    match = matches[0] if matches else None
    if request.verb == "create":
        return _Decided(request, match.id if match else new_id(), new=match is None, found=match)
    if request.verb == "delete":
        return _Decided(request, match.id if match else "", new=False, absent=match is None)
    claimed = request.document.value.get("id") if request.document else None
    if match is None:
        return _Decided(request, claimed or new_id(), new=claimed is None)
    if claimed is not None and claimed != match.id:
        raise refuse(
            "id-mismatch",
            f"The condition meets {request.type}/{match.id}, the body says id {claimed}: leave the id out, or correct it.",
            expression=f"{request.place}.resource.id" if request.place else f"{request.type}.id",
        )
    return _Decided(request, match.id, new=False)


def _check_identities(decided: Sequence[_Decided]) -> None:
    seen: dict[tuple[str, str], _Decided] = {}
    new_conditions: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for one in decided:
        request = one.request
        if request.criteria is not None and request.verb == "create":
            condition = (request.type, tuple(sorted(request.criteria)))
            if condition in new_conditions:
                raise _twice(request)
            new_conditions.add(condition)
        if one.absent or one.found is not None:
            continue
        if (request.type, one.id) in seen:
            raise _twice(request)
        seen[request.type, one.id] = one


def _twice(request: WriteRequest) -> FhirRefusal:
    return refuse(
        "resource-twice",
        "The same resource is written twice in one transaction: send one change of it.",
        code="duplicate",
        expression=request.place,
    )


# --- Links ---------------------------------------------------------------------------------------------------------


def _links_of_entries(decided: Sequence[_Decided], node: FhirNode) -> dict[str, str]:
    """From each entry's fullUrl to what it became, where that is another text."""
    links = {}
    for one in decided:
        url, became = one.request.full_url, f"{one.request.type}/{one.id}"
        if url is None or not one.request.resolves or one.absent or one.request.verb == "delete":
            continue
        if url in links:
            raise refuse(
                "full-url-twice",
                f"Two entries have the fullUrl {url[:200]}.",
                code="duplicate",
                expression=one.request.place,
            )
        if url != f"{node.base_url}/{became}":
            links[url] = became
    return links


_RESTFUL: Final = re.compile(r"(https?://.+/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})\Z")


class _Viewpoints:
    """The links as each entry writes them: one whose fullUrl is `base/Type/id` means its neighbours at that base by
    `Type/id` (R4, Resolving references in Bundles)."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links
        self._from_base: dict[str, Mapping[str, str]] = {}

    def relinked(self, request: WriteRequest) -> Document | None:
        """The entry's document with its links replaced."""
        document = request.document
        if document is None or not request.resolves or not self._links:
            return document
        match = _RESTFUL.match(request.full_url or "")
        edits = jsontext.relink(document, self._of(match[1]) if match else self._links)
        return jsontext.parse(jsontext.splice(document.data, edits)) if edits else document

    def _of(self, base: str) -> Mapping[str, str]:
        if base not in self._from_base:
            relative = {url[len(base) :]: to for url, to in self._links.items() if url.startswith(base)}
            self._from_base[base] = {**self._links, **relative}
        return self._from_base[base]


def _change(decided: _Decided, document: Document | None) -> Put | Remove:
    request = decided.request
    if request.verb == "delete" or document is None:
        return Remove(request.type, decided.id, request.if_match)
    return Put(
        request.type,
        decided.id,
        document,
        new=decided.new,
        if_match=request.if_match,
        if_absent=request.if_absent,
        skip_unchanged=request.skip_unchanged,
    )
