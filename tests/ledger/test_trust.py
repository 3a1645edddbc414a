"""The trust file: read strictly, for everything rests on it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ledger.errors import LedgerRefusal
from ledger.trust import TrustedHeader, TrustError, member_id, parse_trust, write_trust


@pytest.fixture
def members(scene):
    return json.loads(write_trust(scene.trust(valid_until=2000, revoked_at=3000)))


def refusal(members):
    with pytest.raises(LedgerRefusal) as caught:
        parse_trust(json.dumps(members).encode())
    return caught.value.code


def test_a_trust_file_reads_back_however_a_person_laid_it_out(scene):
    trust = scene.trust(valid_until=2000, revoked_at=3000)
    data = write_trust(trust)
    assert parse_trust(data) == trust
    assert parse_trust(json.dumps(json.loads(data)).encode()) == trust
    with_rpc = dataclasses.replace(trust, rpc="http://localhost:8545")
    assert parse_trust(write_trust(with_rpc)) == with_rpc


def test_a_members_id_is_the_hash_of_its_name(members):
    assert members["members"][0]["id"] == "0x" + member_id("杏林 Hospital A").hex()
    members["members"][0]["name"] = "Hospital Z"
    assert refusal(members) == "trust_member_id"


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda m: m.update(format="xinglin-trust/2"), "trust_format"),
        (lambda m: m.update(more=1), "form_unknown"),
        (lambda m: m["members"][0].update(more=1), "form_unknown"),
        (lambda m: m["members"][0]["keys"][0].update(more=1), "form_unknown"),
        (lambda m: m.pop("genesis"), "form_missing"),
        (lambda m: m.pop("rpc"), "form_missing"),
        (lambda m: m["members"][0]["keys"][0].pop("revoked_at"), "form_missing"),
        (lambda m: m.update(chain_id=0), "form_value"),
        (lambda m: m.update(chain_id="31337"), "form_value"),
        (lambda m: m.update(contract="0x00"), "form_value"),
        (lambda m: m.update(headers={}), "form_value"),
        (lambda m: m.update(rpc=""), "form_value"),
        (lambda m: m.update(members=[1]), "form_type"),
        (lambda m: m["members"].append(m["members"][0]), "trust_twice"),
        (lambda m: m["members"][0]["keys"].append(m["members"][0]["keys"][0]), "trust_twice"),
        (lambda m: m["members"][1].update(keys=m["members"][0]["keys"]), "trust_twice"),
        (lambda m: m["members"][1].update(origin=m["members"][0]["origin"]), "trust_twice"),
        (lambda m: m["headers"].append(m["headers"][0]), "trust_twice"),
        (lambda m: m["headers"].append({"number": 0, "hash": "0x" + "00" * 32}), "trust_genesis"),
        (lambda m: m["members"][0].update(origin="a b"), "trust_origin"),
        (lambda m: m["members"][0].update(origin="x" * 256), "trust_origin"),
        (lambda m: m["members"][0]["keys"][0].update(ed25519="AAAA"), "trust_key"),
        (lambda m: m["members"][0]["keys"][0].update(mldsa44="%"), "trust_key"),
        (lambda m: m["members"][0]["keys"][0].update(valid_from=-1), "form_value"),
        (lambda m: m["members"][0].update(name="\ud800"), "form_value"),
    ],
)
def test_a_trust_file_of_another_form_is_refused_by_its_code(members, edit, code):
    edit(members)
    assert refusal(members) == code


@pytest.mark.parametrize(
    "garbage", [b"", b"{}", b"[]", b"null", b"\x00", b"{" * 99_999, b'{"a":1,"a":2}', b'{"format":1.5}']
)
def test_garbage_is_refused(garbage):
    with pytest.raises(LedgerRefusal):
        parse_trust(garbage)


def test_writing_refuses_what_reading_would(scene):
    twice = dataclasses.replace(scene.trust(), headers=(TrustedHeader(1, bytes(32)),) * 2)
    with pytest.raises(TrustError):
        write_trust(twice)


def test_the_genesis_counts_as_a_trusted_header(scene):
    trust = scene.trust()
    assert trust.header_hash(0) == trust.genesis
    assert trust.header_hash(1) is None
