"""Writing down who did what: one narrow row for each access, permitted or refused."""

import uuid
from dataclasses import astuple, dataclass, fields

from django.db import connection

from consortium.audit.models import AccessEvent as Row


@dataclass(frozen=True, slots=True)
class AccessEvent:
    """One access, as its row will say it; `id`, `at` and `transaction` are PostgreSQL's.

    `actor_kind` and `outcome` are numbers of the model's `Actor` and `Outcome`; `type` is a FHIR type's
    number; `compartment` the patient's compartment, None where there is none; `query` a search as it was
    applied; `because` the stable code of a refusal or the rule that permitted; `purpose` a code of
    v3-PurposeOfUse.
    """

    actor_kind: int
    actor_id: int | None
    organisation_id: int | None
    interaction: str
    outcome: int
    purpose: str
    request_id: uuid.UUID
    type: int | None = None
    resource_id: str | None = None
    version: int | None = None
    compartment: int | None = None
    query: str | None = None
    matches: int | None = None
    because: str | None = None


COLUMN_NAMES: tuple[str, ...] = tuple(field.name for field in fields(AccessEvent))
COLUMNS = ", ".join(COLUMN_NAMES)
# For one statement that reads and audits: `WITH ..., event AS (INSERT_SELECT SELECT ... FROM ...)`, whose
# select list is in the order of COLUMN_NAMES.
INSERT_SELECT = f"INSERT INTO consortium_accessevent ({COLUMNS})"
_INSERT = f"{INSERT_SELECT} VALUES ({', '.join(['%s'] * len(COLUMN_NAMES))})"


def write(event: AccessEvent) -> None:
    """Writes the row in the caller's transaction, or in one of its own where there is none."""
    write_all([event])


def write_all(events: list[AccessEvent]) -> None:
    """Writes rows, in their order."""
    with connection.cursor() as cursor:
        for event in events:
            cursor.execute(_INSERT, astuple(event))


def sign_in_event(
    *,
    interaction: str,
    request_id: uuid.UUID,
    person_id: int | None,
    organisation_id: int | None = None,
    refused_because: str | None = None,
) -> AccessEvent:
    """Signing in or out. A failed one names nobody: what was typed for a name may have been a password."""
    return AccessEvent(
        actor_kind=Row.Actor.UNKNOWN if person_id is None else Row.Actor.PERSON,
        actor_id=person_id,
        organisation_id=organisation_id,
        interaction=interaction,
        outcome=Row.Outcome.REFUSED if refused_because else Row.Outcome.PERMITTED,
        because=refused_because,
        purpose="",
        request_id=request_id,
    )
