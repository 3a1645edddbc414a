"""A log, a chain and a trust file made up in memory, with everything a forger would want to turn."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ledger import rlp
from ledger.checkpoints import LogSigner
from ledger.commitments import Kind, commit, derive_salt, leaf_data
from ledger.evidence import ANCHORED_TOPIC, build_evidence
from ledger.proofs import leaf_hash, prove_inclusion, reader_of, root_of
from ledger.receipts import encode_header, encode_receipt, prove_receipt
from ledger.trie import Trie, keccak256
from ledger.trust import Member, MemberKey, Trust, TrustedHeader, member_id

CHAIN_ID = 31337
CONTRACT = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
GENESIS = sha256(b"genesis").digest()
NAME = "杏林 Hospital A"
RECORD = (
    b'{"resourceType":"Observation","id":"alice-1","meta":{"versionId":"2","lastUpdated":'
    b'"2026-01-05T08:00:00.000Z"},"status":"final","valueQuantity":{"value":1.30,"unit":"mmol/L"}}'
)


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def signer(seed: int, origin: str = "hospital-a.localhost/log") -> LogSigner:
    return LogSigner(
        origin,
        Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big")),
        MLDSA44PrivateKey.from_seed_bytes(seed.to_bytes(32, "big")),
    )


def receipt_json(*, logs: list[dict[str, Any]], status: int = 1, type: int = 2, gas: int = 59_000) -> dict[str, Any]:
    return {
        "type": hex(type),
        "status": hex(status),
        "cumulativeGasUsed": hex(gas),
        "logsBloom": hexed(bytes(256)),
        "logs": logs,
    }


@dataclass
class Scene:
    """Everything that goes into one evidence; a test changes what it likes, then asks for `evidence()`."""

    signer: LogSigner = field(default_factory=lambda: signer(1))
    kind: Kind = Kind.RECORD
    type: str = "Observation"
    id: str = "alice-1"
    version: int = 2
    record: bytes = RECORD
    salt: bytes = field(default_factory=lambda: derive_salt(bytes(32), "Observation/alice-1/_history/2"))
    size: int = 300
    leaf_index: int = 137
    proved_index: int | None = None  # another leaf than the record's, for a forger
    chain_id: int = CHAIN_ID
    contract: bytes = CONTRACT
    event_contract: bytes = CONTRACT
    event_topic: bytes = ANCHORED_TOPIC
    event_size: int | None = None
    event_root: bytes | None = None
    event_key: bytes | None = None
    member: bytes = field(default_factory=lambda: member_id(NAME))
    event_member: bytes | None = None
    status: int = 1
    number: int = 1200
    receipts: int = 20
    receipt_index: int = 7
    log_index: int = 1
    edit_checkpoint: Callable[[bytes], bytes] = lambda note: note

    def leaves(self) -> list[bytes]:
        hashes = [leaf_hash(bytes((1, 1)) + sha256(str(i).encode()).digest()) for i in range(self.size)]
        hashes[self.leaf_index] = leaf_hash(leaf_data(self.kind, commit(self.kind, self.salt, self.record)))
        return hashes

    def event(self, root: bytes) -> dict[str, Any]:
        data = b"".join(
            (
                (self.size if self.event_size is None else self.event_size).to_bytes(32, "big"),
                root if self.event_root is None else self.event_root,
                self.signer.public.digest if self.event_key is None else self.event_key,
            )
        )
        member = self.member if self.event_member is None else self.event_member
        return {
            "address": hexed(self.event_contract),
            "topics": [hexed(self.event_topic), hexed(member)],
            "data": hexed(data),
        }

    def block(self, root: bytes) -> tuple[bytes, list[dict[str, Any]]]:
        """The header's RLP and the block's receipts."""
        other = {"address": hexed(bytes(20)), "topics": [], "data": "0x00"}
        receipts = [
            receipt_json(logs=[other] * (i % 3), type=i % 3, gas=21_000 * (i + 1)) for i in range(self.receipts)
        ]
        receipts[self.receipt_index] = receipt_json(logs=[other, self.event(root)], status=self.status)
        trie = Trie({rlp.encode(rlp.encode_integer(i)): encode_receipt(receipt) for i, receipt in enumerate(receipts)})
        return encode_header(header_json(self.number, trie.root)), receipts

    def header(self) -> bytes:
        return self.block(root_of(self.leaves()))[0]

    def evidence(self) -> bytes:
        leaves = self.leaves()
        root = root_of(leaves)
        header, receipts = self.block(root)
        receipts_root = rlp.as_bytes(rlp.as_list(rlp.decode(header))[5])
        proof = prove_receipt(receipts, self.receipt_index, receipts_root)
        index = self.leaf_index if self.proved_index is None else self.proved_index
        return build_evidence(
            kind=self.kind,
            type=self.type,
            id=self.id,
            version=self.version,
            digest=sha256(self.record).digest(),
            salt=self.salt,
            leaf_index=index,
            audit_path=prove_inclusion(index, self.size, reader_of(leaves)),
            checkpoint=self.edit_checkpoint(self.signer.sign(self.size, root, timestamp=1_767_600_000)),
            chain_id=self.chain_id,
            contract=self.contract,
            member=self.member,
            header=header,
            receipt_index=proof.index,
            receipt_nodes=proof.nodes,
            log_index=self.log_index,
        )

    def trust(self, *, listed: bool = True, **key: int | None) -> Trust:
        """A trust file that lists this scene's member, key and (unless not `listed`) block."""
        header = TrustedHeader(self.number, keccak256(self.header()))
        validity = {"valid_from": 1000, **key}
        return Trust(
            chain_id=CHAIN_ID,
            genesis=GENESIS,
            contract=CONTRACT,
            members=(
                Member(member_id(NAME), NAME, "hospital-a.localhost/log", (member_key(self.signer, **validity),)),
                Member(member_id("Hospital B"), "Hospital B", "hospital-b.localhost/log", ()),
            ),
            headers=(header,) if listed else (),
        )


