"""Evidence: what it proves, and that every way of forging it that we know is refused, with its own code."""

from __future__ import annotations

import base64
import dataclasses
import json
import random

import pytest

from ledger.commitments import Kind, deletion_statement
from ledger.evidence import (
    ChainUnreachable,
    EvidenceError,
    Outcome,
    Status,
    build_evidence,
    parse_evidence,
    verify_evidence,
)
from ledger.notes import NoteSignature, parse_note, write_note
from ledger.trie import keccak256
from ledger.trust import MemberKey, TrustedHeader, parse_trust, write_trust


class Chain:
    """A chain node that says what it is told to."""

    name = "a chain node"

    def __init__(self, blocks, chain_id=31337, broken=False):
        self.blocks, self.id, self.broken = blocks, chain_id, broken

    def chain_id(self):
        if self.broken:
            raise ChainUnreachable("no route")
        return self.id

    def block_hash(self, number):
        return self.blocks.get(number)


def refusal(data, trust, **given):
    with pytest.raises(EvidenceError) as caught:
        verify_evidence(data, trust, **given)
    assert str(caught.value.code)
    assert len(caught.value.steps) == caught.value.step - 1
    return caught.value.code


# What it proves


def test_whole_evidence_with_the_record_proves_every_step(scene):
    report = verify_evidence(scene.evidence(), scene.trust(), record=scene.record)
    assert report.outcome is Outcome.PROVED
    assert report.record_given
    assert [step.status for step in report.steps] == [Status.PROVED] * 9
    assert [step.number for step in report.steps] == list(range(1, 10))
    assert (report.header.number, report.leaf_index, report.member.name) == (1200, 137, "杏林 Hospital A")
    assert report.checkpoint.timestamp == 1_767_600_000


def test_without_the_record_it_proves_the_digest_and_says_that_no_bytes_were_given(scene):
    report = verify_evidence(scene.evidence(), scene.trust())
    assert report.outcome is Outcome.PROVED
    assert not report.record_given
    assert report.steps[2].status is Status.NOT_GIVEN
    assert parse_evidence(scene.evidence()).record.sha256.hex() in report.steps[2].says


def test_without_the_record_a_forged_name_passes_only_as_not_given_and_with_it_is_refused(scene, rewrite):
    forged = rewrite(scene.evidence(), lambda members: members["record"].update(id="bob-1"))
    assert verify_evidence(forged, scene.trust()).steps[2].status is Status.NOT_GIVEN
    assert refusal(forged, scene.trust(), record=scene.record) == "record_name"


def test_without_a_trusted_header_or_a_chain_node_the_anchor_is_not_proved(scene):
    report = verify_evidence(scene.evidence(), scene.trust(listed=False), record=scene.record)
    assert report.outcome is Outcome.NOT_PROVED
    unproved = [step.name for step in report.steps if step.status is Status.NOT_PROVED]
    assert unproved == ["Block", "Receipt", "Key"]


def test_a_chain_node_that_the_verifier_chose_vouches_for_the_header(scene):
    trust = scene.trust(listed=False)
    rpc = Chain({0: trust.genesis, 1200: keccak256(scene.header())})
    report = verify_evidence(scene.evidence(), trust, record=scene.record, rpc=rpc)
    assert report.outcome is Outcome.PROVED
    assert report.steps[5].trust == "the chain node a chain node"


@pytest.mark.parametrize("silent", [Chain({}, broken=True), Chain({0: None})])
def test_a_chain_node_that_is_silent_or_behind_proves_nothing_and_refutes_nothing(scene, silent):
    trust = scene.trust(listed=False)
    if not silent.broken:
        silent.blocks = {0: trust.genesis}
    report = verify_evidence(scene.evidence(), trust, record=scene.record, rpc=silent)
    assert report.outcome is Outcome.NOT_PROVED


def test_a_deletion_is_proved_by_its_statement(scene):
    scene.kind, scene.version = Kind.DELETION, 3
    scene.record = deletion_statement(
        type="Observation", id="alice-1", version=3, deleted_at="2026-01-05T08:00:00.000Z"
    )
    report = verify_evidence(scene.evidence(), scene.trust(), record=scene.record)
    assert report.outcome is Outcome.PROVED


