"""What a worker process of import_fhir runs. Django is set up in it first, so nothing of Django is imported before."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from records.fhir.importing import Outcome


def begin(databases: dict[str, dict[str, Any]]) -> None:
    """Make this process a Django of its own, on the parent's databases."""
    import django
    from django.conf import settings

    for alias, given in databases.items():
        settings.DATABASES[alias].update(given)
    django.setup()


def import_file(path: Path, request_id: uuid.UUID) -> "Outcome":
    """One bundle's file."""
    from records.fhir import importing, sources

    try:
        data = sources.read_whole(path)
    except sources.SourceError as error:
        return importing.unreadable(error.code, str(error))
    return importing.import_bundle(data, writer=importing.importer(request_id))


def import_chunk(lines: list[tuple[int, bytes]], request_id: uuid.UUID) -> "Outcome":
    """Some lines of NDJSON, numbered."""
    from records.fhir import importing

    return importing.import_lines(lines, writer=importing.importer(request_id))
