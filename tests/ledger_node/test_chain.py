"""The chain adapter against a real node: the contracts behave there as in the test harness, and errors have names."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ledger import proofs
from ledger.anchoring.anchorer import anchor_call
from ledger.chain import (
    Account,
    AccountUnfunded,
    Call,
    Chain,
    ChainRefused,
    ChainUnavailable,
    ContractMissing,
    NonceConflict,
    Reverted,
)
from ledger.log import Head
from ledger.registration import (
    MemberDetails,
    Role,
    admit_call,
    fund_account,
    member_id,
    read_member,
    read_members,
    revoke_log_key_call,
    set_endpoint_call,
    set_log_key_call,
    suspend_call,
)
from tests.ledger_node.world import NAME, World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chain]


@pytest.fixture
def prompt(world: World) -> Iterator[World]:
    """A world whose chain node makes a block of every transaction at once."""
    world.node.call("evm_setAutomine", True)
    yield world
    world.node.call("evm_setAutomine", False)


def leaves(count: int) -> list[bytes]:
    return [proofs.leaf_hash(str(number).encode()) for number in range(count)]


def anchoring(world: World, hashes: list[bytes], old: int, new: int, *, root: bytes | None = None) -> Call:
    proof = proofs.prove_consistency(old, new, proofs.reader_of(hashes)) if 0 < old < new else []
    head = Head(new, root or proofs.root_of(hashes[:new]))
    return anchor_call(world.contracts.anchors, head, proof, world.signer.public.digest)


def test_every_pair_of_small_sizes_is_anchored_on_a_real_node(prompt: World):
    hashes = leaves(12)
    for old in range(1, 12):
        snapshot = prompt.node.call("evm_snapshot")
        prompt.chain.perform(prompt.account, anchoring(prompt, hashes, 0, old))
        for new in range(old, 12):
            prompt.chain.try_call(anchoring(prompt, hashes, old, new), prompt.account.address)
        prompt.node.call("evm_revert", snapshot)


def test_a_rewritten_leaf_a_fork_and_a_rewind_revert_on_a_real_node(prompt: World):
    hashes = leaves(300)
    prompt.chain.perform(prompt.account, anchoring(prompt, hashes, 0, 100))
    rewritten = [*hashes]
    rewritten[17] = proofs.leaf_hash(b"another")
    for call, reason in (
        (anchoring(prompt, rewritten, 100, 200), "anchors: proof does not start at the stored head"),
        (
            anchoring(prompt, hashes, 100, 200, root=proofs.root_of(rewritten[:200])),
            "anchors: proof does not end at the new root",
        ),
        (anchoring(prompt, rewritten, 100, 100), "anchors: fork"),
        (anchoring(prompt, hashes, 50, 99), "anchors: rewind"),
        (anchoring(prompt, hashes, 0, 200), "anchors: proof is empty"),
    ):
        with pytest.raises(Reverted) as refused:
            prompt.chain.perform(prompt.account, call)
        assert refused.value.reason == reason
    assert prompt.head() == 100


def test_an_anchor_of_a_large_log_costs_little(prompt: World):
    """From one size to the next over a tree of some 16 million leaves, with the longest proofs there are."""
    base = 2**24

    # A log of 2**24 leaves in which every aligned subtree of one size is alike, so that it fits in memory.
    alike = [proofs.leaf_hash(b"alike")]
    for _ in range(64):
        alike.append(proofs.node_hash(alike[-1], alike[-1]))

    def read(level: int, index: int) -> bytes:
        return alike[level]

    gas: list[int] = []
    old = 0
    for size in (1_000, base - 3_000, base - 2_001, base - 1_000, base - 1):
        proof = proofs.prove_consistency(old, size, read) if old else []
        call = anchor_call(
            prompt.contracts.anchors, Head(size, proofs.tree_root(size, read)), proof, prompt.signer.public.digest
        )
        receipt = prompt.chain.perform(prompt.account, call)
        gas.append(int(receipt["gasUsed"], 16))
        old = size
    beat = anchor_call(
        prompt.contracts.anchors, Head(old, proofs.tree_root(old, read)), [], prompt.signer.public.digest
    )
    heartbeat = int(prompt.chain.perform(prompt.account, beat)["gasUsed"], 16)
    print(f"gas: first {gas[0]}, then {gas[1:]}, heartbeat {heartbeat}")
    assert max(gas) < 130_000
    assert heartbeat < 45_000


def test_the_register_answers_for_its_members(prompt: World):
    register = prompt.contracts.members
    entry = read_member(prompt.chain, register, member_id(NAME))
    assert entry is not None
    assert (entry.name, entry.account, entry.roles) == (NAME, prompt.account.address, Role.HOSPITAL)
    assert (entry.term, entry.active, entry.endpoint) == (1, True, "https://a.example")
    assert [(key.digest, key.ended_at) for key in entry.keys] == [(prompt.signer.public.digest, None)]
    assert [member.name for member in read_members(prompt.chain, register)] == [NAME, "Hospital B"]
    assert read_member(prompt.chain, register, member_id("nobody")) is None


def test_members_vote_and_change_themselves_through_calls(prompt: World):
    register, chain = prompt.contracts.members, prompt.chain
    newcomer = MemberDetails("Pharmacy P", os.urandom(20), "https://p.example", Role.PHARMACY, os.urandom(32))
    for voter in (prompt.account, prompt.operator):
        chain.perform(voter, admit_call(register, newcomer))
    entry = read_member(chain, register, newcomer.id)
    assert entry is not None
    assert (entry.active, entry.roles) == (True, Role.PHARMACY)
    for voter in (prompt.account, prompt.operator):
        chain.perform(voter, suspend_call(register, newcomer.id, term=1))
    # Both calls again: without effect.
    for voter in (prompt.account, prompt.operator):
        chain.perform(voter, admit_call(register, newcomer))
        chain.perform(voter, suspend_call(register, newcomer.id, term=1))
    entry = read_member(chain, register, newcomer.id)
    assert entry is not None
    assert (entry.active, entry.term) == (False, 2)
    second = os.urandom(32)
    chain.perform(prompt.account, set_log_key_call(register, second))
    chain.perform(prompt.account, revoke_log_key_call(register, second))
    chain.perform(prompt.account, set_endpoint_call(register, "https://new.example"))
    me = read_member(chain, register, member_id(NAME))
    assert me is not None
    assert me.endpoint == "https://new.example"
    assert [(key.revoked, key.ended_at is None) for key in me.keys] == [(False, False), (True, False)]
    assert me.keys[0].ended_at == me.keys[1].valid_from + 1


def test_an_account_is_funded_up_to_an_amount(prompt: World):
    address = os.urandom(20)
    for _ in range(2):
        fund_account(prompt.chain, prompt.operator, address, wei=5 * 10**18)
    assert prompt.chain.balance(address) == 5 * 10**18


def test_a_transaction_sent_twice_is_one(world: World):
    signed = world.chain.sign(world.account, anchoring(world, leaves(3), 0, 3), nonce=0, latest=world.chain.block())
    world.chain.send(signed)
    world.chain.send(signed)
    world.mine()
    assert world.anchored() == [3]
    with pytest.raises(NonceConflict):
        world.chain.send(signed)


def test_two_transactions_of_one_number_are_a_conflict_unless_one_pays_more(world: World):
    latest = world.chain.block()
    calls = [set_endpoint_call(world.contracts.members, f"https://{name}.example") for name in ("a1", "a2")]
    world.chain.send(world.chain.sign(world.account, calls[0], nonce=0, latest=latest))
    with pytest.raises(NonceConflict):
        world.chain.send(world.chain.sign(world.account, calls[1], nonce=0, latest=latest))
    world.chain.send(world.chain.sign(world.account, calls[1], nonce=0, latest=latest, bumps=1))
    world.mine()
    entry = read_member(world.chain, world.contracts.members, member_id(NAME))
    assert entry is not None
    assert entry.endpoint == "https://a2.example"


def test_an_account_without_means_is_named_as_such(world: World):
    poor = Account(os.urandom(32))
    call = set_endpoint_call(world.contracts.members, "https://poor.example")
    with pytest.raises(AccountUnfunded):
        world.chain.send(world.chain.sign(poor, call, nonce=0, latest=world.chain.block()))


def test_no_contract_at_an_address_is_named_as_such(world: World):
    with pytest.raises(ContractMissing):
        world.chain.contract_head(os.urandom(20), member_id(NAME))
    # SHA-256 answers anything with 32 bytes: something is there, but not this contract.
    with pytest.raises(ContractMissing):
        world.chain.contract_head(bytes(19) + b"\x02", member_id(NAME))


def test_no_answer_is_unavailable_and_names_no_key_of_the_address(world: World):
    with pytest.raises(ChainUnavailable) as failed:
        Chain("http://user:secret@127.0.0.1:9/v3/another-secret").block()
    assert "secret" not in str(failed.value)
    assert failed.value.code == "chain_unavailable"
    with pytest.raises(ChainRefused):
        world.chain.request("eth_noSuchMethod")


def test_an_account_does_not_print_its_key():
    account = Account(bytes(31) + b"\x01")
    assert repr(account) == "Account()"
    assert account.address.hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"


class Scripted(http.server.BaseHTTPRequestHandler):
    """A chain node that says what it is told to, whatever it is asked."""

    answer: Any = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[Chain]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Chain(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


REVERT_DATA = (
    "0x08c379a0"
    + (32).to_bytes(32, "big").hex()
    + (15).to_bytes(32, "big").hex()
    + b"anchors: rewind".hex().ljust(64, "0")
)


@pytest.mark.parametrize(
    ("error", "expected", "part"),
    [
        ({"code": 3, "message": "execution reverted: anchors: rewind", "data": REVERT_DATA}, Reverted, "rewind"),
        ({"code": -32000, "message": "Execution reverted", "data": REVERT_DATA}, Reverted, "rewind"),
        ({"code": -32000, "message": "execution reverted: anchors: rewind"}, Reverted, "rewind"),
        ({"code": 3, "message": "execution reverted", "data": "0x"}, Reverted, "no reason"),
        ({"code": -32000, "message": "VM Exception: revert", "data": {"data": REVERT_DATA}}, Reverted, "rewind"),
        ({"code": -32601, "message": "the method does not exist"}, ChainRefused, "does not exist"),
        ("overloaded", ChainRefused, "overloaded"),
    ],
)
def test_every_nodes_way_to_refuse_a_call_is_one_error(scripted: Chain, monkeypatch, error, expected, part):
    monkeypatch.setattr(Scripted, "answer", {"jsonrpc": "2.0", "id": 1, "error": error})
    with pytest.raises(expected, match=part):
        scripted.request("eth_call", {}, "latest")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("nonce too low: next nonce 5, tx nonce 4", NonceConflict),
        ("Nonce too low", NonceConflict),
        ("replacement transaction underpriced", NonceConflict),
        ("insufficient funds for gas * price + value", AccountUnfunded),
        ("Upfront cost exceeds account balance", AccountUnfunded),
        ("exceeds block gas limit", ChainRefused),
    ],
)
def test_every_nodes_way_to_refuse_a_transaction_is_one_error(scripted: Chain, monkeypatch, message, expected):
    from ledger.chain import Signed

    answer = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": message}}
    monkeypatch.setattr(Scripted, "answer", answer)
    with pytest.raises(expected):
        scripted.send(Signed(b"raw", bytes(32), 0))


@pytest.mark.parametrize("message", ["already known", "Known transaction", "transaction already imported"])
def test_a_transaction_that_the_node_has_is_sent(scripted: Chain, monkeypatch, message):
    from ledger.chain import Signed

    answer = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": message}}
    monkeypatch.setattr(Scripted, "answer", answer)
    scripted.send(Signed(b"raw", bytes(32), 0))


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b'{"result": "nonsense"}', b"\xff\xfe"])
def test_nonsense_from_a_node_is_unavailable(scripted: Chain, monkeypatch, answer):
    monkeypatch.setattr(Scripted, "answer", answer)
    with pytest.raises(ChainUnavailable):
        scripted.block()
    for ask in (
        lambda: scripted.next_nonce(bytes(20)),
        lambda: scripted.receipt(bytes(32)),
        lambda: scripted.block_receipts(1),
        lambda: scripted.contract_head(bytes(20), bytes(32)),
        scripted.identify,
    ):
        with pytest.raises(ChainUnavailable):
            ask()


@pytest.mark.parametrize("result", [[], [{}], {"logs": 1}, {"blockHash": "0x", "logs": [{}]}, 7, True])
def test_half_an_answer_from_a_node_is_unavailable(scripted: Chain, monkeypatch, result):
    monkeypatch.setattr(Scripted, "answer", {"jsonrpc": "2.0", "id": 1, "result": result})
    asks: list[Any] = [scripted.block, lambda: scripted.contract_head(bytes(20), bytes(32))]
    if not isinstance(result, dict) or "blockHash" in result:
        asks.append(lambda: scripted.receipt(bytes(32)))
    if result != []:
        asks.append(lambda: scripted.block_receipts(1))
    for ask in asks:
        with pytest.raises(ChainUnavailable):
            ask()
