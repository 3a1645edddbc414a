"""The consortium's contracts: Vyper sources, and the artefacts built from them.

An artefact is one JSON file beside its source: ABI, creation bytecode, and the SHA-256 of the source it was
built from. Nodes deploy and call from artefacts and need no compiler. `python -m ledger.contracts build`
writes them again; a test proves that they match.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
NAMES = ("Members", "Anchors")
FORMAT = "xinglin-contract/1"


class ContractArtefactError(RuntimeError):
    """An artefact is missing, of an unknown format, or not built from the source beside it."""


@dataclass(frozen=True)
class Artefact:
    """What it takes to deploy and call one contract. `bytecode` is the creation code."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    compiler: str
    source_sha256: str


def source_digest(name: str) -> str:
    return sha256((FOLDER / f"{name}.vy").read_bytes()).hexdigest()


@cache
def load_artefact(name: str) -> Artefact:
    """The artefact of contract `name`; it must have been built from the source as it stands."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise ContractArtefactError(f"{path.name} is missing. Run: python -m ledger.contracts build")
    body = json.loads(path.read_text(encoding="utf-8"))
    if body.get("format") != FORMAT:
        raise ContractArtefactError(f"{path.name} has an unknown format. Run: python -m ledger.contracts build")
    if body["source_sha256"] != source_digest(name):
        raise ContractArtefactError(f"{path.name} was built from another source. Run: python -m ledger.contracts build")
    return Artefact(
        name=name,
        abi=tuple(body["abi"]),
        bytecode=bytes.fromhex(body["bytecode"].removeprefix("0x")),
        compiler=body["compiler"],
        source_sha256=body["source_sha256"],
    )
