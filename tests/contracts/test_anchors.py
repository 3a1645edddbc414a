"""Anchoring: every honest extension of a log is taken, everything else reverts, a replay is without effect."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any

import boa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.proofs import EMPTY_ROOT, leaf_hash, prove_consistency, reader_of, root_of
from tests.contracts.names import digest_of, identity

A, B = identity("Hospital A"), identity("Hospital B")
SMALL = 13


def leaves(count: int, *, label: str = "") -> list[bytes]:
    return [leaf_hash(f"{label}{number}".encode()) for number in range(count)]


def events(contract: Any) -> list[str]:
    return [type(event).__name__ for event in contract.get_logs()]


class Log:
    """A member's log in memory, and the way to the contract for it."""

    def __init__(self, contract: Any, account: Any, key: int, hashes: list[bytes]) -> None:
        self.contract, self.account, self.key, self.hashes = contract, account, digest_of(key), hashes

    def root(self, size: int) -> bytes:
        return root_of(self.hashes[:size])

    def proof(self, old: int, new: int) -> list[bytes]:
        return prove_consistency(old, new, reader_of(self.hashes)) if 0 < old < new else []

    def send(self, size: int, root: bytes, proof: list[bytes]) -> bool:
        return self.contract.anchor(size, root, proof, self.key, sender=self.account)

    def anchor(self, old: int, new: int) -> bool:
        return self.send(new, self.root(new), self.proof(old, new))

    def stored(self) -> tuple[int, bytes]:
        head = self.contract.head(self.contract_member)
        return head.size, head.root

    contract_member = A


@pytest.fixture
def log(anchors, accounts) -> Log:
    return Log(anchors, accounts[0], 1, leaves(300))


def test_before_the_first_anchor_the_head_is_the_empty_log(anchors):
    head = anchors.head(A)
    assert (head.size, head.root, head.block_number) == (0, EMPTY_ROOT, 0)
    assert anchors.head(identity("nobody")).size == 0


def test_every_extension_of_a_small_log_is_taken(log):
    for old in range(SMALL):
        for new in range(max(old, 1), SMALL):
            with boa.env.anchor():
                if old:
                    assert log.anchor(0, old)
                assert log.anchor(old, new) is (new > old)
                assert log.stored() == (new, log.root(new))


def test_every_changed_byte_of_a_small_proof_is_refused(log):
    for old in range(1, SMALL):
        for new in range(old + 1, SMALL):
            with boa.env.anchor():
                log.anchor(0, old)
                proof = log.proof(old, new)
                wrong = [[*proof[:i], bytes(32), *proof[i + 1 :]] for i in range(len(proof))]
                wrong += [proof[:-1], proof[1:], [*proof, bytes(32)], [bytes(32), *proof], []]
                wrong += [[*proof[:i], b, a, *proof[i + 2 :]] for i, (a, b) in enumerate(pairwise(proof))]
                for mutated in wrong:
                    with boa.reverts():
                        log.send(new, log.root(new), mutated)
                with boa.reverts():
                    log.send(new, sha256(log.root(new)).digest(), proof)
                assert log.stored() == (old, log.root(old))


def test_a_larger_root_in_which_one_old_leaf_was_rewritten_reverts(anchors, accounts, log):
    log.anchor(0, 100)
    for rewritten in (0, 41, 99):
        forged = Log(anchors, accounts[0], 1, list(log.hashes))
        forged.hashes[rewritten] = leaf_hash(b"not what was anchored")
        # The honest path of the rewritten log begins at another old root.
        with boa.reverts("anchors: proof does not start at the stored head"):
            forged.anchor(100, 200)
        # And the honest path of the honest log does not lead to the rewritten root.
        with boa.reverts("anchors: proof does not end at the new root"):
            forged.send(200, forged.root(200), log.proof(100, 200))
    assert log.anchor(100, 200)


def test_a_rewind_a_fork_and_an_unrelated_larger_root_revert(log):
    log.anchor(0, 100)
    with boa.reverts("anchors: rewind"):
        log.send(99, log.root(99), [])
    with boa.reverts("anchors: rewind"):
        log.send(0, EMPTY_ROOT, [])
    with boa.reverts("anchors: fork"):
        log.send(100, log.root(99), [])
    with boa.reverts("anchors: proof is empty"):
        log.send(200, log.root(200), [])
    unrelated = root_of(leaves(200, label="other "))
    with boa.reverts("anchors: proof does not end at the new root"):
        log.send(200, unrelated, log.proof(100, 200))
    assert log.stored() == (100, log.root(100))


def test_the_stored_head_again_is_a_heartbeat_without_effect(log, evm):
    log.anchor(0, 100)
    before = log.contract.head(A)
    evm.time_travel(blocks=5)
    for proof in ([], log.proof(60, 100), [bytes(32)]):
        assert log.send(100, log.root(100), proof) is False
        assert events(log.contract) == ["Heartbeat"]
    assert log.contract.head(A) == before


