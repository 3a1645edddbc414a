"""Sets up what is not a person: organisations, care teams, machines."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from consortium.members import services
from consortium.members.models import Machine, Organisation
from consortium.members.scopes import ScopeError


class Command(BaseCommand):
    help = "Make organisations, care teams and machines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        organisation = actions.add_parser("organisation", help="make an organisation")
        organisation.add_argument("code", help="letters, digits, - and _")
        organisation.add_argument("--name", required=True)
        organisation.add_argument("--kind", required=True, choices=Organisation.Kind.values)
        organisation.add_argument("--runs-this-node", action="store_true")
        team = actions.add_parser("care-team", help="make a care team")
        team.add_argument("organisation", help="code of the organisation")
        team.add_argument("name")
        machine = actions.add_parser("machine", help="make a machine; prints its secret, once")
        machine.add_argument("organisation", help="code of the organisation")
        machine.add_argument("name")
        machine.add_argument("--scopes", required=True, help='such as "system/*.rs system/Observation.cu"')
        machine.add_argument("--purpose", default="TREAT", help="code of v3-PurposeOfUse")
        for action, text in (
            ("renew-secret", "give a machine a new secret; the old one and its tokens are void"),
            ("deactivate-machine", "end everything the machine may do"),
        ):
            known = actions.add_parser(action, help=text)
            known.add_argument("client_id")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(getattr(self, f"_{options['action'].replace('-', '_')}")(options))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (ScopeError, Organisation.DoesNotExist, Machine.DoesNotExist) as error:
            raise CommandError(f"{error} Check the spelling.") from error

    def _organisation(self, options: dict[str, Any]) -> str:
        made = services.create_organisation(
            code=options["code"],
            name=options["name"],
            kind=options["kind"],
            runs_this_node=options["runs_this_node"],
        )
        return f"{made.code} is a member{' and runs this node' if made.runs_this_node else ''}."

    def _care_team(self, options: dict[str, Any]) -> str:
        made = services.create_care_team(organisation=_organisation(options), name=options["name"])
        return f"{made.name} is a care team of {made.organisation.code}."

    def _machine(self, options: dict[str, Any]) -> str:
        made = services.create_machine(
            name=options["name"],
            organisation=_organisation(options),
            scopes=options["scopes"],
            purpose=options["purpose"],
        )
        return _shown_once(made)

    def _renew_secret(self, options: dict[str, Any]) -> str:
        machine = Machine.objects.get(client_id=options["client_id"])
        return _shown_once(services.renew_machine_secret(machine=machine))

    def _deactivate_machine(self, options: dict[str, Any]) -> str:
        services.deactivate_machine(machine=Machine.objects.get(client_id=options["client_id"]))
        return f"{options['client_id']} gets no more tokens, and those it had are void."


def _organisation(options: dict[str, Any]) -> Organisation:
    return Organisation.objects.get(code=options["organisation"])


def _shown_once(made: services.NewMachine) -> str:
    return (
        f"token_url      {settings.NODE_URL}/o/token\n"
        f"client_id      {made.machine.client_id}\n"
        f"client_secret  {made.client_secret}\n"
        "The secret is not stored and not shown again."
    )
