"""What the log says about records: a mark for a page, evidence for a file.

A mark compares the stored bytes with the log's leaf, and the leaf with what the chain confirmed. Evidence is the whole
proof, for somebody who trusts nobody; `python -m ledger.evidence verify` checks it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ledger import log
from ledger.anchoring import Pending, anchor_covering
from ledger.commitments import Kind, commit, derive_salt, leaf_data
from ledger.evidence import build_evidence
from ledger.models import Anchor, AnchorStatus, OutboxEntry
from ledger.models import Leaf as LeafRow
from ledger.proofs import leaf_hash
from records import vault
from records.access.asker import Asker
from records.access.reads import StoredRecord, read_version
from records.fhir.store import NO_PATIENT, deletion_bytes, version_identity
from records.models import Compartment

VersionKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """How a version stands: `verified` (confirmed for good), `waiting` (kept, not yet confirmed), `mismatch` (the bytes
    are not those that were logged). `label` and `sentence` are for people."""

    status: Literal["verified", "waiting", "mismatch"]
    label: str | Promise
    sentence: str | Promise


VERIFIED = Mark("verified", _("Verified"), _("This is what was stored, and it has been confirmed."))
WAITING = Mark("waiting", _("Waiting for confirmation"), _("It is stored; confirmation follows within seconds."))
MISMATCH = Mark(
    "mismatch",
    _("Does not match"),
    _("This is not what was stored at the time. Do not rely on it, and tell the node's administrator."),
)


class RecordMismatch(Exception):
    """The stored bytes are not those that were logged, so that nothing can be proved about them."""

    code = "record-does-not-match"


@dataclass(frozen=True, slots=True)
class _Committed:
    """What a version's leaf must be."""

    kind: Kind
    salt: bytes
    digest: bytes
    commitment: bytes


def marks(records: Iterable[StoredRecord]) -> dict[VersionKey, Mark]:
    """The mark of each of these versions, in a handful of statements for all. The records have passed the gate already."""
    listed = {(r.type, r.id, r.version): r for r in records}
    committed = {
        key: _committed(r, salt_key) for (key, r), salt_key in zip(listed.items(), _keys(listed.values()), strict=True)
    }
    wanted = {key: c for key, c in committed.items() if c is not None}
    found = _indexes(wanted)
    missing = {key: c for key, c in wanted.items() if key not in found}
    waiting = _in_outbox(missing)
    # The sequencer may have taken some from the outbox between the two looks.
    found |= _indexes({key: c for key, c in missing.items() if key not in waiting})
    confirmed = (
        Anchor.objects.filter(status=AnchorStatus.FINAL).order_by("-size").values_list("size", flat=True).first() or 0
    )
    return {
        key: (VERIFIED if found[key] < confirmed else WAITING)
        if key in found
        else WAITING
        if key in waiting
        else MISMATCH
        for key in listed
    }


def evidence(asker: Asker, type: str, id: str, version: int | None = None) -> bytes | Pending:
    """The evidence file of a version (the newest one if None), or what it still waits for.

    It passes the gate like any read. Raises AccessRefusal, RecordMismatch.
    """
    return evidence_of(read_version(asker, type, id, version, interaction="evidence"))


def evidence_of(record: StoredRecord) -> bytes | Pending:
    """The same for a version that has passed the gate."""
    committed = _committed(record, next(iter(_keys([record]))))
    if committed is None:
        raise RecordMismatch(
            f"The key of the patient of {record.type}/{record.id} is gone: nothing can be proved any more."
        )
    index = log.find_commitment(committed.kind, committed.commitment)
    if index is None:
        waits = _in_outbox({(record.type, record.id, record.version): committed})
        index = log.find_commitment(committed.kind, committed.commitment)
        if index is None and not waits:
            raise RecordMismatch(
                f"{record.type}/{record.id} version {record.version} is not what was logged: tell the node's administrator."
            )
    anchor = anchor_covering(log.head().size if index is None else index)
    if isinstance(anchor, Pending) or index is None:
        assert isinstance(anchor, Pending), "no anchor covers what the log does not hold"
        return anchor
    return build_evidence(
        kind=committed.kind,
        type=record.type,
        id=record.id,
        version=record.version,
        digest=committed.digest,
        salt=committed.salt,
        leaf_index=index,
        audit_path=log.prove_inclusion(index, anchor.size),
        checkpoint=anchor.note,
        chain_id=anchor.chain_id,
        contract=anchor.contract,
        member=anchor.member,
        header=anchor.header,
        receipt_index=anchor.receipt_index,
        receipt_nodes=anchor.receipt_nodes,
        log_index=anchor.log_index,
    )


def proved_bytes(record: StoredRecord) -> bytes:
    """What the evidence of a version is about: its stored bytes, or the statement that it was deleted."""
    if record.deleted:
        return deletion_bytes(record.type, record.id, record.version, record.stored_at)
    return record.content


def _keys(records: Iterable[StoredRecord]) -> list[bytes | None]:
    listed = list(records)
    numbers = {r.compartment for r in listed if r.compartment != NO_PATIENT}
    patients = dict(Compartment.objects.filter(pk__in=numbers).values_list("pk", "patient_id")) if numbers else {}
    keys = vault.existing_keys(patients.values())
    return [
        vault.node_key() if r.compartment == NO_PATIENT else keys.get(patients.get(r.compartment, "")) for r in listed
    ]


def _committed(record: StoredRecord, key: bytes | None) -> _Committed | None:
    if key is None:
        return None
    kind = Kind.DELETION if record.deleted else Kind.RECORD
    salt = derive_salt(key, version_identity(record.type, record.id, record.version))
    data = proved_bytes(record)
    return _Committed(kind, salt, sha256(data).digest(), commit(kind, salt, data))


def _indexes(wanted: Mapping[VersionKey, _Committed]) -> dict[VersionKey, int]:
    """Where the leaves are that the log has."""
    handles = {
        int.from_bytes(leaf_hash(leaf_data(c.kind, c.commitment))[:8], "big", signed=True): key
        for key, c in wanted.items()
    }
    if not handles:
        return {}
    rows = (
        LeafRow.objects.filter(handle__in=handles)
        .order_by("index")
        .values_list("index", "kind", "commitment", "handle")
    )
    found: dict[VersionKey, int] = {}
    for index, kind, commitment, handle in rows:
        key = handles[handle]
        if (kind, bytes(commitment)) == (wanted[key].kind, wanted[key].commitment):
            found.setdefault(key, index)
    return found


def _in_outbox(wanted: Mapping[VersionKey, _Committed]) -> set[VersionKey]:
    if not wanted:
        return set()
    by_commitment = {c.commitment: key for key, c in wanted.items()}
    rows = OutboxEntry.objects.filter(commitment__in=by_commitment).values_list("commitment", flat=True)
    return {by_commitment[bytes(commitment)] for commitment in rows}
