"""Re-exports the models of this app's packages, so that Django finds one migration graph."""

from consortium.audit.models import AccessEvent, AuditBatch
from consortium.members.models import CareTeam, Machine, Organisation, Person, Role, RoleAssignment

__all__ = [
    "AccessEvent",
    "AuditBatch",
    "CareTeam",
    "Machine",
    "Organisation",
    "Person",
    "Role",
    "RoleAssignment",
]
