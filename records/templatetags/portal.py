"""What every page's frame needs to know of the node and of whoever reads it."""

from dataclasses import dataclass
from functools import cache

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template.context import RequestContext
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from consortium.members.models import Organisation, Person
from consortium.members.selectors import own_organisation
from records.portal import dates
from records.portal.pages import is_clinician, setting_for

register = template.Library()


@dataclass(frozen=True, slots=True)
class Entry:
    """One place to go from every page."""

    label: str
    url: str
    icon: str
    current: bool


@register.simple_tag(takes_context=True)
def navigation(context: RequestContext) -> list[Entry]:
    """Where this reader can go: the first page, under its name for their role, and the evidence page."""
    request: HttpRequest | None = context.get("request")
    if request is None:
        return []
    entries = []
    if isinstance(request.user, Person):
        patients = is_clinician(request)
        entries.append(
            _entry(
                request,
                _("Patients") if patients else _("Start"),
                "portal:home",
                "users" if patients else "list",
                {"portal:home", "portal:patient", "portal:record", "portal:version"},
            )
        )
    entries.append(_entry(request, _("Check evidence"), "portal:check", "file-check", {"portal:check"}))
    return entries


def _entry(request: HttpRequest, label: str, name: str, icon: str, names: set[str]) -> Entry:
    match = request.resolver_match
    return Entry(label, reverse(name), icon, match is not None and match.view_name in names)


@register.simple_tag
def node_title() -> str:
    """The name of the member that runs this node; the node's own name before it has one."""
    return _organisation_name() or str(settings.NODE_NAME)


@cache
def _remembered() -> dict[str, str]:
    return {}


def _organisation_name() -> str:
    """Looked up once in a process: a member does not change its name while its node runs."""
    known = _remembered()
    if "name" not in known:
        found: Organisation | None = own_organisation()
        if found is None:
            return ""
        known["name"] = found.name
    return known["name"]


@register.simple_tag
def node_zone() -> str:
    """The zone that times are shown in, with its offset now."""
    return dates.show_zone(setting_for(timezone.now()))
