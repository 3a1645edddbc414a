"""The one write path of records: versions, current rows, index rows, log entries and audit rows, in the caller's transaction.

Locks are taken in one order everywhere, so that writers never wait in a ring: conditions (by their callers), existing
records by ascending hash, compartments by patient id, new records by ascending hash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import psycopg
from django.db import connection

from ledger import log
from ledger.commitments import Kind, commit, deletion_statement, derive_salt
from records import vault
from records.access.asker import Asker
from records.access.writing import audit_writes, check_may_write, check_patients
from records.fhir import jsontext, rows
from records.fhir.definitions import TYPE_NUMBERS
from records.fhir.jsontext import Document
from records.fhir.node import FhirNode
from records.fhir.outcome import refuse
from records.fhir.search import Extracted, extract
from records.fhir.search.hashing import record_key
from records.fhir.stamps import fhir_instant

Outcome = Literal["created", "updated", "deleted", "unchanged", "absent"]
NO_PATIENT: Final = 0


@dataclass(frozen=True, slots=True)
class Put:
    """Store `document` (validated, its references resolved in bytes and values alike) as the next version of Type/id.

    `new`: the id was made by this server just now, so there is nothing to look up. `if_match`: only over this version.
    `if_absent`: only if there is no such record. `skip_unchanged`: nothing is written where the bytes already say so.
    """

    type: str
    id: str
    document: Document
    new: bool = False
    if_match: int | None = None
    if_absent: bool = False
    skip_unchanged: bool = False

    @property
    def letter(self) -> Literal["c", "u"]:
        """The scope that it takes: an update that creates a record under the client's id is an update."""
        return "c" if self.new else "u"


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete Type/id: a version without content that says so. A record that is not there, or gone, is left as it is."""

    type: str
    id: str
    if_match: int | None = None
    new: bool = False

    @property
    def letter(self) -> Literal["d"]:
        return "d"


Change = Put | Remove


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one change. Version, time and content are the newest version's; "absent" met nothing and has version 0."""

    type: str
    id: str
    rid: int
    version: int
    stored_at: datetime
    content: bytes
    compartment: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Step:
    """One change, decided."""

    change: Change
    before: rows.Current | None
    version: int
    stored_at: datetime
    content: bytes
    extracted: Extracted | None
    outcome: Outcome

    @property
    def writes(self) -> bool:
        return self.outcome not in ("unchanged", "absent")


