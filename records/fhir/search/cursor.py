"""Where a paging stands, sealed: the client carries it and can neither read nor change it.

It is encrypted and not only signed, because the row numbers in it would tell how many records there are that the
asker may not see. AES-256-GCM under a key of its own (HMAC-SHA256 of the node's key and 16 random bytes), and as
associated data the digest of the search and the asker: a cursor of another search, another person or another node
does not open.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import SearchError

CURSOR_PARAMETER: Final = "_cursor"
_DOMAIN: Final = b"xinglin/search-cursor/1\x00"
_SALT: Final = 16
_NONCE: Final = bytes(12)
_MAX_CURSOR: Final = 16_384
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

SortValue: TypeAlias = str | int | Decimal | datetime | None


@dataclass(frozen=True, slots=True)
class Paging:
    """Who pages, and the node's secret that seals their cursors. `key` has at least 32 bytes; `asker` names one actor
    for good."""

    key: bytes = field(repr=False)
    asker: str

    def __post_init__(self) -> None:
        if len(self.key) < 32:
            raise ValueError("the key that seals cursors has at least 32 bytes")


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was given, and the snapshot marker: the newest row number and the time of the first page."""

    marker_rid: int
    marker_time: datetime
    values: tuple[SortValue, ...]
    rid: int


def search_digest(type_name: str | None, applied: Sequence[tuple[str, str]]) -> bytes:
    """What a cursor is bound to: the type and every parameter that was applied, in order."""
    text = json.dumps([type_name, list(applied)], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def seal(position: Position, *, paging: Paging, digest: bytes) -> str:
    """The position as text for a URL."""
    plain = json.dumps(
        [
            position.marker_rid,
            _micros(position.marker_time),
            [_packed(v) for v in position.values],
            position.rid,
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    salt = os.urandom(_SALT)
    sealed = AESGCM(_key(paging, salt)).encrypt(_NONCE, plain, _bound_to(paging, digest))
    return base64.urlsafe_b64encode(salt + sealed).rstrip(b"=").decode()


def open_cursor(text: str, *, paging: Paging, digest: bytes) -> Position:
    """The position in a cursor. Raises SearchError for one that this node did not give to this asker for this search."""
    try:
        if len(text) > _MAX_CURSOR:
            raise ValueError("too long")
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        plain = AESGCM(_key(paging, raw[:_SALT])).decrypt(_NONCE, raw[_SALT:], _bound_to(paging, digest))
        marker_rid, marker_time, values, rid = json.loads(plain)
        return Position(marker_rid, _moment(marker_time), tuple(_unpacked(v) for v in values), rid)
    except (ValueError, UnicodeEncodeError, binascii.Error, InvalidTag):
        raise SearchError(
            "search-cursor-invalid",
            CURSOR_PARAMETER,
            "The cursor is not one that was given to you for this search; begin again without it.",
        ) from None


def _key(paging: Paging, salt: bytes) -> bytes:
    return hmac.digest(paging.key, _DOMAIN + salt, "sha256")


def _bound_to(paging: Paging, digest: bytes) -> bytes:
    return digest + hashlib.sha256(paging.asker.encode("utf-8", "surrogatepass")).digest()


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _packed(value: SortValue) -> Any:
    match value:
        case datetime():
            return ["t", _micros(value)]
        case Decimal():
            return ["n", str(value)]
        case _:
            return value


def _unpacked(value: Any) -> SortValue:
    match value:
        case ["t", int(micros)]:
            return _moment(micros)
        case ["n", str(number)]:
            return Decimal(number)
        case str() | int() | None:
            return value
        case _:
            raise ValueError("not a sort value")
