"""What every page of the portal begins with: who asks, and in which language, zone and moment."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language

from consortium.members.models import Role
from records.access.asker import Asker
from records.access.requests import asker_for
from records.portal.dates import Setting

_ASKER: Final = "portal_asker"


def setting_for(now: datetime) -> Setting:
    """The setting of a page that is asked for at `now`."""
    return Setting(now, ZoneInfo(settings.NODE_ZONE), settings.NODE_ZONE, get_language() or "en")


def asker_of(request: HttpRequest) -> Asker:
    """Who asks; looked up once for a request."""
    found: Asker | None = getattr(request, _ASKER, None)
    if found is None:
        found = asker_for(request)
        setattr(request, _ASKER, found)
    return found


def is_clinician(request: HttpRequest) -> bool:
    """Whether pages about patients are for this reader at all. The gate decides for itself what they see."""
    return Role.CLINICIAN.value in asker_of(request).roles
