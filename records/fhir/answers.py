"""What an interaction answers, before it is HTTP or an entry of a Bundle."""

from dataclasses import dataclass
from datetime import datetime

from records.access.reads import StoredRecord
from records.fhir.outcome import Issue
from records.fhir.store import Outcome, Written


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is JSON as it goes out, FHIR's unless `content_type` says otherwise. `location` is relative to the base:
    `Patient/1/_history/2`. `retry_after`: seconds. `rid`: the row of the record that a write
    made or met, `outcome` what became of it."""

    status: int
    body: bytes = b""
    version: int | None = None
    stored_at: datetime | None = None
    location: str | None = None
    issues: tuple[Issue, ...] = ()
    retry_after: int | None = None
    content_type: str | None = None
    rid: int = 0
    outcome: Outcome | None = None

    @property
    def etag(self) -> str | None:
        return None if self.version is None else f'W/"{self.version}"'


def stored(record: StoredRecord, status: int = 200) -> Answer:
    """A record as it is stored."""
    return Answer(status, record.content, record.version, record.stored_at)


_WRITTEN_STATUS = {"created": 201, "updated": 200, "unchanged": 200, "deleted": 204, "absent": 204}


def written(done: Written, issues: tuple[Issue, ...] = ()) -> Answer:
    """What became of a write. `issues` are the warnings that did not keep it out."""
    return Answer(
        _WRITTEN_STATUS[done.outcome],
        done.content,
        done.version or None,
        done.stored_at if done.version else None,
        f"{done.type}/{done.id}/_history/{done.version}"
        if done.outcome in ("created", "updated", "unchanged")
        else None,
        issues,
        rid=done.rid,
        outcome=done.outcome,
    )
