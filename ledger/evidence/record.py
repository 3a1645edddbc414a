"""Whether bytes are the record that an evidence file names."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any

from ledger.commitments import DELETION_FORMAT, Kind, deletion_statement
from ledger.evidence.form import EvidenceError, RecordName
from ledger.jsonform import nesting

MAX_RECORD_DEPTH = 256

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|\+00:00)")


class RecordRefused(EvidenceError):
    """The record's bytes are not those that the evidence is about."""

    step = 3


def check_record(kind: Kind, name: RecordName, record: bytes) -> None:
    """Check that the bytes have the digest that the file names, and say themselves that they are that record.

    A record says so by `resourceType`, `id` and `meta.versionId`, a deletion by its canonical statement.
    """
    if sha256(record).digest() != name.sha256:
        raise RecordRefused("record_bytes", "The record's bytes are not those that the evidence is about.")
    try:
        text = record.decode()
        if nesting(text) > MAX_RECORD_DEPTH:
            raise RecordRefused("record_json", f"The record is nested deeper than {MAX_RECORD_DEPTH}.")
        members = json.loads(text, object_pairs_hook=_unique_members, parse_int=_whole, parse_float=str)
    except RecordRefused:
        raise
    except (ValueError, RecursionError):
        raise RecordRefused("record_json", "The record's bytes are not JSON.") from None
    if not isinstance(members, dict):
        raise RecordRefused("record_json", "The record's bytes are not a JSON object.")
    stated: object
    if kind is Kind.DELETION:
        stated = (members.get("type"), members.get("id"), members.get("version"))
        named: object = (name.type, name.id, name.version)
        instant = members.get("deleted_at")
        if not isinstance(instant, str) or not _INSTANT.fullmatch(instant):
            raise RecordRefused("record_deletion", "A deletion states an instant in UTC.")
        expected = deletion_statement(type=name.type, id=name.id, version=name.version, deleted_at=instant)
        if members.get("format") != DELETION_FORMAT or expected != record:
            raise RecordRefused("record_deletion", f"The bytes are not a deletion of the form {DELETION_FORMAT}.")
    else:
        meta = members.get("meta")
        version = meta.get("versionId") if isinstance(meta, dict) else None
        stated = (members.get("resourceType"), members.get("id"), version)
        named = (name.type, name.id, str(name.version))
    if stated != named:
        raise RecordRefused("record_name", f"The bytes are not {name}, although the evidence says so.")


def _whole(digits: str) -> int | None:
    # Longer ones are no version, and Python refuses the longest.
    return int(digits) if len(digits) < 20 else None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RecordRefused("record_json", "The record's bytes name a member twice.")
    return members
