"""The vault: one 32-byte key for each patient, in a database of its own, and the node's key for records of no patient.

A salt is derived from these keys; whoever has the records but not the vault cannot link a commitment to a record, and
destroying a key unlinks a patient's commitments for good. The vault has its own back-up rule and its own alias.
"""

import functools
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from consortium.members.keys import load_node_salt

VAULT = "vault"
KEY_LENGTH = 32


class VaultRouter:
    """Puts patient keys into the vault's database, and keeps everything else out of it."""

    def db_for_read(self, model: type[Any], **hints: object) -> str | None:
        return VAULT if model._meta.label_lower == "records.patientkey" else None

    db_for_write = db_for_read

    def allow_relation(self, left: object, right: object, **hints: object) -> bool | None:
        return None

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: object) -> bool:
        if app_label == "records" and model_name == "patientkey":
            return db == VAULT
        return db != VAULT


class VaultRefusal(Exception):
    """A patient's key that a write needs is not to be had. `code` is stable."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@functools.cache
def node_key() -> bytes:
    """The key for records that belong to no patient, 32 bytes, from the node's key folder. Raises KeyRefusal."""
    return load_node_salt(Path(settings.NODE_KEYS))


def existing_keys(patient_ids: Iterable[str]) -> dict[str, bytes]:
    """Keys of those patients that have one; a destroyed key is absent."""
    wanted = sorted(set(patient_ids))
    if not wanted:
        return {}
    with connections[VAULT].cursor() as cursor:
        cursor.execute(
            "SELECT patient_id, key FROM vault_patientkey WHERE patient_id = ANY(%s) AND key IS NOT NULL", [wanted]
        )
        return {patient: bytes(key) for patient, key in cursor.fetchall()}


def keys_for_writing(patient_ids: Iterable[str]) -> Mapping[str, bytes]:
    """Each patient's key, made where there is none yet.

    A new key is committed in the vault before this returns, and so before any record that is salted from it: a record
    without its key could never be proved. A key whose record was rolled back does no harm. An erased patient's key is
    not made again: VaultRefusal "patient-erased".
    """
    wanted = sorted(set(patient_ids))
    found = existing_keys(wanted)
    missing = [patient for patient in wanted if patient not in found]
    if not missing:
        return found
    with connections[VAULT].cursor() as cursor:
        cursor.execute(
            "INSERT INTO vault_patientkey (patient_id, key) SELECT * FROM unnest(%s::text[], %s::bytea[])"
            " ON CONFLICT (patient_id) DO NOTHING",
            [missing, [secrets.token_bytes(KEY_LENGTH) for _ in missing]],
        )
    found |= existing_keys(missing)
    erased = [patient for patient in missing if patient not in found]
    if erased:
        raise VaultRefusal(
            "patient-erased",
            f"Patient/{erased[0]} was erased and cannot be written again under this id: use a new id for a new record.",
        )
    return found
