"""Where a paging stands, sealed for the client who pages; see `records.fhir.search.cursor`."""

import functools
import hashlib
import hmac
from datetime import datetime

from django.conf import settings

from records.fhir.search import Paging
from records.fhir.search.cursor import Position, open_cursor, seal

from .asker import Asker


@functools.cache
def _key() -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), b"xinglin/records/cursor", "sha256")


def paging_of(asker: Asker) -> Paging:
    """What seals and opens the cursors of this asker."""
    return Paging(_key(), f"{asker.kind}:{asker.actor_id}")


def seal_position(asker: Asker, path: str, stored_at: datetime, rid: int, version: int) -> str:
    """A place in a history or in a patient's records, as text for an address. `path` is what is paged."""
    return seal(Position(0, stored_at, (version,), rid), paging=paging_of(asker), digest=_digest(path))


def open_position(asker: Asker, path: str, cursor: str) -> tuple[datetime, int, int]:
    """Time, row number and version of a sealed place. Raises SearchError for one that this asker was not given for this."""
    position = open_cursor(cursor, paging=paging_of(asker), digest=_digest(path))
    version = position.values[0]
    assert isinstance(version, int), "sealed by seal_position"
    return position.marker_time, position.rid, version


def _digest(path: str) -> bytes:
    return hashlib.sha256(b"path\x00" + path.encode()).digest()
