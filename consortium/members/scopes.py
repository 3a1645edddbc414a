"""Scopes of machines: SMART App Launch 2.2, `system/Type.cruds` and `system/*.cruds`. Pure.

c create, r read, u update, d delete, s search; letters stand in this order, each at most once. Search
parameters behind a `?` would narrow a scope: who does not apply them must not accept them, so they are
refused here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

LETTERS = "cruds"
MOST_CHARACTERS = 4096
_SCOPE = re.compile(r"system/(\*|[A-Z][A-Za-z]{0,63})\.(c?r?u?d?s?)")


class ScopeError(ValueError):
    """The text is not a list of system scopes. The message says which part and why."""

    code = "invalid_scope"


@dataclass(frozen=True)
class Scopes:
    """What a token or a machine may do: letters by resource type, `*` standing for every type."""

    letters: Mapping[str, frozenset[str]]

    @classmethod
    def parse(cls, text: str) -> "Scopes":
        """Scopes parted by spaces; none at all is an empty set. ScopeError for anything else."""
        return _parse(text)

    def permits(self, type: str, letter: str) -> bool:
        """Whether one interaction with one resource type is permitted."""
        return letter in self._anywhere or letter in self.letters.get(type, ())

    def types(self, letter: str, all_types: Iterable[str]) -> frozenset[str]:
        """Those of `all_types` for which `letter` is permitted."""
        if letter in self._anywhere:
            return frozenset(all_types)
        return frozenset(t for t in all_types if letter in self.letters.get(t, ()))

    def covers(self, other: "Scopes") -> bool:
        """Whether everything that `other` permits is permitted here."""
        return all(
            letters <= self._anywhere | self.letters.get(type, frozenset()) for type, letters in other.letters.items()
        )

    @cached_property
    def _anywhere(self) -> frozenset[str]:
        return self.letters.get("*", frozenset())

    def __str__(self) -> str:
        return " ".join(
            f"system/{type}.{''.join(x for x in LETTERS if x in self.letters[type])}" for type in sorted(self.letters)
        )

    def __bool__(self) -> bool:
        return bool(self.letters)


@lru_cache(maxsize=1024)
def _parse(text: str) -> Scopes:
    if len(text) > MOST_CHARACTERS:
        raise ScopeError(f"Scopes have at most {MOST_CHARACTERS} characters together.")
    found: dict[str, frozenset[str]] = {}
    for part in text.split(" "):
        if not part:
            continue
        match = _SCOPE.fullmatch(part)
        if match is None or not match[2]:
            raise ScopeError(f"{part[:80]!r} is not a scope such as system/Observation.rs or system/*.cruds.")
        found[match[1]] = found.get(match[1], frozenset()) | frozenset(match[2])
    return Scopes(MappingProxyType(found))
