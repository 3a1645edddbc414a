"""Stored bytes as Python values for presenters, and as text for whoever wants to see them."""

from dataclasses import dataclass
from typing import Any, Final

from records.access.reads import StoredRecord
from records.fhir import jsontext
from records.fhir.outcome import FhirRefusal
from records.portal.text import spelled_out

_MOST_SHOWN: Final = 200_000


def parsed(content: bytes) -> dict[str, Any]:
    """A stored record's JSON, numbers as they were written; {} for what cannot be read as strictly.

    Only what passed validation is stored. One changed behind the node's back may be anything, and
    its page must still open to say that it does not match.
    """
    try:
        return jsontext.parse(content).value
    except FhirRefusal:
        return {}


def resource_of(record: StoredRecord) -> dict[str, Any]:
    """A record's JSON under the type and id that it is stored under, whatever its bytes say by now."""
    return {**parsed(record.content), "resourceType": record.type, "id": record.id}


@dataclass(frozen=True, slots=True)
class Source:
    """Stored bytes as text: `steered` counts direction marks written out, `cut`: the end is missing."""

    text: str
    steered: int
    cut: bool


def source_of(content: bytes) -> Source:
    """The bytes as text, without those marks that would make them read as something else."""
    text, steered = spelled_out(content[:_MOST_SHOWN].decode(errors="replace"))
    return Source(text, steered, len(content) > _MOST_SHOWN)
