"""Who did what with which record. Rows are only ever added; old ones leave by dropping a whole month."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AccessEvent(models.Model):
    """One access, permitted or refused. The table is partitioned by month; its SQL is in the first migration.

    `transaction` is the number of the writing transaction. It lets the batcher take exactly the rows whose
    transactions are over, without ever updating a row.
    """

    class Actor(models.IntegerChoices):
        PERSON = 1, _("person")
        MACHINE = 2, _("machine")
        UNKNOWN = 3, _("unknown")

    class Outcome(models.IntegerChoices):
        """Values of FHIR's audit-event-outcome."""

        PERMITTED = 0, _("permitted")
        REFUSED = 4, _("refused")
        ERROR = 8, _("error")

    pk = models.CompositePrimaryKey("id", "at")
    id = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())
    actor_kind = models.SmallIntegerField(choices=Actor)
    actor_id = models.BigIntegerField(null=True)
    organisation_id = models.BigIntegerField(null=True)
    interaction = models.TextField()
    type = models.SmallIntegerField(null=True)
    resource_id = models.TextField(null=True)
    version = models.IntegerField(null=True)
    compartment = models.BigIntegerField(null=True)
    query = models.TextField(null=True)
    matches = models.IntegerField(null=True)
    outcome = models.SmallIntegerField(choices=Outcome)
    because = models.TextField(null=True)
    purpose = models.TextField()
    request_id = models.UUIDField()
    transaction = models.BigIntegerField(editable=False)

    class Meta:
        db_table = "consortium_accessevent"
        verbose_name = _("access event")
        verbose_name_plural = _("access events")

    def __str__(self) -> str:
        return f"{self.interaction} {self.request_id}"


class AuditBatch(models.Model):
    """One sealed batch of access events: the root of the salted hashes of rows whose transactions had
    ended.

    Its rows have `first_id < id` and `from_transaction <= transaction < until_transaction`. Transaction
    numbers mean something within one database cluster only. `cluster` names it; after a restore into
    another cluster a closing batch (`closing` true) takes what is left over, and numbering begins again.
    """

    number = models.BigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField(db_default=Now())
    cluster = models.BigIntegerField()
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField(null=True)
    from_transaction = models.BigIntegerField()
    until_transaction = models.BigIntegerField()
    closing = models.BooleanField(default=False)
    rows = models.IntegerField()
    root = models.BinaryField(max_length=32)
    statement = models.BinaryField()

    class Meta:
        verbose_name = _("audit batch")
        verbose_name_plural = _("audit batches")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="audit_batch_rows_not_negative", condition=models.Q(rows__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.number}"
