"""Merkle proofs against outside vectors, against a plain recursive definition, and against forgers."""

from __future__ import annotations

import base64
import json
import time
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import proofs
from ledger.proofs import ProofError

LEAVES = [proofs.leaf_hash(str(number).encode()) for number in range(260)]
READ = proofs.reader_of(LEAVES)


def merkle_tree_hash(leaves):
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + merkle_tree_hash(leaves[:k]) + merkle_tree_hash(leaves[k:])).digest()


def verify(family, case):
    def hashes(name):
        return base64.b64decode(case[name])

    proof = [base64.b64decode(item) for item in case["proof"] or []]
    if family == "inclusion":
        proofs.verify_inclusion(case["leafIdx"], case["treeSize"], hashes("leafHash"), proof, hashes("root"))
    elif family == "consistency":
        proofs.verify_consistency(case["size1"], case["size2"], hashes("root1"), hashes("root2"), proof)
    elif family == "subtreeinclusion":
        proofs.verify_subtree_inclusion(
            case["leafIdx"], case["start"], case["end"], hashes("root"), hashes("leafHash"), proof
        )
    else:
        assert family == "subtreeconsistency"
        proofs.verify_subtree_consistency(
            case["start"], case["end"], case["size"], hashes("root1"), hashes("root2"), proof
        )


def test_every_outside_vector_good_and_corrupted_is_judged_as_it_says(shared_data):
    families = json.loads((shared_data / "rfc6962" / "proofs.json").read_bytes())
    wrong, seen = [], 0
    for family, cases in families.items():
        for case in cases:
            seen += 1
            try:
                verify(family, case)
                refused = False
            except ProofError:
                refused = True
            if refused is not case["wantErr"]:
                wrong.append(case["name"])
    assert seen > 200
    assert wrong == []


def test_roots_are_those_of_the_recursive_definition():
    for size in range(140):
        root = merkle_tree_hash(LEAVES[:size])
        assert proofs.root_of(LEAVES[:size]) == root
        assert proofs.tree_root(size, READ) == root


def test_every_leaf_of_every_small_tree_is_proved_and_no_other_index_or_size_is():
    for size in range(1, 34):
        root = proofs.root_of(LEAVES[:size])
        for index in range(size):
            proof = proofs.prove_inclusion(index, size, READ)
            proofs.verify_inclusion(index, size, LEAVES[index], proof, root)
            for other in range(size):
                if other != index:
                    with pytest.raises(ProofError):
                        proofs.verify_inclusion(other, size, LEAVES[index], proof, root)


def test_every_subtree_of_every_small_tree_is_proved_and_ends_where_it_ends():
    subtrees = 0
    for size in range(1, 28):
        root = proofs.root_of(LEAVES[:size])
        for start in range(size):
            for end in range(start + 1, size + 1):
                try:
                    proof = proofs.prove_subtree_consistency(start, end, size, READ)
                except ProofError:
                    continue
                subtrees += 1
                part = proofs.root_of(LEAVES[start:end])
                proofs.verify_subtree_consistency(start, end, size, part, root, proof)
                for bad in ([*proof, root], [root, *proof], proof[:-1] if proof else [b""]):
                    with pytest.raises(ProofError):
                        proofs.verify_subtree_consistency(start, end, size, part, root, bad)
    assert subtrees > 1000


@given(st.data())
def test_any_change_of_a_proof_is_refused(data):
    size = data.draw(st.integers(2, 260))
    first = data.draw(st.integers(1, size - 1))
    index = data.draw(st.integers(0, size - 1))
    root, root1 = proofs.root_of(LEAVES[:size]), proofs.root_of(LEAVES[:first])
    inclusion = proofs.prove_inclusion(index, size, READ)
    consistency = proofs.prove_consistency(first, size, READ)
    proofs.verify_inclusion(index, size, LEAVES[index], inclusion, root)
    proofs.verify_consistency(first, size, root1, root, consistency)

    for proof, check in (
        (inclusion, lambda p: proofs.verify_inclusion(index, size, LEAVES[index], p, root)),
        (consistency, lambda p: proofs.verify_consistency(first, size, root1, root, p)),
    ):
        place = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = bytearray(proof[place])
        flipped[bit // 8] ^= 1 << bit % 8
        for bad in (
            [*proof[:place], bytes(flipped), *proof[place + 1 :]],
            proof[:place] + proof[place + 1 :],
            [*proof[:place], proof[place], *proof[place:]],
            [*proof[:place], proof[place][:31], *proof[place + 1 :]],
        ):
            with pytest.raises(ProofError):
                check(bad)


@pytest.mark.parametrize(("size1", "size2"), [(0, 0), (0, 5), (-1, 5), (6, 5), (1, 2**64), (2**64, 2**64)])
def test_sizes_that_make_no_sense_are_refused(size1, size2):
    with pytest.raises(ProofError) as caught:
        proofs.verify_consistency(size1, size2, bytes(32), bytes(32), [])
    assert caught.value.code == "proof_sizes"
    with pytest.raises(ProofError):
        proofs.prove_consistency(size1, size2, READ)


def test_a_tree_of_the_largest_size_is_answered_at_once():
    with pytest.raises(ProofError):
        proofs.verify_inclusion(2**64 - 2, 2**64 - 1, bytes(32), [bytes(32)] * 64, bytes(32))
    with pytest.raises(ProofError):
        proofs.verify_inclusion(0, 2**64 - 1, bytes(32), [bytes(32)] * 1000, bytes(32))


@pytest.mark.parametrize(("start", "end"), [(1, 3), (3, 5), (2, 6), (-1, 0), (5, 4), (4, 9)])
def test_a_range_that_is_no_subtree_is_refused(start, end):
    with pytest.raises(ProofError):
        proofs.verify_subtree_consistency(start, end, 20, bytes(32), bytes(32), [])
    with pytest.raises(ProofError):
        proofs.verify_subtree_inclusion(start, start, end, bytes(32), bytes(32), [])


def test_thousands_of_proofs_are_verified_in_a_second():
    root = proofs.root_of(LEAVES)
    made = [proofs.prove_inclusion(index, len(LEAVES), READ) for index in range(len(LEAVES))]
    started = time.perf_counter()
    for _ in range(10):
        for index, proof in enumerate(made):
            proofs.verify_inclusion(index, len(LEAVES), LEAVES[index], proof, root)
    # The bench asks for 50,000 a second; this only catches a change of order.
    assert 10 * len(made) / (time.perf_counter() - started) > 10_000
