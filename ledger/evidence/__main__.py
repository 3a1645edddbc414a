"""`python -m ledger.evidence verify FILE --trust TRUST [--record FILE] [--rpc URL] [--json]`

Exit codes:

    0   proved. With --record: that these bytes were in the log and on the chain. Without it: that a record
        with the SHA-256 in the file was; step 3 then says "not given", type, id and version are only claimed.
    1   refused: the evidence, the record or the trust file contradicts, or cannot be read.
    2   not proved: nothing contradicts, but nobody trusted vouched for the block: the trust file does not
        list it, and there is no chain node to ask, or it does not answer or does not have the block.
    64  the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ledger.errors import LedgerRefusal
from ledger.evidence.form import EvidenceError, Step
from ledger.evidence.rpc import HttpChain
from ledger.evidence.verification import Outcome, Report, verify_evidence
from ledger.trust import parse_trust

EXIT_PROVED, EXIT_REFUSED, EXIT_NOT_PROVED, EXIT_USAGE = 0, 1, 2, 64
STEPS = 9


class FileRefused(LedgerRefusal):
    """A file named on the command line cannot be read."""


class Arguments(argparse.ArgumentParser):
    """A parser whose own failure is not taken for "not proved"."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    steps: tuple[Step, ...] = ()
    report: Report | None = None
    refusal: LedgerRefusal | None = None
    try:
        trust = parse_trust(_read(options.trust))
        evidence = _read(options.file)
        record = None if options.record is None else _read(options.record)
        address = options.rpc or trust.rpc
        report = verify_evidence(evidence, trust, record=record, rpc=None if address is None else HttpChain(address))
        steps = report.steps
    except EvidenceError as refused:
        refusal, steps = refused, refused.steps
    except LedgerRefusal as refused:
        refusal = refused
    code = _exit_code(report)
    if options.json:
        print(json.dumps(_as_json(code, steps, report, refusal), indent=2, ensure_ascii=False))
    else:
        _print_text(steps, report, refusal)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = Arguments(prog="python -m ledger.evidence", description="Verify evidence of a logged record.")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser(
        "verify",
        help="verify an evidence file against a trust file",
        description="Verify an evidence file. Exit code 0: proved; 1: refused; 2: not proved, for nobody "
        "trusted vouched for the block.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="the evidence file")
    verify.add_argument("--trust", type=Path, required=True, help="the trust file: never from the prover")
    verify.add_argument("--record", type=Path, metavar="FILE", help="the record's bytes, exactly as stored")
    verify.add_argument("--rpc", metavar="URL", help="a chain node that you trust (default: the trust file's)")
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failed:
        raise FileRefused("file_unreadable", f"{path} cannot be read: {failed.strerror}.") from failed


def _exit_code(report: Report | None) -> int:
    if report is None:
        return EXIT_REFUSED
    return EXIT_PROVED if report.outcome is Outcome.PROVED else EXIT_NOT_PROVED


def _print_text(steps: Sequence[Step], report: Report | None, refusal: LedgerRefusal | None) -> None:
    for step in steps:
        print(f"{step.number}/{STEPS}  {step.name:<11}{step.status:<11} {step.says}")
        print(f"{'':<28}Trust: {step.trust}.")
    if refusal is not None:
        where = f"step {refusal.step}, " if isinstance(refusal, EvidenceError) else ""
        print(f"REFUSED ({where}{refusal.code}): {refusal.sentence}")
    elif report is not None:
        name = report.evidence.record
        digest = name.sha256.hex()
        what = f"these bytes, {name}, were" if report.record_given else f"a record with SHA-256 {digest} was"
        if report.outcome is Outcome.PROVED:
            print(f"PROVED: {what} in the log of {report.member.name} at block {report.header.number}.")
        else:
            print("NOT PROVED: nothing contradicts, but nobody trusted vouched for the block (step 6).")


def _as_json(
    code: int, steps: Sequence[Step], report: Report | None, refusal: LedgerRefusal | None
) -> dict[str, object]:
    answer: dict[str, object] = {
        "outcome": "refused" if report is None else report.outcome.value,
        "exit_code": code,
        "steps": [
            {
                "number": step.number,
                "name": step.name,
                "status": step.status.value,
                "says": step.says,
                "trust": step.trust,
            }
            for step in steps
        ],
        "refusal": None,
    }
    if refusal is not None:
        step = refusal.step if isinstance(refusal, EvidenceError) else None
        answer["refusal"] = {"code": refusal.code, "sentence": refusal.sentence, "step": step}
    if report is not None:
        name = report.evidence.record
        answer["record"] = {
            "given": report.record_given,
            "type": name.type,
            "id": name.id,
            "version": name.version,
            "sha256": name.sha256.hex(),
        }
        answer["log"] = {
            "member": report.member.name,
            "origin": report.member.origin,
            "leaf": report.leaf_index,
            "size": report.checkpoint.checkpoint.size,
        }
        answer["block"] = {
            "number": report.header.number,
            "hash": "0x" + report.header.hash.hex(),
            "timestamp": report.header.timestamp,
        }
    return answer


if __name__ == "__main__":
    sys.exit(main())
