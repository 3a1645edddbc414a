"""The outbox of chain writes: order, numbers without a gap, waiting, replacing, and what turns up late."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ledger.chain import Chain, Signed
from ledger.intents import WINDOW, queue_intent
from ledger.models import Intent, IntentStatus
from ledger.registration import member_id, read_member, set_endpoint_call, set_log_key_call
from tests.ledger_node.world import NAME, World, grow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chain]


def queue_endpoints(world: World, count: int) -> None:
    for number in range(count):
        call = set_endpoint_call(world.contracts.members, f"https://n{number}.example")
        queue_intent(kind="member", key=f"endpoint/{number}", call=call, now=world.clock())


def test_more_intents_than_fit_at_once_are_sent_in_their_order(world: World):
    count = WINDOW * 2 + 5
    queue_endpoints(world, count)
    for _ in range(6):
        assert world.round().sent <= WINDOW
    intents = list(Intent.objects.filter(kind="member").order_by("id"))
    assert {intent.status for intent in intents} <= {IntentStatus.INCLUDED, IntentStatus.FINAL}
    assert [intent.nonce for intent in intents] == list(range(count))
    entry = read_member(world.chain, world.contracts.members, member_id(NAME))
    assert entry is not None
    assert entry.endpoint == f"https://n{count - 1}.example"


def test_a_transaction_that_waits_too_long_is_offered_more(world: World):
    grow(3)
    world.round(blocks=0)
    first = Intent.objects.get()
    for _ in range(3):
        world.round(blocks=0)
    first.refresh_from_db()
    assert (first.attempts, first.former_hashes) == (0, [])
    world.clock.wait(30)
    world.round(blocks=0)
    second = Intent.objects.get()
    assert (second.nonce, second.attempts) == (first.nonce, 1)
    assert second.tx_hash != first.tx_hash
    assert second.former_hashes == ["0x" + bytes(first.tx_hash or b"").hex()]
    world.settle()
    assert world.anchored() == [3]
    assert Intent.objects.get(pk=first.pk).status == IntentStatus.FINAL


class MuteChain(Chain):
    """Takes every transaction and passes none on."""

    def send(self, signed: Signed) -> None:
        pass


def test_the_replaced_transaction_that_made_it_after_all_counts(world: World):
    grow(3)
    world.round(blocks=0)
    first = Intent.objects.get()
    world.clock.wait(31)
    world.round(world.anchorer(MuteChain(world.node.rpc)))
    # Signed anew, but the block took the one before.
    done = world.round()
    assert done.included == 1
    intent = Intent.objects.get(pk=first.pk)
    assert (intent.status, intent.tx_hash) == (IntentStatus.INCLUDED, first.tx_hash)
    assert intent.attempts == 1
    world.settle()
    assert world.anchored() == [3]


def test_a_transaction_that_the_node_forgot_is_sent_again(world: World):
    grow(3)
    world.round(world.anchorer(MuteChain(world.node.rpc)), blocks=2)
    assert world.head() == 0
    world.clock.wait(3)
    world.settle()
    assert world.anchored() == [3]
    assert Intent.objects.filter(kind="anchor").get().former_hashes == []


def test_an_intent_that_the_contract_refuses_does_not_hold_up_the_next(world: World):
    register = world.contracts.members
    used = world.signer.public.digest
    entry = read_member(world.chain, register, member_id("Hospital B"))
    assert entry is not None
    queue_endpoints(world, 1)
    queue_intent(kind="member", key="key", call=set_log_key_call(register, entry.keys[0].digest), now=world.clock())
    grow(3)
    world.settle()
    refused = Intent.objects.get(key="key")
    assert (refused.status, refused.error) == (IntentStatus.FAILED, "members: log key was used before")
    assert Intent.objects.get(key="endpoint/0").status == IntentStatus.FINAL
    assert world.anchored() == [3]
    assert used == world.signer.public.digest


def test_intents_go_on_while_the_log_is_in_alarm(world: World, monkeypatch):
    grow(3)
    world.settle()
    queue_endpoints(world, 1)
    from ledger import log

    monkeypatch.setattr("ledger.log.head", lambda: log.Head(1, bytes(32)))
    assert world.round().code == "log_shorter_than_chain"
    assert world.anchorer().observe().code == "log_shorter_than_chain"
    assert Intent.objects.get(key="endpoint/0").status == IntentStatus.INCLUDED


def test_anchors_in_a_former_contract_count_no_more(world: World):
    from ledger.anchoring import AnchorRecord, anchor_covering
    from ledger.registration import MemberDetails, Role, deploy_contracts

    grow(3)
    world.settle()
    former = world.contracts
    world.node.call("evm_setAutomine", True)
    founder = MemberDetails(NAME, world.account.address, "https://a.example", Role.HOSPITAL, world.signer.public.digest)
    world.contracts = deploy_contracts(world.chain, world.operator, [founder])
    world.node.call("evm_setAutomine", False)
    assert world.round().lost == 1
    assert not isinstance(anchor_covering(0), AnchorRecord)
    world.settle()
    anchor = anchor_covering(0)
    assert isinstance(anchor, AnchorRecord)
    assert anchor.contract == world.contracts.anchors != former.anchors
    assert world.anchored() == [3]


def test_web_processes_read_anchors_without_loading_web3():
    program = (
        "import os, sys, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'consortium.settings'\n"
        "django.setup()\n"
        "import ledger.anchoring, ledger.views, ledger.registration, ledger.intents\n"
        "sys.exit('web3' in sys.modules or 'vyper' in sys.modules)\n"
    )
    done: Any = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0