def test_a_deletion_written_in_another_way_is_refused(scene):
    scene.kind, scene.version = Kind.DELETION, 3
    scene.record = (
        b'{"deleted_at":"2026-01-05T08:00:00Z","format":"xinglin-deletion/1",'
        b'"id":"alice-1", "type":"Observation","version":3}'
    )
    assert refusal(scene.evidence(), scene.trust(), record=scene.record) == "record_deletion"


# Bytes


def test_a_thousand_random_changes_of_one_byte_are_all_refused(scene):
    whole, trust = scene.evidence(), scene.trust()
    # With and without the record, with and without a trusted header: no byte hides in any mode.
    modes = [(trust, scene.record), (trust, None), (scene.trust(listed=False), scene.record)]
    pick = random.Random(20260105)
    for _ in range(1000):
        place = pick.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= pick.randrange(1, 256)
        for known, record in modes:
            with pytest.raises(EvidenceError):
                verify_evidence(bytes(changed), known, record=record)


def test_a_byte_put_in_or_left_out_anywhere_is_refused(scene):
    whole, trust = scene.evidence(), scene.trust()
    pick = random.Random(7)
    for _ in range(300):
        place = pick.randrange(len(whole))
        for changed in (
            whole[:place] + whole[place + 1 :],
            whole[:place] + bytes([pick.randrange(256)]) + whole[place:],
        ):
            if changed != whole:
                refusal(changed, trust, record=scene.record)
    refusal(whole + b"\n", trust)
    refusal(whole[:-1], trust)
    refusal(b"", trust)


def test_random_changes_with_a_checksum_made_again_are_refused_by_the_proof_itself(scene, rewrite):
    whole, trust = scene.evidence(), scene.trust()
    pick = random.Random(4711)

    def turn(text):
        """Another character of the same alphabet, so that the form alone does not refuse it."""
        place = pick.randrange(len(text))
        alphabet = "0123456789abcdef" if all(c in "0123456789abcdefx" for c in text) else "ABCabc019\n "
        return text[:place] + pick.choice([c for c in alphabet if c != text[place]]) + text[place + 1 :]

    def edit(members):
        where = pick.choice(["anchor", "record", "top", "proof"])
        if where == "top":
            name = pick.choice(["salt", "kind", "tlog_proof", "tlog_proof", "format"])
            members[name] = turn(members[name])
        elif where == "proof":
            nodes = members["anchor"]["receipt_proof"]
            place = pick.randrange(len(nodes))
            nodes[place] = turn(nodes[place])
        else:
            name = pick.choice([n for n in members[where] if n != "receipt_proof"])
            value = members[where][name]
            members[where][name] = value + pick.randrange(1, 9) if isinstance(value, int) else turn(value)

    for _ in range(600):
        refusal(rewrite(whole, edit), trust, record=scene.record)


def test_another_spelling_of_the_same_json_is_refused(scene):
    whole, trust = scene.evidence(), scene.trust()
    members = json.loads(whole)
    for other in (
        json.dumps(members, sort_keys=True, indent=1, ensure_ascii=False) + "\n",
        json.dumps(members, sort_keys=True, separators=(",", ":")) + "\n",  # escapes instead of UTF-8
        json.dumps(dict(reversed(members.items())), separators=(",", ":"), ensure_ascii=False) + "\n",
        "\ufeff" + whole.decode(),
    ):
        refusal(other.encode(), trust, record=scene.record)


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda m: m.update(format="xinglin-evidence/2"), "evidence_format"),
        (lambda m: m.update(format=1), "evidence_format"),
        (lambda m: m.update(kind="audit-batch"), "evidence_kind"),
        (lambda m: m.update(more=1), "form_unknown"),
        (lambda m: m["anchor"].update(more=1), "form_unknown"),
        (lambda m: m["anchor"].pop("member"), "form_missing"),
        (lambda m: m["anchor"].update(contract=m["anchor"]["contract"].upper()), "form_value"),
        (lambda m: m["anchor"].update(chain_id=True), "form_value"),
        (lambda m: m["anchor"].update(log_index=-1), "form_value"),
        (lambda m: m["record"].update(id="../etc"), "evidence_record"),
        (lambda m: m["record"].update(id="a\x1b[2J"), "evidence_record"),
        (lambda m: m.update(record=[]), "form_type"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_code(scene, rewrite, edit, code):
    assert refusal(rewrite(scene.evidence(), edit), scene.trust()) == code


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"format":"xinglin-evidence/1","format":"xinglin-evidence/1"}',
        b'{"format":NaN}',
        b'{"format":' + b"9" * 100_000 + b"}",
        b'{"format":"\\ud800"}',
        b"\xff\xfe",
        b"null",
        b" " * (5 * 1024 * 1024),
    ],
    ids=range(9),
)
def test_hostile_bytes_are_refused_and_nothing_worse(scene, hostile):
    refusal(hostile, scene.trust())