def test_a_heartbeat_of_the_empty_log_is_possible(log):
    assert log.send(0, EMPTY_ROOT, []) is False
    assert events(log.contract) == ["Heartbeat"]
    with boa.reverts("anchors: fork"):
        log.send(0, bytes(32), [])


def test_the_first_head_carries_no_proof(log):
    with boa.reverts("anchors: the empty log needs no proof"):
        log.send(5, log.root(5), [bytes(32)])


def test_proofs_of_the_wrong_length_say_so(log):
    log.anchor(0, 100)
    proof = log.proof(100, 200)
    with boa.reverts("anchors: proof is too short"):
        log.send(200, log.root(200), proof[:-1])
    with boa.reverts("anchors: proof is too long"):
        log.send(200, log.root(200), [*proof, bytes(32)])
    with boa.reverts("anchors: proof is too long"):
        log.send(200, log.root(200), proof + [bytes(32)] * (64 - len(proof)))


def test_sizes_up_to_the_limit_are_taken_and_none_above(log):
    limit = 2**63 - 1
    with boa.reverts("anchors: size is out of range"):
        log.send(limit + 1, bytes(32), [])
    # From one leaf to 2**62 + 1: the path climbs 62 levels and joins the last leaf.
    node, path = log.root(1), []
    for level in range(62):
        path.append(leaf_hash(level.to_bytes(1, "big")))
        node = sha256(b"\x01" + node + path[-1]).digest()
    path.append(leaf_hash(b"last"))
    assert log.anchor(0, 1)
    assert log.send(2**62 + 1, sha256(b"\x01" + node + path[-1]).digest(), path)
    assert log.stored()[0] == 2**62 + 1


def test_an_anchor_names_member_size_root_and_log_key(log):
    log.anchor(0, 3)
    (event,) = log.contract.get_logs()
    assert (event.member, event.size, event.root, event.key_digest) == (A, 3, log.root(3), digest_of(1))


def test_each_member_has_a_head_of_its_own(log, anchors, accounts):
    log.anchor(0, 100)
    other = Log(anchors, accounts[1], 2, leaves(7, label="B "))
    assert other.anchor(0, 7)
    assert anchors.head(B).root == other.root(7)
    assert log.stored() == (100, log.root(100))


def test_strangers_and_suspended_members_do_not_anchor(log, members, accounts):
    mallory = Log(log.contract, accounts[9], 1, log.hashes)
    with boa.reverts("members: not a member"):
        mallory.anchor(0, 5)
    log.anchor(0, 5)
    for voter in accounts[1:3]:
        members.suspend(A, 1, sender=voter)
    with boa.reverts("members: member is suspended"):
        log.anchor(5, 6)
    with boa.reverts("members: member is suspended"):
        log.anchor(5, 5)


def test_only_the_log_key_in_force_anchors(log, members, accounts):
    log.anchor(0, 5)
    members.set_log_key(digest_of(21), sender=accounts[0])
    with boa.reverts("anchors: log key is not the one in force"):
        log.anchor(5, 6)
    log.key = digest_of(21)
    assert log.anchor(5, 6)
    members.revoke_log_key(digest_of(21), sender=accounts[0])
    with boa.reverts("members: member has no log key"):
        log.anchor(6, 7)


def test_a_member_admitted_again_continues_its_anchored_history(log, members, accounts):
    log.anchor(0, 5)
    for voter in accounts[1:3]:
        members.suspend(A, 1, sender=voter)
    back = ("Hospital A", accounts[6], "https://a.example", 1, digest_of(31))
    for voter in accounts[1:3]:
        members.admit(back, 2, sender=voter)
    log.account, log.key = accounts[6], digest_of(31)
    with boa.reverts("anchors: rewind"):
        log.anchor(0, 3)
    assert log.anchor(5, 9)


def test_the_register_must_be_a_contract(sources, accounts):
    with boa.reverts("anchors: register is not a contract"):
        sources["Anchors"].deploy(accounts[0])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_logs_are_taken_step_by_step_and_their_mutations_are_not(data, anchors, accounts):
    with boa.env.anchor():
        sizes = sorted(data.draw(st.sets(st.integers(1, 2000), min_size=2, max_size=5)))
        log = Log(anchors, accounts[0], 1, leaves(sizes[-1], label=str(data.draw(st.integers(0, 9)))))
        old = 0
        for new in sizes:
            proof, root = log.proof(old, new), log.root(new)
            if old:
                place = data.draw(st.integers(0, len(proof)))
                bit = 1 << data.draw(st.integers(0, 255))
                mutated = [*proof, root]
                mutated[place] = (int.from_bytes(mutated[place], "big") ^ bit).to_bytes(32, "big")
                with boa.reverts():
                    log.send(new, mutated[-1], mutated[:-1])
                rewritten = list(log.hashes)
                rewritten[data.draw(st.integers(0, old - 1))] = leaf_hash(b"rewritten")
                with boa.reverts():
                    log.send(new, root_of(rewritten[:new]), prove_consistency(old, new, reader_of(rewritten)))
            assert log.send(new, root, proof)
            old = new
        assert log.stored() == (old, log.root(old))
