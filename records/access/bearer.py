"""Machines by their bearer tokens.

What a token says is remembered in the process, so that a read need not ask first; it is never believed: every deciding
statement holds `CREDENTIAL_HOLDS`, and a token that was revoked, or has expired, or whose machine was switched off in the
meantime reads nothing from that moment on.
"""

import uuid
from dataclasses import replace
from typing import Final

from django.db import connection
from django.utils.translation import gettext as _

from consortium.members.bearer import CALLER_SQL
from consortium.members.scopes import ScopeError, Scopes

from .asker import Asker, Credential
from .errors import NotAuthenticated

CREDENTIAL_HOLDS: Final = """EXISTS (
    SELECT FROM oauth2_provider_accesstoken t JOIN consortium_machine m ON m.id = t.application_id AND m.is_active
    WHERE t.token_checksum = %(token_checksum)s AND t.scope = %(token_scope)s AND t.expires > now()
    AND m.id = %(token_machine)s)"""

_REMEMBERED: Final = 4096
_remembered: dict[str, Asker] = {}
_NOBODY: Final = uuid.UUID(int=0)


def credential_params(asker: Asker) -> dict[str, object]:
    """The parameters of `CREDENTIAL_HOLDS`."""
    assert asker.credential is not None, "only a machine has a credential"
    return {
        "token_checksum": asker.credential.checksum,
        "token_scope": asker.credential.scope,
        "token_machine": asker.actor_id,
    }


def machine_for(checksum: str, *, request_id: uuid.UUID) -> Asker:
    """The machine that the token with this SHA-256 (hexadecimal) was given to. Raises NotAuthenticated."""
    asker = _remembered.get(checksum)
    if asker is None:
        asker = _look_up(checksum)
        if len(_remembered) >= _REMEMBERED:
            _remembered.clear()
        _remembered[checksum] = asker
    return replace(asker, request_id=request_id)


def forget(asker: Asker) -> None:
    """What was remembered of this asker's token no longer holds."""
    if asker.credential is not None:
        _remembered.pop(asker.credential.checksum, None)


def _look_up(checksum: str) -> Asker:
    with connection.cursor() as cursor:
        cursor.execute(CALLER_SQL, [checksum])
        row = cursor.fetchone()
    if row is None:
        raise NotAuthenticated(
            _("The access token is unknown, expired or withdrawn: get a new one from the token endpoint.")
        )
    machine, name, organisation, purpose, scope = row
    try:
        scopes = Scopes.parse(scope)
    except ScopeError:
        raise NotAuthenticated(_("The access token has scopes that this node does not know: get a new one.")) from None
    return Asker(
        kind="machine",
        actor_id=machine,
        label=name,
        organisation_id=organisation,
        purpose=purpose,
        request_id=_NOBODY,
        scopes=scopes,
        credential=Credential(checksum, scope),
    )