def member_key(of: LogSigner, **validity: int | None) -> MemberKey:
    return MemberKey(of.public, **validity)  # type: ignore[arg-type]


def header_json(number: int, receipts_root: bytes) -> dict[str, Any]:
    """A block as a chain node gives it, with its hash."""
    word = hexed(bytes(32))
    fields: dict[str, Any] = {
        "parentHash": hexed(sha256(b"parent").digest()),
        "sha3Uncles": hexed(keccak256(rlp.encode([]))),
        "miner": hexed(bytes(20)),
        "stateRoot": word,
        "transactionsRoot": word,
        "receiptsRoot": hexed(receipts_root),
        "logsBloom": hexed(bytes(256)),
        "difficulty": "0x0",
        "number": hex(number),
        "gasLimit": "0x11e1a300",
        "gasUsed": "0xe678",
        "timestamp": "0x695c1b80",
        "extraData": "0x",
        "mixHash": word,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x7",
        "withdrawalsRoot": word,
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": word,
        "requestsHash": word,
    }
    numbers = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed"}
    numbers.add("excessBlobGas")
    items: list[rlp.Item] = [
        rlp.encode_integer(int(value, 16)) if name in numbers else bytes.fromhex(value[2:])
        for name, value in fields.items()
    ]
    return {**fields, "hash": hexed(keccak256(rlp.encode(items)))}


@pytest.fixture
def scene() -> Scene:
    """Dr Alice's observation, in hospital A's log, anchored in block 1200."""
    return Scene()


@pytest.fixture
def mallory() -> LogSigner:
    """Keys that no trust file lists, under hospital A's origin."""
    return signer(666)


@pytest.fixture
def rewrite() -> Callable[[bytes, Callable[[dict[str, Any]], None]], bytes]:
    """Change an evidence file as a forger would: members first, then canonical form and checksum again."""

    def change(data: bytes, edit: Callable[[dict[str, Any]], None]) -> bytes:
        members = json.loads(data)
        del members["checksum"]
        edit(members)
        members["checksum"] = sha256(_canonical(members)).hexdigest()
        return _canonical(members)

    return change


def _canonical(members: dict[str, Any]) -> bytes:
    return (json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


@pytest.fixture
def with_keys() -> Callable[..., Trust]:
    """A trust file in which hospital A has these keys besides."""

    def add(trust: Trust, *keys: MemberKey) -> Trust:
        first, *rest = trust.members
        return dataclasses.replace(trust, members=(dataclasses.replace(first, keys=(*first.keys, *keys)), *rest))

    return add
