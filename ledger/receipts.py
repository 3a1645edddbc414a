"""Block headers and transaction receipts: from a node's JSON to the bytes that are hashed, and strictly back.

A receipt is proved against a header's receiptsRoot: the key is the RLP of the transaction's index, the value
the receipt, typed ones (EIP-2718) with their type byte in front.

Sources: Ethereum Yellow Paper 4.3 and 4.4; EIP-1559, 4895, 4844, 4788, 7685 for the header's later fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import rlp
from ledger.errors import LedgerRefusal
from ledger.rlp import Item
from ledger.trie import Trie, keccak256, verify_proof

ADDRESS_BYTES = 20
WORD_BYTES = 32
BLOOM_BYTES = 256
MAX_TYPED = 4  # EIP-2930, 1559, 4844, 7702

# Name in JSON-RPC, and whether the field is a number (written without leading zeros) or fixed bytes.
_HEADER: tuple[tuple[str, bool], ...] = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
)
# Each fork appended its fields, so a header has all of them up to some point.
_HEADER_LATER: tuple[tuple[str, bool], ...] = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)


class ReceiptError(LedgerRefusal):
    """A header or a receipt is not of the form it must have."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a proof needs of a block header; `hash` is Keccak-256 of the header's RLP."""

    hash: bytes
    parent_hash: bytes
    receipts_root: bytes
    number: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event: the contract's address (20 bytes), up to four topics (32 bytes each), data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction's receipt; `succeeded` is its status, `type` 0 for the untyped ones."""

    type: int
    succeeded: bool
    cumulative_gas: int
    logs: tuple[LogEntry, ...]


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """That a block has a receipt at an index: the trie's nodes from its root downwards, as RLP."""

    index: int
    nodes: tuple[bytes, ...]


def encode_header(block: Mapping[str, Any]) -> bytes:
    """RLP of the header from `eth_getBlockByNumber`; refused unless it hashes to the block's own hash."""
    later = list(_HEADER_LATER)
    while later and block.get(later[-1][0]) is None:
        later.pop()
    fields: list[Item] = []
    for name, number in (*_HEADER, *later):
        if block.get(name) is None:
            raise ReceiptError("header_field", f"The block's header lacks {name}.")
        fields.append(rlp.encode_integer(_integer(block[name])) if number else _data(block[name]))
    encoded = rlp.encode(fields)
    if keccak256(encoded) != _data(block.get("hash") or b""):
        raise ReceiptError(
            "header_hash",
            "The header's fields do not hash to the block's hash: the chain has another header form.",
        )
    return encoded


def decode_header(encoded: bytes) -> Header:
    """The header that these bytes are; its hash says nothing until it is compared with a trusted one."""
    fields = rlp.as_list(rlp.decode(encoded))
    if len(fields) < len(_HEADER):
        raise ReceiptError("header_form", "A block header has at least 15 fields.")
    for field in fields:
        rlp.as_bytes(field)
    return Header(
        hash=keccak256(encoded),
        parent_hash=rlp.as_bytes(fields[0], WORD_BYTES),
        receipts_root=rlp.as_bytes(fields[5], WORD_BYTES),
        number=rlp.as_integer(fields[8], 8),
        timestamp=rlp.as_integer(fields[11], 8),
    )


def encode_receipt(receipt: Mapping[str, Any]) -> bytes:
    """The trie's value for one receipt of `eth_getBlockReceipts` or `eth_getTransactionReceipt`."""
    kind = _integer(receipt.get("type", 0))
    if kind > MAX_TYPED:
        raise ReceiptError("receipt_type", f"Receipts of type {kind} are unknown.")
    if receipt.get("status") is None:
        raise ReceiptError("receipt_status", "The receipt has no status; the chain must be past Byzantium.")
    logs: list[Item] = [
        [_data(log["address"]), [_data(topic) for topic in log["topics"]], _data(log["data"])]
        for log in receipt["logs"]
    ]
    fields: list[Item] = [
        rlp.encode_integer(_integer(receipt["status"])),
        rlp.encode_integer(_integer(receipt["cumulativeGasUsed"])),
        _data(receipt["logsBloom"]),
        logs,
    ]
    return (bytes((kind,)) if kind else b"") + rlp.encode(fields)


def decode_receipt(encoded: bytes) -> Receipt:
    """The receipt that a trie's value is."""
    if not encoded:
        raise ReceiptError("receipt_form", "A receipt is not empty.")
    kind = encoded[0] if encoded[0] < 0xC0 else 0
    if kind > MAX_TYPED or (encoded[0] < 0xC0 and kind == 0):
        raise ReceiptError("receipt_type", f"Receipts of type {encoded[0]} are unknown.")
    fields = rlp.as_list(rlp.decode(encoded[1:] if kind else encoded), 4)
    status = rlp.as_bytes(fields[0])
    if status not in (b"", b"\x01"):
        raise ReceiptError("receipt_status", "A receipt's status is 0 or 1.")
    rlp.as_bytes(fields[2], BLOOM_BYTES)
    return Receipt(
        type=kind,
        succeeded=status == b"\x01",
        cumulative_gas=rlp.as_integer(fields[1]),
        logs=tuple(_decode_log(log) for log in rlp.as_list(fields[3])),
    )


def _decode_log(item: Item) -> LogEntry:
    address, topics, data = rlp.as_list(item, 3)
    entries = tuple(rlp.as_bytes(topic, WORD_BYTES) for topic in rlp.as_list(topics))
    if len(entries) > 4:
        raise ReceiptError("receipt_log", "An event has at most four topics.")
    return LogEntry(rlp.as_bytes(address, ADDRESS_BYTES), entries, rlp.as_bytes(data))


def prove_receipt(receipts: Sequence[Mapping[str, Any]], index: int, receipts_root: bytes) -> ReceiptProof:
    """Cut the proof for one receipt from all of its block's, in order; refused unless they make this root."""
    if not 0 <= index < len(receipts):
        raise ReceiptError("receipt_index", f"The block has {len(receipts)} receipts, not one at {index}.")
    trie = Trie({_key(i): encode_receipt(receipt) for i, receipt in enumerate(receipts)})
    if trie.root != receipts_root:
        raise ReceiptError(
            "receipts_root", "The block's receipts do not make its receiptsRoot: fetch all of them, in order."
        )
    return ReceiptProof(index, tuple(trie.prove(_key(index))))


def verify_receipt(receipts_root: bytes, proof: ReceiptProof) -> Receipt:
    """The receipt that the block with this receiptsRoot has at the proof's index."""
    return decode_receipt(verify_proof(receipts_root, _key(proof.index), proof.nodes))


def _key(index: int) -> bytes:
    return rlp.encode(rlp.encode_integer(index))


def _integer(value: Any) -> int:
    """A JSON-RPC quantity, raw or as web3 hands it on."""
    try:
        number = int(value, 16) if isinstance(value, str) else int(value)
    except (TypeError, ValueError):
        raise ReceiptError("rpc_quantity", f"The chain node gave {value!r} where a number belongs.") from None
    return number


def _data(value: Any) -> bytes:
    """JSON-RPC bytes, raw or as web3 hands them on."""
    if isinstance(value, bytes):
        return bytes(value)
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ReceiptError("rpc_data", f"The chain node gave {value!r} where bytes belong.")
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        raise ReceiptError("rpc_data", f"The chain node gave {value!r} where bytes belong.") from None
