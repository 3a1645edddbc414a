"""Evidence: one file that proves to anyone that these bytes were in that log, and that the chain accepted it.

`form` says what the file looks like, `verification` how it is verified, `record` whether bytes are the record
named, `rpc` asks a chain node, `__main__` is the program `python -m ledger.evidence verify`. Needs neither
Django nor web3; trusts nothing in the file.
"""

from ledger.evidence.form import (
    EVIDENCE_FORMAT,
    Anchor,
    Evidence,
    EvidenceError,
    RecordName,
    Status,
    Step,
    build_evidence,
    parse_evidence,
)
from ledger.evidence.verification import (
    ANCHORED_TOPIC,
    ChainReader,
    ChainUnreachable,
    Outcome,
    Report,
    verify_evidence,
)

__all__ = [
    "ANCHORED_TOPIC",
    "EVIDENCE_FORMAT",
    "Anchor",
    "ChainReader",
    "ChainUnreachable",
    "Evidence",
    "EvidenceError",
    "Outcome",
    "RecordName",
    "Report",
    "Status",
    "Step",
    "build_evidence",
    "parse_evidence",
    "verify_evidence",
]
