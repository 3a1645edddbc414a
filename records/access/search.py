"""Searches through the gate: page, total and includes are read under one lock, and audited for each patient met."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from records.fhir.definitions import TYPE_NAMES
from records.fhir.node import fhir_node
from records.fhir.search import Ignored, SearchPlan, compile_search
from records.fhir.search.errors import SearchError
from records.fhir.search.includes import MAX_INCLUDED

from .asker import Asker
from .audit import access_event, record_refusal
from .errors import NotPermitted
from .paging import paging_of
from .permitted import may_use, permitted
from .reads import StoredRecord
from .session import Session, read_session

Params = Sequence[tuple[str, str]]
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of results. `total` is there when it was asked for; `next_cursor` when there are more. `included` are
    records that results refer to or that refer to them; `cut_short` says that there were more of those than fit."""

    records: tuple[StoredRecord, ...]
    included: tuple[StoredRecord, ...]
    total: int | None
    next_cursor: str | None
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[Ignored, ...]
    summary: str | None
    elements: tuple[str, ...]
    cut_short: bool = False


def compiled(asker: Asker, type: str | None, params: Params, *, lenient: bool, cursor: str | None) -> SearchPlan:
    """The plan of a search within what the asker may see."""
    node = fhir_node()
    return compile_search(
        type,
        params,
        permitted=permitted(asker, "s"),
        lenient=lenient,
        zone=node.zone,
        now=datetime.now(UTC),
        cursor=cursor,
        paging=paging_of(asker),
        base_url=node.own_references,
    )


def search(
    asker: Asker, type: str | None, params: Params, *, lenient: bool = False, cursor: str | None = None
) -> SearchPage:
    """One page of a search of one type, or of all (None).

    `params` are decoded names and values in order, without the cursor. `lenient` passes over parameters that are not known.
    Raises SearchError, NotPermitted, NotAuthenticated.
    """
    interaction = "search-system" if type is None else "search-type"
    query = urlencode(params, errors="replace")
    if type is not None and not may_use(asker, type, "s"):
        record_refusal(asker, interaction=interaction, type=type, query=query, because=NotPermitted.code)
        raise NotPermitted(
            _("You may not search %(type)s: your scopes or your role do not include it.") % {"type": type}
        )
    try:
        plan = compiled(asker, type, params, lenient=lenient, cursor=cursor)
    except SearchError as error:
        record_refusal(asker, interaction=interaction, type=type, query=query, because=error.code)
        raise
    with read_session(asker) as session:
        page = session.execute(plan.page.sql, plan.page.params, prepare=plan.page.prepare) if plan.page else None
        total = session.execute(plan.total.sql, plan.total.params, prepare=plan.total.prepare) if plan.total else None
        shown = plan.cut(page.fetchall() if page else [])
        counted = total.fetchone() if total else None
        session.check()
        included, cut_short = _included(session, plan, shown.rows)
        _audit(session, asker, interaction, type, query, [*shown.rows, *included])
    return SearchPage(
        records=tuple(map(_record, shown.rows)),
        included=tuple(map(_record, included)),
        total=counted[0] if counted else None,
        next_cursor=shown.next,
        applied=plan.applied,
        ignored=plan.ignored,
        summary=plan.summary,
        elements=plan.elements,
        cut_short=cut_short,
    )


def _included(session: Session, plan: SearchPlan, rows: Sequence[Row]) -> tuple[list[Row], bool]:
    """What goes with the page, round by round, up to a limit."""
    included: list[Row] = []
    if not plan.includes:
        return included, False
    rids = [row[0] for row in rows]
    seen = list(rids)
    for number in range(16):
        statement = plan.include(number, rids, seen)
        if statement is None:
            break
        found = session.rows(statement.sql, statement.params, prepare=statement.prepare)
        room = MAX_INCLUDED - len(included)
        included += found[:room]
        if len(found) > room:
            return included, True
        rids = [row[0] for row in found]
        seen += rids
    return included, False


def _audit(session: Session, asker: Asker, interaction: str, type: str | None, query: str, rows: Sequence[Row]) -> None:
    """One row for each patient whose records were shown, or one where there were none."""
    met = Counter(row[5] for row in rows) or Counter({0: 0})
    for compartment, matches in sorted(met.items()):
        session.audit(
            access_event(
                asker, interaction=interaction, type=type, compartment=compartment, query=query, matches=matches
            )
        )


def _record(row: Row) -> StoredRecord:
    return StoredRecord(TYPE_NAMES[row[1]], row[2], row[3], row[4], False, row[5], bytes(row[6]))
