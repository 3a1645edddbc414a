"""Making people, roles, care teams and machines, and ending them.

Whatever takes something away waits for the reads that began before it, so that nothing is released after it returned.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import get_random_string
from oauth2_provider.models import get_access_token_model

from consortium.members.models import CareTeam, Machine, Organisation, Person, Role, RoleAssignment
from consortium.members.scopes import Scopes
from ledger.locks import LockClass, lock_for_transaction


@transaction.atomic
def create_organisation(*, code: str, name: str, kind: str, runs_this_node: bool = False) -> Organisation:
    """A member, or a part of one that is to be named. ValidationError for what the fields refuse."""
    organisation = Organisation(code=code, name=name, kind=kind, runs_this_node=runs_this_node)
    organisation.full_clean()
    organisation.save()
    return organisation


@transaction.atomic
def create_person(*, username: str, name: str, password: str | None, email: str = "") -> Person:
    """Somebody who can sign in, without any role yet; None for a password that an operator sets later.

    ValidationError for a name that is taken and for a weak password.
    """
    person = Person(username=Person.normalize_username(username), name=name, email=email)
    if Person.objects.filter(username__iexact=person.username).exists():
        # Sign-in ignores case.
        person.username = Person.objects.get(username__iexact=person.username).username
    if password is not None:
        validate_password(password, person)
    person.set_password(password)
    person.full_clean()
    person.save()
    return person


@transaction.atomic
def set_password(*, person: Person, password: str) -> None:
    """Ends every session of the person. ValidationError for a weak password."""
    validate_password(password, person)
    person.set_password(password)
    person.save(update_fields=["password"])


@transaction.atomic
def enrol_totp(*, person: Person, secret: str | None = None) -> str:
    """Gives the person a TOTP authenticator and returns its secret, in base 32.

    For seeded demonstrations. People enrol by themselves when they first sign in.
    """
    secret = secret or generate_totp_secret()
    Authenticator.objects.filter(user_id=person.pk, type=Authenticator.Type.TOTP).delete()
    TOTP.activate(person, secret)
    return secret


@transaction.atomic
def reset_second_factor(*, person: Person) -> None:
    """For somebody who lost theirs: they enrol a new one when they next sign in. Ends every session."""
    Authenticator.objects.filter(user_id=person.pk).delete()
    end_sessions(person=person)


@transaction.atomic
def deactivate_person(*, person: Person) -> None:
    """The person can no longer sign in; roles end, sessions end, care teams are left. History stays."""
    lock_for_transaction(LockClass.STANDING)
    Person.objects.filter(pk=person.pk).update(is_active=False)
    RoleAssignment.objects.filter(person=person, ended_at=None).update(ended_at=timezone.now())
    person.groups.clear()
    end_sessions(person=person)


def end_sessions(*, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(sign_in_epoch=F("sign_in_epoch") + 1)


@transaction.atomic
def assign_role(*, person: Person, role: Role, organisation: Organisation) -> RoleAssignment:
    """The person has this role from now on; again has no effect."""
    assignment, _ = RoleAssignment.objects.get_or_create(
        person=person, role=Role(role), organisation=organisation, ended_at=None
    )
    return assignment


@transaction.atomic
def end_role(*, person: Person, role: Role, organisation: Organisation) -> None:
    """The person no longer has this role, from their next request on."""
    lock_for_transaction(LockClass.STANDING)
    RoleAssignment.objects.filter(person=person, role=Role(role), organisation=organisation, ended_at=None).update(
        ended_at=timezone.now()
    )


@transaction.atomic
def create_care_team(*, organisation: Organisation, name: str) -> CareTeam:
    """A care team and the group that patients' compartments are granted to."""
    group = Group.objects.create(name=f"care-team {organisation.code} {get_random_string(12)}")
    team = CareTeam(organisation=organisation, group=group, name=name)
    team.full_clean()
    team.save()
    return team


@transaction.atomic
def add_to_care_team(*, person: Person, care_team: CareTeam) -> None:
    person.groups.add(care_team.group)


@transaction.atomic
def remove_from_care_team(*, person: Person, care_team: CareTeam) -> None:
    lock_for_transaction(LockClass.STANDING)
    person.groups.remove(care_team.group)


@dataclass(frozen=True, slots=True)
class NewMachine:
    """A machine and its secret, which is shown this once: only its hash is stored."""

    machine: Machine
    client_secret: str = field(repr=False)


@transaction.atomic
def create_machine(
    *,
    name: str,
    organisation: Organisation,
    scopes: str,
    purpose: str = "TREAT",
    client_id: str | None = None,
) -> NewMachine:
    """A program that may ask for tokens with these scopes. ScopeError for scopes that cannot be read."""
    allowed = Scopes.parse(scopes)
    secret = get_random_string(48)
    given: dict[str, Any] = {"client_id": client_id} if client_id else {}
    machine = Machine(
        name=name,
        organisation=organisation,
        purpose=purpose,
        allowed_scopes=str(allowed),
        client_type=Machine.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Machine.GRANT_CLIENT_CREDENTIALS,
        client_secret=secret,
        **given,
    )
    machine.full_clean()
    machine.save()
    return NewMachine(machine, secret)


@transaction.atomic
def renew_machine_secret(*, machine: Machine) -> NewMachine:
    """A new secret; the old one and every token are void from now on."""
    lock_for_transaction(LockClass.STANDING)
    secret = get_random_string(48)
    machine.client_secret = secret
    machine.save(update_fields=["client_secret", "updated"])
    get_access_token_model().objects.filter(application_id=machine.pk).delete()
    return NewMachine(machine, secret)


@transaction.atomic
def deactivate_machine(*, machine: Machine) -> None:
    """The machine gets no more tokens, and those that it has are void from now on."""
    lock_for_transaction(LockClass.STANDING)
    Machine.objects.filter(pk=machine.pk).update(is_active=False)
    get_access_token_model().objects.filter(application_id=machine.pk).delete()


def clear_expired() -> dict[str, int]:
    """Removes what has run out: tokens, sessions, counted attempts, cached limits. For the worker, once an
    hour.
    """
    now = timezone.now()
    tokens, _ = get_access_token_model().objects.filter(expires__lt=now - timedelta(hours=1)).delete()
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM axes_accessattempt WHERE attempt_time < %s", [now - settings.AXES_COOLOFF_TIME])
        attempts = cursor.rowcount
        cursor.execute("DELETE FROM consortium_cache WHERE expires < %s", [now])
        cached = cursor.rowcount
    return {"tokens": tokens, "sessions": sessions, "attempts": attempts, "cached": cached}
