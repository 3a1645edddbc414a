"""The trust file: what a verifier brings itself, `xinglin-trust/1`.

Evidence is only as good as the trust it is checked against, so nothing here may come from the evidence: get
the file from the consortium, by a way you trust, and keep it.

    {
      "format":   "xinglin-trust/1",
      "chain_id": 31337,
      "genesis":  "0x…" hash of block 0,
      "contract": "0x…" address of the anchoring contract,
      "headers":  [{"number": 12, "hash": "0x…"}, …]   blocks known to be on the chain; may be empty,
      "rpc":      "http://…" or null                    a chain node to ask for headers not listed,
      "members":  [{"id": "0x…", "name": "…", "origin": "…", "keys": [
                    {"ed25519": base64, "mldsa44": base64,
                     "valid_from": height, "valid_until": height or null, "revoked_at": height or null}]}]
    }

A member's id is Keccak-256 of its name in UTF-8. A key is in force in the blocks from `valid_from` to
`valid_until`, both included: in the block in which a key is superseded, anchors under the old one may still
come first, and the contract names the key of each. It is not in force in the block `revoked_at`, or later.
The file is written by people too, so white space and the order of members are free; unknown members are
refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ledger.checkpoints import LogPublicKey, check_origin
from ledger.errors import LedgerRefusal
from ledger.jsonform import Form, parse_object
from ledger.notes import NoteError, decode_base64, encode_base64
from ledger.trie import keccak256

TRUST_FORMAT = "xinglin-trust/1"
MAX_TRUST_BYTES = 64 * 1024 * 1024


class TrustError(LedgerRefusal):
    """The trust file cannot be used."""


@dataclass(frozen=True, slots=True)
class MemberKey:
    """A member's log key pair and the block heights in which it is in force."""

    key: LogPublicKey
    valid_from: int
    valid_until: int | None = None
    revoked_at: int | None = None

    def in_force(self, height: int) -> bool:
        """Whether a checkpoint anchored in the block of this height may carry the key's signatures."""
        return (
            self.valid_from <= height
            and (self.valid_until is None or height <= self.valid_until)
            and (self.revoked_at is None or height < self.revoked_at)
        )


@dataclass(frozen=True, slots=True)
class Member:
    """A member and its log: id (32 bytes), name, the log's origin, its keys."""

    id: bytes
    name: str
    origin: str
    keys: tuple[MemberKey, ...]

    def key_with_digest(self, digest: bytes) -> MemberKey | None:
        return next((key for key in self.keys if key.key.digest == digest), None)


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """A block of which the verifier knows that it is on the chain."""

    number: int
    hash: bytes


@dataclass(frozen=True)
class Trust:
    """What a verifier trusts. Make one with `parse_trust`, or check a made one with `write_trust`."""

    chain_id: int
    genesis: bytes
    contract: bytes
    members: tuple[Member, ...]
    headers: tuple[TrustedHeader, ...] = ()
    rpc: str | None = None

    def member(self, id: bytes) -> Member | None:
        return next((member for member in self.members if member.id == id), None)

    def header_hash(self, number: int) -> bytes | None:
        """The trusted hash of the block of this height, if the file lists it; block 0 is the genesis."""
        if number == 0:
            return self.genesis
        return next((header.hash for header in self.headers if header.number == number), None)


def member_id(name: str) -> bytes:
    """The id under which contracts know a member: Keccak-256 of its name."""
    return keccak256(name.encode())


def parse_trust(data: bytes) -> Trust:
    """Read a trust file; everything that is not of its format is refused."""
    form = parse_object(data, what="The trust file", most_bytes=MAX_TRUST_BYTES)
    version = form.take("format")
    if version != TRUST_FORMAT:
        raise TrustError("trust_format", f"The trust file must be of the format {TRUST_FORMAT}.")
    trust = Trust(
        chain_id=form.integer("chain_id", minimum=1),
        genesis=form.hex("genesis", 32),
        contract=form.hex("contract", 20),
        members=tuple(_parse_member(member) for member in form.forms("members", most=100_000)),
        headers=tuple(_parse_header(header) for header in form.forms("headers", most=1_000_000)),
        rpc=form.optional_text("rpc"),
    )
    form.finish()
    _check(trust)
    return trust


def write_trust(trust: Trust) -> bytes:
    """The trust file's bytes; what a reader would refuse is refused here."""
    members: list[dict[str, Any]] = [
        {
            "id": "0x" + member.id.hex(),
            "name": member.name,
            "origin": member.origin,
            "keys": [
                {
                    "ed25519": encode_base64(key.key.ed25519),
                    "mldsa44": encode_base64(key.key.mldsa44),
                    "valid_from": key.valid_from,
                    "valid_until": key.valid_until,
                    "revoked_at": key.revoked_at,
                }
                for key in member.keys
            ],
        }
        for member in trust.members
    ]
    whole = {
        "format": TRUST_FORMAT,
        "chain_id": trust.chain_id,
        "genesis": "0x" + trust.genesis.hex(),
        "contract": "0x" + trust.contract.hex(),
        "headers": [{"number": h.number, "hash": "0x" + h.hash.hex()} for h in trust.headers],
        "rpc": trust.rpc,
        "members": members,
    }
    data = (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode()
    parse_trust(data)
    return data


def _parse_header(form: Form) -> TrustedHeader:
    header = TrustedHeader(number=form.integer("number"), hash=form.hex("hash", 32))
    form.finish()
    return header


def _parse_member(form: Form) -> Member:
    member = Member(
        id=form.hex("id", 32),
        name=form.text("name"),
        origin=form.text("origin"),
        keys=tuple(_parse_key(key) for key in form.forms("keys", most=1_000)),
    )
    form.finish()
    try:
        check_origin(member.origin)
    except NoteError as refused:
        raise TrustError("trust_origin", f"The origin of {member.name} is not one: {refused.sentence}") from None
    return member


def _parse_key(form: Form) -> MemberKey:
    try:
        public = LogPublicKey(decode_base64(form.text("ed25519")), decode_base64(form.text("mldsa44")))
    except NoteError as refused:
        raise TrustError("trust_key", f"A key in the trust file is not one: {refused.sentence}") from None
    key = MemberKey(
        public,
        valid_from=form.integer("valid_from"),
        valid_until=form.optional_integer("valid_until"),
        revoked_at=form.optional_integer("revoked_at"),
    )
    form.finish()
    return key


def _check(trust: Trust) -> None:
    for member in trust.members:
        if member.id != member_id(member.name):
            raise TrustError("trust_member_id", f"The id of {member.name} is not the Keccak-256 of its name.")
    for seen, what in (
        ([member.id for member in trust.members], "member"),
        ([member.origin for member in trust.members], "log origin"),
        ([key.key.digest for member in trust.members for key in member.keys], "key"),
        ([header.number for header in trust.headers], "header"),
    ):
        if len(set(seen)) != len(seen):
            raise TrustError("trust_twice", f"The trust file names a {what} twice.")
    if any(header.number == 0 and header.hash != trust.genesis for header in trust.headers):
        raise TrustError("trust_genesis", "The trust file's block 0 is not its genesis.")
