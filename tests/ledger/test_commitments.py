"""Leaves: what they commit to, and the lengths that are refused."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest

from ledger.commitments import (
    CommitmentError,
    Kind,
    commit,
    commit_digest,
    deletion_statement,
    derive_salt,
    leaf_data,
    parse_leaf,
)

KEY = bytes(range(32))


def test_the_formulas_are_those_of_the_documentation():
    identity = "Observation/alice-1/_history/2"
    salt = hmac.new(KEY, b"xinglin/v1/salt\x00" + identity.encode(), sha256).digest()
    assert derive_salt(KEY, identity) == salt
    digest = sha256(b"bytes").digest()
    commitment = hmac.new(salt, b"xinglin/v1/record\x00" + digest, sha256).digest()
    assert commit(Kind.RECORD, salt, b"bytes") == commit_digest(Kind.RECORD, salt, digest) == commitment
    assert leaf_data(Kind.RECORD, commitment) == b"\x01\x01" + commitment


def test_numbers_and_names_of_kinds_are_fixed():
    assert [(kind.value, kind.label) for kind in Kind] == [
        (1, "record"), (2, "deletion"), (3, "audit-batch"), (4, "decision"), (5, "event"),
    ]  # fmt: skip


def test_the_same_bytes_commit_differently_for_each_kind():
    assert len({commit(kind, KEY, b"same") for kind in Kind}) == len(Kind)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_salt_digest_or_commitment_of_another_length_is_refused(length):
    wrong = bytes(length)
    for attempt in (
        lambda: derive_salt(wrong, "x"),
        lambda: commit(Kind.RECORD, wrong, b""),
        lambda: commit_digest(Kind.RECORD, KEY, wrong),
        lambda: leaf_data(Kind.RECORD, wrong),
    ):
        with pytest.raises(CommitmentError, match="32 bytes"):
            attempt()


def test_without_the_length_check_two_salts_would_commit_alike():
    digest = sha256(b"bytes").digest()
    padded = [hmac.new(salt, digest, sha256).digest() for salt in (b"a" * 31, b"a" * 31 + b"\x00")]
    assert padded[0] == padded[1]
    with pytest.raises(CommitmentError):
        commit(Kind.RECORD, b"a" * 31, b"bytes")


def test_leaves_read_back_and_unknown_ones_are_refused():
    for kind in Kind:
        assert parse_leaf(leaf_data(kind, KEY)) == (kind, KEY)
    for bad, code in (
        (b"\x02\x01" + KEY, "leaf_format"),
        (b"\x01\x00" + KEY, "leaf_kind"),
        (b"\x01\x06" + KEY, "leaf_kind"),
        (b"\x01\x01" + KEY + b"\x00", "leaf_length"),
        (b"", "leaf_length"),
    ):
        with pytest.raises(CommitmentError) as caught:
            parse_leaf(bad)
        assert caught.value.code == code


def test_a_deletion_statement_is_canonical():
    statement = deletion_statement(type="Patient", id="p", version=4, deleted_at="2026-01-05T08:00:00.000Z")
    assert statement == (
        b'{"deleted_at":"2026-01-05T08:00:00.000Z","format":"xinglin-deletion/1","id":"p","type":"Patient","version":4}'
    )
