"""A patient's records by clinical date, through the gate: newest first, paged by position, of whatever type.

FHIR's own search sorts within a type; a timeline runs across all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from records.fhir.definitions import TYPE_NAMES, TYPE_NUMBERS
from records.fhir.search.hashing import record_key

from .asker import Asker
from .audit import access_event
from .errors import NotVisible
from .paging import open_position, seal_position
from .permitted import permitted
from .reads import StoredRecord
from .session import Row, read_session

PAGE: Final = 40
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = "c.type, c.id, c.version, c.stored_at, c.compartment, c.content, c.rid, c.sort_date"


@dataclass(frozen=True, slots=True)
class ChronologyPage:
    """Records by clinical date, newest first, and the cursor of the next page, None after the last."""

    records: tuple[StoredRecord, ...]
    next_cursor: str | None


def chronology(
    asker: Asker, patient_id: str, *, types: Sequence[str] = (), cursor: str | None = None, count: int = PAGE
) -> ChronologyPage:
    """One page of a patient's records, of these types or of all but Patient.

    Records without a clinical date come last. Raises NotVisible unless the Patient itself may be read, and
    SearchError for a cursor of another patient, other types or another person.
    """
    visible = permitted(asker, "r")
    path = "/".join(["timeline", patient_id, *sorted(types)])
    params: dict[str, Any] = {
        **visible.params,
        "patient_self": record_key("Patient", patient_id),
        "patient_id": patient_id,
        "patient_type": TYPE_NUMBERS["Patient"],
        "types": sorted(TYPE_NUMBERS[name] for name in types),
        "limit": count + 1,
    }
    conditions = "c.type = ANY(%(types)s::int2[])" if types else "c.type <> %(patient_type)s::int2"
    if cursor is not None:
        date, rid, dated = open_position(asker, path, cursor)
        params |= {"date": date, "rid": rid}
        # NULLS LAST is what a row comparison cannot say, so the two halves of the list are told apart.
        conditions += (
            " AND (c.sort_date IS NULL OR (c.sort_date, c.rid) < (%(date)s::timestamptz, %(rid)s::int8))"
            if dated
            else " AND c.sort_date IS NULL AND c.rid < %(rid)s::int8"
        )
    there = (
        f"SELECT count(*) FROM {visible.sql} AS c WHERE c.self = %(patient_self)s::int8"
        " AND c.type = %(patient_type)s::int2 AND c.id = %(patient_id)s::text"
    )
    whose = "(SELECT id FROM records_compartment WHERE patient_id = %(patient_id)s::text)"
    page = (
        f"SELECT {_COLUMNS} FROM {visible.sql} AS c"
        f" WHERE (c.compartment = {whose} OR c.others @> ARRAY[{whose}]) AND {conditions}"
        " ORDER BY c.sort_date DESC NULLS LAST, c.rid DESC LIMIT %(limit)s::int4"
    )
    with read_session(asker) as session:
        found, listed = session.execute(there, params), session.execute(page, params)
        is_there, rows = found.fetchone(), listed.fetchall()
        session.check()
        shown = rows[:count]
        visible_patient = is_there is not None and is_there[0] == 1
        session.audit(
            access_event(
                asker,
                interaction="everything",
                type="Patient",
                id=patient_id,
                compartment=shown[0][4] if shown and visible_patient else None,
                matches=len(shown) if visible_patient else None,
                refused=not visible_patient,
                because=None if visible_patient else NotVisible.code,
            )
        )
    if not visible_patient:
        raise NotVisible(_("There is no Patient with this id that you may read."))
    further = None
    if len(rows) > len(shown):
        date, rid = shown[-1][7], shown[-1][6]
        further = seal_position(asker, path, date or _EPOCH, rid, int(date is not None))
    return ChronologyPage(tuple(map(_record, shown)), further)


def _record(row: Row) -> StoredRecord:
    return StoredRecord(TYPE_NAMES[row[0]], row[1], row[2], row[3], False, row[4], bytes(row[5]))
