"""Members on the chain: deploying the two contracts, and what the register holds.

Deploying is an operator's action and waits for the chain. What a node changes about its own member later goes
through the intents like every other write: see the calls at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from ledger.chain import Account, Call, Chain
from ledger.contracts import load_artefact
from ledger.trust import member_id

__all__ = [
    "Contracts",
    "LogKeyEntry",
    "MemberDetails",
    "MemberEntry",
    "Role",
    "admit_call",
    "deploy_contracts",
    "fund_account",
    "member_id",
    "read_member",
    "read_members",
    "revoke_log_key_call",
    "set_endpoint_call",
    "set_log_key_call",
    "suspend_call",
]

VOTE_GAS = 3_000_000
OWN_GAS = 400_000
ETHER = 10**18


class Role(IntFlag):
    """What a member is; the register holds the sum of these."""

    HOSPITAL = 1
    PHARMACY = 2
    MANUFACTURER = 4
    WHOLESALER = 8
    RESEARCH = 16
    LICENSING = 32
    REGULATOR = 64


@dataclass(frozen=True, slots=True)
class MemberDetails:
    """What a member is admitted with: account has 20 bytes, key_digest (of its log key) 32."""

    name: str
    account: bytes
    endpoint: str
    roles: Role
    key_digest: bytes

    @property
    def id(self) -> bytes:
        """Its identity: Keccak-256 of the name."""
        return member_id(self.name)

    def as_argument(self) -> list[Any]:
        account, digest = "0x" + self.account.hex(), "0x" + self.key_digest.hex()
        return [self.name, account, self.endpoint, int(self.roles), digest]


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses of the two contracts, 20 bytes each, and the height at which both were there."""

    members: bytes
    anchors: bytes
    height: int


@dataclass(frozen=True, slots=True)
class LogKeyEntry:
    """A log key in the register: in force from `valid_from` up to, not including, `ended_at` (None: in force)."""

    digest: bytes
    valid_from: int
    ended_at: int | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class MemberEntry:
    """A member as the register has it; `term` is what a vote about it must name."""

    id: bytes
    name: str
    account: bytes
    endpoint: str
    roles: Role
    term: int
    active: bool
    keys: tuple[LogKeyEntry, ...]


def deploy_contracts(chain: Chain, account: Account, founders: Sequence[MemberDetails]) -> Contracts:
    """Deploy register and anchoring with these founding members, from a funded account; waits for both."""
    members = chain.deploy(
        account,
        load_artefact("Members"),
        [[founder.as_argument() for founder in founders]],
        gas=4_000_000 + 700_000 * len(founders),
    )
    anchors = chain.deploy(account, load_artefact("Anchors"), [members], gas=3_000_000)
    return Contracts(members, anchors, chain.block().number)


def fund_account(chain: Chain, account: Account, to: bytes, *, wei: int = 1_000 * ETHER) -> None:
    """Bring an account's balance up to `wei`, where gas has a price; without effect when it has as much."""
    missing = wei - chain.balance(to)
    if missing > 0:
        chain.transfer(account, to, missing)


def read_member(chain: Chain, register: bytes, id: bytes) -> MemberEntry | None:
    """One member with all its log keys; None when it was never admitted."""
    name, account, endpoint, roles, term, active, _ = chain.read("Members", register, "member", id)
    if term == 0:
        return None
    keys = []
    for place in range(chain.read("Members", register, "log_key_count", id)):
        _, digest, valid_from, ended_at, revoked = chain.read("Members", register, "log_key_at", id, place)
        keys.append(LogKeyEntry(bytes(digest), valid_from, ended_at or None, revoked))
    return MemberEntry(
        id=id,
        name=name,
        account=bytes.fromhex(account[2:]),
        endpoint=endpoint,
        roles=Role(roles),
        term=term,
        active=active,
        keys=tuple(keys),
    )


def read_members(chain: Chain, register: bytes) -> list[MemberEntry]:
    """Every member ever admitted, in the order of admission."""
    count = chain.read("Members", register, "member_count")
    ids = [bytes(chain.read("Members", register, "member_at", place)) for place in range(count)]
    entries = (read_member(chain, register, id) for id in ids)
    return [entry for entry in entries if entry is not None]


# Calls for `ledger.intents.queue_intent`, or for `Chain.perform`


def admit_call(register: bytes, details: MemberDetails, *, term: int = 0) -> Call:
    """A vote to admit a member with these details; `term` is 0 for a new one."""
    return Call("Members", register, "admit", (details.as_argument(), term), VOTE_GAS)


def suspend_call(register: bytes, id: bytes, *, term: int) -> Call:
    """A vote to suspend a member in its present term."""
    return Call("Members", register, "suspend", ("0x" + id.hex(), term), VOTE_GAS)


def set_log_key_call(register: bytes, digest: bytes) -> Call:
    """Put a new log key of the calling member in force."""
    return Call("Members", register, "set_log_key", ("0x" + digest.hex(),), OWN_GAS)


def revoke_log_key_call(register: bytes, digest: bytes) -> Call:
    """End a log key of the calling member that is no longer to be trusted."""
    return Call("Members", register, "revoke_log_key", ("0x" + digest.hex(),), OWN_GAS)


def set_endpoint_call(register: bytes, endpoint: str) -> Call:
    """Say where the calling member's node answers."""
    return Call("Members", register, "set_endpoint", (endpoint,), OWN_GAS)
