"""Checkpoints of C2SP tlog-checkpoint, signed by the log with Ed25519 and ML-DSA-44, both demanded.

The Ed25519 signature (type 0x01) is over the checkpoint's text. The ML-DSA-44 one (type 0x06 of C2SP
tlog-cosignature) is over a `cosigned_message` labelled "subtree/v1" and carries a time in seconds since 1970,
or 0 for none. That message does not cover extension lines, so a checkpoint with any is refused. Both keys
carry the log's origin as their name. ML-DSA signatures are hedged: two of one message differ, so a signature
is no id.

Also the offline proof of C2SP tlog-proof: index, audit path, checkpoint, in one text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger.notes import (
    ED25519,
    MLDSA44_COSIGNATURE,
    Note,
    NoteError,
    NoteSignature,
    check_key_name,
    decode_base64,
    encode_base64,
    key_id,
    parse_note,
    verifier_key,
    write_note,
)
from ledger.proofs import HASH_BYTES, MAX_SIZE

ED25519_KEY_BYTES = 32
MLDSA44_KEY_BYTES = 1312
ED25519_SIGNATURE_BYTES = 64
MLDSA44_SIGNATURE_BYTES = 2420
MAX_TIMESTAMP = 2**63 - 1
_COSIGNED_LABEL = b"subtree/v1\n\x00"
_PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's head: who (origin), how many leaves, which root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text: origin, size and base64 root, a line each."""
        return f"{check_origin(self.origin)}\n{self.size}\n{encode_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose two signatures were verified; the signed `timestamp` is seconds since 1970, or 0."""

    checkpoint: Checkpoint
    timestamp: int


@dataclass(frozen=True)
class LogPublicKey:
    """A log's key pair, the public halves: 32 bytes of Ed25519 and 1,312 of ML-DSA-44."""

    ed25519: bytes
    mldsa44: bytes

    def __post_init__(self) -> None:
        if len(self.ed25519) != ED25519_KEY_BYTES or len(self.mldsa44) != MLDSA44_KEY_BYTES:
            raise NoteError("log_key_length", "A log key is 32 bytes of Ed25519 and 1,312 of ML-DSA-44.")

    @cached_property
    def digest(self) -> bytes:
        """SHA-256(Ed25519 ‖ ML-DSA-44): what the register of members holds and an anchor names."""
        return sha256(self.ed25519 + self.mldsa44).digest()

    def verifier_keys(self, origin: str) -> tuple[str, str]:
        """Both keys in the text form that other programs' configuration takes."""
        return (
            verifier_key(origin, ED25519, self.ed25519),
            verifier_key(origin, MLDSA44_COSIGNATURE, self.mldsa44),
        )


def check_origin(origin: str) -> str:
    """The origin, if it can also be a key's name and fits a cosigned message (255 bytes of UTF-8)."""
    check_key_name(origin)
    if len(origin.encode()) > 255:
        raise NoteError("origin_length", "A log's origin has at most 255 bytes.")
    return origin


