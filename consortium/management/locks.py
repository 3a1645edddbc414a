"""`python -m consortium.management.locks [write]`: keep the lock files in step with pyproject.toml.

Without `write` nothing is fetched. It checks that each requirement of pyproject.toml is met by the pin in
every lock that serves it, that every pin has a hash and no address, and that a package has one version.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
HEADERS = {
    "requirements.lock": "the light client and the evidence verifier",
    "requirements-node.lock": "the server",
    "requirements-dev.lock": "the server, its checks and its tests",
    "requirements-uv.lock": "uv, which installs the rest",
}


def requirements() -> dict[str, list[Requirement]]:
    """What each lock has to meet, from pyproject.toml."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    base = [Requirement(line) for line in project["project"]["dependencies"]]
    node = [Requirement(line) for line in project["project"]["optional-dependencies"]["node"]]
    dev = [Requirement(line) for line in project["dependency-groups"]["dev"]]
    return {
        "requirements.lock": base,
        "requirements-node.lock": base + node,
        "requirements-dev.lock": base + node + dev,
        "requirements-uv.lock": [Requirement("uv")],
    }


def pins(text: str) -> Iterator[tuple[str, str, bool]]:
    """(canonical name, version, has a hash) of every pin in a lock file."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = PIN.match(line)
        if found:
            following = lines[number + 1] if number + 1 < len(lines) else ""
            yield canonicalize_name(found[1]), found[2], following.strip().startswith("--hash=sha256:")


def problems() -> list[str]:
    """One sentence for each thing that is out of step; empty when all is well."""
    said: list[str] = []
    versions: dict[str, dict[str, frozenset[str]]] = {}
    for name, wanted in requirements().items():
        text = (CHECKOUT / name).read_text()
        if "://" in text:
            said.append(f"{name} names a download address.")
        locked: dict[str, set[str]] = {}
        for package, version, hashed in pins(text):
            locked.setdefault(package, set()).add(version)
            if not hashed:
                said.append(f"{name}: {package} has no hash.")
        for requirement in wanted:
            package = canonicalize_name(requirement.name)
            bad = [v for v in locked.get(package, {""}) if not v or not requirement.specifier.contains(v, True)]
            if bad:
                said.append(f"{name}: {package} {bad[0] or 'is absent, and'} does not meet `{requirement}`.")
        for package, found in locked.items():
            versions.setdefault(package, {})[name] = frozenset(found)
    for package, by_lock in versions.items():
        if len(set(by_lock.values())) > 1:
            said.append(f"{package} has more than one version: {', '.join(sorted(by_lock))}.")
    return said


def write() -> None:
    """Resolve anew with uv. The widest lock comes first and constrains the others."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
               "--no-annotate", "--no-header", "--quiet"]  # fmt: skip
    widest = ["-c", "requirements-dev.lock"]
    for name, source in (
        ("requirements-dev.lock", ["pyproject.toml", "--extra", "node", "--group", "dev"]),
        ("requirements-node.lock", ["pyproject.toml", "--extra", "node", *widest]),
        ("requirements.lock", ["pyproject.toml", *widest]),
        ("requirements-uv.lock", ["-"]),
    ):
        command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", *options, *source, "-o", name]
        subprocess.run(command, check=True, cwd=CHECKOUT, input=b"uv\n", stdout=subprocess.DEVNULL)
        path = CHECKOUT / name
        path.write_text(f"# Pinned by `make locks` from pyproject.toml: {HEADERS[name]}.\n{path.read_text()}")


def main(arguments: list[str]) -> int:
    if arguments == ["write"]:
        write()
    said = problems()
    for sentence in said:
        print(sentence, file=sys.stderr)
    if said:
        print("Run `make locks`.", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
