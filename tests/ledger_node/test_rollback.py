"""A chain that loses blocks, goes away, or is another one: found out, and written again with the same effect."""

from __future__ import annotations

import shutil
import time
from typing import Any

import pytest
from django.db import connection

from ledger import log
from ledger.anchoring import AnchorRecord, anchor_covering, status
from ledger.anchoring.rollback import first_lost
from ledger.chain import Chain
from ledger.intents import queue_intent
from ledger.models import Anchor, AnchorStatus, ChainState, Intent, IntentStatus
from ledger.registration import deploy_contracts, member_id, read_member, set_endpoint_call
from tests.ledger_node.world import NAME, World, grow, settle_world

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chain]


def live() -> list[int]:
    return list(Anchor.objects.exclude(status=AnchorStatus.LOST).order_by("size").values_list("size", flat=True))


def check_truth(world: World) -> None:
    """What the database believes is on the chain is there, and the chain's head is the log's."""
    for anchor in Anchor.objects.exclude(status=AnchorStatus.LOST):
        assert world.chain.block_hash(anchor.block_number) == bytes(anchor.block_hash)
    assert world.head() == log.head().size
    sizes = world.anchored()
    assert sizes == sorted(set(sizes))
    assert status(now=world.clock()).code == "ok"


def test_a_reorganisation_loses_the_newest_anchors_and_they_are_written_again(own_world: World):
    world = own_world
    for _ in range(4):
        grow(3)
        world.settle(2)
    assert live()[-1] == 12
    kept = Anchor.objects.get(size=6)
    world.node.call("anvil_reorg", world.chain.block().number - kept.block_number, [])
    done = world.round()
    assert done.lost >= 1
    world.settle()
    check_truth(world)
    assert 6 in live()
    assert isinstance(anchor := anchor_covering(11), AnchorRecord)
    assert anchor.size == 12
    assert status(now=world.clock()).rollbacks == 1


def test_a_final_anchor_is_not_safe_from_a_deep_reorganisation(own_world: World):
    world = own_world
    grow(3)
    world.settle(8)
    assert isinstance(anchor_covering(2), AnchorRecord)
    depth = world.chain.block().number - Anchor.objects.get().block_number + 1
    world.node.call("anvil_reorg", depth, [])
    assert world.round().lost == 1
    assert not isinstance(anchor_covering(2), AnchorRecord)
    world.settle()
    check_truth(world)
    assert isinstance(anchor_covering(2), AnchorRecord)


def test_a_chain_restored_from_an_older_state_is_brought_up_to_date(own_world: World):
    world = own_world
    grow(3)
    world.settle()
    world.restart()
    saved = world.node.state.with_suffix(".saved")
    shutil.copy(world.node.state, saved)
    for _ in range(4):
        grow(5)
        world.settle(2)
    assert live()[-1] == 23

    def restore() -> None:
        shutil.copy(saved, world.node.state)

    world.restart(meanwhile=restore)
    world.chain = Chain(world.node.rpc)
    done = world.round()
    assert done.lost >= 3
    world.settle()
    check_truth(world)
    # Everything lost is in one new anchor, from the head that the contract has kept.
    assert world.anchored() == [3, 23]
    assert [anchor_covering(i).size for i in (0, 2, 3, 22)] == [3, 3, 23, 23]  # type: ignore[union-attr]


def test_other_intents_are_sent_again_after_a_roll_back_in_their_order(own_world: World):
    world = own_world
    register = world.contracts.members
    for name in ("first", "second", "third"):
        call = set_endpoint_call(register, f"https://{name}.example")
        queue_intent(kind="member", key=f"endpoint/{name}", call=call, now=world.clock())
    grow(3)
    world.settle()
    assert endpoint(world) == "https://third.example"
    number = min(n for n in Intent.objects.filter(kind="member").values_list("block_number", flat=True) if n)
    world.node.call("anvil_reorg", world.chain.block().number - number + 1, [])
    assert endpoint(world) == "https://a.example"
    world.settle()
    check_truth(world)
    assert endpoint(world) == "https://third.example"
    member = Intent.objects.filter(kind="member").order_by("id")
    assert {intent.status for intent in member} == {IntentStatus.FINAL}
    nonces = [intent.nonce for intent in member]
    assert nonces == sorted(nonces, key=lambda nonce: nonce or 0)


def endpoint(world: World) -> str:
    member = read_member(world.chain, world.contracts.members, member_id(NAME))
    assert member is not None
    return member.endpoint


def test_the_same_key_queued_twice_is_one_intent(own_world: World):
    call = set_endpoint_call(own_world.contracts.members, "https://once.example")
    both = [queue_intent(kind="member", key="same", call=call, now=own_world.clock()) for _ in range(2)]
    assert both[0].pk == both[1].pk
    assert Intent.objects.count() == 1


def test_transactions_that_come_back_by_themselves_are_not_repeated(own_world: World):
    """After a reorganisation a node may take the lost transactions from its pool, before we send any."""
    world = own_world
    grow(3)
    world.settle()
    lost = Anchor.objects.get()
    raw = world.node.call("eth_getRawTransactionByHash", "0x" + bytes(lost.tx_hash).hex())
    depth = world.chain.block().number - lost.block_number + 1
    world.node.call("anvil_reorg", depth, [[raw, 0]])
    assert world.head() == 3
    done = world.round()
    assert (done.lost, done.included) == (1, 1)
    world.settle()
    check_truth(world)
    assert world.anchored() == [3]


