"""What is known of people and organisations."""

from dataclasses import dataclass

from allauth.mfa.models import Authenticator
from django.db import connection

from consortium.members.models import Organisation, Person

SECOND_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)

_STANDING = """
SELECT
    coalesce((SELECT array_agg(DISTINCT role) FROM consortium_roleassignment
              WHERE person_id = person.id AND ended_at IS NULL), '{}'),
    coalesce((SELECT array_agg(group_id ORDER BY group_id) FROM consortium_person_groups
              WHERE person_id = person.id), '{}'),
    (SELECT organisation_id FROM consortium_roleassignment
     WHERE person_id = person.id AND ended_at IS NULL ORDER BY assigned_at, id LIMIT 1)
FROM consortium_person AS person
WHERE person.id = %s AND person.is_active
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person may be asked for: roles held now, groups of their care teams, where they work."""

    roles: frozenset[str]
    group_ids: tuple[int, ...]
    organisation_id: int | None


NO_STANDING = Standing(frozenset(), (), None)


def standing_of(person_id: int) -> Standing:
    """One query. An unknown or inactive person has no standing at all."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, [person_id])
        row = cursor.fetchone()
    if row is None:
        return NO_STANDING
    roles, group_ids, organisation_id = row
    return Standing(frozenset(roles), tuple(group_ids), organisation_id)


def own_organisation() -> Organisation | None:
    """The member that runs this node; None before it was named."""
    return Organisation.objects.filter(runs_this_node=True).first()


def has_second_factor(person: Person) -> bool:
    """Whether the person has enrolled TOTP or a passkey. Recovery codes alone are none."""
    return bool(Authenticator.objects.filter(user_id=person.pk, type__in=SECOND_FACTORS).exists())