def parse_checkpoint(text: str) -> Checkpoint:
    """A checkpoint's note text; extension lines are refused, for ML-DSA-44 does not sign them."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise NoteError("checkpoint_form", "A checkpoint has an origin, a size and a root, a line each.")
    if len(lines) > 4:
        raise NoteError("checkpoint_extension", "A checkpoint has no lines after its root hash.")
    origin, size, root = lines[:3]
    if not _DECIMAL.fullmatch(size) or int(size) > MAX_SIZE:
        raise NoteError("checkpoint_form", "A checkpoint's size is a decimal number without leading zeros.")
    decoded = decode_base64(root)
    if len(decoded) != HASH_BYTES:
        raise NoteError("checkpoint_form", "A checkpoint's root has 32 bytes.")
    return Checkpoint(check_origin(origin), int(size), decoded)


def cosigned_message(*, cosigner: str, origin: str, timestamp: int, start: int, end: int, root: bytes) -> bytes:
    """What ML-DSA-44 signs for the subtree `[start, end)` of a log; a checkpoint is the subtree from 0."""
    if not 0 <= timestamp <= MAX_TIMESTAMP or (start and timestamp):
        raise NoteError("cosignature_time", "A timestamp is below 2^63, and 0 for a subtree not from leaf 0.")
    if not 0 <= start <= end <= MAX_SIZE or len(root) != HASH_BYTES:
        raise NoteError("cosignature_range", "A cosigned subtree is a range of leaves and a root of 32 bytes.")
    return b"".join(
        (
            _COSIGNED_LABEL,
            _short(check_origin(cosigner)),
            timestamp.to_bytes(8, "big"),
            _short(check_origin(origin)),
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root,
        )
    )


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded


class LogSigner:
    """Signs a log's checkpoints with both keys. The caller sees to it that what it signs is consistent."""

    def __init__(self, origin: str, ed25519: Ed25519PrivateKey, mldsa44: MLDSA44PrivateKey) -> None:
        self.origin = check_origin(origin)
        self._ed25519 = ed25519
        self._mldsa44 = mldsa44
        self.public = LogPublicKey(ed25519.public_key().public_bytes_raw(), mldsa44.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"LogSigner({self.origin!r}, {self.public.digest.hex()})"

    def sign(self, size: int, root: bytes, *, timestamp: int = 0) -> bytes:
        """The signed note of this head; a `timestamp` (seconds since 1970) says it is the newest then."""
        checkpoint = Checkpoint(self.origin, size, root)
        message = _checkpoint_message(checkpoint, timestamp)
        signatures = (
            NoteSignature(
                self.origin,
                key_id(self.origin, ED25519, self.public.ed25519),
                self._ed25519.sign(checkpoint.text.encode()),
            ),
            NoteSignature(
                self.origin,
                key_id(self.origin, MLDSA44_COSIGNATURE, self.public.mldsa44),
                timestamp.to_bytes(8, "big") + self._mldsa44.sign(message),
            ),
        )
        return write_note(checkpoint.text, signatures)


class LogVerifier:
    """Verifies checkpoints of one log against one key pair that the caller trusts."""

    def __init__(self, origin: str, key: LogPublicKey) -> None:
        self.origin = check_origin(origin)
        self.key = key
        try:
            self._ed25519 = Ed25519PublicKey.from_public_bytes(key.ed25519)
            self._mldsa44 = MLDSA44PublicKey.from_public_bytes(key.mldsa44)
        except ValueError:
            raise NoteError("log_key", "The log's public key is not a key.") from None
        self._ed25519_id = key_id(origin, ED25519, key.ed25519)
        self._mldsa44_id = key_id(origin, MLDSA44_COSIGNATURE, key.mldsa44)

    def signed_by(self, note: Note) -> bool:
        """Whether the note names this log and one of these keys. Says nothing about the signatures."""
        ids = {signature.key_id for signature in note.signatures if signature.name == self.origin}
        return self._ed25519_id in ids or self._mldsa44_id in ids

    def verify(self, data: bytes, *, exact: bool = False) -> SignedCheckpoint:
        """Verify a signed checkpoint.

        1. The bytes are a note, its text a checkpoint without extension lines, its origin this log's.
        2. Exactly one signature of each of the two keys is there, and verifies.
        3. Signatures of other keys are ignored, as C2SP demands; with `exact` they are refused, and so is
           another order than Ed25519, ML-DSA-44: then every byte of the note is accounted for.
        """
        note = parse_note(data)
        checkpoint = parse_checkpoint(note.text)
        if checkpoint.origin != self.origin:
            raise NoteError("checkpoint_origin", f"The checkpoint is of another log: {checkpoint.origin}.")
        if exact:
            expected = [(self.origin, self._ed25519_id), (self.origin, self._mldsa44_id)]
            if [(s.name, s.key_id) for s in note.signatures] != expected:
                raise NoteError(
                    "checkpoint_signatures",
                    "The checkpoint must carry the log's Ed25519 and ML-DSA-44 signatures, in this order, "
                    "and no other.",
                )
        self._verify_ed25519(self._only(note, self._ed25519_id, "Ed25519"), checkpoint)
        timestamp = self._verify_mldsa44(self._only(note, self._mldsa44_id, "ML-DSA-44"), checkpoint)
        return SignedCheckpoint(checkpoint, timestamp)

    def _only(self, note: Note, wanted: bytes, algorithm: str) -> bytes:
        found = [s.signature for s in note.signatures if (s.name, s.key_id) == (self.origin, wanted)]
        if len(found) != 1:
            raise NoteError("checkpoint_signatures", f"The checkpoint must carry one {algorithm} signature by the log.")
        return found[0]

    def _verify_ed25519(self, signature: bytes, checkpoint: Checkpoint) -> None:
        if len(signature) != ED25519_SIGNATURE_BYTES:
            raise NoteError("checkpoint_ed25519", "An Ed25519 signature has 64 bytes.")
        try:
            self._ed25519.verify(signature, checkpoint.text.encode())
        except InvalidSignature:
            raise NoteError("checkpoint_ed25519", "The Ed25519 signature does not verify.") from None

    def _verify_mldsa44(self, signature: bytes, checkpoint: Checkpoint) -> int:
        if len(signature) != 8 + MLDSA44_SIGNATURE_BYTES:
            raise NoteError("checkpoint_mldsa44", "An ML-DSA-44 signature has 8 + 2,420 bytes.")
        timestamp = int.from_bytes(signature[:8], "big")
        try:
            self._mldsa44.verify(signature[8:], _checkpoint_message(checkpoint, timestamp))
        except InvalidSignature:
            raise NoteError("checkpoint_mldsa44", "The ML-DSA-44 signature does not verify.") from None
        return timestamp


def _checkpoint_message(checkpoint: Checkpoint, timestamp: int) -> bytes:
    return cosigned_message(
        cosigner=checkpoint.origin,
        origin=checkpoint.origin,
        timestamp=timestamp,
        start=0,
        end=checkpoint.size,
        root=checkpoint.root,
    )


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An offline proof: leaf index, audit path, signed checkpoint as issued. Nothing is verified yet."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes


def write_tlog_proof(index: int, path: Sequence[bytes], checkpoint: bytes) -> str:
    """The proof's text, without extra data."""
    lines = [_PROOF_HEADER, f"index {index}", *(encode_base64(node) for node in path), ""]
    text = "\n".join(lines) + "\n" + checkpoint.decode()
    if parse_tlog_proof(text) != TlogProof(index, tuple(path), checkpoint):
        raise NoteError("tlog_proof_form", "This index, path and checkpoint do not make a proof.")
    return text


def parse_tlog_proof(text: str) -> TlogProof:
    """Take a proof apart; a line of extra data is refused, for nothing authenticates it."""
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or len(lines) < 2 or lines[0] != _PROOF_HEADER:
        raise NoteError("tlog_proof_form", f"A proof begins with the line {_PROOF_HEADER}.")
    if lines[1].startswith("extra "):
        raise NoteError("tlog_proof_extra", "A proof here carries no extra data.")
    word, _, number = lines[1].partition(" ")
    if word != "index" or not _DECIMAL.fullmatch(number) or int(number) > MAX_SIZE:
        raise NoteError("tlog_proof_form", "A proof's second line is: index, space, decimal number.")
    path = tuple(decode_base64(line) for line in lines[2:])
    if len(path) > 64 or any(len(node) != HASH_BYTES for node in path):
        raise NoteError("tlog_proof_form", "A proof's path is at most 64 hashes of 32 bytes.")
    try:
        encoded = checkpoint.encode()
    except UnicodeEncodeError:
        raise NoteError("tlog_proof_form", "A proof is UTF-8 text.") from None
    return TlogProof(int(number), path, encoded)