def write_records(*, writer: Asker, changes: Sequence[Change], at: datetime, node: FhirNode) -> list[Written]:
    """Carry out `changes`, all or none, in the caller's transaction; the results are in their order.

    `at`: the instant that the new versions bear, in UTC and whole milliseconds. `node`: its zone, and which references are local.
    Raises FhirRefusal (409, 412) and AccessRefusal. A UniqueViolation or DeadlockDetected means that somebody else was
    faster: try the whole transaction again.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Records are written in the caller's transaction.")
    check_may_write(writer, {(change.type, change.letter) for change in changes})
    with connection.wrap_database_errors:
        connection.ensure_connection()
        cursor: rows.Cursor = psycopg.Cursor(connection.connection)
        steps = _decide(cursor, changes, at, node)
        numbers = rows.compartments(cursor, {p for s in steps if s.extracted for p in s.extracted.patients})
        placed = [_place(step, numbers) for step in steps]
        check_patients(writer, _touched(steps, placed))
        keys = _keys(cursor, steps)
        written = _write_rows(cursor, steps, placed, at)
    leaves = [_leaf(step, keys) for step in steps if step.writes]
    if leaves:
        log.append(leaves)
    audit_writes(writer, [(w, s.change.letter) for w, s in zip(written, steps, strict=True)])
    return written


# --- Deciding ------------------------------------------------------------------------------------------------------


def _decide(cursor: rows.Cursor, changes: Sequence[Change], at: datetime, node: FhirNode) -> list[_Step]:
    hashes = [record_key(c.type, c.id) for c in changes]
    if len(set(hashes)) != len(hashes):
        raise refuse("resource-twice", "The same resource is written twice in one request: send one change of it.")
    existing = rows.lock_current(
        cursor,
        [h for h, c in zip(hashes, changes, strict=True) if not c.new],
        with_content=any(isinstance(c, Put) and c.skip_unchanged for c in changes),
    )
    return [_decide_one(c, existing.get(h), at, node) for h, c in zip(hashes, changes, strict=True)]


def _decide_one(change: Change, before: rows.Current | None, at: datetime, node: FhirNode) -> _Step:
    place = f"{change.type}/{change.id}"
    if before is not None and (before.type, before.id) != (TYPE_NUMBERS[change.type], change.id):
        raise refuse(
            "id-collision",
            f"{place} cannot be stored under this id: choose another.",
            status=409,
            code="conflict",
        )
    alive = before is not None and not before.deleted
    if change.if_match is not None and (before is None or before.version != change.if_match):
        raise refuse(
            "version-conflict",
            f"{place} is not at version {change.if_match}: read it again and repeat your change on what it is now.",
            status=412,
            code="conflict",
        )
    stored_at = at if before is None else max(at, before.stored_at + timedelta(milliseconds=1))
    version = 1 if before is None else before.version + 1
    if isinstance(change, Remove):
        if not alive:
            return _Step(change, before, before.version if before else 0, stored_at, b"", None, "absent")
        return _Step(change, before, version, stored_at, b"", None, "deleted")
    if change.if_absent and alive:
        raise refuse("already-exists", f"{place} exists already.", status=412, code="duplicate")
    if change.skip_unchanged and alive and before is not None:
        same = stamped(change.document.data, change.id, before.version, before.stored_at)
        if same == before.content:
            return _Step(change, before, before.version, before.stored_at, same, None, "unchanged")
    content = stamped(change.document.data, change.id, version, stored_at)
    extracted = extract(
        change.type, {**change.document.value, "id": change.id}, zone=node.zone, base_url=node.own_references
    )
    return _Step(change, before, version, stored_at, content, extracted, "updated" if alive else "created")


def stamped(body: bytes, id: str, version: int, stored_at: datetime) -> bytes:
    """The bytes that are stored of a body: with the server's id, version and time in place of the client's."""
    edits = jsontext.assign(body, id=id, version_id=str(version), last_updated=fhir_instant(stored_at))
    return jsontext.splice(body, edits)


def newest_bytes(self_hashes: Sequence[int]) -> dict[int, tuple[int, datetime, bytes]]:
    """Version, time and bytes of the records with these hashes that are not deleted: for writers who would not write them again."""
    with connection.wrap_database_errors:
        connection.ensure_connection()
        return rows.newest_bytes(psycopg.Cursor(connection.connection), self_hashes)


# --- Patients ------------------------------------------------------------------------------------------------------


def _place(step: _Step, numbers: Mapping[str, int]) -> tuple[int, list[int] | None]:
    """The compartment and the further ones of the version to write."""
    if step.extracted is None:
        before = step.before
        return (before.compartment, list(before.others) or None) if before else (NO_PATIENT, None)
    patients = [numbers[p] for p in dict.fromkeys(step.extracted.patients)]
    if not patients:
        return NO_PATIENT, None
    return patients[0], sorted(patients[1:]) or None


def _touched(steps: Sequence[_Step], placed: Sequence[tuple[int, list[int] | None]]) -> set[int]:
    """Every compartment that a change takes something from or puts something into."""
    touched = set()
    for step, (compartment, others) in zip(steps, placed, strict=True):
        if step.before is not None:
            touched |= {step.before.compartment, *step.before.others}
        if step.writes:
            touched |= {compartment, *(others or ())}
    return touched


def _keys(cursor: rows.Cursor, steps: Sequence[_Step]) -> dict[int | str, bytes]:
    """The key for each primary patient, by patient id, and for deletions by compartment number."""
    wanted = {s.extracted.patients[0] for s in steps if s.extracted and s.extracted.patients}
    emptied = {s.before.compartment for s in steps if s.outcome == "deleted" and s.before and s.before.compartment}
    names = rows.patients_of(cursor, emptied)
    keys = vault.keys_for_writing(wanted | set(names.values()))
    found: dict[int | str, bytes] = dict(keys.items())
    return found | {number: keys[patient] for number, patient in names.items()}


def _leaf(step: _Step, keys: Mapping[int | str, bytes]) -> tuple[Kind, bytes]:
    change = step.change
    whose: int | str | None
    if step.extracted is None:
        whose = step.before.compartment if step.before else NO_PATIENT
    else:
        whose = step.extracted.patients[0] if step.extracted.patients else NO_PATIENT
    key = keys[whose] if whose else vault.node_key()
    salt = derive_salt(key, version_identity(change.type, change.id, step.version))
    if step.outcome == "deleted":
        return Kind.DELETION, commit(
            Kind.DELETION, salt, deletion_bytes(change.type, change.id, step.version, step.stored_at)
        )
    return Kind.RECORD, commit(Kind.RECORD, salt, step.content)


def version_identity(type: str, id: str, version: int) -> str:
    """The name of a version, under which its salt is derived."""
    return f"{type}/{id}/_history/{version}"


def deletion_bytes(type: str, id: str, version: int, stored_at: datetime) -> bytes:
    """What the leaf of a deletion commits to; it can be made again from the deleted version's row."""
    return deletion_statement(type=type, id=id, version=version, deleted_at=fhir_instant(stored_at))


