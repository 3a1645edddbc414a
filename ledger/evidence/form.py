"""The form of an evidence file, `xinglin-evidence/1`.

    {
      "anchor": {
        "chain_id":      31337,
        "contract":      "0x…"   20 bytes: the anchoring contract,
        "header":        "0x…"   RLP of the block's header,
        "log_index":     0       position of the event in the receipt's own list,
        "member":        "0x…"   32 bytes: Keccak-256 of the member's name,
        "receipt_index": 0       position of the transaction in the block,
        "receipt_proof": ["0x…"] nodes of the receipts trie, root first
      },
      "checksum":   "…"  SHA-256 of this file without this member, in the same canonical form,
      "format":     "xinglin-evidence/1",
      "kind":       "record" or "deletion",
      "record":     {"id": "…", "sha256": "…", "type": "…", "version": 1},
      "salt":       "…"  32 bytes,
      "tlog_proof": "c2sp.org/tlog-proof@v1\\nindex …"   C2SP tlog-proof with the signed checkpoint
    }

Bytes are lower-case hexadecimal. The file is exactly the canonical serialisation of RFC 8785 (members sorted,
no white space, UTF-8) and one newline: there is one spelling, and any other is refused. The checksum is
against damage only; a forger can compute it, and the verification does not lean on it. The record's own bytes
stay apart.

`record.type`, `record.id` and `record.version` name the record for people. Of these four members only
`sha256` is bound by the log; the other three are proved by the record's bytes, which contain them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from ledger.checkpoints import write_tlog_proof
from ledger.commitments import DIGEST_BYTES, Kind
from ledger.errors import LedgerRefusal
from ledger.jsonform import Form, parse_object
from ledger.receipts import ADDRESS_BYTES, WORD_BYTES, ReceiptProof

EVIDENCE_FORMAT = "xinglin-evidence/1"
MAX_EVIDENCE_BYTES = 4 * 1024 * 1024
KINDS = {kind.label: kind for kind in (Kind.RECORD, Kind.DELETION)}

_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class Status(StrEnum):
    """What came of a step of the verification."""

    PROVED = "proved"
    NOT_PROVED = "not proved"
    NOT_GIVEN = "not given"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its number and name, what came of it, what that says, and whose word it rests on."""

    number: int
    name: str
    status: Status
    says: str
    trust: str


