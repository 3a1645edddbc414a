"""What a leaf of the log commits to, and how: salts, commitments, leaf data.

    salt       = HMAC-SHA256(patient key, "xinglin/v1/salt" ‖ 0x00 ‖ "Type/id/_history/version")    32 bytes
    commitment = HMAC-SHA256(salt, "xinglin/v1/" ‖ name of the kind ‖ 0x00 ‖ SHA-256(bytes))         32 bytes
    leaf data  = 0x01 ‖ kind ‖ commitment                                                            34 bytes

HMAC pads a short key with zeros, so a salt and the same salt with a zero byte behind it would commit alike:
keys and salts of any length but 32 are refused.
"""

from __future__ import annotations

import hmac
import json
from enum import IntEnum
from hashlib import sha256

from ledger.errors import LedgerRefusal

LEAF_FORMAT = 1
SALT_BYTES = 32
DIGEST_BYTES = 32
LEAF_BYTES = 34
DELETION_FORMAT = "xinglin-deletion/1"
_SALT_TAG = b"xinglin/v1/salt\x00"


class CommitmentError(LedgerRefusal):
    """A key, salt, digest or leaf is not of the form it must have."""


class Kind(IntEnum):
    """What a leaf is of; the number is the second byte of the leaf."""

    RECORD = 1
    DELETION = 2
    AUDIT_BATCH = 3
    DECISION = 4
    EVENT = 5

    @property
    def label(self) -> str:
        """The kind's name in commitments and in evidence: `record`, `deletion`, `audit-batch` ..."""
        return self.name.lower().replace("_", "-")

    @property
    def tag(self) -> bytes:
        """Domain tag that keeps a commitment of one kind from standing for another."""
        return _TAGS[self]


_TAGS = {kind: b"xinglin/v1/" + kind.label.encode() + b"\x00" for kind in Kind}


def derive_salt(key: bytes, identity: str) -> bytes:
    """The salt of one version, from a patient's (or the node's) 32-byte key.

    `identity` is `Type/id/_history/version`, or for what is not a record any name that is used once.
    """
    if len(key) != SALT_BYTES:
        raise CommitmentError("salt_key_length", "A key for salts has exactly 32 bytes.")
    if not identity:
        raise CommitmentError("salt_identity", "A salt is derived for a named version; the name is empty.")
    return hmac.digest(key, _SALT_TAG + identity.encode(), "sha256")


def commit(kind: Kind, salt: bytes, data: bytes) -> bytes:
    """The commitment to `data` (the stored bytes of a record, for one) under this salt."""
    return commit_digest(kind, salt, sha256(data).digest())


def commit_digest(kind: Kind, salt: bytes, digest: bytes) -> bytes:
    """The commitment to bytes of which only the SHA-256 is at hand."""
    if len(salt) != SALT_BYTES:
        raise CommitmentError("salt_length", "A salt has exactly 32 bytes.")
    if len(digest) != DIGEST_BYTES:
        raise CommitmentError("digest_length", "A SHA-256 digest has exactly 32 bytes.")
    return hmac.digest(salt, kind.tag + digest, "sha256")


def leaf_data(kind: Kind, commitment: bytes) -> bytes:
    """The 34 bytes that go into the log."""
    if len(commitment) != DIGEST_BYTES:
        raise CommitmentError("commitment_length", "A commitment has exactly 32 bytes.")
    return bytes((LEAF_FORMAT, kind)) + commitment


def parse_leaf(data: bytes) -> tuple[Kind, bytes]:
    """Kind and commitment of leaf data; an unknown format, kind or length is refused."""
    if len(data) != LEAF_BYTES:
        raise CommitmentError("leaf_length", "Leaf data has exactly 34 bytes.")
    if data[0] != LEAF_FORMAT:
        raise CommitmentError("leaf_format", f"Leaf format {data[0]} is unknown; this reads format 1.")
    try:
        return Kind(data[1]), data[2:]
    except ValueError:
        raise CommitmentError("leaf_kind", f"Leaf kind {data[1]} is unknown.") from None


def deletion_statement(*, type: str, id: str, version: int, deleted_at: str) -> bytes:
    """The bytes that a deletion's leaf commits to: canonical JSON; `deleted_at` is an instant in UTC."""
    members = {
        "deleted_at": deleted_at,
        "format": DELETION_FORMAT,
        "id": id,
        "type": type,
        "version": version,
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
