"""People, roles, care teams, and the commands by which an operator sets them up."""

import io
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from oauth2_provider.models import AccessToken

from consortium.members import services
from consortium.members.models import CareTeam, Machine, Person, Role, RoleAssignment
from consortium.members.selectors import NO_STANDING, has_second_factor, own_organisation, standing_of
from tests.consortium.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_standing_is_roles_held_now_and_care_teams(alice, hospital_a, hospital_b):
    team = services.create_care_team(organisation=hospital_a, name="Cardiology")
    services.add_to_care_team(person=alice, care_team=team)
    services.assign_role(person=alice, role=Role.AUDITOR, organisation=hospital_b)
    services.end_role(person=alice, role=Role.AUDITOR, organisation=hospital_b)
    standing = standing_of(alice.pk)
    assert standing.roles == {"clinician"}
    assert standing.group_ids == (team.group_id,)
    assert standing.organisation_id == hospital_a.pk


def test_a_role_given_twice_is_one_and_one_that_ended_can_be_given_again(alice, hospital_a):
    services.assign_role(person=alice, role=Role.CLINICIAN, organisation=hospital_a)
    assert RoleAssignment.objects.count() == 1
    services.end_role(person=alice, role=Role.CLINICIAN, organisation=hospital_a)
    services.assign_role(person=alice, role=Role.CLINICIAN, organisation=hospital_a)
    assert RoleAssignment.objects.filter(ended_at=None).count() == 1
    assert RoleAssignment.objects.count() == 2


def test_who_was_deactivated_has_no_standing(alice, hospital_a):
    team = services.create_care_team(organisation=hospital_a, name="Cardiology")
    services.add_to_care_team(person=alice, care_team=team)
    services.deactivate_person(person=alice)
    assert standing_of(alice.pk) == NO_STANDING
    assert standing_of(10**9) == NO_STANDING
    assert RoleAssignment.objects.get().ended_at is not None


def test_nobody_can_be_made_superuser(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        Person.objects.update(is_superuser=True)


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012", "alice-alice-1"])
def test_a_weak_password_is_refused(db, password):
    with pytest.raises(ValidationError):
        services.create_person(username="alice-alice", name="Dr Alice", password=password)


@pytest.mark.parametrize("username", ["alice", "ALICE", "Alice"])
def test_two_people_cannot_have_names_that_differ_in_case_only(alice, username):
    with pytest.raises(ValidationError):
        services.create_person(username=username, name="Mallory", password=PASSWORD)


def test_exactly_one_organisation_runs_the_node(hospital_a, hospital_b):
    assert own_organisation() == hospital_a
    with pytest.raises(ValidationError):
        services.create_organisation(code="c", name="C", kind="hospital", runs_this_node=True)


def test_two_care_teams_of_one_organisation_have_two_names(hospital_a, hospital_b):
    services.create_care_team(organisation=hospital_a, name="Cardiology")
    services.create_care_team(organisation=hospital_b, name="Cardiology")
    with pytest.raises(ValidationError):
        services.create_care_team(organisation=hospital_a, name="Cardiology")


def test_a_machine_acts_for_no_person_and_by_client_credentials_alone(machine, alice):
    for change in ({"user": alice}, {"authorization_grant_type": "password"}, {"client_type": "public"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Machine.objects.update(**change)


def test_what_has_run_out_is_cleared(machine, alice):
    for hours in (-2, 2):
        AccessToken.objects.create(
            application=machine.machine,
            token_checksum=str(hours),
            expires=timezone.now() + timedelta(hours=hours),
            scope="",
        )
    assert services.clear_expired()["tokens"] == 1
    assert AccessToken.objects.get().expires > timezone.now()


# Commands


def command(*arguments: str, answer: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    out = io.StringIO()
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def node_with_keys(settings):
    settings.SECRET_KEY_IS_EPHEMERAL = False


def test_a_node_is_set_up_by_commands_alone(db, monkeypatch, node_with_keys):
    command("member", "organisation", "hospital-a", "--name", "Hospital A", "--kind", "hospital", "--runs-this-node")
    command("member", "care-team", "hospital-a", "Cardiology")
    command(
        "person", "create", "bob", "--name", "Bob", "--password-stdin",
        answer=f"{PASSWORD}\n", monkeypatch=monkeypatch,
    )  # fmt: skip
    command("person", "give-role", "bob", "clinician", "hospital-a")
    command("person", "join-team", "bob", "hospital-a", "Cardiology")
    shown = command("member", "machine", "hospital-a", "Interface engine", "--scopes", "system/*.rs")
    bob = Person.objects.get(username="bob")
    assert bob.check_password(PASSWORD)
    assert standing_of(bob.pk).roles == {"clinician"}
    assert standing_of(bob.pk).group_ids == (CareTeam.objects.get().group_id,)
    assert Machine.objects.get().client_id in shown
    command("person", "leave-team", "bob", "hospital-a", "Cardiology")
    command("person", "end-role", "bob", "clinician", "hospital-a")
    assert standing_of(bob.pk).roles == frozenset()
    services.enrol_totp(person=bob)
    command("person", "reset-second-factor", "bob")
    assert not has_second_factor(bob)
    command("person", "deactivate", "bob")
    assert not Person.objects.get(username="bob").is_active


def test_commands_say_what_was_misspelt(alice, node_with_keys, monkeypatch):
    with pytest.raises(CommandError, match="spelling"):
        command("person", "give-role", "alise", "clinician", "hospital-a")
    with pytest.raises(CommandError, match="scope"):
        command("member", "machine", "hospital-a", "x", "--scopes", "everything")
    with pytest.raises(CommandError, match="already"):
        command("person", "create", "alice", "--name", "x", "--password-stdin",
                answer=f"{PASSWORD}\n", monkeypatch=monkeypatch)  # fmt: skip


def test_no_person_is_made_before_the_node_has_keys(settings):
    settings.SECRET_KEY_IS_EPHEMERAL = True
    with pytest.raises(CommandError, match="node_keys"):
        command("person", "create", "bob", "--name", "Bob", "--password-stdin")


def test_node_keys_prints_no_private_key(tmp_path, settings):
    settings.NODE_KEYS = tmp_path / "keys"
    shown = command("node_keys")
    for file in settings.NODE_KEYS.iterdir():
        for line in file.read_text().splitlines():
            assert line not in shown
