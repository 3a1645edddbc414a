"""Merkle tree hashing and proofs of RFC 9162 (the tree of RFC 6962), with subtrees.

Hashes are 32 bytes of SHA-256. A *node reader* is a callable `(level, index) -> hash` that returns the hash
of the perfect subtree over the leaves `[index << level, (index + 1) << level)`; it is only asked for subtrees
that are complete in the tree at hand.

Sources: RFC 9162 sections 2.1.1 to 2.1.4; for subtrees `[start, end)` of a tree, the procedures of
draft-ietf-plants-merkle-tree-certs, "Subtrees".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from ledger.errors import LedgerRefusal

HASH_BYTES = 32
MAX_SIZE = 2**64 - 1
EMPTY_ROOT = sha256(b"").digest()

NodeReader = Callable[[int, int], bytes]


class ProofError(LedgerRefusal):
    """A Merkle proof, or the question put to it, is not valid."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes; of none, the hash of the empty string."""
    if not leaf_hashes:
        return EMPTY_ROOT
    row = list(leaf_hashes)
    # An odd node at the end of a row moves up as it is: the same left-heavy tree as the RFC's recursion.
    while len(row) > 1:
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[0::2], row[1::2], strict=False)]
        if len(row) & 1:
            above.append(row[-1])
        row = above
    return row[0]


def reader_of(leaf_hashes: Sequence[bytes]) -> NodeReader:
    """A node reader over leaf hashes held in memory: for short logs and for tests."""

    def read(level: int, index: int) -> bytes:
        return root_of(leaf_hashes[index << level : (index + 1) << level])

    return read


# Construction


def tree_root(size: int, read: NodeReader) -> bytes:
    """Root of the tree's first `size` leaves."""
    return EMPTY_ROOT if size == 0 else _range_hash(0, size, read)


def prove_inclusion(index: int, size: int, read: NodeReader) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, from the leaf's sibling upwards."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError("proof_index", f"Ask for a leaf below the tree's size: {index} of {size}.")
    path: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _largest_power_below(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, read))
            high = middle
        else:
            path.append(_range_hash(low, middle, read))
            low = middle
    path.reverse()
    return path


def prove_consistency(size1: int, size2: int, read: NodeReader) -> list[bytes]:
    """Proof that the tree of `size1` leaves is the beginning of the tree of `size2`; 0 < size1 <= size2."""
    if not 0 < size1 <= size2 <= MAX_SIZE:
        raise ProofError("proof_sizes", f"Ask for sizes with 0 < first <= second: {size1} and {size2}.")
    return prove_subtree_consistency(0, size1, size2, read)


def prove_subtree_consistency(start: int, end: int, size: int, read: NodeReader) -> list[bytes]:
    """Proof that the subtree `[start, end)` is part of the tree of `size` leaves."""
    _check_subtree(start, end)
    if not end <= size <= MAX_SIZE:
        raise ProofError("proof_sizes", f"Ask for a subtree that ends within the tree: {end} of {size}.")
    proof: list[bytes] = []
    if start == end:
        return proof
    low, high = 0, size
    known = True  # whether the verifier's own subtree hash stands for what is left of [start, end)
    while (start, end) != (low, high):
        middle = low + _largest_power_below(high - low)
        if end <= middle:
            proof.append(_range_hash(middle, high, read))
            high = middle
        elif start >= middle:
            proof.append(_range_hash(low, middle, read))
            low = middle
        else:
            proof.append(_range_hash(low, middle, read))
            low = start = middle
            known = False
    if not known:
        proof.append(_range_hash(low, high, read))
    proof.reverse()
    return proof


def _range_hash(start: int, end: int, read: NodeReader) -> bytes:
    """Merkle hash of `[start, end)`, where start is aligned to the largest power of two within the range."""
    width = end - start
    blocks: list[bytes] = []
    while width:
        level = width.bit_length() - 1
        blocks.append(read(level, start >> level))
        start += 1 << level
        width -= 1 << level
    whole = blocks.pop()
    while blocks:
        whole = node_hash(blocks.pop(), whole)
    return whole


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _check_subtree(start: int, end: int) -> None:
    """A valid subtree is empty, or starts at a multiple of the smallest power of two that holds it."""
    if not 0 <= start <= end <= MAX_SIZE:
        raise ProofError("proof_subtree", f"[{start}, {end}) is not a range of leaves.")
    if start != end and start & ((1 << (end - start - 1).bit_length()) - 1):
        raise ProofError("proof_subtree", f"[{start}, {end}) is not a subtree: its start is not aligned.")


