"""What each role can do on this node, said to whoever signs in without being a clinician."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from consortium.members.models import Role


@dataclass(frozen=True, slots=True)
class Duty:
    """A role, what it can do here, and where; `url` is "" where there is nothing to open."""

    role: str
    sentence: str
    url: str = ""
    action: str = ""


def duties_of(roles: Iterable[str]) -> list[Duty]:
    """The duties of these roles, each role once, in the order in which roles are listed."""
    held = set(roles)
    return [_duty(role) for role in Role if role.value in held]


def _duty(role: Role) -> Duty:
    label = str(role.label)
    match role:
        case Role.CLINICIAN:
            return Duty(label, _("Read the records of the patients whom your care teams treat."))
        case Role.PHARMACIST:
            return Duty(label, _("Dispensing is not part of this release. You can check evidence files."))
        case Role.RESEARCHER:
            return Duty(label, _("Studies are not part of this release. You can check evidence files."))
        case Role.AUDITOR | Role.PRIVACY_OFFICER:
            return Duty(
                label,
                _("See who looked at which record, and when. You do not see the records themselves."),
                reverse("portal:accesses"),
                _("Who looked"),
            )
        case Role.NODE_ADMINISTRATOR:
            return Duty(
                label,
                _(
                    "You run the node from its command line, where `manage.py doctor` tells how it is. "
                    "You see no records."
                ),
            )
