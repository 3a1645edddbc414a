"""Anchoring: the log's checkpoints go to the chain, and what the chain made of them comes back.

`anchorer` is the loop's body, `rollback` finds what the chain has lost, `reading` answers everybody else:
which anchor covers a leaf, and how anchoring is doing.
"""

from ledger.anchoring.anchorer import Anchorer, Round
from ledger.anchoring.reading import AnchorRecord, Pending, Status, anchor_covering, status

__all__ = ["AnchorRecord", "Anchorer", "Pending", "Round", "Status", "anchor_covering", "status"]
