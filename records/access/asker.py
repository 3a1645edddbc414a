"""Who asks: a person or a machine, with what the rules need to know of them."""

import uuid
from dataclasses import dataclass
from typing import Literal

from consortium.members.scopes import Scopes


@dataclass(frozen=True, slots=True)
class Credential:
    """The bearer token that a machine came with, as the database knows it. The deciding statement looks it up again."""

    checksum: str
    scope: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asks for records, or writes them.

    A machine reads by its scopes. A person reads by roles and care teams; the deciding statement looks those up again
    by `actor_id`, so that `roles` and `group_ids` here serve pages, not decisions.
    """

    kind: Literal["person", "machine"]
    actor_id: int
    label: str
    organisation_id: int | None
    purpose: str
    request_id: uuid.UUID
    roles: frozenset[str] = frozenset()
    group_ids: tuple[int, ...] = ()
    scopes: Scopes | None = None
    credential: Credential | None = None

    @property
    def actor_kind(self) -> int:
        """As `AccessEvent.Actor` counts."""
        return 1 if self.kind == "person" else 2
