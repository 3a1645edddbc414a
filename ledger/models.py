"""The log, its checkpoints, what goes to the chain and what came back. Only this room writes these tables."""

from __future__ import annotations

from django.db import models


class OutboxEntry(models.Model):
    """A commitment written with what it commits to, in one transaction, and waiting for its leaf number."""

    kind = models.SmallIntegerField()
    commitment = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ledger_outbox"


class Leaf(models.Model):
    """A leaf of the log. `handle` is the first eight bytes of its hash, signed, for finding it by hash."""

    index = models.BigIntegerField(primary_key=True)
    kind = models.SmallIntegerField()
    commitment = models.BinaryField(max_length=32)
    handle = models.BigIntegerField(db_index=True)

    class Meta:
        db_table = "ledger_leaf"


class Tile(models.Model):
    """Up to 256 hashes of one level of the log. A full tile never changes; the last of a level grows."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    data = models.BinaryField()

    class Meta:
        db_table = "ledger_tile"


class LogState(models.Model):
    """The log's head, in one row; no row is the empty log."""

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True, default=ONLY)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ledger_state"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="ledger_state_one_row")]


class Checkpoint(models.Model):
    """A signed head of the log. `key_digest` names the log key that signed it."""

    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    key_digest = models.BinaryField(max_length=32)
    note = models.BinaryField()
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_checkpoint"
        constraints = [models.UniqueConstraint(fields=["size", "root", "key_digest"], name="ledger_checkpoint_once")]


class IntentStatus(models.TextChoices):
    QUEUED = "queued"  # to be signed and sent
    SENT = "sent"  # signed, numbered, handed to the chain node as often as it takes
    INCLUDED = "included"  # in a block of the canonical chain
    FINAL = "final"  # in a block as deep as the finality depth
    SUPERSEDED = "superseded"  # its effect is another intent's now
    FAILED = "failed"  # the contract refused it; `error` says why


class Intent(models.Model):
    """One write to the chain, which can be sent again at any time with the same effect.

    `payload` is the call: artefact (name), contract (address), function, arguments (bytes as 0x text), gas. `key` is the
    caller's own name for it: queuing the same key twice makes one intent. They are sent in the order of their
    ids.
    """

    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=200, unique=True)
    payload = models.JSONField()
    status = models.CharField(max_length=12, choices=IntentStatus.choices, default=IntentStatus.QUEUED)
    nonce = models.BigIntegerField(null=True)
    raw = models.BinaryField(null=True)  # the signed transaction
    tx_hash = models.BinaryField(max_length=32, null=True)
    former_hashes = models.JSONField(default=list)  # of transactions that it replaced or that were lost, as 0x text
    attempts = models.IntegerField(default=0)
    error = models.TextField(default="")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    block_number = models.BigIntegerField(null=True)
    block_hash = models.BinaryField(max_length=32, null=True)
    gas_used = models.BigIntegerField(null=True)

    class Meta:
        db_table = "ledger_intent"
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(status__in=["queued", "sent", "included"]),
                name="ledger_intent_open",
            ),
            models.Index(
                fields=["block_number"],
                condition=models.Q(status__in=["included", "final", "failed"]),
                name="ledger_intent_block",
            ),
        ]


class AnchorStatus(models.TextChoices):
    INCLUDED = "included"
    FINAL = "final"
    LOST = "lost"  # its block is no longer part of the chain


class Anchor(models.Model):
    """A checkpoint that the contract accepted, with everything that evidence needs of the chain.

    The proof holds the receipt: it is the trie's path from the header's receiptsRoot down to it.
    """

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT)
    size = models.BigIntegerField()
    status = models.CharField(max_length=12, choices=AnchorStatus.choices)
    chain_id = models.BigIntegerField()
    genesis = models.BinaryField(max_length=32)
    contract = models.BinaryField(max_length=20)
    member = models.BinaryField(max_length=32)
    tx_hash = models.BinaryField(max_length=32)
    tx_index = models.IntegerField()
    log_index = models.IntegerField()  # of the event within the receipt
    block_number = models.BigIntegerField()
    block_hash = models.BinaryField(max_length=32)
    header = models.BinaryField()
    receipt_proof = models.JSONField()  # the nodes as 0x text
    included_at = models.DateTimeField()
    final_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_anchor"
        constraints = [
            models.UniqueConstraint(fields=["block_hash", "tx_hash", "log_index"], name="ledger_anchor_once")
        ]
        indexes = [
            models.Index(fields=["status", "size"], name="ledger_anchor_covering"),
            models.Index(fields=["block_number"], condition=~models.Q(status="lost"), name="ledger_anchor_block"),
        ]


class ChainState(models.Model):
    """What this node last knew of the chain, in one row, for the operator and for detecting a roll-back."""

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True, default=ONLY)
    chain_id = models.BigIntegerField(null=True)
    genesis = models.BinaryField(max_length=32, null=True)
    height = models.BigIntegerField(null=True)
    height_hash = models.BinaryField(max_length=32, null=True)
    head_size = models.BigIntegerField(null=True)  # the contract's head of this log
    last_success_at = models.DateTimeField(null=True)
    last_error_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=64, default="")
    error = models.TextField(default="")
    rollbacks = models.IntegerField(default=0)
    last_rollback_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_chain_state"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="ledger_chain_state_one_row")]
