"""Bundles that come again. What an entry made the first time is met, not made once more.

A bundle is known by the SHA-256 of its bytes; its digest, with the row of the record that each entry made, is kept in the
transaction that carries it out. A fullUrl `urn:uuid:...` names a resource once for all (RFC 9562), so an entry that creates
under such a name, in the very bytes that came before, means the record it made before: it is answered with that record, 200,
like a conditional create that met one. Whoever means new records gives them new UUIDs. An entry whose record has been
deleted since makes a new one, and so does every entry that has no such name.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

import psycopg
from django.db import connection

from ledger.locks import LockClass
from records.access.asker import Asker
from records.access.matching import match_rids
from records.fhir.answers import Answer
from records.fhir.changes import WriteRequest, carry_out
from records.fhir.node import FhirNode

_NAME: Final = "urn:uuid:"


def digest_of(bundle: bytes) -> bytes:
    """What a bundle is known by."""
    return hashlib.sha256(bundle).digest()


def carry_out_once(
    *,
    writer: Asker,
    digest: bytes,
    entries: int,
    requests: Mapping[int, WriteRequest],
    names: Mapping[int, str],
    node: FhirNode,
) -> dict[int, Answer]:
    """Carry out requests of a bundle, by entry index, in the caller's transaction; what an earlier sending made is met.

    `entries`: how many the bundle has. `names`: fullUrls by entry index.
    """
    kept = {
        index
        for index, request in requests.items()
        if request.verb == "create" and request.criteria is None and names.get(index, "").startswith(_NAME)
    }
    if not kept:
        return _carry_out(writer, requests, node)
    with connection.wrap_database_errors:
        connection.ensure_connection()
        cursor: psycopg.Cursor[Any] = psycopg.Cursor(cast("psycopg.Connection[Any]", connection.connection))
        key = int.from_bytes(digest[:4], "big", signed=True)
        cursor.execute(f"SELECT pg_advisory_xact_lock({LockClass.CONDITIONAL_CREATE:d}, %s::int4)", (key,))
        cursor.execute("SELECT rids FROM records_bundle WHERE digest = %s::bytea", (digest,))
        row = cursor.fetchone()
        rids: list[int] = list(row[0]) if row else [0] * entries
        met = match_rids(writer, [rids[index] for index in kept]) if row else {}
        known = {
            index: replace(request, known=met.get(rids[index])) for index, request in requests.items() if index in kept
        }
        answers = _carry_out(writer, {**requests, **known}, node)
        changed = [index for index in kept if rids[index] != answers[index].rid]
        for index in changed:
            rids[index] = answers[index].rid
        if changed:
            cursor.execute(
                "INSERT INTO records_bundle (digest, rids) VALUES (%s::bytea, %s::int8[])"
                " ON CONFLICT (digest) DO UPDATE SET rids = excluded.rids, at = now()",
                (digest, rids),
            )
    return answers


def _carry_out(writer: Asker, requests: Mapping[int, WriteRequest], node: FhirNode) -> dict[int, Answer]:
    order: Sequence[int] = list(requests)
    answers = carry_out(writer=writer, requests=[requests[index] for index in order], node=node)
    return dict(zip(order, answers, strict=True))
