"""The lock files: in step with pyproject.toml, with hashes, without addresses."""

import re

import pytest

from consortium.management import install, locks


def test_the_lock_files_are_in_step():
    assert locks.problems() == []


@pytest.fixture
def copied(tmp_path, monkeypatch):
    for name in (*locks.HEADERS, "pyproject.toml"):
        (tmp_path / name).write_text((locks.CHECKOUT / name).read_text())
    monkeypatch.setattr(locks, "CHECKOUT", tmp_path)
    return tmp_path


def change(folder, name, pattern, replacement):
    path = folder / name
    text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    path.write_text(text)


def test_a_new_requirement_without_a_pin_is_noticed(copied):
    change(copied, "pyproject.toml", r'    "cryptography', '    "left-pad>=1",\n    "cryptography')
    assert any("left-pad is absent" in sentence for sentence in locks.problems())


def test_a_pin_below_what_is_required_is_noticed(copied):
    change(copied, "requirements-node.lock", r"^django==5\.2\.\d+", "django==4.2.1")
    assert any("django 4.2.1 does not meet" in sentence for sentence in locks.problems())


def test_two_versions_of_a_package_are_noticed(copied):
    change(copied, "requirements.lock", r"^idna==[\d.]+", "idna==3.1")
    assert any(sentence.startswith("idna has more than one version") for sentence in locks.problems())


def test_a_pin_without_a_hash_is_noticed(copied):
    change(copied, "requirements.lock", r"(^idna==[\d.]+ \\\n)    --hash.*\n", r"\1")
    change(copied, "requirements.lock", r"(^idna==[\d.]+ \\\n)    --hash.*\n", r"\1")
    assert "requirements.lock: idna has no hash." in locks.problems()


def test_an_address_in_a_lock_is_noticed(copied):
    (copied / "requirements.lock").write_text(
        "--index-url https://example.org\n" + (copied / "requirements.lock").read_text()
    )
    assert "requirements.lock names a download address." in locks.problems()


def test_the_environment_outweighs_pips_files(monkeypatch):
    monkeypatch.setenv("PIP_CERT", "/from/the/environment.pem")
    assert install.pip_settings()["cert"] == "/from/the/environment.pem"


def test_the_npm_lock_names_no_address():
    text = (locks.CHECKOUT / "package-lock.json").read_text()
    assert "://" not in text
    assert text.count('"integrity": "sha512-') == text.count('"version":')
