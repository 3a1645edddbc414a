"""Verifying evidence against a trust file.

The procedure. Nothing is believed because the file says it; each step names what its trust rests on.

 1. File.       It is a canonical `xinglin-evidence/1` file.
 2. Parties.    Its chain, its contract and its member are those of the trust file, and the member's id is the
                Keccak-256 of its name there.
 3. Record.     The bytes at hand have the SHA-256 that the file names, and are the record that it names.
                Without bytes: "not given"; what follows is proved of the digest, not of type, id, version.
 4. Leaf.       Salt, kind and digest make the commitment, and that the leaf.
 5. Inclusion.  The leaf is in the tree whose size and root the checkpoint states, at the stated index.
 6. Block.      The header is that of a block of the trusted chain: its hash is listed in the trust file for
                its height, or the chain node that the verifier chose gives it (chain id and genesis checked
                first). With neither: "not proved".
 7. Receipt.    That block's receiptsRoot proves the receipt; the transaction succeeded; the event is the
                trusted contract's `Anchored`, for this member, with the checkpoint's size and root.
 8. Checkpoint. It is signed with Ed25519 and with ML-DSA-44 by the member's log key that the event names and
                the trust file lists, for the member's origin; no extension line, no other signature.
 9. Key.        The key was in force at the height of the block. A key ever revoked needs a proved height.

A step that contradicts raises its own `EvidenceError` with a stable code. Where 6 is not proved, 7 and 9 are
not either: they rest on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn, Protocol

from ledger.checkpoints import LogVerifier, SignedCheckpoint, TlogProof, parse_checkpoint, parse_tlog_proof
from ledger.commitments import commit_digest, leaf_data
from ledger.errors import LedgerRefusal
from ledger.evidence.form import Evidence, EvidenceError, Status, Step, parse_evidence
from ledger.evidence.record import RecordRefused, check_record
from ledger.notes import parse_note
from ledger.proofs import leaf_hash, verify_inclusion
from ledger.receipts import Header, LogEntry, decode_header, verify_receipt
from ledger.trie import keccak256
from ledger.trust import Member, MemberKey, Trust, member_id

ANCHORED_TOPIC = keccak256(b"Anchored(bytes32,uint64,bytes32,bytes32)")
"""First topic of the event of an accepted checkpoint: member (indexed), size, root, key digest."""


class PartyRefused(EvidenceError):
    """The evidence is of a chain, a contract or a member that the trust file does not name."""

    step = 2


class LeafRefused(EvidenceError):
    """Salt and digest do not make a leaf."""

    step = 4


class InclusionRefused(EvidenceError):
    """The leaf is not in the checkpoint's tree."""

    step = 5


class BlockRefused(EvidenceError):
    """The header is not that of a block of the trusted chain."""

    step = 6


class ReceiptRefused(EvidenceError):
    """The block does not have the receipt, or the receipt does not anchor this checkpoint."""

    step = 7


class CheckpointRefused(EvidenceError):
    """The checkpoint is not signed as it must be."""

    step = 8


class KeyRefused(EvidenceError):
    """The log key was not in force when the checkpoint was anchored."""

    step = 9


class Outcome(StrEnum):
    """What came of it all. Refusal is an exception, never an outcome."""

    PROVED = "proved"
    NOT_PROVED = "not proved"


@dataclass(frozen=True, slots=True)
class Report:
    """A verification that refused nothing.

    `outcome` is PROVED when no step is "not proved". `record_given` tells whether it speaks of the record's
    bytes, or only of the digest in `evidence.record.sha256`: type, id and version are then only claimed.
    """

    outcome: Outcome
    steps: tuple[Step, ...]
    evidence: Evidence
    record_given: bool
    member: Member
    leaf_index: int
    checkpoint: SignedCheckpoint
    header: Header


class ChainUnreachable(Exception):
    """The chain node did not answer; nothing is refuted by that."""


class ChainReader(Protocol):
    """A chain node that the verifier chose to trust."""

    @property
    def name(self) -> str:
        """How to call it in the report."""

    def chain_id(self) -> int: ...

    def block_hash(self, number: int) -> bytes | None:
        """The hash of the block of this height, or None where the node has none."""


