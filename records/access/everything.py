"""Everything about one patient, through the gate: the patient's compartment, page by page.

Records that are not about any patient, but to which shown ones refer (practitioners, organisations, medications ...), come
with the page that refers to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from records.fhir.definitions import TYPE_NAMES, TYPE_NUMBERS
from records.fhir.search.hashing import record_key

from .asker import Asker
from .audit import access_event, record_refusal
from .errors import NotPermitted, NotVisible
from .permitted import may_use, permitted
from .reads import StoredRecord
from .session import Row, read_session

MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class EverythingPage:
    """Records of the patient, what they refer to, and the row number after which the next page begins."""

    records: tuple[StoredRecord, ...]
    included: tuple[StoredRecord, ...]
    next: int | None


_COLUMNS: Final = "c.type, c.id, c.version, c.stored_at, c.compartment, c.content, c.rid"


def everything(
    asker: Asker,
    patient_id: str,
    *,
    after: int | None = None,
    count: int = 100,
    types: Sequence[str] = (),
    since: datetime | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> EverythingPage:
    """One page of a patient's records in the order in which they first came, the Patient first.

    `types` limits the types, `since` when they were stored, [`start`, `end`) the clinical date. Raises NotVisible unless the
    Patient itself may be read.
    """
    if not may_use(asker, "Patient", "r"):
        record_refusal(asker, interaction="everything", type="Patient", id=patient_id, because=NotPermitted.code)
        raise NotPermitted(
            _("You may not read %(type)s: your scopes or your role do not include it.") % {"type": "Patient"}
        )
    visible = permitted(asker, "r")
    params: dict[str, Any] = {
        **visible.params,
        "patient_self": record_key("Patient", patient_id),
        "patient_id": patient_id,
        "patient_type": TYPE_NUMBERS["Patient"],
        "limit": min(count, MOST) + 1,
        "after": after or 0,
    }
    conditions = ["c.rid > %(after)s::int8"]
    if types:
        conditions.append("c.type = ANY(%(types)s::int2[])")
        params["types"] = sorted({TYPE_NUMBERS[type] for type in types})
    if since is not None:
        conditions.append("c.stored_at >= %(since)s::timestamptz")
        params["since"] = since
    if start is not None:
        conditions.append("(c.sort_date IS NULL OR c.period_end > %(start)s::timestamptz)")
        params["start"] = start
    if end is not None:
        conditions.append("(c.sort_date IS NULL OR c.sort_date < %(end)s::timestamptz)")
        params["end"] = end
    where = " AND ".join(conditions)
    there = (
        f"SELECT count(*) FROM {visible.sql} AS c WHERE c.self = %(patient_self)s::int8"
        " AND c.type = %(patient_type)s::int2 AND c.id = %(patient_id)s::text"
    )
    whose = "(SELECT id FROM records_compartment WHERE patient_id = %(patient_id)s::text)"
    page = (
        f"SELECT {_COLUMNS} FROM {visible.sql} AS c"
        f" WHERE (c.compartment = {whose} OR c.others @> ARRAY[{whose}]) AND {where}"
        " ORDER BY c.rid LIMIT %(limit)s::int4"
    )
    with read_session(asker) as session:
        found, listed = session.execute(there, params), session.execute(page, params)
        is_there, rows = found.fetchone(), listed.fetchall()
        session.check()
        shown = rows[: min(count, MOST)]
        visible_patient = is_there is not None and is_there[0] == 1
        included: Sequence[Row] = []
        if visible_patient and shown and not types:
            included = session.rows(
                f"SELECT {_COLUMNS} FROM {visible.sql} AS c WHERE c.compartment = 0 AND c.self IN"
                " (SELECT r.target FROM records_reference r WHERE r.source = ANY(%(shown)s::int8[]))"
                " ORDER BY c.rid LIMIT 1000",
                {**params, "shown": [row[6] for row in shown]},
            )
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
    following = shown[-1][6] if len(rows) > len(shown) and shown else None
    return EverythingPage(tuple(map(_record, shown)), tuple(map(_record, included)), following)


def _record(row: Row) -> StoredRecord:
    return StoredRecord(TYPE_NAMES[row[0]], row[1], row[2], row[3], False, row[4], bytes(row[5]))
