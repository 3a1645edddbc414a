"""Recursive length prefix, the encoding of Ethereum's headers, receipts and tries; strict and canonical.

Source: Ethereum Yellow Paper, appendix B. Decoding accepts exactly what encoding gives: shortest lengths, no
byte left over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from ledger.errors import LedgerRefusal

Item: TypeAlias = "bytes | list[Item]"
MAX_DEPTH = 64


class RlpError(LedgerRefusal):
    """Bytes are not canonical RLP, or not of the shape expected."""


def encode(item: bytes | Sequence[Item]) -> bytes:
    """The one encoding of a byte string or a (nested) list of them."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(0x80, len(item)) + item
    body = b"".join([encode(member) for member in item])
    return _prefix(0xC0, len(body)) + body


def encode_integer(value: int) -> bytes:
    """A number as the byte string that RLP wants: big-endian, no leading zero, nothing for 0."""
    if value < 0:
        raise RlpError("rlp_integer", "RLP has no negative numbers.")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Item:
    """The item that these bytes encode, all of them."""
    item, end = _decode(data, 0, len(data), 0)
    if end != len(data):
        raise RlpError("rlp_trailing", "There are bytes after the RLP item.")
    return item


def as_bytes(item: Item, length: int | None = None) -> bytes:
    """The item as a byte string, of this length if one is given."""
    if not isinstance(item, bytes) or (length is not None and len(item) != length):
        raise RlpError("rlp_shape", "An RLP byte string of another length was expected.")
    return item


def as_list(item: Item, length: int | None = None) -> list[Item]:
    """The item as a list, of this length if one is given."""
    if isinstance(item, bytes) or (length is not None and len(item) != length):
        raise RlpError("rlp_shape", "An RLP list of another length was expected.")
    return item


def as_integer(item: Item, max_bytes: int = 32) -> int:
    """The item as a number; leading zeros are refused."""
    data = as_bytes(item)
    if len(data) > max_bytes or data[:1] == b"\x00":
        raise RlpError("rlp_integer", "An RLP number has no leading zeros and no more than 32 bytes.")
    return int.from_bytes(data, "big")


def _prefix(offset: int, length: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = encode_integer(length)
    return bytes((offset + 55 + len(size),)) + size


def _decode(data: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    if depth > MAX_DEPTH:
        raise RlpError("rlp_depth", f"RLP lists are nested deeper than {MAX_DEPTH}.")
    if start >= limit:
        raise RlpError("rlp_length", "RLP ends within an item.")
    first = data[start]
    start += 1
    if first < 0x80:
        return bytes((first,)), start
    offset = 0xC0 if first >= 0xC0 else 0x80
    length = first - offset
    if length > 55:
        size_end = start + length - 55
        size = data[start:size_end]
        length = int.from_bytes(size, "big")
        if size_end > limit or size[0] == 0 or length < 56:
            raise RlpError("rlp_canonical", "An RLP length is not written in its shortest form.")
        start = size_end
    end = start + length
    if end > limit:
        raise RlpError("rlp_length", "An RLP item ends behind its list.")
    if offset == 0x80:
        if length == 1 and data[start] < 0x80:
            raise RlpError("rlp_canonical", "A small RLP byte is not written as itself.")
        return data[start:end], end
    members: list[Item] = []
    while start < end:
        member, start = _decode(data, start, end, depth + 1)
        members.append(member)
    return members, end