def verify_evidence(
    data: bytes, trust: Trust, *, record: bytes | None = None, rpc: ChainReader | None = None
) -> Report:
    """Verify an evidence file; `record` are the bytes that it is about, `rpc` a chain node the caller trusts.

    Raises EvidenceError where anything contradicts; its `steps` are those that had passed.
    """
    steps: list[Step] = []

    def passed(name: str, says: str, trust_in: str, status: Status = Status.PROVED) -> None:
        steps.append(Step(len(steps) + 1, name, status, says, trust_in))

    # 1. File
    with _refusing(EvidenceError, steps):
        evidence = parse_evidence(data)
    anchor = evidence.anchor
    passed("File", "The file is whole and of a known form.", "nothing: this says only that it can be read")

    # 2. Parties
    with _refusing(PartyRefused, steps):
        member = _check_parties(evidence, trust)
    passed(
        "Parties",
        f"It is about the log of {member.name} ({member.origin}), anchored on chain {trust.chain_id}.",
        "the trust file",
    )

    # 3. Record
    if record is None:
        passed(
            "Record",
            f"No bytes were given. The file calls them {evidence.record}; what follows is proved of their "
            f"SHA-256 {evidence.record.sha256.hex()} alone.",
            "nothing",
            Status.NOT_GIVEN,
        )
    else:
        with _refusing(RecordRefused, steps):
            check_record(evidence.kind, evidence.record, record)
        passed("Record", f"The bytes given are {evidence.record}.", "SHA-256 of the bytes given")

    # 4. Leaf
    with _refusing(LeafRefused, steps):
        commitment = commit_digest(evidence.kind, evidence.salt, evidence.record.sha256)
        leaf = leaf_hash(leaf_data(evidence.kind, commitment))
    passed("Leaf", f"With the salt they make a leaf of kind {evidence.kind.label}.", "HMAC-SHA256")

    # 5. Inclusion
    with _refusing(InclusionRefused, steps):
        proof = parse_tlog_proof(evidence.tlog_proof)
        stated = parse_checkpoint(parse_note(proof.checkpoint).text)
        verify_inclusion(proof.index, stated.size, leaf, proof.path, stated.root)
    passed(
        "Inclusion",
        f"The leaf is number {proof.index} of the {stated.size} in the checkpoint.",
        "SHA-256 (RFC 9162)",
    )

    # 6. Block
    with _refusing(BlockRefused, steps):
        header = decode_header(anchor.header)
        vouched, says, trust_in = _vouch_for(header, trust, rpc)
    rests = Status.PROVED if vouched else Status.NOT_PROVED
    passed("Block", says, trust_in, rests)

    # 7. Receipt
    with _refusing(ReceiptRefused, steps):
        receipt = verify_receipt(header.receipts_root, anchor.receipt)
        if not receipt.succeeded:
            raise ReceiptRefused("receipt_failed", "The anchoring transaction failed: the chain accepted nothing.")
        if anchor.log_index >= len(receipt.logs):
            raise ReceiptRefused("receipt_event", "The receipt has no event at the stated position.")
        key_digest = _check_event(receipt.logs[anchor.log_index], member, trust, stated.size, stated.root)
    passed(
        "Receipt",
        f"The contract accepted this checkpoint of {member.name} in that block.",
        "the block's receiptsRoot" if vouched else "the header in the file, for which nobody vouched",
        rests,
    )

    # 8. Checkpoint
    with _refusing(CheckpointRefused, steps):
        key = member.key_with_digest(key_digest)
        if key is None:
            raise CheckpointRefused(
                "key_unknown",
                f"The trust file lists no log key of {member.name} with the digest in the event.",
            )
        checkpoint = _check_signatures(proof, member, key)
    passed(
        "Checkpoint",
        f"{member.name} signed it with Ed25519 and ML-DSA-44.",
        f"the trust file's key {key_digest.hex()[:16]}",
    )

    # 9. Key
    with _refusing(KeyRefused, steps):
        _check_in_force(key, header.number, vouched=vouched)
    passed(
        "Key",
        f"The key was in force at block {header.number}."
        if vouched
        else f"The key would have been in force at block {header.number}.",
        "the trust file" if vouched else "the trust file, and a height for which nobody vouched",
        rests,
    )

    return Report(
        outcome=Outcome.PROVED if vouched else Outcome.NOT_PROVED,
        steps=tuple(steps),
        evidence=evidence,
        record_given=record is not None,
        member=member,
        leaf_index=proof.index,
        checkpoint=checkpoint,
        header=header,
    )