# --- Rows ----------------------------------------------------------------------------------------------------------


def _write_rows(
    cursor: rows.Cursor,
    steps: Sequence[_Step],
    placed: Sequence[tuple[int, list[int] | None]],
    at: datetime,
) -> list[Written]:
    fresh = [index for index, step in enumerate(steps) if step.writes and step.before is None]
    rids = dict(zip(fresh, rows.reserve_rids(cursor, len(fresh)), strict=True))
    written = []
    inserted: list[rows.NewRow] = []
    replaced: list[rows.NewRow] = []
    index_rows: dict[rows.Table, list[tuple[Any, ...]]] = {table: [] for table in rows.INDEX_TABLES}
    for number, (step, (compartment, others)) in enumerate(zip(steps, placed, strict=True)):
        change = step.change
        rid = step.before.rid if step.before else rids.get(number, 0)
        written.append(
            Written(
                change.type,
                change.id,
                rid,
                step.version,
                step.stored_at,
                step.content,
                compartment,
                step.outcome,
            )
        )
        if not step.writes:
            continue
        found = step.extracted
        row = rows.NewRow(
            rid=rid,
            self_hash=record_key(change.type, change.id),
            type=TYPE_NUMBERS[change.type],
            id=change.id,
            version=step.version,
            stored_at=step.stored_at,
            deleted=found is None,
            compartment=compartment,
            others=others,
            sort_date=found.sort_date if found else None,
            period_end=found.period_end if found else None,
            labels=(found.labels or None) if found else None,
            codes=(found.codes or None) if found else None,
            tokens=found.tokens if found else [],
            content=step.content,
        )
        (replaced if step.before else inserted).append(row)
        if found:
            index_rows[rows.REFERENCES] += [(rid, *r) for r in found.references]
            index_rows[rows.STRINGS] += [(rid, *r) for r in found.strings]
            index_rows[rows.DATES] += [(rid, *r) for r in found.dates]
            index_rows[rows.QUANTITIES] += [(rid, *r) for r in found.quantities]
    rows.supersede(cursor, [row.rid for row in replaced], at=at)
    if rows.replace(cursor, replaced) != len(replaced):
        raise RuntimeError("A locked record changed under its lock.")
    rows.put_rows(cursor, rows.CURRENT, [row.values() for row in sorted(inserted, key=lambda r: r.self_hash)])
    for table, found_rows in index_rows.items():
        rows.put_rows(cursor, table, found_rows)
    return written
