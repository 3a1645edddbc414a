"""What the rest of the node asks about anchoring: which anchor covers a leaf, and how it is doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ledger import log
from ledger.intents import OPEN
from ledger.models import Anchor, AnchorStatus, ChainState, Intent, IntentStatus

STALLED_AFTER = timedelta(seconds=60)
CADENCE_SECONDS = 2
RETRY_WHEN_TROUBLED = 30


@dataclass(frozen=True, slots=True)
class AnchorRecord:
    """A final anchor, with all that evidence takes of it. Hashes have 32 bytes, the contract's address 20.

    note: the signed checkpoint; header: RLP; receipt_nodes: the receipt's trie proof, root first;
    log_index: the event's place in the receipt's own list.
    """

    size: int
    note: bytes
    key_digest: bytes
    chain_id: int
    genesis: bytes
    contract: bytes
    member: bytes
    tx_hash: bytes
    receipt_index: int
    log_index: int
    block_number: int
    block_hash: bytes
    header: bytes
    receipt_nodes: tuple[bytes, ...]
    included_at: datetime
    final_at: datetime


@dataclass(frozen=True, slots=True)
class Pending:
    """Not yet: a stable code, a sentence that says what is missing, and seconds until it makes sense to ask again."""

    code: str
    sentence: str
    retry_after: int


@dataclass(frozen=True, slots=True)
class Status:
    """How anchoring is doing, for the operator. `level` is ok, warning or alarm; `detail` is in English, for logs."""

    level: str
    code: str
    sentence: str
    detail: str
    log_size: int
    backlog: int
    included_size: int
    final_size: int
    chain_height: int | None
    waiting_intents: int
    failed_intents: int
    rollbacks: int
    last_rollback_at: datetime | None
    last_success_at: datetime | None
    last_error_at: datetime | None


_ALARMS = {"log_shorter_than_chain", "log_differs_from_chain", "log_lost_signed_head"}
_SENTENCES: dict[str, str | Promise] = {
    "ok": gettext_lazy("Anchoring works."),
    "never_ran": gettext_lazy("Anchoring has not run yet. Start the worker."),
    "stalled": gettext_lazy("Anchoring has not run for a while. Check that the worker runs."),
    "chain_unavailable": gettext_lazy(
        "The chain does not answer. Records are stored and logged as always, and will be anchored when it is back. "
        "Check that the chain node runs."
    ),
    "contract_missing": gettext_lazy(
        "The anchoring contract is not on this chain. Deploy the contracts again, or point the node at the right chain."
    ),
    "chain_unfunded": gettext_lazy("The node's account on the chain cannot pay for gas. Fund it."),
    "anchor_refused": gettext_lazy(
        "The contract refuses this node's anchors. Check the node's account, log key and status in the register of "
        "members."
    ),
    "log_shorter_than_chain": gettext_lazy(
        "The chain holds more of this log than the database does. Restore the database from a newer back-up; "
        "nothing is anchored until then."
    ),
    "log_differs_from_chain": gettext_lazy(
        "The log in the database is not the one that the chain holds. Nothing is anchored until the database is "
        "restored."
    ),
    "log_lost_signed_head": gettext_lazy(
        "The log does not contain a head that it has signed. Nothing is anchored until the database is restored."
    ),
}


def anchor_covering(index: int) -> AnchorRecord | Pending:
    """The earliest final anchor whose checkpoint contains leaf `index`, or what it still waits for."""
    row = (
        Anchor.objects.filter(status=AnchorStatus.FINAL, size__gt=index)
        .select_related("checkpoint")
        .order_by("size", "id")
        .first()
    )
    if row is not None and row.final_at is not None:
        return AnchorRecord(
            size=row.size,
            note=bytes(row.checkpoint.note),
            key_digest=bytes(row.checkpoint.key_digest),
            chain_id=row.chain_id,
            genesis=bytes(row.genesis),
            contract=bytes(row.contract),
            member=bytes(row.member),
            tx_hash=bytes(row.tx_hash),
            receipt_index=row.tx_index,
            log_index=row.log_index,
            block_number=row.block_number,
            block_hash=bytes(row.block_hash),
            header=bytes(row.header),
            receipt_nodes=tuple(bytes.fromhex(node[2:]) for node in row.receipt_proof),
            included_at=row.included_at,
            final_at=row.final_at,
        )
    return _pending(index)


def _pending(index: int) -> Pending:
    if index >= log.head().size:
        return Pending("waiting_for_log", _("It is stored, and waits for its number in the log."), CADENCE_SECONDS)
    if _code(ChainState.objects.filter(id=ChainState.ONLY).first(), timezone.now()) != "ok":
        return Pending(
            "waiting_for_chain",
            _("It is in the log. It cannot be confirmed on the chain at the moment; that follows by itself."),
            RETRY_WHEN_TROUBLED,
        )
    if Anchor.objects.filter(status=AnchorStatus.INCLUDED, size__gt=index).exists():
        return Pending(
            "waiting_for_finality",
            _("It is in the log and on the chain, and waits for the chain to confirm it for good."),
            CADENCE_SECONDS,
        )
    return Pending("waiting_for_inclusion", _("It is in the log, and waits for the chain to take it."), CADENCE_SECONDS)


def status(*, now: datetime | None = None) -> Status:
    """How anchoring is doing now."""
    state = ChainState.objects.filter(id=ChainState.ONLY).first()
    code = _code(state, now or timezone.now())
    level = "ok" if code == "ok" else "alarm" if code in _ALARMS else "warning"
    detail = state.error if state is not None else ""
    return Status(
        level=level,
        code=code,
        sentence=str(_SENTENCES.get(code) or detail),
        detail=detail,
        log_size=log.head().size,
        backlog=log.backlog(),
        included_size=_largest(AnchorStatus.INCLUDED, AnchorStatus.FINAL),
        final_size=_largest(AnchorStatus.FINAL),
        chain_height=state.height if state else None,
        waiting_intents=Intent.objects.filter(status__in=OPEN).count(),
        failed_intents=Intent.objects.filter(status=IntentStatus.FAILED).count(),
        rollbacks=state.rollbacks if state else 0,
        last_rollback_at=state.last_rollback_at if state else None,
        last_success_at=state.last_success_at if state else None,
        last_error_at=state.last_error_at if state else None,
    )


def _code(state: ChainState | None, now: datetime) -> str:
    if state is None:
        return "never_ran"
    if state.error_code:
        return state.error_code
    if state.last_success_at is None:
        return "never_ran"
    return "stalled" if now - state.last_success_at > STALLED_AFTER else "ok"


def _largest(*statuses: AnchorStatus) -> int:
    sizes = [Anchor.objects.filter(status=one).order_by("-size").values_list("size", flat=True) for one in statuses]
    return max(size.first() or 0 for size in sizes)
