"""Signed notes of C2SP signed-note: a text, an empty line, signature lines.

This module parses and writes the form, strictly; it trusts nobody. `ledger.checkpoints` says which keys must
have signed what.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import LedgerRefusal

ED25519 = 0x01
MLDSA44_COSIGNATURE = 0x06
MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 32
_DASH = "\u2014 "


class NoteError(LedgerRefusal):
    """A text is not a signed note, or its signatures are not those demanded."""


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its 4-byte id, and the signature of the key's own type."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: its text with the final newline, its signatures in order. Nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        return (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()


def check_key_name(name: str) -> str:
    """The name, if it can be a key's name: not empty, no space, no plus, no control character."""
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 or ord(c) == 0x7F for c in name):
        raise NoteError("note_key_name", "A key's name is not empty and has no spaces and no plus sign.")
    return name


def key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    """First four bytes of SHA-256(name ‖ newline ‖ type ‖ public key)."""
    return sha256(name.encode() + b"\n" + bytes((signature_type,)) + public_key).digest()[:4]


def verifier_key(name: str, signature_type: int, public_key: bytes) -> str:
    """The key in the customary text form `name+id+base64(type ‖ key)`, for other programs' configuration."""
    encoded = encode_base64(bytes((signature_type,)) + public_key)
    return f"{check_key_name(name)}+{key_id(name, signature_type, public_key).hex()}+{encoded}"


def write_note(text: str, signatures: Iterable[NoteSignature]) -> bytes:
    """The signed note's bytes."""
    note = Note(text, tuple(signatures))
    encoded = note.encode()
    if parse_note(encoded) != note:
        raise NoteError("note_form", "This text and these signatures do not make a signed note.")
    return encoded


def parse_note(data: bytes) -> Note:
    """Take a signed note apart. Its signatures are not verified, and the text must not be used before."""
    if len(data) > MAX_NOTE_BYTES:
        raise NoteError("note_size", f"A note has at most {MAX_NOTE_BYTES} bytes.")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteError("note_form", "A note is UTF-8 text.") from None
    if any(c < " " and c != "\n" for c in whole):
        raise NoteError("note_form", "A note has no control characters but newlines.")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not text or not lines.endswith("\n"):
        raise NoteError("note_form", "A note is a text, an empty line, and signature lines that each end.")
    signature_lines = lines[:-1].split("\n")
    if len(signature_lines) > MAX_SIGNATURES:
        raise NoteError("note_size", f"A note has at most {MAX_SIGNATURES} signatures.")
    return Note(text + "\n", tuple(_parse_signature(line) for line in signature_lines))


def _parse_signature(line: str) -> NoteSignature:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator:
        raise NoteError("note_signature_form", "A signature line is: dash, space, key name, space, base64.")
    decoded = decode_base64(encoded)
    if len(decoded) < 5:
        raise NoteError("note_signature_form", "A signature has a 4-byte key id and at least one byte more.")
    return NoteSignature(check_key_name(name), decoded[:4], decoded[4:])


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Standard base64 with padding; every other spelling of the same bytes is refused."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise NoteError("base64_form", "Write bytes in standard base64 with padding.") from None
    if encode_base64(data) != text:
        raise NoteError("base64_form", "Write bytes in canonical base64: one spelling for the same bytes.")
    return data
