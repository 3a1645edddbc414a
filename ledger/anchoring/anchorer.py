"""One round of anchoring. The worker calls `run_once` every two seconds, whether or not anything happened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from ledger import log
from ledger.anchoring import rollback
from ledger.chain import Account, Block, Call, Chain, ChainError, ContractHead, Reverted
from ledger.checkpoints import LogSigner
from ledger.errors import LedgerRefusal
from ledger.evidence.verification import ANCHORED_TOPIC
from ledger.intents import OPEN, Sender, queue_intent
from ledger.locks import LockClass, try_session_lock
from ledger.models import Anchor, AnchorStatus, ChainState, Checkpoint, Intent, IntentStatus
from ledger.receipts import decode_header, prove_receipt

logger = logging.getLogger("ledger.anchoring")

DEFAULT_DEPTH = 2
KEEP_HEARTBEATS = 500


class AnchoringError(LedgerRefusal):
    """Log and chain contradict each other, or the contract refuses this node. Nothing is anchored until that ends."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. `code` is "ok", "busy" (another process holds the round), or why it stopped short.

    included, final and lost count anchors; `queued` is the size of the head that was queued, None without one.
    """

    code: str
    sentence: str = ""
    included: int = 0
    final: int = 0
    lost: int = 0
    queued: int | None = None
    sent: int = 0


@dataclass(frozen=True, slots=True)
class _Event:
    """An Anchored event of this log: its place in the receipt's own list, and what it says."""

    place: int
    size: int
    root: bytes
    key_digest: bytes


