"""The node's private keys."""

import os

import pytest

from consortium.members import keys
from consortium.members.keys import KeyRefusal, create_missing_keys, load_keys
from ledger.checkpoints import LogVerifier

NAMES = {"log-ed25519.pem", "log-mldsa44.pem", "evm.key", "node-salt.key", "django-secret.key"}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "keys"
    assert set(create_missing_keys(made)) == NAMES
    return made


def test_keys_are_made_for_their_owner_alone(folder):
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name for file in folder.iterdir()} == NAMES
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_an_open_umask_opens_nothing(tmp_path):
    before = os.umask(0)
    try:
        create_missing_keys(tmp_path / "keys")
    finally:
        os.umask(before)
    for file in (tmp_path / "keys").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_making_keys_again_changes_none(folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert create_missing_keys(folder) == []
    (folder / "evm.key").unlink()
    assert create_missing_keys(folder) == ["evm.key"]
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert {n for n in NAMES if before[n] != after[n]} == {"evm.key"}


def test_both_log_keys_sign_what_verifies(folder):
    signer = load_keys(folder).log_signer("hospital-a.localhost/log")
    note = signer.sign(3, b"\x01" * 32)
    LogVerifier("hospital-a.localhost/log", signer.public).verify(note)


@pytest.mark.parametrize("name", sorted(NAMES - {"django-secret.key"}))
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(folder, name, mode):
    (folder / name).chmod(mode)
    with pytest.raises(KeyRefusal) as refusal:
        load_keys(folder)
    assert refusal.value.code == "key-exposed"
    assert name in str(refusal.value)


def test_a_folder_that_others_can_read_is_refused(folder):
    folder.chmod(0o750)
    with pytest.raises(KeyRefusal, match="0700"):
        load_keys(folder)
    with pytest.raises(KeyRefusal):
        create_missing_keys(folder)


@pytest.mark.parametrize("name", sorted(NAMES - {"django-secret.key"}))
@pytest.mark.parametrize("content", [b"", b"secret-secret", b"ff" * 31, b"\x00" * 32, b"00" * 32 + b"00"])
def test_a_damaged_key_is_refused_without_showing_it(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(KeyRefusal) as refusal:
        load_keys(folder)
    assert refusal.value.code == "key-damaged"
    assert "secret-secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_missing_key_says_what_to_run(folder):
    (folder / "log-mldsa44.pem").unlink()
    with pytest.raises(KeyRefusal, match=r"manage\.py node_keys"):
        load_keys(folder)


def test_one_kind_of_key_does_not_stand_for_another(folder):
    (folder / "log-mldsa44.pem").write_bytes((folder / "log-ed25519.pem").read_bytes())
    with pytest.raises(KeyRefusal) as refusal:
        load_keys(folder)
    assert refusal.value.code == "key-damaged"


def test_a_number_beyond_the_curve_is_no_key(folder):
    (folder / "evm.key").write_text("f" * 64)
    with pytest.raises(KeyRefusal):
        keys.load_evm_key(folder)


def test_printing_keys_shows_none(folder):
    loaded = load_keys(folder)
    assert loaded.evm.hex() not in repr(loaded)
    assert str(loaded.evm) not in repr(loaded)
    assert str(loaded.node_salt) not in repr(loaded)


def test_no_draft_is_left_behind(folder):
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]