class EvidenceError(LedgerRefusal):
    """The evidence is refused: `step` is the number of the step that refused it, `steps` are those passed."""

    step = 1
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordName:
    """Which record: FHIR type, id, version, SHA-256 of the stored bytes (a deletion's: of its statement)."""

    type: str
    id: str
    version: int
    sha256: bytes

    def __str__(self) -> str:
        return f"{self.type}/{self.id} version {self.version}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the chain accepted the checkpoint, with the proof: header (RLP), receipt, event in it."""

    chain_id: int
    contract: bytes
    member: bytes
    header: bytes
    receipt: ReceiptProof
    log_index: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an evidence file says. Nothing of it is verified yet; a salt may still have a wrong length."""

    kind: Kind
    record: RecordName
    salt: bytes
    tlog_proof: str
    anchor: Anchor


def build_evidence(
    *,
    kind: Kind,
    type: str,
    id: str,
    version: int,
    digest: bytes,
    salt: bytes,
    leaf_index: int,
    audit_path: Sequence[bytes],
    checkpoint: bytes,
    chain_id: int,
    contract: bytes,
    member: bytes,
    header: bytes,
    receipt_index: int,
    receipt_nodes: Sequence[bytes],
    log_index: int,
) -> bytes:
    """The evidence file's bytes, to be stored and sent as they are.

    `digest` is SHA-256 of the stored bytes, `checkpoint` the signed note, `header` the RLP from
    `receipts.encode_header`, `receipt_nodes` from `receipts.prove_receipt`, `log_index` the event's position
    in the receipt's own list of logs (not its number in the block). Only the form is checked, not the truth.
    """
    evidence = Evidence(
        kind=kind,
        record=RecordName(type, id, version, digest),
        salt=salt,
        tlog_proof=write_tlog_proof(leaf_index, audit_path, checkpoint),
        anchor=Anchor(
            chain_id=chain_id,
            contract=contract,
            member=member,
            header=header,
            receipt=ReceiptProof(receipt_index, tuple(receipt_nodes)),
            log_index=log_index,
        ),
    )
    data = encode_evidence(evidence)
    if parse_evidence(data) != evidence:
        raise EvidenceError("evidence_form", "These values do not make an evidence file.")
    return data


def encode_evidence(evidence: Evidence) -> bytes:
    """The canonical serialisation, with its checksum."""
    anchor = evidence.anchor
    members: dict[str, Any] = {
        "anchor": {
            "chain_id": anchor.chain_id,
            "contract": "0x" + anchor.contract.hex(),
            "header": "0x" + anchor.header.hex(),
            "log_index": anchor.log_index,
            "member": "0x" + anchor.member.hex(),
            "receipt_index": anchor.receipt.index,
            "receipt_proof": ["0x" + node.hex() for node in anchor.receipt.nodes],
        },
        "format": EVIDENCE_FORMAT,
        "kind": evidence.kind.label,
        "record": {
            "id": evidence.record.id,
            "sha256": evidence.record.sha256.hex(),
            "type": evidence.record.type,
            "version": evidence.record.version,
        },
        "salt": evidence.salt.hex(),
        "tlog_proof": evidence.tlog_proof,
    }
    return _canonical({**members, "checksum": sha256(_canonical(members)).hexdigest()})


def parse_evidence(data: bytes) -> Evidence:
    """Read an evidence file.

    1. It is one JSON object of at most 4 MiB, of the one format version known here.
    2. It has exactly the members of that version, each of its form.
    3. Writing it again gives the same bytes, checksum and all.
    """
    form = parse_object(data, what="The evidence", most_bytes=MAX_EVIDENCE_BYTES)
    if form.take("format") != EVIDENCE_FORMAT:
        raise EvidenceError(
            "evidence_format",
            f"This program verifies {EVIDENCE_FORMAT}; get one that knows this file's format.",
        )
    kind = KINDS.get(form.text("kind"))
    if kind is None:
        raise EvidenceError("evidence_kind", f"Evidence is of a kind among: {', '.join(KINDS)}.")
    checksum = form.hex("checksum", DIGEST_BYTES, prefix="")
    evidence = Evidence(
        kind=kind,
        record=_parse_record(form.form("record")),
        salt=form.hex("salt", prefix=""),
        tlog_proof=form.text("tlog_proof"),
        anchor=_parse_anchor(form.form("anchor")),
    )
    form.finish()
    canonical = encode_evidence(evidence)
    if canonical != data:
        if f'"checksum":"{checksum.hex()}"'.encode() not in canonical:
            raise EvidenceError("evidence_checksum", "The file is damaged: fetch it again.")
        raise EvidenceError(
            "evidence_canonical",
            "The file was rewritten on its way: use the bytes exactly as they were issued.",
        )
    return evidence


def _parse_record(form: Form) -> RecordName:
    name = RecordName(
        type=form.text("type"),
        id=form.text("id"),
        version=form.integer("version", minimum=1),
        sha256=form.hex("sha256", DIGEST_BYTES, prefix=""),
    )
    form.finish()
    if not _TYPE.fullmatch(name.type) or not _ID.fullmatch(name.id):
        raise EvidenceError("evidence_record", "The evidence names a record by no valid type and id.")
    return name


def _parse_anchor(form: Form) -> Anchor:
    anchor = Anchor(
        chain_id=form.integer("chain_id", minimum=1),
        contract=form.hex("contract", ADDRESS_BYTES),
        member=form.hex("member", WORD_BYTES),
        header=form.hex("header"),
        receipt=ReceiptProof(form.integer("receipt_index"), form.hex_list("receipt_proof", most=64)),
        log_index=form.integer("log_index"),
    )
    form.finish()
    return anchor


def _canonical(members: dict[str, Any]) -> bytes:
    # RFC 8785 for what occurs here: member names in ASCII, whole numbers, strings.
    return (json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()