def test_a_chain_that_is_away_for_a_while_misses_nothing(own_world: World):
    world = own_world
    grow(3)
    world.settle()
    world.node.stop()
    for _ in range(3):
        grow(4)
        began = time.monotonic()
        assert world.round().code == "chain_unavailable"
        assert time.monotonic() - began < 2
    now = status(now=world.clock())
    assert (now.level, now.code, now.log_size, now.included_size) == ("warning", "chain_unavailable", 15, 3)
    world.restart()
    world.chain = Chain(world.node.rpc)
    world.settle()
    check_truth(world)
    assert world.anchored() == [3, 15]


def test_a_chain_that_goes_away_with_a_transaction_unsent_gets_it_later(own_world: World):
    world = own_world
    world.settle(2)
    grow(3)

    class DeafChain(Chain):
        def request(self, method: str, *parameters: Any) -> Any:
            if method == "eth_sendRawTransaction":
                raise ConnectionResetError
            return super().request(method, *parameters)

    world.mine()
    with pytest.raises(ConnectionResetError):
        world.anchorer(DeafChain(world.node.rpc)).run_once()
    assert Intent.objects.filter(kind="anchor", status=IntentStatus.SENT).count() == 1
    world.clock.wait(5)
    world.settle()
    check_truth(world)
    assert world.anchored() == [3]


def test_an_empty_chain_in_the_place_of_ours_waits_for_the_operator(own_world: World):
    world = own_world
    grow(3)
    world.settle()
    genesis = world.chain.identify()[1]
    time.sleep(1.1)  # a new genesis has a time of its own, in seconds
    world.restart(meanwhile=lambda: world.node.state.unlink())
    world.chain = Chain(world.node.rpc)
    assert world.chain.identify()[1] != genesis
    for _ in range(2):
        assert world.round().code == "contract_missing"
    now = status(now=world.clock())
    assert (now.code, now.rollbacks, now.included_size) == ("contract_missing", 1, 0)
    assert "Deploy the contracts again" in now.sentence
    assert live() == []
    # The operator deploys again; the node's own account is the same, the addresses are new.
    again = settle_world(world.node, world.signer)
    again.account, again.clock = world.account, world.clock
    world.node.call("anvil_setBalance", "0x" + world.account.address.hex(), hex(10**20))
    from ledger.registration import MemberDetails, Role

    world.node.call("evm_setAutomine", True)
    founder = MemberDetails(NAME, world.account.address, "https://a.example", Role.HOSPITAL, world.signer.public.digest)
    again.contracts = deploy_contracts(again.chain, again.operator, [founder])
    world.node.call("evm_setAutomine", False)
    grow(3)
    again.settle()
    check_truth(again)
    assert again.anchored() == [6]
    assert bytes(ChainState.objects.get().genesis or b"") != genesis


class DyingChain(Chain):
    """A chain adapter of a process that dies at its n-th request, before or after the node has it."""

    def __init__(self, rpc: str, dies_at: int, *, after: bool) -> None:
        super().__init__(rpc)
        self.left, self.after = dies_at, after

    def request(self, method: str, *parameters: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KeyboardInterrupt
        answer = super().request(method, *parameters)
        if self.left == 0:
            raise KeyboardInterrupt
        return answer


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_process_that_dies_at_any_request_leaves_what_the_next_one_finishes(world: World, after: bool):
    deaths = 0
    for dies_at in range(1, 200):
        grow(3)
        size = log.head().size
        alive = world.anchorer(DyingChain(world.node.rpc, dies_at, after=after))
        try:
            for _ in range(4):
                world.round(alive)
            break
        except KeyboardInterrupt:
            deaths += 1
        connection.close()
        world.clock.wait(5)
        world.mine()
        for _ in range(3):
            world.round()
        assert world.head() == size
    else:
        pytest.fail("the rounds never came to their end")
    assert deaths > 20
    world.settle()
    check_truth(world)
    # No head was anchored twice, and every anchor on the chain is in the database, with its proof.
    assert live() == world.anchored()


@pytest.mark.parametrize("name", ["sign_checkpoint", "queue_intent", "prove_consistency"])
def test_a_process_that_dies_between_its_own_steps_leaves_what_the_next_one_finishes(
    world: World, name: str, monkeypatch
):
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    grow(3)
    world.settle()
    grow(4)
    target = "ledger.anchoring.anchorer.queue_intent" if name == "queue_intent" else f"ledger.log.{name}"
    with monkeypatch.context() as patch:
        patch.setattr(target, die)
        with pytest.raises(KeyboardInterrupt):
            world.round()
    world.settle()
    check_truth(world)
    assert live() == world.anchored() == [3, 7]


def test_the_first_lost_block_is_found_with_few_questions():
    blocks = [(number, bytes([number % 256]) * 32) for number in range(0, 5000, 5)]

    class Canonical:
        asked = 0
        until = 3333

        def block_hash(self, number: int) -> bytes | None:
            self.asked += 1
            return bytes([number % 256]) * 32 if number < self.until else b"other"

    chain: Any = Canonical()
    assert first_lost(chain, blocks) == 3335
    assert chain.asked <= 11
    chain.until = 10**6
    assert first_lost(chain, blocks) is None
    chain.until = 0
    assert first_lost(chain, blocks) == 0
    assert first_lost(chain, []) is None