class Anchorer:
    """Anchors this node's log as one member, and sends every other intent of this node on the way.

    contract: address of Anchors; member: id in the register; account: the member's account there;
    signer: the log key whose digest the register has in force; depth: blocks on top of one that is final.

    A round, each step safe to be cut off after and done again:

    1. Which chain and contract is it? Another one, or a block of ours that is gone: what was in it is lost.
    2. What was sent and is in a block by now: anchors with receipt proof and header, in one transaction.
    3. What is deep enough is final.
    4. The contract's head must be a head of this log: a larger one, or another root, is an alarm and is never
       written over. A head that we have no anchor of is taken over from its block.
    5. Unless one is on its way: sign the checkpoint, and queue one call from the contract's head to it. Between
       equal heads it is a heartbeat.
    6. Send what is queued.

    A failure of the chain ends the round and is recorded for the operator; it raises nothing. Signing waits for
    step 4 on purpose: a node restored from an old back-up must not sign a second history.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        account: Account,
        signer: LogSigner,
        member: bytes,
        contract: bytes,
        depth: int = DEFAULT_DEPTH,
        clock: Callable[[], datetime] = timezone.now,
    ) -> None:
        self.chain = chain
        self.sender = Sender(chain, account)
        self.signer = signer
        self.member = member
        self.contract = contract
        self.depth = depth
        self.clock = clock

    def run_once(self) -> Round:
        """A whole round."""
        return self._guarded(anchor=True)

    def observe(self) -> Round:
        """A round without steps 5 and 6: cheap, for learning of inclusion sooner than the next round does."""
        return self._guarded(anchor=False)

    def _guarded(self, *, anchor: bool) -> Round:
        if connection.in_atomic_block:
            raise RuntimeError("A round of anchoring has transactions of its own: call it outside of any.")
        with try_session_lock(LockClass.ANCHORER) as taken:
            if not taken:
                return Round("busy", "Another process of this node is anchoring.")
            try:
                done = self._round(anchor=anchor)
            except LedgerRefusal as failed:
                self._record_failure(failed)
                return Round(failed.code, failed.sentence)
            return done

    def _round(self, *, anchor: bool) -> Round:
        chain_id, genesis = self.chain.identify()
        latest = self.chain.block()
        lost = self._find_losses(chain_id, genesis)
        included = self._record_inclusions(chain_id, genesis)
        final = self._record_final(latest.number)
        held = self.chain.contract_head(self.contract, self.member)
        refusal = self._contradiction(held)
        if refusal is None:
            included += self._take_over(held, chain_id, genesis)
            queued = self._queue(held) if anchor else None
        # Other intents of this node do not wait for an alarm about the log.
        sent = self.sender.send_open(latest, self.clock()) if anchor else 0
        if refusal is not None:
            raise refusal
        self._record_success(chain_id, genesis, latest, held)
        return Round("ok", "", included, final, lost, queued, sent)

    # 1

    def _find_losses(self, chain_id: int, genesis: bytes) -> int:
        moved = rollback.forget_other_contracts(self.contract)
        if moved:
            logger.warning("%d anchors are in another contract, and will be written again in this one.", moved)
        state = ChainState.objects.filter(id=ChainState.ONLY).first()
        if state is None or state.genesis is None:
            return moved
        if (state.chain_id, bytes(state.genesis)) != (chain_id, genesis):
            first: int | None = 0
        else:
            seen = rollback.newest_blocks()
            if state.height is not None and state.height_hash is not None:
                seen.append((state.height, bytes(state.height_hash)))
            if all(self.chain.block_hash(number) == hash_ for number, hash_ in seen):
                return moved
            first = rollback.first_lost(self.chain, rollback.known_blocks())
        # Blocks may be gone without any of ours among them: that is a roll-back of nothing, and is counted too.
        height = first if first is not None else 2**62
        lost = rollback.forget_from(height, self.clock())
        ChainState.objects.filter(id=ChainState.ONLY).update(chain_id=chain_id, genesis=genesis)
        logger.warning("The chain rolled back: %d anchors are lost and will be written again.", lost)
        return moved + lost

    # 2

    def _record_inclusions(self, chain_id: int, genesis: bytes) -> int:
        included = 0
        for found in self.sender.find_included():
            row = None
            if found.succeeded and found.intent.kind in rollback.ANCHORING_KINDS:
                row = self._anchor_in(found.block, found.receipt, chain_id, genesis)
            with transaction.atomic(durable=True):
                self.sender.record_included(found)
                if row is not None:
                    included += self._store(row)
        return included

    def _anchor_in(
        self, block: Block, receipt: dict[str, Any], chain_id: int, genesis: bytes, *, size: int | None = None
    ) -> Anchor | None:
        """The anchor of this log that a receipt holds (of this size, if one is asked for), with its proof."""
        event = self._event_in(receipt, size)
        if event is None:
            return None
        checkpoint = Checkpoint.objects.filter(size=event.size, root=event.root, key_digest=event.key_digest).first()
        if checkpoint is None:
            if event.key_digest != self.signer.public.digest or log.root_at(event.size) != event.root:
                return None
            signed = log.sign_checkpoint(self.signer, size=event.size, now=self.clock())
            checkpoint = Checkpoint.objects.get(pk=signed.id)
        header = block.header
        index = int(receipt["transactionIndex"], 16)
        proof = prove_receipt(self.chain.block_receipts(block.number), index, decode_header(header).receipts_root)
        return Anchor(
            checkpoint=checkpoint,
            size=event.size,
            status=AnchorStatus.INCLUDED,
            chain_id=chain_id,
            genesis=genesis,
            contract=self.contract,
            member=self.member,
            tx_hash=bytes.fromhex(receipt["transactionHash"][2:]),
            tx_index=index,
            log_index=event.place,
            block_number=block.number,
            block_hash=block.hash,
            header=header,
            receipt_proof=["0x" + node.hex() for node in proof.nodes],
            included_at=self.clock(),
        )

    def _event_in(self, receipt: dict[str, Any], size: int | None) -> _Event | None:
        for place, entry in enumerate(receipt["logs"]):
            topics = [bytes.fromhex(topic[2:]) for topic in entry["topics"]]
            if bytes.fromhex(entry["address"][2:]) != self.contract or topics != [ANCHORED_TOPIC, self.member]:
                continue
            data = bytes.fromhex(entry["data"][2:])
            event = _Event(place, int.from_bytes(data[:32], "big"), data[32:64], data[64:96])
            if size in (None, event.size):
                return event
        return None

    def _store(self, anchor: Anchor) -> int:
        """Store an anchor once; one that was lost and is back in its very block comes back with it."""
        same = Anchor.objects.filter(block_hash=anchor.block_hash, tx_hash=anchor.tx_hash, log_index=anchor.log_index)
        if same.exists():
            return same.filter(status=AnchorStatus.LOST).update(status=AnchorStatus.INCLUDED)
        anchor.save()
        return 1

    # 3

    def _record_final(self, height: int) -> int:
        with transaction.atomic(durable=True):
            self.sender.record_final(height, self.depth)
            return Anchor.objects.filter(status=AnchorStatus.INCLUDED, block_number__lte=height - self.depth).update(
                status=AnchorStatus.FINAL, final_at=self.clock()
            )

    # 4

    def _contradiction(self, held: ContractHead) -> AnchoringError | None:
        size = log.head().size
        if held.size > size:
            return AnchoringError(
                "log_shorter_than_chain",
                f"The chain holds this log's head of {held.size} leaves, and the log has {size}. The database was "
                "restored from an old back-up: restore a newer one. Nothing is signed or anchored until then.",
            )
        if log.root_at(held.size) != held.root:
            return AnchoringError(
                "log_differs_from_chain",
                f"The log at {held.size} leaves is not the one that the chain holds. Its tables were changed, or "
                "they are of another node. Nothing is signed or anchored until they are restored.",
            )
        return None

    def _take_over(self, held: ContractHead, chain_id: int, genesis: bytes) -> int:
        if held.size == 0:
            return 0
        known = Anchor.objects.exclude(status=AnchorStatus.LOST).filter(
            size=held.size, contract=self.contract, genesis=genesis
        )
        if known.exists():
            return 0
        block = self.chain.block(held.block_number)
        for receipt in self.chain.block_receipts(held.block_number):
            row = self._anchor_in(block, receipt, chain_id, genesis, size=held.size)
            if row is not None and receipt["blockHash"] == "0x" + block.hash.hex():
                with transaction.atomic(durable=True):
                    return self._store(row)
        return 0

    # 5

    def _queue(self, held: ContractHead) -> int | None:
        now = self.clock()
        if Intent.objects.filter(kind__in=rollback.ANCHORING_KINDS, status__in=OPEN).exists():
            return None
        signed = log.sign_checkpoint(self.signer, now=now)
        head = signed.head
        proof = log.prove_consistency(held.size, head.size) if held.size < head.size else []
        call = anchor_call(self.contract, head, proof, signed.key_digest)
        try:
            self.chain.try_call(call, self.sender.account.address)
        except Reverted as reverted:
            raise AnchoringError(
                "anchor_refused",
                f"The contract refuses this node's anchor: {reverted.reason or 'it gave no reason'}. Check that the "
                "register has this node's account and log key, and that the member is active.",
            ) from reverted
        kind = "anchor" if held.size < head.size else "heartbeat"
        with transaction.atomic(durable=True):
            intent = queue_intent(kind=kind, key=f"{kind}/{now.isoformat()}/{head.size}", call=call, now=now)
            Intent.objects.filter(kind="heartbeat", id__lt=intent.pk - KEEP_HEARTBEATS).exclude(
                status__in=[*OPEN, IntentStatus.INCLUDED]
            ).delete()
        return head.size

    # What the operator reads

    def _record_success(self, chain_id: int, genesis: bytes, latest: Block, held: ContractHead) -> None:
        ChainState.objects.update_or_create(
            id=ChainState.ONLY,
            defaults={
                "chain_id": chain_id,
                "genesis": genesis,
                "height": latest.number,
                "height_hash": latest.hash,
                "head_size": held.size,
                "last_success_at": self.clock(),
                "error_code": "",
                "error": "",
            },
        )

    def _record_failure(self, failed: LedgerRefusal) -> None:
        level = logging.WARNING if isinstance(failed, ChainError) else logging.ERROR
        state = ChainState.objects.filter(id=ChainState.ONLY).first()
        if state is None or state.error_code != failed.code:
            logger.log(level, "Anchoring stopped: %s", failed)
        ChainState.objects.update_or_create(
            id=ChainState.ONLY,
            defaults={
                "last_error_at": self.clock(),
                "error_code": failed.code,
                "error": failed.sentence,
            },
        )


def anchor_call(contract: bytes, head: log.Head, proof: Sequence[bytes], key_digest: bytes) -> Call:
    """The call that anchors a head; gas for what it costs at most, with room to spare."""
    return Call(
        artefact="Anchors",
        contract=contract,
        function="anchor",
        arguments=(head.size, "0x" + head.root.hex(), ["0x" + node.hex() for node in proof], "0x" + key_digest.hex()),
        gas=200_000 + 5_000 * len(proof),
    )
