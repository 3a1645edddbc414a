"""Which records an asker may read, as a relation: every statement that names records names this instead of the table.

A record is released when every patient it is about may be seen: `compartment` and, rarely, `others`. Compartment 0
means no patient (organisations, practitioners, medications ...), which every clinician may read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from consortium.members.models import Role
from records.fhir.definitions import SERVED_TYPES, TYPE_NUMBERS
from records.fhir.search.statement import Permitted

from .asker import Asker

Letter = Literal["c", "r", "u", "d", "s"]

# Served from the audit table, never from the tables of records.
AUDIT_EVENT: Final = "AuditEvent"
STORED_TYPES: Final = tuple(name for name in SERVED_TYPES if name != AUDIT_EVENT)

_MAY: Final = """ARRAY(
    SELECT p.content_object_id FROM records_compartmentgroupobjectpermission p
    JOIN consortium_person_groups g ON g.group_id = p.group_id
    WHERE g.person_id = %(asker_person)s AND p.permission_id = (
        SELECT a.id FROM auth_permission a JOIN django_content_type t ON t.id = a.content_type_id
        WHERE t.app_label = 'records' AND t.model = 'compartment' AND a.codename = '{codename}'))"""

_IS_CLINICIAN: Final = """EXISTS (
    SELECT FROM consortium_roleassignment r JOIN consortium_person q ON q.id = r.person_id AND q.is_active
    WHERE r.person_id = %(asker_person)s AND r.role = '{role}' AND r.ended_at IS NULL)"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on the columns type, compartment and others of a row called `r`, with its parameters."""

    sql: str
    params: Mapping[str, Any]


def rule(asker: Asker, letter: Letter) -> Rule:
    """Who may do what, for rows of records_current and of records_history alike."""
    if asker.kind == "machine":
        return _machine_rule(asker, letter)
    codename = "view_compartment" if letter in "rs" else "write_compartment"
    may = _MAY.format(codename=codename)
    no_patient = "r.compartment = 0 OR " if letter in "rs" else ""
    return Rule(
        f"({no_patient}r.compartment = ANY({may})) AND (r.others IS NULL OR r.others <@ {may})"
        f" AND {_IS_CLINICIAN.format(role=Role.CLINICIAN.value)}",
        {"asker_person": asker.actor_id},
    )


def _machine_rule(asker: Asker, letter: Letter) -> Rule:
    assert asker.scopes is not None, "a machine has scopes"
    types = asker.scopes.types(letter, STORED_TYPES)
    if len(types) == len(STORED_TYPES):
        return Rule("true", {})
    return Rule("r.type = ANY(%(asker_types)s::int2[])", {"asker_types": sorted(TYPE_NUMBERS[name] for name in types)})


def permitted(asker: Asker, letter: Letter = "s") -> Permitted:
    """The current records that the asker may read."""
    decided = rule(asker, letter)
    return Permitted(
        sql=f"(SELECT r.* FROM records_current r WHERE NOT r.deleted AND {decided.sql})",
        params=dict(decided.params),
    )


def may_use(asker: Asker, type: str, letter: Letter) -> bool:
    """Whether the asker may do this to any resource of the type at all. A person's answer is in the rows."""
    if asker.kind == "machine":
        return asker.scopes is not None and asker.scopes.permits(type, letter)
    if type == AUDIT_EVENT:
        return letter in "rs" and not asker.roles.isdisjoint({Role.AUDITOR.value, Role.PRIVACY_OFFICER.value})
    return Role.CLINICIAN.value in asker.roles