# The record


def test_every_change_of_one_byte_of_the_record_is_refused(scene):
    evidence, trust = scene.evidence(), scene.trust()
    pick = random.Random(3)
    for place in range(len(scene.record)):
        changed = bytearray(scene.record)
        changed[place] ^= pick.randrange(1, 256)
        assert refusal(evidence, trust, record=bytes(changed)) == "record_bytes"
    for other in (b"", scene.record[:-1], scene.record + b"\n", scene.record.replace(b"1.30", b"1.3")):
        assert refusal(evidence, trust, record=other) == "record_bytes"


@pytest.mark.parametrize(
    "record",
    [
        b"{}",
        b"[]",
        b"not json",
        b"[" * 50_000,
        b'{"resourceType":"Observation","id":"alice-1"}',
        b'{"resourceType":"Observation","id":"alice-1","meta":{"versionId":"3"}}',
        b'{"resourceType":"Observation","id":"alice-1","meta":{"versionId":2}}{',
        b'{"resourceType":"Observation","id":"alice-1","meta":{"versionId":2}}',
        b'{"resourceType":"Observation","id":"alice-1","meta":{"versionId":' + b"9" * 9999 + b"}}",
        b'{"resourceType":"Observation","id":"bob-1","id":"alice-1","meta":{"versionId":"2"}}',
        b'{"resourceType":"Patient","id":"alice-1","meta":{"versionId":"2"}}',
    ],
)
def test_bytes_that_are_logged_but_are_not_the_named_record_are_refused(scene, record):
    scene.record = record
    assert refusal(scene.evidence(), scene.trust(), record=record).startswith("record_")


def test_the_inclusion_of_another_leaf_is_refused(scene):
    scene.proved_index = 138
    assert refusal(scene.evidence(), scene.trust(), record=scene.record) == "proof_root"


@pytest.mark.parametrize("salt", [lambda s: s + b"\x00", lambda s: s[:31], lambda s: s[:1]])
def test_a_salt_of_33_bytes_or_of_31_is_refused(scene, rewrite, salt):
    forged = rewrite(scene.evidence(), lambda m: m.update(salt=salt(scene.salt).hex()))
    assert refusal(forged, scene.trust(), record=scene.record) == "salt_length"


def test_a_salt_that_ends_in_zero_is_not_the_same_without_its_end(scene, rewrite):
    scene.salt = bytes(range(31)) + b"\x00"
    whole = scene.evidence()
    assert verify_evidence(whole, scene.trust(), record=scene.record).outcome is Outcome.PROVED
    forged = rewrite(whole, lambda m: m.update(salt=scene.salt[:31].hex()))
    assert refusal(forged, scene.trust(), record=scene.record) == "salt_length"


# The checkpoint


def without(position):
    def edit(note):
        parsed = parse_note(note)
        kept = [s for i, s in enumerate(parsed.signatures) if i != position]
        return write_note(parsed.text, kept)

    return edit


@pytest.mark.parametrize("position", [0, 1])
def test_a_checkpoint_stripped_of_either_signature_is_refused(scene, position):
    scene.edit_checkpoint = without(position)
    assert refusal(scene.evidence(), scene.trust(), record=scene.record) == "checkpoint_signatures"


def test_a_checkpoint_with_a_signature_too_many_or_in_another_order_is_refused(scene):
    def another(note):
        parsed = parse_note(note)
        return write_note(parsed.text, (*parsed.signatures, NoteSignature("mallory", b"\0\0\0\1", b"x" * 64)))

    def turned(note):
        parsed = parse_note(note)
        return write_note(parsed.text, reversed(parsed.signatures))

    def twice(note):
        parsed = parse_note(note)
        return write_note(parsed.text, (*parsed.signatures, parsed.signatures[0]))

    for edit in (another, turned, twice):
        scene.edit_checkpoint = edit
        assert refusal(scene.evidence(), scene.trust(), record=scene.record) == "checkpoint_signatures"


def test_a_checkpoint_with_a_line_after_the_root_is_refused(scene):
    def extended(note):
        parsed = parse_note(note)
        return write_note(parsed.text + "extension 1\n", parsed.signatures)

    scene.edit_checkpoint = extended
    assert refusal(scene.evidence(), scene.trust(), record=scene.record) == "checkpoint_extension"