# Verification


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that leaf `index` of the tree of `size` leaves with this root is this one (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError("proof_index", f"Leaf {index} cannot be in a tree of {size} leaves.")
    if len(leaf_hash) != HASH_BYTES:
        raise ProofError("proof_hash_length", "A leaf hash has 32 bytes.")
    position, last, node = index, size - 1, leaf_hash
    for sibling in proof:
        if len(sibling) != HASH_BYTES:
            raise ProofError("proof_hash_length", "Every hash in a proof has 32 bytes.")
        if last == 0:
            raise ProofError("proof_length", "The proof has more hashes than the tree has levels.")
        if position & 1:
            node = sha256(b"\x01" + sibling + node).digest()
        elif position == last:
            # The right edge: levels without a sibling have no hash in the proof.
            node = sha256(b"\x01" + sibling + node).digest()
            while not position & 1:
                position >>= 1
                last >>= 1
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofError("proof_length", "The proof has fewer hashes than the tree has levels.")
    if node != root:
        raise ProofError("proof_root", "The proof leads to another root: leaf, index, size or root is wrong.")


def verify_subtree_inclusion(
    index: int, start: int, end: int, root: bytes, leaf_hash: bytes, proof: Sequence[bytes]
) -> None:
    """Check that `leaf_hash` is leaf `index` (counted in the whole tree) of the subtree `[start, end)`."""
    _check_subtree(start, end)
    if not start <= index < end:
        raise ProofError("proof_index", f"Leaf {index} cannot be in the subtree [{start}, {end}).")
    verify_inclusion(index - start, end - start, leaf_hash, proof, root)


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree (size1, root1) is the beginning of the tree (size2, root2) (RFC 9162, 2.1.4.2).

    An empty first tree is refused: it is the beginning of anything, so a proof from it says nothing.
    Between equal sizes the roots are compared as they stand, whatever their length.
    """
    if not 0 < size1 <= size2 <= MAX_SIZE:
        raise ProofError("proof_sizes", f"Sizes must be 0 < first <= second: {size1} and {size2}.")
    verify_subtree_consistency(0, size1, size2, root1, root2, proof)


def verify_subtree_consistency(
    start: int, end: int, size: int, root1: bytes, root2: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the subtree `[start, end)` with root1 is part of the tree of `size` leaves with root2.

    An empty subtree needs an empty proof and the root of nothing; it says nothing about root2.
    """
    _check_subtree(start, end)
    if not end <= size <= MAX_SIZE:
        raise ProofError("proof_sizes", f"A subtree that ends at {end} is not in a tree of {size} leaves.")
    if start == end:
        if proof or root1 != EMPTY_ROOT:
            raise ProofError("proof_root", "An empty subtree has the root of nothing and an empty proof.")
        return
    first, last, tree_last = start, end - 1, size - 1
    # Climb as long as the subtree's right edge needs no hash from the proof.
    while first != last and (last == tree_last or last & 1):
        first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
    hashes = iter(proof)
    # Unless the climb reached the subtree's own root, the proof begins with the hash it starts from.
    within = whole = root1 if first == last else next(hashes, b"")
    if first != last and len(whole) != HASH_BYTES:
        raise ProofError("proof_length", "The proof lacks the hash it starts from.")
    for sibling in hashes:
        if len(sibling) != HASH_BYTES:
            raise ProofError("proof_hash_length", "Every hash in a proof has 32 bytes.")
        if tree_last == 0:
            raise ProofError("proof_length", "The proof has more hashes than the tree has levels.")
        if last & 1 or last == tree_last:
            if first < last:
                within = sha256(b"\x01" + sibling + within).digest()
            whole = sha256(b"\x01" + sibling + whole).digest()
            while not last & 1:
                first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
        else:
            whole = sha256(b"\x01" + whole + sibling).digest()
        first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
    if tree_last != 0:
        raise ProofError("proof_length", "The proof has fewer hashes than the tree has levels.")
    if within != root1:
        raise ProofError("proof_root", "The proof leads to another first root.")
    if whole != root2:
        raise ProofError("proof_root", "The proof leads to another second root.")
