"""Whether one dateTime may come after another."""

from datetime import datetime
from typing import Any


def not_after(first: Any, second: Any) -> bool:
    """Whether `first` is at or before `second`, as far as both say.

    R4's FHIRPath is empty, and so false, for dates of different precision. Its prose is kinder (an end of
    2020-01 covers that month), and data follows the prose: what is not said is not held against anybody.
    """
    if not isinstance(first, str) or not isinstance(second, str):
        return True
    shared = min(len(first), len(second))
    if shared <= 10:
        return first[:shared] <= second[:shared]
    if len(first) == len(second) and first[19:] == second[19:]:
        return first <= second
    try:
        return datetime.fromisoformat(first) <= datetime.fromisoformat(second)
    except ValueError:
        return True  # not a dateTime at all, which has its own finding