def test_one_signature_by_mallory_and_one_by_the_hospital_is_refused(scene, mallory):
    size = scene.size
    for position in (0, 1):

        def mixed(note, position=position):
            parsed = parse_note(note)
            root = parsed.text.split("\n")[2]
            signatures = list(parsed.signatures)
            other = parse_note(mallory.sign(size, base64.b64decode(root))).signatures[position]
            signatures[position] = NoteSignature(other.name, signatures[position].key_id, other.signature)
            return write_note(parsed.text, signatures)

        scene.edit_checkpoint = mixed
        code = refusal(scene.evidence(), scene.trust(), record=scene.record)
        assert code == ("checkpoint_ed25519", "checkpoint_mldsa44")[position]


# The chain


def test_a_file_forged_whole_with_the_forgers_own_key_header_and_receipt_is_refused(scene, mallory):
    genuine = scene.trust()
    scene.signer = mallory
    forged = scene.evidence()
    assert refusal(forged, genuine, record=scene.record) == "other_block"
    # Even where the verifier has no header to hold against it, the key is not the member's.
    unlisted = dataclasses.replace(genuine, headers=())
    assert refusal(forged, unlisted, record=scene.record) == "key_unknown"
    # Nor does it help to name the hospital's key in the event and sign with one's own.
    scene.event_key = genuine.members[0].keys[0].key.digest
    assert refusal(scene.evidence(), unlisted, record=scene.record) == "checkpoint_signatures"


def test_a_real_block_does_not_vouch_for_a_receipt_it_does_not_have(scene, rewrite, mallory):
    real = scene.evidence()
    scene.signer = mallory
    forged = rewrite(scene.evidence(), lambda m: m["anchor"].update(header=json.loads(real)["anchor"]["header"]))
    assert refusal(forged, listing_the_block_in(real, scene.trust()), record=scene.record) == "trie_hash"


def listing_the_block_in(evidence, trust):
    """The trust file, but with the block that this evidence carries as its only header."""
    anchor = parse_evidence(evidence).anchor
    return dataclasses.replace(trust, headers=(TrustedHeader(1200, keccak256(anchor.header)),))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"event_contract": bytes(19) + b"\x01"}, "event_contract"),
        ({"event_topic": keccak256(b"Heartbeat(bytes32,uint64,bytes32)")}, "event_kind"),
        ({"event_member": keccak256(b"Hospital B")}, "event_member"),
        ({"event_size": 301}, "event_checkpoint"),
        ({"event_size": 2**64 + 300}, "event_checkpoint"),
        ({"event_root": bytes(32)}, "event_checkpoint"),
        ({"event_key": bytes(32)}, "key_unknown"),
        ({"status": 0}, "receipt_failed"),
        ({"log_index": 0}, "event_contract"),
        ({"log_index": 2}, "receipt_event"),
        ({"chain_id": 1}, "other_chain"),
        ({"contract": bytes(20)}, "other_contract"),
        ({"member": keccak256(b"Mallory")}, "unknown_member"),
    ],
    ids=str,
)
def test_a_receipt_that_does_not_anchor_this_checkpoint_is_refused(scene, changes, code):
    for name, value in changes.items():
        setattr(scene, name, value)
    assert refusal(scene.evidence(), scene.trust(), record=scene.record) == code


def test_the_log_of_another_member_is_not_taken_for_the_one_named(scene):
    scene.member = keccak256(b"Hospital B")
    assert refusal(scene.evidence(), scene.trust(), record=scene.record) == "key_unknown"


def test_extra_missing_and_changed_nodes_of_the_receipts_proof_are_refused(scene, rewrite):
    whole, trust = scene.evidence(), scene.trust()

    def edited(edit):
        return rewrite(whole, lambda m: edit(m["anchor"]["receipt_proof"]))

    assert refusal(edited(lambda nodes: nodes.append(nodes[0])), trust) == "trie_extra_node"
    assert refusal(edited(lambda nodes: nodes.insert(0, nodes[0])), trust) == "trie_hash"
    assert refusal(edited(lambda nodes: nodes.pop()), trust) == "trie_missing_node"
    assert refusal(edited(lambda nodes: nodes.clear()), trust) == "trie_missing_node"
    other = rewrite(whole, lambda m: m["anchor"].update(receipt_index=8))
    assert refusal(other, trust).startswith("trie_")