@contextmanager
def _refusing(error: type[EvidenceError], steps: list[Step]) -> Iterator[None]:
    """Whatever refuses within becomes the step's own error, with its code, and knows the steps passed."""
    try:
        yield
    except EvidenceError as refused:
        refused.steps = tuple(steps)
        raise
    except LedgerRefusal as refused:
        raised = error(refused.code, refused.sentence)
        raised.steps = tuple(steps)
        raise raised from refused


def _check_parties(evidence: Evidence, trust: Trust) -> Member:
    anchor = evidence.anchor
    if anchor.chain_id != trust.chain_id:
        raise PartyRefused(
            "other_chain", f"The evidence is of chain {anchor.chain_id}, the trust file of {trust.chain_id}."
        )
    if anchor.contract != trust.contract:
        raise PartyRefused("other_contract", "The evidence is of another contract than the trust file's.")
    member = trust.member(anchor.member)
    if member is None:
        raise PartyRefused("unknown_member", "The evidence is of a member that the trust file does not list.")
    if member_id(member.name) != member.id:
        raise PartyRefused("trust_member_id", "The trust file's id of the member is not that of its name.")
    return member


def _vouch_for(header: Header, trust: Trust, rpc: ChainReader | None) -> tuple[bool, str, str]:
    """Whether somebody trusted vouches for the header; what to say, and on whose word."""
    known = trust.header_hash(header.number)
    if known is not None:
        if known != header.hash:
            raise BlockRefused(
                "other_block",
                f"The trust file knows another block of height {header.number} than this header.",
            )
        return True, _block_says(header), "the trust file lists the block's hash"
    if rpc is None:
        return (
            False,
            f"Nobody vouched for the header of block {header.number}: give a trust file that lists it, "
            "or the address of a chain node that you trust (--rpc).",
            "nothing",
        )
    try:
        if rpc.chain_id() != trust.chain_id:
            raise BlockRefused("rpc_other_chain", "The chain node is of another chain id than the trust file.")
        if rpc.block_hash(0) != trust.genesis:
            raise BlockRefused("rpc_other_genesis", "The chain node's genesis is not the trust file's.")
        found = rpc.block_hash(header.number)
    except ChainUnreachable as failed:
        return False, f"The chain node did not vouch for the header: {failed}", "nothing"
    if found is None:
        return False, f"The chain node has no block {header.number} (yet).", "nothing"
    if found != header.hash:
        raise BlockRefused("other_block", f"The chain has another block of height {header.number} than this header.")
    return True, _block_says(header), f"the chain node {rpc.name}"


def _block_says(header: Header) -> str:
    return f"The header is block {header.number} of the trusted chain, hash 0x{header.hash.hex()}."


def _check_event(event: LogEntry, member: Member, trust: Trust, size: int, root: bytes) -> bytes:
    """The key digest that the event names, once it is the contract's for this member and checkpoint."""
    if event.address != trust.contract:
        raise ReceiptRefused("event_contract", "The event is of another contract than the trust file's.")
    if len(event.topics) != 2 or event.topics[0] != ANCHORED_TOPIC or len(event.data) != 96:
        raise ReceiptRefused("event_kind", "The event does not say that a checkpoint was anchored.")
    if event.topics[1] != member.id:
        raise ReceiptRefused("event_member", "The event is of another member.")
    if int.from_bytes(event.data[:32], "big") != size or event.data[32:64] != root:
        raise ReceiptRefused("event_checkpoint", "The event is of another checkpoint.")
    return event.data[64:]


def _check_signatures(proof: TlogProof, member: Member, key: MemberKey) -> SignedCheckpoint:
    return LogVerifier(member.origin, key.key).verify(proof.checkpoint, exact=True)


def _check_in_force(key: MemberKey, height: int, *, vouched: bool) -> None:
    if key.revoked_at is not None and not vouched:
        _refuse_key(
            "key_revoked_unproved",
            "The key was revoked, and when it was used is not proved: give a trusted header or --rpc.",
        )
    if key.in_force(height):
        return
    if key.revoked_at is not None and height >= key.revoked_at:
        _refuse_key("key_revoked", f"The key was revoked at block {key.revoked_at}, before block {height}.")
    _refuse_key("key_not_in_force", f"The key was not in force at block {height}.")


def _refuse_key(code: str, sentence: str) -> NoReturn:
    raise KeyRefused(code, sentence)
