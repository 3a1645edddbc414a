"""Bundles by concatenation: stored bytes go out as they are, and nothing is parsed on the way."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from records.access.reads import StoredRecord
from records.fhir.node import FhirNode
from records.fhir.stamps import fhir_instant, instant_now, new_id

_SAFE: Final = ":,|/$"


def text(value: str) -> bytes:
    """`value` as a JSON string."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace")


def bundle(
    type: str,
    *,
    links: Sequence[tuple[str, str]],
    entries: Iterable[bytes],
    total: int | None = None,
    at: datetime | None = None,
) -> bytes:
    """A Bundle of entries that are JSON already. `links` are (relation, address)."""
    parts = [
        b'{"resourceType":"Bundle","id":', text(new_id()), b',"meta":{"lastUpdated":',
        text(fhir_instant(at or instant_now())), b'},"type":', text(type),
    ]  # fmt: skip
    if total is not None:
        parts += [b',"total":', str(total).encode()]
    if links:
        shown = (b'{"relation":' + text(relation) + b',"url":' + text(url) + b"}" for relation, url in links)
        parts += [b',"link":[', b",".join(shown), b"]"]
    listed = b",".join(entries)
    if listed:
        parts += [b',"entry":[', listed, b"]"]
    parts.append(b"}")
    return b"".join(parts)


def search_entry(record: StoredRecord, node: FhirNode, *, mode: str = "match", content: bytes | None = None) -> bytes:
    """One record of a search set, or `content` in its place; ids are safe in addresses and JSON by their very form."""
    return b'{"fullUrl":"%b/%b/%b","resource":%b,"search":{"mode":"%b"}}' % (
        node.base_url.encode(),
        record.type.encode(),
        record.id.encode(),
        record.content if content is None else content,
        mode.encode(),
    )


def outcome_entry(outcome: bytes) -> bytes:
    """An OperationOutcome about the search itself."""
    return b'{"resource":' + outcome + b',"search":{"mode":"outcome"}}'


def address(node: FhirNode, path: str, params: Sequence[tuple[str, str]] = ()) -> str:
    """An absolute address below the base, with parameters as they were applied."""
    query = urlencode(params, safe=_SAFE, quote_via=quote, errors="replace")
    return f"{node.base_url}{'/' + path if path else ''}{'?' + query if query else ''}"
