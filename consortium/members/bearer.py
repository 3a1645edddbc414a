"""Machines that come with a bearer token: who they are, from one look-up by the token's checksum."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from consortium.members.scopes import ScopeError, Scopes
from consortium.web.problems import Problem, ProblemError

# One row for a token that is good now, none for any other. Tokens themselves are not stored.
CALLER_SQL = """
SELECT machine.id, machine.name, machine.organisation_id, machine.purpose, token.scope
FROM oauth2_provider_accesstoken AS token
JOIN consortium_machine AS machine ON machine.id = token.application_id
WHERE token.token_checksum = %s AND token.expires > statement_timestamp() AND machine.is_active
"""
# RFC 6750, section 2.1.
_HEADER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{16,512}=*)")


@dataclass(frozen=True, slots=True)
class MachineCaller:
    """A machine whose token is good."""

    machine_id: int
    label: str
    organisation_id: int
    purpose: str
    scopes: Scopes
    checksum: str

    is_authenticated = True


def token_checksum(header: str | None) -> str:
    """SHA-256 in hexadecimal of the Authorization header's token; ProblemError 401 where there is none."""
    if not header:
        raise ProblemError(no_token())
    match = _HEADER.fullmatch(header)
    if match is None:
        raise ProblemError(token_refused())
    return hashlib.sha256(match[1].encode("ascii")).hexdigest()


def machine_of(request: HttpRequest) -> MachineCaller:
    """The machine that sent this request; ProblemError 401 `not-authenticated` or `token-refused`."""
    checksum = token_checksum(request.META.get("HTTP_AUTHORIZATION"))
    with connection.cursor() as cursor:
        cursor.execute(CALLER_SQL, [checksum])
        row = cursor.fetchone()
    if row is None:
        raise ProblemError(token_refused())
    machine_id, label, organisation_id, purpose, scope = row
    try:
        scopes = Scopes.parse(scope)
    except ScopeError:
        raise ProblemError(token_refused()) from None
    return MachineCaller(machine_id, label, organisation_id, purpose, scopes, checksum)


def no_token() -> Problem:
    return Problem(
        "not-authenticated",
        401,
        _("Who are you?"),
        _("Send an access token: get one at /o/token with the machine's client id and secret."),
        challenge=_challenge(""),
    )


def token_refused() -> Problem:
    return Problem(
        "token-refused",
        401,
        _("The access token is not good"),
        _("It has expired, was withdrawn, or is not from this node. Get a new one at /o/token."),
        challenge=_challenge(', error="invalid_token"'),
    )


@lru_cache(maxsize=8)
def _challenge(error: str) -> str:
    return f'Bearer realm="{settings.NODE_URL}"{error}'


class BearerAuthentication(BaseAuthentication):
    """The default for views of Django REST framework."""

    def authenticate(self, request: Request) -> tuple[MachineCaller, str] | None:
        if not request.META.get("HTTP_AUTHORIZATION"):
            return None
        caller = machine_of(request._request)
        return caller, caller.checksum

    def authenticate_header(self, request: Request) -> str:
        return _challenge("")


class Nobody(BasePermission):
    """The default permission: a view that names none lets nobody in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False
