"""Who may write what, and the audit rows that go with it, in the transaction that writes."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import psycopg
from django.db import connection

from .asker import Asker
from .audit import access_event, record_events
from .errors import NotPermitted, NotVisible
from .permitted import Letter, may_use, rule

if TYPE_CHECKING:
    from records.fhir.store import Written

_INTERACTIONS: Final = {"c": "create", "u": "update", "d": "delete"}


def check_may_write(writer: Asker, uses: Collection[tuple[str, Letter]]) -> None:
    """Raises NotPermitted for the first type that the writer may not write in this way at all."""
    for type, letter in sorted(uses):
        if not may_use(writer, type, letter):
            raise NotPermitted(
                f"You may not {_INTERACTIONS[letter]} {type}: your scopes or your role do not include it."
            )


def check_patients(writer: Asker, compartments: Collection[int]) -> None:
    """Raises NotVisible unless the writer may write for every one of these patients.

    A machine writes for the whole node. A person writes only for patients whose care team was given that right.
    """
    if writer.kind == "machine" or not compartments:
        return
    decided = rule(writer, "u")
    with connection.wrap_database_errors:
        cursor = psycopg.Cursor(connection.connection)
        cursor.execute(
            "SELECT count(*) FROM (SELECT c AS compartment, NULL::int8[] AS others, 0::int2 AS type"
            f" FROM unnest(%(touched)s::int8[]) AS c) r WHERE NOT ({decided.sql})",
            {**decided.params, "touched": sorted(compartments)},
        )
        refused = cursor.fetchone()
    if refused is None or refused[0]:
        raise NotVisible("There is no such patient that you may write for.")


def audit_writes(writer: Asker, written: "Sequence[tuple[Written, Letter]]") -> None:
    """One row for each change that was carried out."""
    record_events(
        [
            access_event(
                writer,
                interaction=_INTERACTIONS[letter],
                type=w.type,
                id=w.id,
                version=w.version,
                compartment=w.compartment,
                because=None if w.outcome in ("created", "updated", "deleted") else w.outcome,
            )
            for w, letter in written
        ]
    )
