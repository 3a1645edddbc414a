"""The audit rows of the gate: who asked for what, and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Final, cast

import psycopg
from django.db import connection

from consortium.audit.events import COLUMN_NAMES, INSERT_SELECT, AccessEvent
from consortium.audit.models import AccessEvent as Row
from records.fhir.definitions import TYPE_NUMBERS

from .asker import Asker

_TYPES: Final = {
    "actor_kind": "int2",
    "actor_id": "int8",
    "organisation_id": "int8",
    "interaction": "text",
    "outcome": "int2",
    "purpose": "text",
    "request_id": "uuid",
    "type": "int2",
    "resource_id": "text",
    "version": "int4",
    "compartment": "int8",
    "query": "text",
    "matches": "int4",
    "because": "text",
}
INSERT_EVENT: Final = f"{INSERT_SELECT} VALUES ({', '.join(f'%s::{_TYPES[name]}' for name in COLUMN_NAMES)})"
_COPY: Final = f"COPY consortium_accessevent ({', '.join(COLUMN_NAMES)}) FROM STDIN (FORMAT BINARY)"
event_values: Final = attrgetter(*COLUMN_NAMES)
_FEW: Final = 12
_LONGEST_QUERY: Final = 4000


def insert_event_sql(own: Mapping[str, str], *, source: str) -> str:
    """An INSERT of one row in a statement that decides. `own`: columns told by SQL; the others are parameters `event_...`."""
    values = (own.get(name, f"%(event_{name})s::{_TYPES[name]}") for name in COLUMN_NAMES)
    return f"{INSERT_SELECT} SELECT {', '.join(values)} {source}"


def event_params(event: AccessEvent) -> dict[str, Any]:
    """The parameters of `insert_event_sql`."""
    return {f"event_{name}": getattr(event, name) for name in COLUMN_NAMES}


def access_event(
    asker: Asker,
    *,
    interaction: str,
    type: str | None = None,
    id: str | None = None,
    version: int | None = None,
    compartment: int | None = None,
    query: str | None = None,
    matches: int | None = None,
    refused: bool = False,
    because: str | None = None,
) -> AccessEvent:
    """What this asker did. `because` is the code of a refusal; ids and queries are cut to what a row is for."""
    return AccessEvent(
        actor_kind=asker.actor_kind,
        actor_id=asker.actor_id,
        organisation_id=asker.organisation_id,
        interaction=interaction,
        outcome=Row.Outcome.REFUSED.value if refused else Row.Outcome.PERMITTED.value,
        purpose=asker.purpose,
        request_id=asker.request_id,
        type=TYPE_NUMBERS.get(type) if type else None,
        resource_id=_storable(id, 64),
        version=version or None,
        compartment=compartment or None,
        query=_storable(query, _LONGEST_QUERY),
        matches=matches,
        because=because,
    )


def _storable(text: str | None, limit: int) -> str | None:
    if text is None:
        return None
    return text[:limit].replace("\0", "\ufffd").encode(errors="replace").decode()


def record_events(events: Sequence[AccessEvent]) -> None:
    """Writes rows in the caller's transaction, or in one of their own where there is none."""
    if not events:
        return
    with connection.wrap_database_errors:
        connection.ensure_connection()
        raw = cast("psycopg.Connection[Any]", connection.connection)
        with psycopg.Cursor(raw) as cursor:
            if len(events) <= _FEW:
                cursor.executemany(INSERT_EVENT, [event_values(event) for event in events])
                return
            with cursor.copy(_COPY) as copy:
                copy.set_types([_TYPES[name] for name in COLUMN_NAMES])
                for event in events:
                    copy.write_row(event_values(event))


def record_refusal(
    asker: Asker,
    *,
    interaction: str,
    type: str | None = None,
    id: str | None = None,
    query: str | None = None,
    because: str,
) -> None:
    """A refusal's row, in a transaction of its own: call it where no other is open."""
    record_events(
        [access_event(asker, interaction=interaction, type=type, id=id, query=query, refused=True, because=because)]
    )


@contextmanager
def audited_refusals(asker: Asker, *, interaction: str, type: str | None, id: str | None = None) -> Iterator[None]:
    """Leaves a row, in a transaction of its own, for whatever is refused inside."""
    try:
        yield
    except Exception as error:
        code = getattr(error, "code", None)
        if isinstance(code, str) and not connection.in_atomic_block:
            record_refusal(asker, interaction=interaction, type=type, id=id, because=code)
        raise
