"""manage.py export_evidence TYPE/ID[/_history/V]: the evidence of a version, and the bytes that it is about."""

import re
import uuid
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consortium.members.scopes import Scopes
from ledger.anchoring import Pending
from records.access.asker import Asker
from records.access.errors import AccessRefusal
from records.access.reads import read_version
from records.fhir.auditevents import THIS_NODE
from records.proofs import RecordMismatch, evidence_of, proved_bytes

_VERSION: Final = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([1-9][0-9]{0,8}))?\Z")


class Command(BaseCommand):
    help = (
        "Writes the evidence file of a record's version (the newest one, unless one is named) and beside it the record's bytes, "
        "for python -m ledger.evidence verify. Exit code 3 while confirmation is still to come."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", metavar="TYPE/ID[/_history/V]")
        parser.add_argument(
            "-o", "--output", type=Path, metavar="FILE", help="the evidence file; the record goes to FILE.record.json"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        match = _VERSION.match(options["version"])
        if match is None:
            raise CommandError("Name the record as TYPE/ID or TYPE/ID/_history/V.")
        type, id, version = match[1], match[2], int(match[3]) if match[3] else None
        asker = Asker(
            kind="machine",
            actor_id=THIS_NODE,
            label="export_evidence",
            organisation_id=None,
            purpose="HOPERAT",
            request_id=uuid.uuid4(),
            scopes=Scopes.parse("system/*.r"),
        )
        try:
            record = read_version(asker, type, id, version, interaction="evidence")
            found = evidence_of(record)
        except (AccessRefusal, RecordMismatch) as error:
            raise CommandError(str(error)) from error
        if isinstance(found, Pending):
            raise CommandError(f"{found.code}: {found.sentence} Try again in {found.retry_after} s.", returncode=3)
        file: Path = options["output"] or Path(f"{type}-{id}-{record.version}.evidence.json")
        beside = file.with_name(f"{file.name.removesuffix('.json').removesuffix('.evidence')}.record.json")
        file.write_bytes(found)
        beside.write_bytes(proved_bytes(record))
        self.stdout.write(f"evidence  {file}\nrecord    {beside}")
