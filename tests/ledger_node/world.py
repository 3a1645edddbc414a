"""Hospital A's node as far as the ledger goes, the chain node it speaks to, and a clock that moves when told to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from django.db import transaction

from consortium.management import chainnode
from ledger import log
from ledger.anchoring import Anchorer
from ledger.chain import Account, Chain
from ledger.checkpoints import LogSigner
from ledger.commitments import Kind
from ledger.registration import Contracts, MemberDetails, Role, deploy_contracts, member_id

ORIGIN = "hospital-a.example/log"
NAME = "Hospital A"
ETHER = 10**18


def new_signer(origin: str = ORIGIN) -> LogSigner:
    return LogSigner(origin, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())


def write(count: int, kind: Kind = Kind.RECORD) -> list[bytes]:
    """Store this many made-up commitments in the outbox, committed."""
    commitments = [os.urandom(32) for _ in range(count)]
    with transaction.atomic():
        log.append([(kind, commitment) for commitment in commitments])
    return commitments


def grow(count: int) -> log.Head:
    """Let the log grow by this many leaves."""
    write(count)
    log.sequence()
    return log.head()


@dataclass
class Clock:
    """A clock that moves only when told to."""

    now: datetime = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        # No two looks at a clock are the same.
        self.now += timedelta(microseconds=1)
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class World:
    """Hospital A's node as far as the ledger goes, and the chain node that it speaks to."""

    node: chainnode.ChainNode
    chain: Chain
    operator: Account
    account: Account
    signer: LogSigner
    contracts: Contracts
    clock: Clock

    def anchorer(self, chain: Any = None, **changes: Any) -> Anchorer:
        arguments: dict[str, Any] = {
            "account": self.account,
            "signer": self.signer,
            "member": member_id(NAME),
            "contract": self.contracts.anchors,
            "clock": self.clock,
        }
        return Anchorer(chain or self.chain, **{**arguments, **changes})

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.node.call("evm_mine")

    def round(self, anchorer: Anchorer | None = None, *, blocks: int = 1) -> Any:
        """One round, and then the chain goes on by some blocks and the clock by two seconds."""
        done = (anchorer or self.anchorer()).run_once()
        if self.node.process is not None:
            self.mine(blocks)
        self.clock.wait(2)
        return done

    def settle(self, rounds: int = 5) -> Any:
        """Rounds until what there is is anchored for good."""
        for _ in range(rounds):
            done = self.round()
        return done

    def head(self) -> int:
        return self.chain.contract_head(self.contracts.anchors, member_id(NAME)).size

    def anchored(self) -> list[int]:
        """The sizes of the Anchored events on the chain as it is now, in order."""
        logs = self.node.call(
            "eth_getLogs",
            {
                "fromBlock": "0x0",
                "toBlock": "latest",
                "address": "0x" + self.contracts.anchors.hex(),
                "topics": [_topic(b"Anchored(bytes32,uint64,bytes32,bytes32)")],
            },
        )
        return [int(entry["data"][2:66], 16) for entry in logs]

    def restart(self, *, meanwhile: Callable[[], None] | None = None) -> None:
        self.node.stop()
        if meanwhile is not None:
            meanwhile()
        self.node.start()
        manual(self.node)


def _topic(signature: bytes) -> str:
    from ledger.trie import keccak256

    return "0x" + keccak256(signature).hex()


def manual(node: chainnode.ChainNode) -> None:
    """Blocks come when a test says so."""
    node.call("evm_setIntervalMining", 0)
    node.call("evm_setAutomine", False)


def settle_world(node: chainnode.ChainNode, signer: LogSigner) -> World:
    chain = Chain(node.rpc)
    operator, account = Account(os.urandom(32)), Account(os.urandom(32))
    for one in (operator, account):
        node.call("anvil_setBalance", "0x" + one.address.hex(), hex(1000 * ETHER))
    node.call("evm_setAutomine", True)
    founders = [
        MemberDetails(NAME, account.address, "https://a.example", Role.HOSPITAL, signer.public.digest),
        MemberDetails("Hospital B", operator.address, "https://b.example", Role.HOSPITAL, os.urandom(32)),
    ]
    contracts = deploy_contracts(chain, operator, founders)
    node.call("evm_setAutomine", False)
    return World(node, chain, operator, account, signer, contracts, Clock())
