"""The gate. Every read of records passes here, and nothing else names their tables to read them.

Each read takes a shared lock, decides, reads and leaves its audit row in one transaction, and hands bytes on after its
commit; see `session`. What may not be read is answered like what is not there (`NotVisible`); a type that is closed to the
asker as a whole is `NotPermitted`.
"""

from .asker import Asker
from .chronology import ChronologyPage, chronology
from .errors import AccessRefusal, Busy, Gone, NotAuthenticated, NotPermitted, NotVisible
from .everything import EverythingPage, everything
from .history import HistoryPage, history
from .patients import patient_of
from .reads import StoredRecord, read
from .requests import asker_for, machine_of_request
from .search import SearchPage, search

__all__ = [
    "AccessRefusal",
    "Asker",
    "Busy",
    "ChronologyPage",
    "EverythingPage",
    "Gone",
    "HistoryPage",
    "NotAuthenticated",
    "NotPermitted",
    "NotVisible",
    "SearchPage",
    "StoredRecord",
    "asker_for",
    "chronology",
    "everything",
    "history",
    "machine_of_request",
    "patient_of",
    "read",
    "search",
]
