"""Sets up people for a node that is not a demonstration: make one, give and end roles, care teams, help."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from consortium.members import services
from consortium.members.models import CareTeam, Organisation, Person, Role


class Command(BaseCommand):
    help = "Make a person, change what they may do, or help them back in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a person; asks for the first password")
        create.add_argument("username")
        create.add_argument("--name", required=True, help="as colleagues know them")
        create.add_argument("--email", default="")
        create.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        for action, text in (
            ("give-role", "give a role at an organisation"),
            ("end-role", "end a role, from the next request on"),
        ):
            role = actions.add_parser(action, help=text)
            role.add_argument("username")
            role.add_argument("role", choices=[r.value for r in Role])
            role.add_argument("organisation", help="code of the organisation")
        for action, text in (
            ("join-team", "add to a care team"),
            ("leave-team", "remove from a care team"),
        ):
            team = actions.add_parser(action, help=text)
            team.add_argument("username")
            team.add_argument("organisation", help="code of the organisation")
            team.add_argument("team", help="name of the care team")
        password = actions.add_parser("password", help="set a new password; ends every session")
        password.add_argument("username")
        password.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        reset = actions.add_parser("reset-second-factor", help="for somebody who lost theirs")
        reset.add_argument("username")
        deactivate = actions.add_parser("deactivate", help="end everything the person may do")
        deactivate.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(getattr(self, f"_{options['action'].replace('-', '_')}")(options))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (Person.DoesNotExist, Organisation.DoesNotExist, CareTeam.DoesNotExist) as error:
            raise CommandError(f"{error} Check the spelling.") from error

    def _create(self, options: dict[str, Any]) -> str:
        if settings.SECRET_KEY_IS_EPHEMERAL:
            raise CommandError("This node has no keys yet: run manage.py node_keys first.")
        person = services.create_person(
            username=options["username"],
            name=options["name"],
            email=options["email"],
            password=_read_password(options["password_stdin"]),
        )
        return f"{person.username} can sign in, and will be asked to enrol a second factor. Give a role next."

    def _give_role(self, options: dict[str, Any]) -> str:
        person, organisation = _person(options), _organisation(options)
        services.assign_role(person=person, role=Role(options["role"]), organisation=organisation)
        return f"{person.username} is {options['role']} at {organisation.code}."

    def _end_role(self, options: dict[str, Any]) -> str:
        person, organisation = _person(options), _organisation(options)
        services.end_role(person=person, role=Role(options["role"]), organisation=organisation)
        return f"{person.username} is no longer {options['role']} at {organisation.code}."

    def _join_team(self, options: dict[str, Any]) -> str:
        team = CareTeam.objects.get(organisation=_organisation(options), name=options["team"])
        services.add_to_care_team(person=_person(options), care_team=team)
        return f"{options['username']} is in {team.name}."

    def _leave_team(self, options: dict[str, Any]) -> str:
        team = CareTeam.objects.get(organisation=_organisation(options), name=options["team"])
        services.remove_from_care_team(person=_person(options), care_team=team)
        return f"{options['username']} is no longer in {team.name}."

    def _password(self, options: dict[str, Any]) -> str:
        services.set_password(person=_person(options), password=_read_password(options["password_stdin"]))
        return f"{options['username']} has a new password; every session has ended."

    def _reset_second_factor(self, options: dict[str, Any]) -> str:
        services.reset_second_factor(person=_person(options))
        return f"{options['username']} will enrol a new second factor at the next sign-in."

    def _deactivate(self, options: dict[str, Any]) -> str:
        services.deactivate_person(person=_person(options))
        return f"{options['username']} can no longer sign in."


def _person(options: dict[str, Any]) -> Person:
    return Person.objects.get(username=options["username"])


def _organisation(options: dict[str, Any]) -> Organisation:
    return Organisation.objects.get(code=options["organisation"])


def _read_password(from_stdin: bool) -> str:
    """Never from the command line, which other users of the machine can see."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Again: "):
        raise CommandError("The two passwords differ. Start again.")
    return first
