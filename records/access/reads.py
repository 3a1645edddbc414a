"""Reading one record by its id: one statement decides, reads and leaves the audit row, in one round trip.

    1. the shared lock on the patients that the record is about (see `records.access.session`)
    2. does the credential still hold, may the record be read, the record, and the audit row that says so
    3. the commit, which is the Sync that ends the trip

Bytes are handed on only after the commit came back.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _

from ledger.locks import LockClass
from records.fhir.definitions import TYPE_NUMBERS
from records.fhir.search.hashing import record_key

from .asker import Asker
from .audit import access_event, event_params, insert_event_sql, record_refusal
from .bearer import CREDENTIAL_HOLDS, credential_params, forget
from .errors import Gone, NotAuthenticated, NotPermitted, NotVisible
from .permitted import may_use, rule
from .session import LOCK_NODE, read_session


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One version as it is stored. `content` is empty when `deleted`."""

    type: str
    id: str
    version: int
    stored_at: datetime
    deleted: bool
    compartment: int
    content: bytes

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'


# The primary patient's lock, those of the further ones that a record is rarely about, and that of the asker's standing.
_LOCK_ITS_PATIENTS: Final = (
    f"SELECT compartment, others, pg_advisory_xact_lock_shared({LockClass.PATIENT:d}, compartment::int4),"
    f" (SELECT count(pg_advisory_xact_lock_shared({LockClass.PATIENT:d}, o::int4)) FROM unnest(others) AS o),"
    f" pg_advisory_xact_lock_shared({LockClass.STANDING:d}, 0)"
    " FROM records_current WHERE self = %(self)s::int8"
)

_COLUMNS: Final = "r.version, r.stored_at, r.deleted, r.compartment, r.content, r.others"

_NEWEST: Final = (
    f"SELECT {_COLUMNS} FROM records_current r"
    " WHERE r.self = %(self)s::int8 AND r.type = %(type)s::int2 AND r.id = %(id)s::text AND {rule}"
)

_ONE_VERSION: Final = (
    f"SELECT {_COLUMNS} FROM records_current r"
    " WHERE r.self = %(self)s::int8 AND r.type = %(type)s::int2 AND r.id = %(id)s::text"
    " AND r.version = %(version)s::int4 AND {rule}"
    f" UNION ALL SELECT {_COLUMNS} FROM records_history r"
    " JOIN records_current k ON k.rid = r.rid AND k.self = %(self)s::int8 AND k.version > %(version)s::int4"
    " WHERE r.type = %(type)s::int2 AND r.id = %(id)s::text AND r.version = %(version)s::int4 AND {rule}"
)

_EVENT: Final = insert_event_sql(
    {
        "version": "found.version",
        "compartment": "nullif(found.compartment, 0)",
        "outcome": "CASE WHEN found.version IS NULL THEN 4 ELSE 0 END",
        "because": "CASE WHEN found.version IS NULL THEN 'not-found' WHEN found.deleted THEN 'deleted' END",
    },
    source="FROM holds LEFT JOIN found ON true WHERE holds.ok",
)

_DECIDE: Final = f"""
WITH holds AS MATERIALIZED (SELECT {{holds}} AS ok),
found AS MATERIALIZED (SELECT * FROM ({{found}}) f WHERE (SELECT ok FROM holds)),
audit AS ({_EVENT})
SELECT holds.ok, found.version, found.stored_at, found.deleted, found.compartment, found.content, found.others
FROM holds LEFT JOIN found ON true
"""


def read(asker: Asker, type: str, id: str, version: int | None = None) -> StoredRecord:
    """The newest version of a record, or the one asked for.

    Raises NotVisible (there is none, or the asker may not see it), Gone (this version is a deletion), NotPermitted (the
    type is outside the asker's scopes or roles), NotAuthenticated.
    """
    record = read_version(asker, type, id, version, interaction="read" if version is None else "vread")
    if record.deleted:
        raise Gone(_("This %(type)s was deleted.") % {"type": type}, version=record.version)
    return record


def read_version(asker: Asker, type: str, id: str, version: int | None, *, interaction: str) -> StoredRecord:
    """The same for any version, a deletion too. `interaction` is what the audit row says."""
    if type not in TYPE_NUMBERS or not may_use(asker, type, "r"):
        record_refusal(asker, interaction=interaction, type=type, id=id, because="not-permitted")
        raise NotPermitted(_("You may not read %(type)s: your scopes or your role do not include it.") % {"type": type})
    decided = rule(asker, "r")
    params = {
        **event_params(access_event(asker, interaction=interaction, type=type, id=id)),
        **decided.params,
        "type": TYPE_NUMBERS[type],
        "id": id,
        "self": record_key(type, id),
        "version": version,
    }
    holds = "true"
    if asker.credential is not None:
        holds = CREDENTIAL_HOLDS
        params |= credential_params(asker)
    found = (_NEWEST if version is None else _ONE_VERSION).replace("{rule}", decided.sql)
    statement = _DECIDE.replace("{holds}", holds).replace("{found}", found)
    while True:
        with read_session(asker, locked=True) as session:
            lock = session.execute(_LOCK_ITS_PATIENTS if version is None else LOCK_NODE, params)
            answer = session.execute(statement, params)
        locked, row = lock.fetchone(), answer.fetchone()
        assert row is not None, "the statement always answers"
        # A record that changed patients between lock and decision was read under the wrong lock: again.
        if version is not None or row[1] is None or (locked is not None and locked[:2] == (row[4], row[6])):
            break
    if not row[0]:
        forget(asker)
        raise NotAuthenticated(_("The access token no longer holds: ask the token endpoint for a new one."))
    if row[1] is None:
        raise NotVisible(_("There is no %(type)s with this id that you may read.") % {"type": type})
    return StoredRecord(type, id, row[1], row[2], row[3], row[4], bytes(row[5]))
