"""`python -m ledger.contracts build` writes every artefact; `check` compares and writes nothing."""

from __future__ import annotations

import sys

from ledger.contracts import NAMES
from ledger.contracts.compiling import artefact_path, artefact_text


def main(arguments: list[str]) -> int:
    if arguments not in (["build"], ["check"]):
        print("usage: python -m ledger.contracts build | check", file=sys.stderr)
        return 2
    stale = 0
    for name in NAMES:
        path, text = artefact_path(name), artefact_text(name)
        if arguments == ["build"]:
            path.write_text(text, encoding="utf-8")
            print(f"built {path.name}")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale += 1
            print(f"{path.name} does not match its source", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