def test_a_header_with_bytes_behind_it_is_refused(scene, rewrite):
    longer = rewrite(scene.evidence(), lambda m: m["anchor"].update(header=m["anchor"]["header"] + "00"))
    assert refusal(longer, scene.trust()) == "rlp_trailing"


def test_a_header_of_another_chain_is_refused(scene):
    trust = scene.trust(listed=False)
    own = keccak256(scene.header())
    for rpc, code in (
        (Chain({0: trust.genesis, 1200: own}, chain_id=1), "rpc_other_chain"),
        (Chain({0: bytes(32), 1200: own}), "rpc_other_genesis"),
        (Chain({0: trust.genesis, 1200: bytes(32)}), "other_block"),
    ):
        assert refusal(scene.evidence(), trust, record=scene.record, rpc=rpc) == code
    rolled_back = dataclasses.replace(trust, headers=(TrustedHeader(1200, bytes(32)),))
    assert refusal(scene.evidence(), rolled_back, record=scene.record) == "other_block"


# Keys


def test_a_key_counts_only_in_the_blocks_of_its_validity(scene):
    evidence = scene.evidence()

    def outcome(**validity):
        return verify_evidence(evidence, scene.trust(**validity), record=scene.record).outcome

    assert outcome(valid_from=1200) is Outcome.PROVED
    assert outcome(valid_until=1200) is Outcome.PROVED
    assert refusal(evidence, scene.trust(valid_from=1201)) == "key_not_in_force"
    assert refusal(evidence, scene.trust(valid_until=1199)) == "key_not_in_force"


def test_a_revoked_key_is_refused_from_its_revocation_on(scene):
    evidence = scene.evidence()
    assert refusal(evidence, scene.trust(revoked_at=1100)) == "key_revoked"
    assert refusal(evidence, scene.trust(revoked_at=1200)) == "key_revoked"
    before = verify_evidence(evidence, scene.trust(revoked_at=1201), record=scene.record)
    assert before.outcome is Outcome.PROVED


def test_a_revoked_key_without_a_proved_height_is_refused(scene):
    unproved = scene.trust(listed=False, revoked_at=5000)
    assert refusal(scene.evidence(), unproved) == "key_revoked_unproved"
    assert refusal(scene.evidence(), unproved, rpc=Chain({}, broken=True)) == "key_revoked_unproved"


def test_a_key_out_of_force_is_refused_even_where_the_height_is_only_claimed(scene):
    assert refusal(scene.evidence(), scene.trust(listed=False, valid_from=1201)) == "key_not_in_force"


def test_after_a_rotation_both_keys_prove_their_own_checkpoints_and_not_each_others(scene, mallory, with_keys):
    rotated = with_keys(scene.trust(valid_until=1200), MemberKey(mallory.public, valid_from=1200))
    assert verify_evidence(scene.evidence(), rotated, record=scene.record).outcome is Outcome.PROVED
    scene.event_key = mallory.public.digest
    assert refusal(scene.evidence(), listing_the_block_in(scene.evidence(), rotated)) == "checkpoint_signatures"


def test_a_trust_whose_member_has_another_id_than_its_name_is_refused(scene):
    trust = scene.trust()
    first, *rest = trust.members
    lying = dataclasses.replace(trust, members=(dataclasses.replace(first, name="Hospital Z"), *rest))
    assert refusal(scene.evidence(), lying) == "trust_member_id"


def test_the_trust_file_read_back_verifies_the_same(scene):
    trust = parse_trust(write_trust(scene.trust()))
    assert verify_evidence(scene.evidence(), trust, record=scene.record).outcome is Outcome.PROVED


def test_building_refuses_what_would_not_verify_as_a_file(scene):
    evidence = parse_evidence(scene.evidence())
    with pytest.raises(ValueError, match="type and id"):
        build_evidence(
            kind=evidence.kind,
            type="Observation",
            id="not/an/id",
            version=1,
            digest=evidence.record.sha256,
            salt=evidence.salt,
            leaf_index=0,
            audit_path=[],
            checkpoint=scene.signer.sign(1, bytes(32)),
            chain_id=1,
            contract=evidence.anchor.contract,
            member=evidence.anchor.member,
            header=evidence.anchor.header,
            receipt_index=0,
            receipt_nodes=[b"\x80"],
            log_index=0,
        )
