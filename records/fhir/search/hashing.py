"""The 64-bit keys under which the search tables know values, and the numbers of the slots they belong to.

A *slot* is one leaf expression of one type (`Observation|Observation.code`). Search parameters are unions of slots,
so that `patient` and `subject`, or `code` and `combo-code`, share what is stored.

What is stored of a value in `tokens` (U+001F separates the slot from the value):

| value | text that is hashed |
|---|---|
| token | `slot␟system|code`, `slot␟*|code`, and where there is a system `slot␟system|*` |
| reference to a record of this node | `slot␟Type/id` |
| absolute URL, canonical, URI | `slot␟value` |
| string, for `:exact` | `slot␟=value` |
| name, for `phonetic` | `slot␟~code` |
| presence, for `:missing` | `slot␟?`; of a reference also `slot␟?Type` |
| pair of a composite over a repeating element | `slot␟first$second` |
"""

from functools import lru_cache
from hashlib import blake2b

_SEPARATOR = "\x1f"


def hash64(text: str) -> int:
    """A signed 64-bit number from BLAKE2b (8-byte digest, big-endian) of the text in UTF-8.

    A lone surrogate cannot be in stored bytes; it is hashed rather than raised upon, so that a hostile query finds
    nothing.
    """
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


def slot_number(type_name: str, expression: str) -> int:
    """A signed 32-bit number for one leaf expression of one type. The test suite proves that no two of R4's collide."""
    digest = blake2b(f"{type_name}|{expression}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big", signed=True)


def record_key(type_name: str, record_id: str) -> int:
    """The key of a record: `self` of its row and `target` of references to it."""
    return hash64(f"{type_name}/{record_id}")


def value_hash(slot: int, text: str) -> int:
    """The key of a value in a slot, as in the table above."""
    return hash64(f"{slot}{_SEPARATOR}{text}")


def _system(system: str) -> str:
    """A system with a bar in it, or one that is an asterisk, must not read like something else."""
    if system == "*":
        return "%2A"
    return system.replace("|", "%7C") if "|" in system else system


def _code(code: str) -> str:
    return "%2A" if code == "*" else code


def coding_text(system: str, code: str) -> str:
    """`system|code`, the system empty where there is none."""
    return f"{_system(system)}|{_code(code)}"


def any_system_text(code: str) -> str:
    """`*|code`: the code, whatever its system."""
    return f"*|{_code(code)}"


def any_code_text(system: str) -> str:
    """`system|*`: any code of the system."""
    return f"{_system(system)}|*"


def coding_hash(system: str, code: str) -> int:
    """The key of a coding apart from any slot: of `labels`, `codes`, units, and the token of a composite."""
    return hash64(coding_text(system, code))


def code_texts(system: str, code: str) -> tuple[str, ...]:
    """The texts under which one token can be asked for: with its system, with any, and any code of its system."""
    if not code:
        return (any_code_text(system),) if system else ()
    if not system:
        return coding_text("", code), any_system_text(code)
    return coding_text(system, code), any_system_text(code), any_code_text(system)


@lru_cache(maxsize=65_536)
def token_hashes(slot: int, system: str, code: str) -> tuple[int, ...]:
    """The keys of one token in a slot. Cached, because codes repeat from record to record."""
    return tuple(value_hash(slot, text) for text in code_texts(system, code))


def presence_hash(slot: int, target_type: str = "") -> int:
    """The key that says that a slot has a value (of a reference: one that points to this type)."""
    return value_hash(slot, "?" + target_type)


def exact_hash(slot: int, value: str) -> int:
    """The key of a whole string as it was written."""
    return value_hash(slot, "=" + value)
