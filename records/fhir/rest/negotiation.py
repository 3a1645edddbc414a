"""What a request's headers ask of the FHIR door: formats, preferences, conditions on versions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from records.fhir.outcome import refuse

MEDIA_TYPE: Final = "application/fhir+json"
CONTENT_TYPE: Final = "application/fhir+json; charset=utf-8"
_JSON: Final = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})
_ANY_JSON: Final = _JSON | {"*/*", "application/*", "text/*"}
_FORMATS: Final = _JSON | {"json"}
_VERSIONS: Final = frozenset({"4.0", "4.0.1"})
_ETAG: Final = re.compile(r'(?:W/)?"?(\d{1,9})"?\Z')

Returned = Literal["minimal", "representation", "OperationOutcome"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """RFC 7240's Prefer, as FHIR uses it. `returned` is None where nothing was asked for."""

    returned: Returned | None = None
    lenient: bool = False


def check_acceptable(accept: str | None, format: str | None) -> None:
    """Raises FhirRefusal 406 unless JSON is acceptable; `_format` wins over the header."""
    if format is not None:
        # A plus sign in an address arrives as a space.
        if format.replace(" ", "+").split(";")[0].strip() not in _FORMATS:
            raise _not_acceptable()
        return
    if not accept or accept in _ANY_JSON:
        return
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        values = dict(p.replace(" ", "").lower().split("=", 1) for p in parameters if "=" in p)
        quality = values.get("q", "1")
        wrong_version = values.get("fhirversion", "4.0") not in _VERSIONS
        if media.lower() in _ANY_JSON and not re.fullmatch(r"0(\.0*)?", quality) and not wrong_version:
            return
    raise _not_acceptable()


def _not_acceptable() -> Exception:
    return refuse(
        "not-acceptable",
        f"This node answers in JSON only, FHIR 4.0: ask for {MEDIA_TYPE}.",
        status=406,
        code="not-supported",
    )


def check_media_type(content_type: str | None) -> None:
    """Raises FhirRefusal 415 unless the body is said to be FHIR JSON in UTF-8."""
    media, *parameters = (piece.strip().lower() for piece in (content_type or "").split(";"))
    values = dict(p.replace(" ", "").replace('"', "").split("=", 1) for p in parameters if "=" in p)
    if media not in _JSON or values.get("charset", "utf-8") not in ("utf-8", "utf8"):
        raise refuse(
            "unsupported-media-type",
            f"This node reads JSON in UTF-8 only: send Content-Type: {MEDIA_TYPE}.",
            status=415,
            code="not-supported",
        )
    if values.get("fhirversion", "4.0") not in _VERSIONS:
        raise refuse("unsupported-version", "This node reads FHIR 4.0.1.", status=415, code="not-supported")


def preferences(header: str | None) -> Preferences:
    """What Prefer asks for; what is not known is passed over, as RFC 7240 has it."""
    if not header:
        return Preferences()
    asked: dict[str, str] = {}
    for part in re.split(r"[,;]", header):
        name, _, value = part.strip().partition("=")
        asked.setdefault(name.strip().lower(), value.strip().strip('"'))
    returned: Mapping[str, Returned] = {
        "minimal": "minimal",
        "representation": "representation",
        "operationoutcome": "OperationOutcome",
    }
    return Preferences(
        returned=returned.get(asked.get("return", "").lower()),
        lenient=asked.get("handling", "").lower() == "lenient",
    )


def version_of_etag(header: str | None, name: str = "If-Match") -> int | None:
    """The version number in an ETag such as W/"3"; None without the header. 400 for what is no version of ours."""
    if header is None:
        return None
    match = _ETAG.match(header.strip())
    if match is None:
        raise refuse(
            "etag-invalid",
            f'{name} takes one version as this node gave it, such as W/"1".',
            status=400,
            code="value",
        )
    return int(match[1])


def matches_none(header: str | None, version: int) -> bool:
    """Whether If-None-Match names this version (or any)."""
    if header is None:
        return False
    return any(
        part.strip() == "*" or ((match := _ETAG.match(part.strip())) is not None and int(match[1]) == version)
        for part in header.split(",")
    )


def not_modified_since(header: str | None, stored_at: datetime) -> bool:
    """Whether nothing was stored after If-Modified-Since; a date that cannot be read is passed over, as HTTP has it."""
    if header is None:
        return False
    try:
        since = parsedate_to_datetime(header)
    except ValueError:
        return False
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return stored_at.replace(microsecond=0) <= since


def http_date(moment: datetime) -> str:
    """Last-Modified's form (RFC 9110)."""
    moment = moment.astimezone(UTC)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year} {moment:%H:%M:%S} GMT"
