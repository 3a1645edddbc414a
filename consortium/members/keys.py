"""The node's private keys: files of mode 0600 in a folder of mode 0700, and nowhere else.

They are never in a database, a log, an error or what a command prints. A file that somebody else could read
is refused, because a key that was readable must be taken for stolen.
"""

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.checkpoints import LogSigner

LOG_ED25519 = "log-ed25519.pem"
LOG_MLDSA44 = "log-mldsa44.pem"
EVM = "evm.key"
NODE_SALT = "node-salt.key"
DJANGO_SECRET = "django-secret.key"  # noqa: S105 (a file's name)
# The order of secp256k1: a private key is a number from 1 to one less.
_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


class KeyRefusal(Exception):
    """A key that is needed is missing, exposed or damaged. `code` is stable; the sentence never holds key
    material.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """All private keys of a node. Printing this shows none of them."""

    log_ed25519: Ed25519PrivateKey = field(repr=False)
    log_mldsa44: MLDSA44PrivateKey = field(repr=False)
    evm: bytes = field(repr=False)
    """32 bytes, secp256k1: signs the node's transactions on the consortium chain."""
    node_salt: bytes = field(repr=False)
    """32 bytes: salts of records without a patient and of audit rows are derived from it."""

    def log_signer(self, origin: str) -> LogSigner:
        return LogSigner(origin, self.log_ed25519, self.log_mldsa44)


def create_missing_keys(folder: Path) -> list[str]:
    """Makes the folder and every key file that is not there; returns the names of those made. Never
    overwrites.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_exposed(folder.stat(), folder.name, 0o700)
    return [name for name, make in _MAKERS.items() if _create(folder / name, make)]


def load_keys(folder: Path) -> NodeKeys:
    """Reads all keys; KeyRefusal `key-missing`, `key-exposed` or `key-damaged` names the first file that
    will not do.
    """
    ed25519 = _load_pem(folder, LOG_ED25519)
    mldsa44 = _load_pem(folder, LOG_MLDSA44)
    if not isinstance(ed25519, Ed25519PrivateKey):
        raise _damaged(LOG_ED25519)
    if not isinstance(mldsa44, MLDSA44PrivateKey):
        raise _damaged(LOG_MLDSA44)
    return NodeKeys(ed25519, mldsa44, load_evm_key(folder), load_node_salt(folder))


def load_log_signer(folder: Path, origin: str) -> LogSigner:
    return load_keys(folder).log_signer(origin)


def load_evm_key(folder: Path) -> bytes:
    """32 bytes, a valid secp256k1 private key."""
    key = _load_hex(folder, EVM)
    if not 0 < int.from_bytes(key, "big") < _CURVE_ORDER:
        raise _damaged(EVM)
    return key


def load_node_salt(folder: Path) -> bytes:
    """32 bytes."""
    return _load_hex(folder, NODE_SALT)


def _load_hex(folder: Path, name: str) -> bytes:
    text = _read(folder, name)
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        raise _damaged(name) from None
    if len(key) != 32:
        raise _damaged(name)
    return key


def _load_pem(folder: Path, name: str) -> object:
    try:
        return load_pem_private_key(_read(folder, name), password=None)
    except (ValueError, TypeError):
        # The library's own message may quote what it could not parse.
        raise _damaged(name) from None


def _read(folder: Path, name: str) -> bytes:
    try:
        _refuse_exposed(folder.stat(), folder.name, 0o700)
        with (folder / name).open("rb") as file:
            _refuse_exposed(os.fstat(file.fileno()), name, 0o600)
            return file.read(65536)
    except OSError as error:
        raise KeyRefusal(
            "key-missing", f"The key file {name} cannot be read ({error.strerror}): run manage.py node_keys."
        ) from error


def _refuse_exposed(status: os.stat_result, name: str, mode: int) -> None:
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyRefusal(
            "key-exposed",
            f"{name} can be read by others: set its mode to {mode:04o}, and take what it holds for stolen "
            "if anybody else uses this machine.",
        )


def _damaged(name: str) -> KeyRefusal:
    return KeyRefusal("key-damaged", f"The key file {name} does not hold such a key: restore it from its back-up.")


def _create(path: Path, make: Callable[[], bytes]) -> bool:
    """Writes a new file whole or not at all: a link fails where the name is taken, whoever took it."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        return True
    finally:
        draft.unlink()


def _pem(key: Ed25519PrivateKey | MLDSA44PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _make_evm_key() -> bytes:
    return f"{1 + secrets.randbelow(_CURVE_ORDER - 1):064x}\n".encode()


_MAKERS: dict[str, Callable[[], bytes]] = {
    LOG_ED25519: lambda: _pem(Ed25519PrivateKey.generate()),
    LOG_MLDSA44: lambda: _pem(MLDSA44PrivateKey.generate()),
    EVM: _make_evm_key,
    NODE_SALT: lambda: f"{secrets.token_hex(32)}\n".encode(),
    DJANGO_SECRET: lambda: f"{secrets.token_urlsafe(64)}\n".encode(),
}
