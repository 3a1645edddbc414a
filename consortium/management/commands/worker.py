"""`manage.py worker`: what happens to records after they are stored."""

import logging
import signal
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from consortium.management import loops


class Command(BaseCommand):
    help = "Number the log, seal audit batches, anchor on the chain. Runs until it is told to end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--audit-seconds", type=float, default=30.0, help="the clock of audit batches (default 30)")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("consortium.worker").setLevel(logging.INFO)
        ended = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        loops.run(audit_every=options["audit_seconds"], ended=ended)
