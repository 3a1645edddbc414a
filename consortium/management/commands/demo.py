"""`manage.py demo`: a small consortium on this machine."""

import json
import os
import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consortium.management.demo import supervisor, walkthrough
from consortium.management.demo.nodes import CHECKOUT
from consortium.management.demo.plan import PATIENTS
from consortium.management.processes import DidNotStart

SHOWN = CHECKOUT / "var"


class Command(BaseCommand):
    help = "Start two hospitals and a chain. Ctrl-C ends it; a second start keeps the data."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--reset", action="store_true", help="forget the demonstration's data")
        what.add_argument("--walkthrough", action="store_true", help="tell the story against the running demonstration")
        parser.add_argument("--patients", type=int, default=PATIENTS, help=f"of each hospital (default {PATIENTS})")
        parser.add_argument("--folder", type=Path, default=SHOWN, help="where demo.json is (default var)")

    def handle(self, *args: Any, **options: Any) -> None:
        shown: Path = options["folder"].resolve()
        folder = shown / "demo"
        try:
            if options["walkthrough"]:
                self._walk(shown / "demo.json")
                return
            with supervisor.only_one(folder):
                if options["reset"]:
                    supervisor.reset(folder, shown)
                    self.stdout.write("The demonstration's data is gone; make demo starts a new one.")
                else:
                    self._run(folder, shown, options["patients"])
        except (supervisor.AlreadyRunning, DidNotStart) as error:
            raise CommandError(str(error)) from error

    def _walk(self, description: Path) -> None:
        if not description.exists():
            raise CommandError("No demonstration runs here: start one with make demo, in another terminal.")
        try:
            walkthrough.walk(json.loads(description.read_text()), say=self.stdout.write)
        except walkthrough.StoryBroke as broke:
            raise CommandError(f"The story breaks here: {broke}") from broke

    def _run(self, folder: Path, shown: Path, patients: int) -> None:
        ended = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            if not ended.is_set():
                ended.set()
                # The interrupt may strike while a lock is held that the ending needs. Children die with this process.
                last_resort = threading.Timer(20.0, os._exit, (1,))
                last_resort.daemon = True
                last_resort.start()
                raise KeyboardInterrupt

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, end)
        demo = supervisor.Supervisor(folder, shown, patients=patients)
        try:
            demo.start()
            self.stdout.write(introduction(demo.description()))
            self.stdout.flush()
            demo.watch(ended)
        except KeyboardInterrupt:
            self.stdout.write("\nending ...")
        finally:
            ended.set()
            demo.stop()
        self.stdout.write(f"Nothing is left running; the data is kept in {folder}.")


def introduction(description: dict[str, Any]) -> str:
    """What a person who has just started the demonstration wants to know."""
    lines = ["", "The consortium runs.", ""]
    lines += [f"  {node['title']:<18} {node['url']}/" for node in description["nodes"]]
    lines += [
        "",
        "  who        where        role                password             one-time codes (TOTP secret)",
    ]
    lines += [
        f"  {person['username']:<10} {person['node']:<12} {person['role']:<19} {person['password']:<20} "
        f"{person['totp_secret']}"
        for person in description["people"]
    ]
    first = description["nodes"][0]
    lines += [
        "",
        "What to do now:",
        f"  - open {first['url']}/, sign in as alice, and find a patient. A one-time code for her:",
        "      .venv/bin/python manage.py demo --code alice",
        "  - see the whole story told in a minute:   make walkthrough",
        "  - every address, login and client is in   var/demo.json",
        "  - Ctrl-C ends it and keeps the data;      make demo-reset forgets it",
    ]
    return "\n".join(lines)
