"""From Vyper source to artefact. Only development needs this: it is the one module that imports the compiler."""

from __future__ import annotations

import json
from pathlib import Path

from ledger.contracts import FOLDER, FORMAT, source_digest


def artefact_path(name: str) -> Path:
    return FOLDER / f"{name}.json"


def artefact_text(name: str) -> str:
    """The artefact of contract `name`, compiled now. The same source and compiler give the same text."""
    import vyper
    from vyper.compiler import compile_code

    output = compile_code(
        (FOLDER / f"{name}.vy").read_text(encoding="utf-8"),
        contract_path=f"{name}.vy",
        output_formats=["abi", "bytecode"],
    )
    body = {
        "format": FORMAT,
        "name": name,
        "compiler": f"vyper {vyper.__version__}",
        "source_sha256": source_digest(name),
        "abi": output["abi"],
        "bytecode": output["bytecode"],
    }
    return json.dumps(body, indent=1, sort_keys=True) + "\n"
