"""What Django itself needs to know of the patient's room.

The tables of records (`records_current`, `records_history` and their index rows) are read and written by raw cursors
alone and have no models: their SQL is in the first migration, their writer in `records.fhir.store`, their readers
behind `records.access`.
"""

from typing import ClassVar

from django.contrib.auth.models import Group, Permission
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase


class Compartment(models.Model):
    """Everything on this node about one patient: the unit in which access is granted to care teams.

    Records carry its number; number 0, which no row has, stands for records that belong to no patient.
    """

    patient_id = models.TextField(_("patient"), unique=True, db_collation="C")

    class Meta:
        verbose_name = _("patient compartment")
        verbose_name_plural = _("patient compartments")
        default_permissions = ()
        permissions = [
            ("view_compartment", "Can read the patient's records"),
            ("write_compartment", "Can write the patient's records"),
        ]

    def __str__(self) -> str:
        return f"Patient/{self.patient_id}"


class CompartmentGroupObjectPermission(GroupObjectPermissionBase):
    """A care team's permission on one compartment, by direct foreign keys: the hot statements join it."""

    content_object = models.ForeignKey(Compartment, on_delete=models.CASCADE)
    group = models.ForeignKey(Group, on_delete=models.CASCADE)
    permission = models.ForeignKey(Permission, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        verbose_name = _("permission of a care team")
        verbose_name_plural = _("permissions of care teams")

    def __str__(self) -> str:
        return f"{self.group_id} {self.permission_id} {self.content_object_id}"


class PatientKey(models.Model):
    """The key from which the salts of one patient's records are derived. It lives in the vault, never beside the records.

    `key` is empty once destroyed; the row stays, so that no later write makes a new key for an erased patient.
    """

    patient_id = models.TextField(primary_key=True, db_collation="C")
    key = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "vault_patientkey"
        default_permissions = ()
        verbose_name = _("patient key")
        verbose_name_plural = _("patient keys")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="patient_key_or_destroyed",
                condition=models.Q(key__isnull=False, destroyed_at__isnull=True)
                | models.Q(key__isnull=True, destroyed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Patient/{self.patient_id}"
