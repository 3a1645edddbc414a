"""Every write to the chain, as an intent in one outbox, and the one sender that carries them out.

An intent is queued in its caller's transaction and sent later, in order, as often as it takes. Sending one twice must
be without effect: the contracts see to that. So nothing here has to know for certain whether a transaction was
sent; it only has to know, in the end, whether it is in the chain.

    queued -> sent -> included -> final          superseded: another intent has taken its place
                 \\-> failed (the contract refused it)

A transaction is signed and stored before it is sent. When its block leaves the chain, the intent is queued again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from ledger.chain import Account, Block, Call, Chain, NonceConflict, Reverted, Signed
from ledger.models import Intent, IntentStatus

WINDOW = 32  # transactions of one account that may wait for a block; nodes' pools refuse many more
RESEND_AFTER = timedelta(seconds=3)
RAISE_AFTER = timedelta(seconds=30)

ON_CHAIN = (IntentStatus.INCLUDED, IntentStatus.FINAL, IntentStatus.FAILED)
OPEN = (IntentStatus.QUEUED, IntentStatus.SENT)


def queue_intent(*, kind: str, key: str, call: Call, now: datetime) -> Intent:
    """Queue a call in the caller's transaction. The same `key` again gives the intent that has it already."""
    intent, _ = Intent.objects.get_or_create(
        key=key, defaults={"kind": kind, "payload": _payload(call), "created_at": now}
    )
    return intent


def call_of(intent: Intent) -> Call:
    """The call that an intent makes."""
    payload = intent.payload
    return Call(
        artefact=payload["artefact"],
        contract=bytes.fromhex(payload["contract"][2:]),
        function=payload["function"],
        arguments=tuple(payload["arguments"]),
        gas=payload["gas"],
    )


def _payload(call: Call) -> dict[str, Any]:
    return {
        "artefact": call.artefact,
        "contract": "0x" + call.contract.hex(),
        "function": call.function,
        "arguments": _json_form(call.arguments),
        "gas": call.gas,
    }


