"""Importing in bulk: what one process does with a bundle or with some lines of NDJSON.

What identifies a record. A line of NDJSON is the record with its own type and id; bytes that are stored already are left
alone, others become the next version. A transaction or batch is carried out as if it had been posted, and a second time makes
nothing new (`records.fhir.replays`). A bundle of another type is a list of records with their own ids, like lines.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from consortium.members.scopes import Scopes
from records.access.asker import Asker
from records.access.unit import write_unit
from records.fhir import jsontext, validation
from records.fhir.auditevents import THIS_NODE
from records.fhir.changes import WriteRequest, carry_out
from records.fhir.definitions import SERVED_TYPES
from records.fhir.jsontext import entry_documents
from records.fhir.node import fhir_node
from records.fhir.outcome import Issue, refuse
from records.fhir.rest.bundles import carry_out_bundle
from records.fhir.rest.refusals import REFUSALS, issues_of
from records.fhir.rest.routes import ROUTER
from records.fhir.search.hashing import record_key
from records.fhir.stamps import ID
from records.fhir.store import newest_bytes, stamped

CARRIED_OUT = frozenset({"transaction", "batch"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One line or entry that was not imported, and why. `number` is the line's, or the entry's from 0; None: the whole file."""

    number: int | None
    code: str
    sentence: str
    expression: str | None


@dataclass(slots=True)
class Outcome:
    """What became of a piece: how many were created, updated, unchanged, deleted, and what was refused."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def refused(self, number: int | None, issues: Sequence[Issue]) -> None:
        """One refusal: the first issue that refuses says why."""
        first = next((i for i in issues if i.refuses), issues[0])
        self.counts["refused"] += 1
        self.problems.append(Problem(number, first.details_code, first.diagnostics, first.expression))


def importer(request_id: uuid.UUID) -> Asker:
    """The node itself, as who imports. The rows of one run share `request_id`."""
    return Asker(
        kind="machine",
        actor_id=THIS_NODE,
        label="import_fhir",
        organisation_id=None,
        purpose="TREAT",
        request_id=request_id,
        scopes=Scopes.parse("system/*.cruds"),
    )


_STATUS = {201: "created", 204: "deleted"}


def import_bundle(data: bytes, *, writer: Asker) -> Outcome:
    """Carry out, or store the records of, one bundle (or one resource by itself)."""
    outcome = Outcome()
    try:
        document = jsontext.parse(data)
        if document.type != "Bundle":
            return import_lines([(1, data)], writer=writer)
        if document.value.get("type") in CARRIED_OUT:
            for index, answer in enumerate(carry_out_bundle(document, writer=writer, router=ROUTER)):
                if answer.status >= 400:
                    outcome.refused(index, answer.issues)
                else:
                    outcome.counts[_STATUS.get(answer.status, "unchanged")] += 1
            return outcome
        validation.raise_for(validation.validate(document, expected_type="Bundle", skip_entries=True))
        entries = {index: one.data for index, one in entry_documents(document).items()}
        return import_lines(list(entries.items()), writer=writer)
    except REFUSALS as error:
        outcome.refused(None, _issues(error))
        return outcome


def import_lines(lines: Sequence[tuple[int, bytes]], *, writer: Asker) -> Outcome:
    """Store numbered records with their own ids: together where all is well, one by one where anything is refused."""
    outcome = Outcome()
    unchanged = _unchanged(lines)
    outcome.counts["unchanged"] += len(unchanged)
    requests: dict[int, WriteRequest] = {}
    for number, data in lines:
        if number in unchanged:
            continue
        try:
            requests[number] = _request(data)
        except REFUSALS as error:
            outcome.refused(number, _issues(error))
    if not requests:
        return outcome
    try:
        _store(writer, requests, outcome)
    except REFUSALS as error:
        _issues(error)
        for number, request in requests.items():
            try:
                _store(writer, {number: request}, outcome)
            except REFUSALS as one:
                outcome.refused(number, _issues(one))
    return outcome


def unreadable(code: str, sentence: str) -> Outcome:
    """What became of a file that could not be read."""
    return Outcome(Counter(refused=1), [Problem(None, code, sentence, None)])


def _issues(error: Exception) -> Sequence[Issue]:
    """The issues of a refusal. A failure of ours is raised on, and so is one of the database: the rest would fail alike."""
    found = issues_of(error)
    if found is None or found[1][0].details_code == "database-away":
        raise error
    return found[1]


def _request(data: bytes) -> WriteRequest:
    document = jsontext.parse(data)
    type, id = document.type, document.value.get("id")
    if type not in SERVED_TYPES or type == "AuditEvent":
        raise refuse("unknown-type", f"{type!r} is not a type that can be imported.", code="not-supported")
    if not isinstance(id, str) or not ID.match(id):
        raise refuse(
            "id-missing",
            "A record is imported under its own id: give it one of letters, digits, - and . (64 at most).",
            code="required",
            expression=f"{type}.id",
        )
    issues = validation.validate(document, expected_type=type)
    validation.raise_for(issues)
    return WriteRequest("update", type, id=id, document=document, skip_unchanged=True)


def _store(writer: Asker, requests: Mapping[int, WriteRequest], outcome: Outcome) -> None:
    answers = write_unit(lambda: carry_out(writer=writer, requests=list(requests.values()), node=fhir_node()))
    for answer in answers:
        outcome.counts[answer.outcome or "unchanged"] += 1


def _unchanged(lines: Sequence[tuple[int, bytes]]) -> set[int]:
    """Numbers of the lines whose bytes are stored already, found without validating them again."""
    named: dict[int, tuple[int, bytes, str, str]] = {}
    for number, data in lines:
        try:
            value = orjson.loads(data)
            type, id = value["resourceType"], value["id"]
        except (ValueError, KeyError, TypeError):
            continue
        if type in SERVED_TYPES and isinstance(id, str) and ID.match(id):
            named[number] = (record_key(type, id), data, type, id)
    if not named:
        return set()
    stored = newest_bytes([key for key, *_ in named.values()])
    found = set()
    for number, (key, data, _type, id) in named.items():
        newest = stored.get(key)
        if newest is None:
            continue
        version, stored_at, content = newest
        try:
            if stamped(data, id, version, stored_at) == content:
                found.add(number)
        except (ValueError, KeyError):
            # Not a text that was ever stored: the parser will say why.
            continue
    return found
