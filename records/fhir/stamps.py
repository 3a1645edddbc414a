"""What the server itself puts on a record: its id, and the instant at which a version was stored."""

import os
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Final

ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")


def new_id() -> str:
    """A random id (UUID version 7, RFC 9562): its leading bits are the time, so that new rows land side by side."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (
        (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    return str(uuid.UUID(int=value))


def instant_now() -> datetime:
    """Now, in UTC, cut to the milliseconds that `meta.lastUpdated` shows."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def fhir_instant(moment: datetime) -> str:
    """A FHIR instant with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
