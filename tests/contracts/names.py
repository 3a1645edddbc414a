"""Made-up members: their identities, details and log key digests."""

from __future__ import annotations

from typing import Any

from ledger.trust import member_id as identity

__all__ = ["details", "digest_of", "identity"]


def digest_of(number: int) -> bytes:
    """A made-up log key digest, one for each number."""
    return number.to_bytes(32, "big")


def details(name: str, account: Any, key: int, *, endpoint: str = "", roles: int = 1) -> tuple[Any, ...]:
    return (name, account, endpoint or f"https://{name.lower().replace(' ', '-')}.example", roles, digest_of(key))
