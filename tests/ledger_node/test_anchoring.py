"""Anchoring on a real chain node: inclusion, finality, heartbeats, refusals, and evidence of what was anchored."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.db import transaction

from ledger import log
from ledger.anchoring import AnchorRecord, Pending, anchor_covering, status
from ledger.chain import Account, Chain
from ledger.commitments import Kind, commit, derive_salt
from ledger.evidence.form import build_evidence
from ledger.evidence.verification import Outcome, verify_evidence
from ledger.models import Anchor, ChainState, Checkpoint, Intent, IntentStatus
from ledger.registration import member_id, revoke_log_key_call, set_log_key_call
from ledger.trust import Member, MemberKey, Trust, TrustedHeader
from tests.ledger_node.world import NAME, ORIGIN, World, grow, new_signer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.chain]


def missing(index: int) -> str:
    """What a leaf still waits for."""
    answer = anchor_covering(index)
    assert isinstance(answer, Pending)
    return answer.code


def test_a_checkpoint_is_queued_included_and_final_in_this_order(world: World):
    assert missing(0) == "waiting_for_log"
    grow(5)
    assert missing(4) == "waiting_for_chain"  # nothing has run yet
    done = world.round()
    assert (done.code, done.queued, done.sent, done.included) == ("ok", 5, 1, 0)
    assert status(now=world.clock()).code == "ok"
    assert world.head() == 5
    done = world.round()
    assert (done.included, done.final) == (1, 0)
    row = Anchor.objects.get()
    assert (row.size, row.status, row.final_at) == (5, "included", None)
    # Two blocks on top of its own make it final.
    assert [world.round().final for _ in range(2)] == [0, 1]
    anchor = anchor_covering(4)
    assert isinstance(anchor, AnchorRecord)
    assert (anchor.size, anchor.block_hash) == (5, world.chain.block_hash(anchor.block_number))
    assert anchor.note == log.sign_checkpoint(world.signer).note


def test_what_is_missing_is_said_at_every_stage(world: World, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", world.clock)
    seen = []
    grow(1)
    for _ in range(4):
        world.round()
        answer = anchor_covering(0)
        seen.append(answer.code if isinstance(answer, Pending) else "final")
    assert seen == ["waiting_for_inclusion", "waiting_for_finality", "waiting_for_finality", "final"]
    grow(1)
    answer = anchor_covering(1)
    assert isinstance(answer, Pending)
    assert (answer.code, answer.retry_after) == ("waiting_for_inclusion", 2)
    assert missing(2) == "waiting_for_log"


def test_the_earliest_final_anchor_covers_a_leaf(world: World):
    for size in (3, 4, 5):
        grow(size)
        world.settle()
    sizes = []
    for index in range(12):
        anchor = anchor_covering(index)
        assert isinstance(anchor, AnchorRecord)
        sizes.append(anchor.size)
    assert sizes == [3] * 3 + [7] * 4 + [12] * 5
    assert world.anchored() == [3, 7, 12]


def test_an_anchor_makes_evidence_that_verifies_without_the_node(world: World):
    data, key = b'{"resourceType":"Patient","id":"p1","meta":{"versionId":"1"}}', os.urandom(32)
    salt = derive_salt(key, "Patient/p1/_history/1")
    grow(40)
    with transaction.atomic():
        log.append([(Kind.RECORD, commit(Kind.RECORD, salt, data))])
    log.sequence()
    grow(20)
    world.settle()
    index = log.find_commitment(Kind.RECORD, commit(Kind.RECORD, salt, data))
    assert index == 40
    anchor = anchor_covering(index)
    assert isinstance(anchor, AnchorRecord)
    from hashlib import sha256

    evidence = build_evidence(
        kind=Kind.RECORD, type="Patient", id="p1", version=1, digest=sha256(data).digest(), salt=salt,
        leaf_index=index, audit_path=log.prove_inclusion(index, anchor.size), checkpoint=anchor.note,
        chain_id=anchor.chain_id, contract=anchor.contract, member=anchor.member, header=anchor.header,
        receipt_index=anchor.receipt_index, receipt_nodes=anchor.receipt_nodes, log_index=anchor.log_index,
    )  # fmt: skip
    trust = Trust(
        chain_id=anchor.chain_id,
        genesis=anchor.genesis,
        contract=world.contracts.anchors,
        members=(Member(member_id(NAME), NAME, ORIGIN, (MemberKey(world.signer.public, 0),)),),
        headers=(TrustedHeader(anchor.block_number, world.chain.block_hash(anchor.block_number) or b""),),
    )
    report = verify_evidence(evidence, trust, record=data)
    assert report.outcome is Outcome.PROVED
    assert report.leaf_index == 40


def test_nothing_new_is_a_heartbeat_that_changes_nothing(world: World):
    grow(5)
    world.settle()
    before = (Anchor.objects.count(), Checkpoint.objects.count(), world.head(), world.anchored())
    done = [world.round() for _ in range(3)]
    assert [one.queued for one in done] == [5, 5, 5]
    assert (Anchor.objects.count(), Checkpoint.objects.count(), world.head(), world.anchored()) == before
    assert set(Intent.objects.filter(kind="heartbeat").values_list("status", flat=True)) <= {
        IntentStatus.SENT, IntentStatus.INCLUDED, IntentStatus.FINAL,
    }  # fmt: skip


def test_the_empty_log_beats_too(world: World):
    assert [world.round().queued for _ in range(3)] == [0, 0, 0]
    assert status(now=world.clock()).code == "ok"
    assert world.anchored() == []


def test_old_heartbeats_are_thrown_away(world: World, monkeypatch):
    monkeypatch.setattr("ledger.anchoring.anchorer.KEEP_HEARTBEATS", 3)
    for _ in range(12):
        world.round()
    assert Intent.objects.count() <= 5


def test_one_anchor_at_a_time_is_on_its_way(world: World):
    grow(5)
    assert world.round(blocks=0).queued == 5
    grow(5)
    for _ in range(3):
        assert world.round(blocks=0).queued is None
    assert Intent.objects.count() == 1
    world.mine()
    done = world.round()
    assert (done.included, done.queued) == (1, 10)


def test_only_one_process_anchors_at_a_time(world: World):
    import threading

    from django.db import connection

    inside, leave = threading.Event(), threading.Event()

    class SlowChain(Chain):
        def identify(self) -> tuple[int, bytes]:
            inside.set()
            leave.wait(10)
            return super().identify()

    def slow() -> None:
        try:
            world.anchorer(SlowChain(world.node.rpc)).run_once()
        finally:
            connection.close()

    grow(5)
    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait(10)
    assert world.anchorer().run_once().code == "busy"
    leave.set()
    thread.join()
    assert Intent.objects.count() == 1
    assert world.round().code == "ok"


def test_a_round_inside_a_transaction_is_refused(world: World):
    with pytest.raises(RuntimeError, match="transactions of its own"), transaction.atomic():
        world.anchorer().run_once()


def test_observing_learns_of_inclusion_and_sends_nothing(world: World):
    grow(5)
    world.round()
    grow(5)
    done = world.anchorer().observe()
    assert (done.code, done.included, done.queued, done.sent) == ("ok", 1, None, 0)
    assert Intent.objects.count() == 1


def test_a_log_shorter_than_the_chain_is_an_alarm_and_nothing_is_written_over(world: World):
    grow(20)
    world.settle()
    forget_the_log()
    grow(7)
    for _ in range(2):
        done = world.round()
        assert done.code == "log_shorter_than_chain"
        assert (done.queued, done.sent) == (None, 0)
    now = status(now=world.clock())
    assert (now.level, now.code) == ("alarm", "log_shorter_than_chain")
    assert Checkpoint.objects.count() == 0
    assert world.head() == 20
    # Nor when it has grown past the chain's head since: then it is another log.
    grow(30)
    assert world.round().code == "log_differs_from_chain"
    assert status(now=world.clock()).level == "alarm"
    assert world.anchored() == [20]


def forget_the_log() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE ledger_leaf, ledger_tile, ledger_state, ledger_checkpoint, ledger_anchor, ledger_intent, "
            "ledger_chain_state"
        )


def test_an_anchor_that_the_database_forgot_is_taken_over_from_the_chain(world: World):
    grow(20)
    world.settle()
    # A back-up from before the anchor: the log is whole, checkpoint, anchor and intent are not there.
    Anchor.objects.all().delete()
    Checkpoint.objects.all().delete()
    Intent.objects.all().delete()
    ChainState.objects.all().delete()
    done = world.round()
    assert (done.code, done.included) == ("ok", 1)
    world.round()
    anchor = anchor_covering(19)
    assert isinstance(anchor, AnchorRecord)
    assert anchor.size == 20
    assert world.anchored() == [20]
    assert world.round().included == 0


def test_a_contract_that_is_not_there_is_said_to_the_operator(world: World):
    done = world.anchorer(contract=bytes(19) + b"\x77").run_once()
    assert done.code == "contract_missing"
    now = status(now=world.clock())
    assert (now.level, now.code) == ("warning", "contract_missing")
    assert "Deploy the contracts" in now.sentence
    assert "0x" + bytes(19).hex() + "77" in now.detail


def test_a_chain_that_does_not_answer_is_a_warning_and_no_error(world: World):
    grow(3)
    world.settle()
    dead = Chain("http://127.0.0.1:9", timeout=1)
    grow(3)
    done = world.anchorer(dead).run_once()
    assert done.code == "chain_unavailable"
    now = status(now=world.clock())
    assert (now.level, now.code, now.included_size) == ("warning", "chain_unavailable", 3)
    assert now.last_success_at is not None
    assert now.last_error_at is not None
    assert now.last_error_at > now.last_success_at
    assert missing(5) == "waiting_for_chain"
    assert isinstance(anchor_covering(2), AnchorRecord)
    world.settle()
    assert status(now=world.clock()).code == "ok"
    assert world.anchored() == [3, 6]


def test_a_stranger_is_refused_before_it_pays(world: World):
    grow(3)
    stranger = Account(os.urandom(32))
    world.node.call("anvil_setBalance", "0x" + stranger.address.hex(), hex(10**18))
    done = world.anchorer(account=stranger).run_once()
    assert done.code == "anchor_refused"
    assert "members: not a member" in done.sentence
    assert Intent.objects.count() == 0


def test_a_log_key_that_is_not_registered_is_refused_before_it_pays(world: World):
    grow(3)
    done = world.anchorer(signer=new_signer()).run_once()
    assert done.code == "anchor_refused"
    assert "anchors: log key is not the one in force" in done.sentence


def test_an_account_without_means_is_said_to_the_operator(world: World):
    grow(3)
    world.node.call("anvil_setBalance", "0x" + world.account.address.hex(), "0x0")
    assert world.round().code == "chain_unfunded"
    assert "Fund it" in status(now=world.clock()).sentence
    world.node.call("anvil_setBalance", "0x" + world.account.address.hex(), hex(10**20))
    world.clock.wait(5)
    world.settle()
    assert world.anchored() == [3]
    assert status(now=world.clock()).code == "ok"


def perform(world: World, account: Account, call: Any) -> None:
    world.node.call("evm_setAutomine", True)
    world.chain.perform(account, call)
    world.node.call("evm_setAutomine", False)


def test_a_new_log_key_anchors_once_the_register_has_it(world: World):
    grow(3)
    world.settle()
    successor = new_signer()
    perform(world, world.account, set_log_key_call(world.contracts.members, successor.public.digest))
    grow(3)
    assert world.round().code == "anchor_refused"
    world.signer = successor
    world.settle()
    assert world.anchored() == [3, 6]
    digests = [anchor_covering(index).key_digest for index in (0, 5)]  # type: ignore[union-attr]
    assert digests[1] == successor.public.digest != digests[0]


def test_a_revoked_log_key_stops_anchoring(world: World):
    digest = world.signer.public.digest
    perform(world, world.account, revoke_log_key_call(world.contracts.members, digest))
    grow(3)
    done = world.round()
    assert done.code == "anchor_refused"
    assert "members: member has no log key" in done.sentence


def test_another_transaction_in_its_place_and_a_refusal_in_its_block_are_both_seen(world: World):
    """The account revokes its log key while an anchor waits: by the same number, and at a higher price."""
    grow(3)
    world.round(blocks=0)
    intent = Intent.objects.get()
    call = revoke_log_key_call(world.contracts.members, world.signer.public.digest)
    assert intent.nonce is not None
    world.chain.send(world.chain.sign(world.account, call, nonce=intent.nonce, latest=world.chain.block(), bumps=12))
    world.mine()
    # The anchor is signed again with the next number, and refused in its block.
    assert world.round().sent == 1
    assert world.round().code == "anchor_refused"
    former = intent.nonce
    intent.refresh_from_db()
    assert (intent.status, intent.nonce) == (IntentStatus.FAILED, former + 1)
    assert intent.error == "members: member has no log key"
    assert world.anchored() == []
