"""Which care teams may see, and write for, which patients. A revocation is in force once it has been acknowledged.

Reads hold shared locks while they decide and read (`records.access.session`); a change here takes the exclusive ones, so
that no read that began before commits after it.
"""

from typing import Final

from django.contrib.auth.models import Permission
from django.db import transaction

from consortium.members.models import CareTeam
from ledger.locks import LockClass, lock_for_transaction
from records.models import Compartment, CompartmentGroupObjectPermission

VIEW: Final = "view_compartment"
WRITE: Final = "write_compartment"


def compartment_of(patient_id: str) -> Compartment:
    """The compartment of a patient, made where there is none yet: teams may be named before the first record comes."""
    return Compartment.objects.get_or_create(patient_id=patient_id)[0]


def grant_care_team(*, compartment: Compartment, care_team: CareTeam, write: bool = False) -> None:
    """Lets a care team read the patient's records, and with `write` also change them."""
    for codename in (VIEW, WRITE) if write else (VIEW,):
        CompartmentGroupObjectPermission.objects.get_or_create(
            content_object=compartment, group=care_team.group, permission=_permission(codename)
        )


def revoke_care_team(*, compartment: Compartment, care_team: CareTeam) -> None:
    """Takes everything back that a care team may do with the patient's records, from the moment that this returns."""
    with transaction.atomic(durable=True):
        lock_for_transaction(LockClass.PATIENT, compartment.pk)
        lock_for_transaction(LockClass.NODE)
        CompartmentGroupObjectPermission.objects.filter(content_object=compartment, group=care_team.group).delete()


def _permission(codename: str) -> Permission:
    return Permission.objects.get(
        codename=codename, content_type__app_label="records", content_type__model="compartment"
    )
