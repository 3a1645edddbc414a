"""What to do when the chain has lost blocks: find the first one that is missing, and forget what was in it and after.

Every block names its parent, so when one is no longer part of the chain, none after it is, and when one is, all
before it are. The search for the first lost one is therefore a binary search over the blocks we know.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from ledger.chain import Chain
from ledger.intents import ON_CHAIN, OPEN, requeue
from ledger.models import Anchor, AnchorStatus, ChainState, Intent, IntentStatus

ANCHORING_KINDS = ("anchor", "heartbeat")


def known_blocks() -> list[tuple[int, bytes]]:
    """The blocks (height, hash) that hold our anchors and intents, lowest first."""
    anchors = Anchor.objects.exclude(status=AnchorStatus.LOST).values_list("block_number", "block_hash")
    intents = Intent.objects.filter(status__in=ON_CHAIN).values_list("block_number", "block_hash")
    blocks = {(number, bytes(hash_)) for number, hash_ in [*anchors, *intents] if number is not None and hash_}
    return sorted(blocks)


def newest_blocks() -> list[tuple[int, bytes]]:
    """The newest block of our anchors and the newest of our intents."""
    anchor = Anchor.objects.exclude(status=AnchorStatus.LOST).order_by("-block_number").first()
    intent = Intent.objects.filter(status__in=ON_CHAIN).order_by("-block_number").first()
    return [(row.block_number or 0, bytes(row.block_hash or b"")) for row in (anchor, intent) if row is not None]


def first_lost(chain: Chain, blocks: Sequence[tuple[int, bytes]]) -> int | None:
    """Height of the lowest of these blocks that is no longer part of the chain; None when all are."""
    low, high = 0, len(blocks)
    while low < high:
        middle = (low + high) // 2
        number, hash_ = blocks[middle]
        if chain.block_hash(number) == hash_:
            low = middle + 1
        else:
            high = middle
    return blocks[low][0] if low < len(blocks) else None


def forget_from(height: int, now: datetime) -> int:
    """Record that every block from this height on is lost; returns how many anchors were.

    Anchors are not sent again one by one: the next one goes from whatever head the contract has now. Everything
    else is queued again, in the old order.
    """
    with transaction.atomic(durable=True):
        lost = (
            Anchor.objects.filter(block_number__gte=height)
            .exclude(status=AnchorStatus.LOST)
            .update(status=AnchorStatus.LOST, final_at=None)
        )
        gone = Intent.objects.filter(status__in=ON_CHAIN, block_number__gte=height)
        waiting = Intent.objects.filter(status__in=OPEN)
        for intents in (gone, waiting):
            intents.filter(kind__in=ANCHORING_KINDS).update(status=IntentStatus.SUPERSEDED, raw=None)
        requeue(gone.exclude(kind__in=ANCHORING_KINDS).order_by("id"))
        state, _ = ChainState.objects.get_or_create(id=ChainState.ONLY)
        state.rollbacks += 1
        state.last_rollback_at = now
        state.height = state.height_hash = None
        state.save()
    return lost


def forget_other_contracts(contract: bytes) -> int:
    """Record that anchors in another contract than this node's count no more; returns how many there were.

    A node changes its contract as a whole, so the newest anchor answers for all.
    """
    newest = Anchor.objects.exclude(status=AnchorStatus.LOST).order_by("-block_number").first()
    if newest is None or bytes(newest.contract) == contract:
        return 0
    with transaction.atomic(durable=True):
        others = Anchor.objects.exclude(status=AnchorStatus.LOST).exclude(contract=contract)
        lost = others.update(status=AnchorStatus.LOST, final_at=None)
        if lost:
            Intent.objects.filter(status__in=OPEN, kind__in=ANCHORING_KINDS).update(
                status=IntentStatus.SUPERSEDED, raw=None
            )
    return lost
