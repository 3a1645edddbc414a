"""Signed notes, checkpoints and offline proofs in the forms of C2SP."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoints import (
    Checkpoint,
    LogPublicKey,
    LogVerifier,
    TlogProof,
    cosigned_message,
    parse_checkpoint,
    parse_tlog_proof,
    write_tlog_proof,
)
from ledger.notes import (
    Note,
    NoteError,
    NoteSignature,
    check_key_name,
    decode_base64,
    key_id,
    parse_note,
    verifier_key,
    write_note,
)

ROOT = sha256(b"root").digest()

# The example in C2SP signed-note and its key.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj9"
    "9ihAQwaqP3ZekRwNtIc=\n"
).encode()


@pytest.fixture
def signed(scene):
    return scene.signer.sign(5, ROOT, timestamp=1_767_600_000)


@pytest.fixture
def verifier(scene):
    return LogVerifier(scene.signer.origin, scene.signer.public)


def refused(attempt, code):
    with pytest.raises(NoteError) as caught:
        attempt()
    assert caught.value.code == code


# Notes


def test_the_standards_own_example_is_read_and_written_again():
    note = parse_note(POEM)
    assert note.text.endswith("\n\ned è subito sera.\n")
    assert [s.name for s in note.signatures] == ["quasimodo.example/salvatore"]
    assert note.encode() == POEM


def test_key_ids_are_those_of_the_standard():
    name, public = "example.com/log", bytes(range(32))
    assert key_id(name, 1, public) == sha256(b"example.com/log\n\x01" + public).digest()[:4]
    assert verifier_key(name, 1, public) == (
        f"{name}+{key_id(name, 1, public).hex()}+{base64.b64encode(bytes([1]) + public).decode()}"
    )


@given(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1),
    st.lists(st.tuples(st.sampled_from(["a", "b.example/é"]), st.binary(min_size=5, max_size=40)), min_size=1),
)
def test_notes_read_back(line, signatures):
    note = Note(line + "\n", tuple(NoteSignature(name, data[:4], data[4:]) for name, data in signatures[:16]))
    assert parse_note(write_note(note.text, note.signatures)) == note


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"\n", b"text\n", b"text\n\n", b"\n\n\xe2\x80\x94 a AAAAAAA=\n",
        POEM[:-1], POEM + b"\n", POEM + b"text\n", POEM.replace(b"\n\n\xe2", b"\n\xe2"),
        POEM.replace("—".encode(), b"-"), POEM.replace(b"NnugS", b"Nnug-"), POEM.replace(b"tIc=", b"tIc"),
        POEM.replace(b"tIc=", b"tId="), POEM.replace(b"/salvatore", b"+salvatore"),
        POEM.replace(b"/salvatore", "\u2003salvatore".encode()), POEM.replace(b"cuor", b"cu\xffr"),
        POEM.replace(b"cuor", b"cu\tr"), POEM.replace(b"cuor", b"cu\r\n"), POEM.replace(b"cuor", b"cu\0r"),
        "text\n\n— a AAAA\n".encode(), "text\n\n—  AAAAAAA=\n".encode(), "text\n\n— a AAAAAAA= \n".encode(),
        b"text\n\n" + "— a AAAAAAA=\n".encode() * 33, b"x" * 300_000 + POEM,
    ],
    ids=range(24),
)  # fmt: skip
def test_what_is_not_a_note_is_refused(bad):
    with pytest.raises(NoteError):
        parse_note(bad)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "a\u2028b"])
def test_a_key_name_with_spaces_or_a_plus_is_refused(name):
    refused(lambda: check_key_name(name), "note_key_name")


@pytest.mark.parametrize("text", ["AA", "AAA", "AA==\n", "A A=", "AAB=", "AA=", "AA==AA==", "é", "-_==", "===="])
def test_base64_has_one_spelling(text):
    refused(lambda: decode_base64(text), "base64_form")


# Checkpoints


def test_a_checkpoint_is_signed_with_both_keys_and_verified_with_both(scene, signed, verifier):
    verified = verifier.verify(signed, exact=True)
    assert verified.checkpoint == Checkpoint("hospital-a.localhost/log", 5, ROOT)
    assert verified.timestamp == 1_767_600_000
    note = parse_note(signed)
    assert note.text == f"hospital-a.localhost/log\n5\n{base64.b64encode(ROOT).decode()}\n"
    assert [len(s.signature) for s in note.signatures] == [64, 8 + 2420]
    assert scene.signer.public.digest == sha256(scene.signer.public.ed25519 + scene.signer.public.mldsa44).digest()


def test_what_ml_dsa_signs_is_the_standards_structure():
    message = cosigned_message(cosigner="w/1", origin="log", timestamp=7, start=0, end=5, root=ROOT)
    assert message == (
        b"subtree/v1\n\x00" + b"\x03w/1" + (7).to_bytes(8, "big") + b"\x03log" + bytes(8) + b"\0\0\0\0\0\0\0\x05" + ROOT
    )
    refused(
        lambda: cosigned_message(cosigner="w", origin="l", timestamp=7, start=4, end=5, root=ROOT),
        "cosignature_time",
    )
    refused(
        lambda: cosigned_message(cosigner="w", origin="x" * 256, timestamp=0, start=0, end=5, root=ROOT),
        "origin_length",
    )


def test_two_signatures_of_one_head_differ_and_both_verify(scene, verifier):
    first, second = scene.signer.sign(5, ROOT), scene.signer.sign(5, ROOT)
    assert first != second
    assert verifier.verify(first) == verifier.verify(second)


def test_every_change_of_one_byte_of_a_checkpoint_is_refused(signed, verifier):
    for place in range(0, len(signed), 3):
        changed = bytearray(signed)
        changed[place] ^= 1
        with pytest.raises(NoteError):
            verifier.verify(bytes(changed), exact=True)


@pytest.mark.parametrize("position", [0, 1])
def test_a_stripped_signature_is_refused(signed, verifier, position):
    note = parse_note(signed)
    left = write_note(note.text, [note.signatures[position]])
    for exact in (False, True):
        refused(lambda exact=exact: verifier.verify(left, exact=exact), "checkpoint_signatures")


def test_signatures_of_unknown_keys_are_ignored_unless_every_byte_must_count(signed, verifier):
    note = parse_note(signed)
    more = write_note(note.text, [NoteSignature("witness.example", b"abcd", b"x" * 72), *note.signatures])
    assert verifier.verify(more).checkpoint.size == 5
    refused(lambda: verifier.verify(more, exact=True), "checkpoint_signatures")
    twice = write_note(note.text, [*note.signatures, note.signatures[0]])
    refused(lambda: verifier.verify(twice), "checkpoint_signatures")


def test_another_key_or_another_log_is_refused(scene, signed, mallory):
    refused(lambda: LogVerifier(scene.signer.origin, mallory.public).verify(signed), "checkpoint_signatures")
    refused(lambda: LogVerifier("other.example/log", scene.signer.public).verify(signed), "checkpoint_origin")
    assert LogVerifier(scene.signer.origin, scene.signer.public).signed_by(parse_note(signed))
    assert not LogVerifier(scene.signer.origin, mallory.public).signed_by(parse_note(signed))


def test_the_time_is_signed(signed, verifier):
    note = parse_note(signed)
    ed25519, mldsa44 = note.signatures
    later = (1_767_600_001).to_bytes(8, "big") + mldsa44.signature[8:]
    moved = write_note(note.text, [ed25519, NoteSignature(mldsa44.name, mldsa44.key_id, later)])
    refused(lambda: verifier.verify(moved), "checkpoint_mldsa44")
    huge = (2**63).to_bytes(8, "big") + mldsa44.signature[8:]
    refused(
        lambda: verifier.verify(write_note(note.text, [ed25519, NoteSignature(mldsa44.name, mldsa44.key_id, huge)])),
        "cosignature_time",
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("log\n5\n", "checkpoint_form"),
        ("log\n05\n{root}\n", "checkpoint_form"),
        ("log\n-5\n{root}\n", "checkpoint_form"),
        ("log\n٥\n{root}\n", "checkpoint_form"),
        ("log\n18446744073709551616\n{root}\n", "checkpoint_form"),
        ("log\n5\nAAAA\n", "checkpoint_form"),
        ("log\n5\n{root}", "checkpoint_form"),
        ("\n5\n{root}\n", "note_key_name"),
        ("a log\n5\n{root}\n", "note_key_name"),
        ("log\n5\n{root}\nmore\n", "checkpoint_extension"),
        ("log\n5\n{root}\n\n", "checkpoint_extension"),
    ],
)
def test_a_checkpoint_of_another_form_is_refused(text, code):
    refused(lambda: parse_checkpoint(text.format(root=base64.b64encode(ROOT).decode())), code)


def test_keys_of_another_length_are_refused(scene):
    public = scene.signer.public
    refused(lambda: LogPublicKey(public.ed25519[:31], public.mldsa44), "log_key_length")
    refused(lambda: LogPublicKey(public.ed25519, public.mldsa44 + b"\0"), "log_key_length")


def test_a_signer_does_not_show_its_private_keys(scene):
    assert repr(scene.signer) == f"LogSigner('hospital-a.localhost/log', {scene.signer.public.digest.hex()})"


# Offline proofs


def test_an_offline_proof_is_written_as_the_standard_says_and_read_back(signed):
    path = [ROOT, sha256(ROOT).digest()]
    text = write_tlog_proof(3, path, signed)
    lines = text.split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 3"]
    assert [base64.b64decode(line) for line in lines[2:4]] == path
    assert lines[4] == ""
    assert text.endswith(signed.decode())
    assert parse_tlog_proof(text) == TlogProof(3, tuple(path), signed)
    assert parse_tlog_proof(write_tlog_proof(0, [], signed)) == TlogProof(0, (), signed)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("@v1", "@v2", "tlog_proof_form"),
        ("index 3", "index 03", "tlog_proof_form"),
        ("index 3", "index", "tlog_proof_form"),
        ("index 3", "index 3\nAAAA", "tlog_proof_form"),
        ("index 3", "extra AAAA\nindex 3", "tlog_proof_extra"),
        ("index 3", "index  3", "tlog_proof_form"),
        ("\n\n", "\n", "base64_form"),
        ("index 3\n", "index 3 \n", "tlog_proof_form"),
    ],
)
def test_an_offline_proof_of_another_form_is_refused(signed, old, new, code):
    text = write_tlog_proof(3, [ROOT], signed).replace(old, new, 1)
    refused(lambda: parse_tlog_proof(text), code)