def _json_form(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list | tuple):
        return [_json_form(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Found:
    """An intent whose transaction is in a block: its receipt as raw JSON, and the block."""

    intent: Intent
    receipt: dict[str, Any]
    block: Block

    @property
    def succeeded(self) -> bool:
        return int(self.receipt["status"], 16) == 1


class Sender:
    """Sends this node's intents from its account. The caller holds the anchorer's lock: there is one sender."""

    def __init__(self, chain: Chain, account: Account) -> None:
        self.chain = chain
        self.account = account

    def find_included(self) -> Iterable[Found]:
        """The sent intents whose transactions are in a block by now, in order. Changes nothing."""
        blocks: dict[int, Block] = {}
        for intent in Intent.objects.filter(status=IntentStatus.SENT).order_by("id"):
            receipt = self._receipt_of(intent)
            if receipt is None:
                continue
            number = int(receipt["blockNumber"], 16)
            if number not in blocks:
                blocks[number] = self.chain.block(number)
            # A block that changed between the two answers is looked at again in the next round.
            if blocks[number].hash == bytes.fromhex(receipt["blockHash"][2:]):
                yield Found(intent, receipt, blocks[number])

    def record_included(self, found: Found) -> None:
        """Store that an intent is in a block; in the caller's transaction, with what the caller makes of it."""
        intent = found.intent
        intent.tx_hash = bytes.fromhex(found.receipt["transactionHash"][2:])
        intent.block_number, intent.block_hash = found.block.number, found.block.hash
        intent.gas_used = int(found.receipt["gasUsed"], 16)
        intent.status = IntentStatus.INCLUDED if found.succeeded else IntentStatus.FAILED
        intent.error = "" if found.succeeded else self._reason_of(intent)
        intent.save()

    def record_final(self, height: int, depth: int) -> int:
        """Mark what is `depth` blocks below the chain's end as final; returns to how many intents."""
        return Intent.objects.filter(status=IntentStatus.INCLUDED, block_number__lte=height - depth).update(
            status=IntentStatus.FINAL, raw=None
        )

    def send_open(self, latest: Block, now: datetime) -> int:
        """Number, sign, store and send what is queued, and send again what no block has taken yet.

        1. Numbers go on from the account's count on the chain, in the order of the intents, without a gap.
        2. A sent intent that has another number than its turn is signed anew: the chain rolled back, or another
           transaction of the account came between.
        3. One that has waited for long, or lost to another of the same number, is signed anew with a higher fee.
        4. Signed ones are stored before the first is sent.

        Returns how many were sent. Raises ChainError; what was stored is sent again in the next round.
        """
        intents = list(Intent.objects.filter(status__in=OPEN).order_by("id")[:WINDOW])
        if not intents:
            return 0
        nonce = self.chain.next_nonce(self.account.address)
        due: list[tuple[Intent, Signed]] = []
        changed: list[Intent] = []
        for intent in intents:
            # An earlier transaction of it may be in a block after all: then the next round finds it.
            if (intent.nonce is None or intent.nonce < nonce) and self._receipt_of(intent):
                intent.status = IntentStatus.SENT
                changed.append(intent)
                continue
            waited = now - intent.sent_at if intent.sent_at else None
            stays = intent.status == IntentStatus.SENT and intent.nonce == nonce and intent.raw is not None
            if not stays or waited is None or waited >= RAISE_AFTER * max(1, intent.attempts):
                if stays:
                    intent.attempts += 1
                changed.append(intent)
                due.append((intent, self._sign(intent, nonce, latest, now)))
            elif waited >= RESEND_AFTER:
                due.append((intent, Signed(bytes(intent.raw or b""), bytes(intent.tx_hash or b""), nonce)))
            nonce += 1
        with transaction.atomic(durable=True):
            for intent in changed:
                intent.save()
        for intent, signed in due:
            self._send(intent, signed)
        return len(due)

    def _sign(self, intent: Intent, nonce: int, latest: Block, now: datetime) -> Signed:
        signed = self.chain.sign(self.account, call_of(intent), nonce=nonce, latest=latest, bumps=intent.attempts)
        if intent.tx_hash is not None:
            remember_hash(intent)
        intent.status, intent.nonce, intent.sent_at = IntentStatus.SENT, nonce, now
        intent.raw, intent.tx_hash = signed.raw, signed.hash
        return signed

    def _send(self, intent: Intent, signed: Signed) -> None:
        try:
            self.chain.send(signed)
        except NonceConflict as conflict:
            # Not signed in this round any more: the next one reads the account's count again and offers more.
            intent.sent_at, intent.error = None, conflict.sentence
            intent.save(update_fields=["sent_at", "error"])

    def _receipt_of(self, intent: Intent) -> dict[str, Any] | None:
        """The receipt of the newest transaction of an intent that is in a block: any of them has its effect."""
        newest = [bytes(intent.tx_hash)] if intent.tx_hash is not None else []
        for hash_ in [*newest, *(bytes.fromhex(text[2:]) for text in reversed(intent.former_hashes))]:
            receipt = self.chain.receipt(hash_)
            if receipt is not None:
                return receipt
        return None

    def _reason_of(self, intent: Intent) -> str:
        """Why the contract refused: the call is done again on the state before and after its block."""
        assert intent.block_number is not None
        for height in (intent.block_number - 1, intent.block_number):
            try:
                self.chain.try_call(call_of(intent), self.account.address, height=height)
            except Reverted as reverted:
                return reverted.reason or "reverted without a reason"
        return "reverted, and would not revert now"


def remember_hash(intent: Intent) -> None:
    """Keep the hash of a transaction that is about to be replaced: it may still turn up in a block."""
    text = "0x" + bytes(intent.tx_hash or b"").hex()
    intent.former_hashes = [*[known for known in intent.former_hashes if known != text], text][-8:]


def requeue(intents: Iterable[Intent]) -> int:
    """Queue intents again whose blocks are no longer part of the chain; in the caller's transaction."""
    count = 0
    for intent in intents:
        if intent.tx_hash is not None:
            remember_hash(intent)
        intent.status, intent.error, intent.attempts = IntentStatus.QUEUED, "", 0
        intent.nonce = intent.raw = intent.tx_hash = intent.sent_at = None
        intent.block_number = intent.block_hash = intent.gas_used = None
        intent.save()
        count += 1
    return count
