"""Merkle-Patricia tries: building a small one, cutting a proof from it, verifying a proof.

A proof is the RLP of every node on the way that is referred to by hash, from the root downwards; nodes under
32 bytes are part of their parents. Verification refuses a missing node, an extra one, and any spelling of the
way but the canonical one.

Source: Ethereum Yellow Paper, appendix D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from Crypto.Hash import keccak

from ledger import rlp
from ledger.errors import LedgerRefusal
from ledger.rlp import Item

HASH_BYTES = 32
_BRANCH = 17


class TrieError(LedgerRefusal):
    """A trie proof does not prove what it should."""


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash (Keccak before it became SHA-3), 32 bytes."""
    return keccak.new(digest_bits=256, data=data).digest()


EMPTY_TRIE_ROOT = keccak256(rlp.encode(b""))


class Trie:
    """A trie over the whole mapping, built at once; values are not empty."""

    def __init__(self, items: Mapping[bytes, bytes]) -> None:
        if not all(items.values()):
            raise TrieError("trie_value", "A trie holds no empty values.")
        self._nodes: dict[bytes, bytes] = {}
        pairs = sorted((_nibbles(key), value) for key, value in items.items())
        encoded = rlp.encode(self._build(pairs) if pairs else b"")
        self.root = keccak256(encoded)
        self._nodes[self.root] = encoded

    def prove(self, key: bytes) -> list[bytes]:
        """The proof that the trie holds this key's value."""
        proof = [self._nodes[self.root]]
        path = _nibbles(key)
        node = rlp.decode(proof[0])
        while True:
            child, rest = _step(node, path)
            if rest is None:
                return proof
            path = rest
            if isinstance(child, bytes):
                proof.append(self._nodes[child])
                child = rlp.decode(proof[-1])
            node = child

    def _build(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[Item]:
        """The node over sorted (nibbles, value) pairs, of which there is at least one."""
        first, last = pairs[0][0], pairs[-1][0]
        if len(pairs) == 1:
            return [_compact(first, leaf=True), pairs[0][1]]
        shared = 0
        while shared < len(first) and first[shared] == last[shared]:
            shared += 1
        if shared:
            rest = [(path[shared:], value) for path, value in pairs]
            return [_compact(first[:shared], leaf=False), self._reference(self._build(rest))]
        slots: list[list[tuple[bytes, bytes]]] = [[] for _ in range(16)]
        ends_here = b""
        for path, value in pairs:
            if path:
                slots[path[0]].append((path[1:], value))
            else:
                ends_here = value
        branch: list[Item] = [self._reference(self._build(slot)) if slot else b"" for slot in slots]
        return [*branch, ends_here]

    def _reference(self, node: list[Item]) -> Item:
        encoded = rlp.encode(node)
        if len(encoded) < HASH_BYTES:
            return node
        digest = keccak256(encoded)
        self._nodes[digest] = encoded
        return digest


def verify_proof(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes:
    """The value that the trie with this root holds under `key`; every node of the proof must be needed."""
    if len(root) != HASH_BYTES:
        raise TrieError("trie_root", "A trie's root has 32 bytes.")
    remaining = list(reversed(proof))
    path: bytes = _nibbles(key)
    reference: Item = root
    at_root = True
    while True:
        node = _resolve(reference, remaining, at_root=at_root)
        at_root = False
        reference, rest = _step(node, path)
        if rest is None:
            break
        path = rest
    if remaining:
        raise TrieError("trie_extra_node", "The proof has nodes that are not on the way to the key.")
    value = rlp.as_bytes(reference)
    if not value:
        raise TrieError("trie_absent", "The trie does not hold this key.")
    return value


def _resolve(reference: Item, remaining: list[bytes], *, at_root: bool) -> Item:
    if not isinstance(reference, bytes):
        if len(rlp.encode(reference)) >= HASH_BYTES:
            raise TrieError("trie_node", "A node of 32 bytes or more must be referred to by its hash.")
        return reference
    if len(reference) != HASH_BYTES:
        raise TrieError("trie_absent", "The trie does not hold this key.")
    if not remaining:
        raise TrieError("trie_missing_node", "The proof lacks a node on the way to the key.")
    encoded = remaining.pop()
    if keccak256(encoded) != reference:
        raise TrieError("trie_hash", "A node of the proof has another hash than its parent says.")
    if len(encoded) < HASH_BYTES and not at_root:
        raise TrieError("trie_node", "A node under 32 bytes belongs within its parent.")
    return rlp.decode(encoded)


def _step(node: Item, path: bytes) -> tuple[Item, bytes | None]:
    """One step along the path: the child and what is left of the path, or the value and None."""
    if isinstance(node, bytes):
        raise TrieError("trie_absent", "The trie does not hold this key.")
    members = node
    if len(members) == _BRANCH:
        return (members[16], None) if not path else (members[path[0]], path[1:])
    if len(members) != 2:
        raise TrieError("trie_node", "A trie node has 2 or 17 members.")
    part, leaf = _expand(rlp.as_bytes(members[0]))
    if leaf:
        if part != path:
            raise TrieError("trie_absent", "The trie does not hold this key.")
        return members[1], None
    if not part or not path.startswith(part):
        raise TrieError("trie_absent", "The trie does not hold this key.")
    return members[1], path[len(part) :]


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _compact(path: bytes, *, leaf: bool) -> bytes:
    flag = 2 if leaf else 0
    padded = bytes((flag + 1,)) + path if len(path) & 1 else bytes((flag, 0)) + path
    return bytes(high << 4 | low for high, low in zip(padded[0::2], padded[1::2], strict=True))


def _expand(compact: bytes) -> tuple[bytes, bool]:
    nibbles = _nibbles(compact)
    if not nibbles or nibbles[0] > 3 or (not nibbles[0] & 1 and nibbles[1]):
        raise TrieError("trie_node", "A path within the trie is not written canonically.")
    return nibbles[1 if nibbles[0] & 1 else 2 :], nibbles[0] >= 2
