"""`manage.py doctor`: is this node well, and if not, what to do."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consortium.management.examination import State, examine

MARKS = {State.OK: "ok      ", State.WARNING: "warning ", State.FAILED: "FAILED  "}


class Command(BaseCommand):
    help = "Look at everything that the node needs. Exits with 1 when something failed."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for finding in examine():
            failed += finding.state is State.FAILED
            if options["json"]:
                self.stdout.write(json.dumps(asdict(finding), ensure_ascii=False))
            else:
                self.stdout.write(f"{MARKS[finding.state]}{finding.name:<13} {finding.sentence}")
        if failed:
            raise CommandError(f"{failed} of these must be mended before this node is well.", returncode=1)
