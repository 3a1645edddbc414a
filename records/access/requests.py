"""Who sent a request: a machine by its bearer token at the API, a person by their session on a page."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _

from consortium.members.bearer import token_checksum
from consortium.members.models import Person
from consortium.members.selectors import standing_of
from consortium.web.doors import request_id
from consortium.web.problems import ProblemError

from .asker import Asker
from .bearer import machine_for
from .errors import NotAuthenticated

# v3-PurposeOfUse: whoever reads in the portal treats the patient.
TREATMENT = "TREAT"


def machine_of_request(request: HttpRequest) -> Asker:
    """The machine whose bearer token came with this request. Raises NotAuthenticated."""
    try:
        checksum = token_checksum(request.META.get("HTTP_AUTHORIZATION"))
    except ProblemError as error:
        raise NotAuthenticated(error.problem.detail) from None
    return machine_for(checksum, request_id=request_id(request))


def asker_for(request: HttpRequest) -> Asker:
    """The person who is signed in, with the roles and care teams they have now. Raises NotAuthenticated."""
    person: Person | AnonymousUser = request.user
    if not isinstance(person, Person):
        raise NotAuthenticated(_("Sign in first."))
    standing = standing_of(person.pk)
    return Asker(
        kind="person",
        actor_id=person.pk,
        label=person.get_full_name(),
        organisation_id=standing.organisation_id,
        purpose=TREATMENT,
        request_id=request_id(request),
        roles=standing.roles,
        group_ids=standing.group_ids,
    )
