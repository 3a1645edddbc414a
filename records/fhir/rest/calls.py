"""One call of the FHIR API, whether it came by HTTP or as an entry of a Bundle, and the way to what answers it.

`ROUTES` is the whole API: the door serves it, bundles go through it, and the CapabilityStatement is made from it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from records.access.asker import Asker
from records.fhir.answers import Answer
from records.fhir.definitions import NOT_SERVED, RESOURCE_TYPES, SERVED_TYPES
from records.fhir.jsontext import Document
from records.fhir.outcome import FhirRefusal, refuse
from records.fhir.rest.negotiation import Preferences

Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. Conditions are as the headers (or the entry's request) have them; `document` is the parsed body.

    `place` is set for an entry of a bundle: `Bundle.entry[3]`; `resolves` for one of a transaction, whose references to other
    entries and to conditions are resolved.
    """

    asker: Asker
    method: str
    params: Params = ()
    document: Document | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_none_exist: str | None = None
    preferences: Preferences = field(default_factory=Preferences)
    place: str | None = None
    resolves: bool = False
    full_url: str | None = None


Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One interaction. `code` is FHIR's name of it, `level` where the CapabilityStatement lists it.

    `takes` says what the body is: a resource, a form of search parameters, or nothing.
    """

    method: str
    pattern: str
    code: str
    level: str
    handler: Handler
    takes: str = "nothing"
    only: frozenset[str] | None = None

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.pattern.split("/")) if self.pattern else ()


@dataclass(slots=True)
class Router:
    """Routes by the shape of their address."""

    routes: list[Route] = field(default_factory=list)

    def add(
        self,
        method: str,
        pattern: str,
        code: str,
        *,
        level: str,
        takes: str = "nothing",
        only: frozenset[str] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Registers a handler for `method pattern`; `{type}`, `{id}` and `{version}` become its arguments."""

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, pattern, code, level, handler, takes, only))
            return handler

        return register

    def find(self, method: str, address: str) -> tuple[Route, dict[str, str]]:
        """The route of a call and the parts of its address. Raises FhirRefusal 404 and 405."""
        given = tuple(address.strip("/").split("/")) if address.strip("/") else ()
        allowed = set()
        for route in self.routes:
            arguments = _match(route.segments, given)
            if arguments is None:
                continue
            type = arguments.get("type")
            if type is not None and type not in SERVED_TYPES:
                raise unknown_type(type)
            if route.only is not None and type is not None and type not in route.only:
                continue
            if route.method != method:
                allowed.add(route.method)
                continue
            return route, arguments
        if allowed:
            raise MethodNotAllowed(sorted(allowed))
        raise refuse(
            "no-such-address", "There is nothing at this address of the FHIR API.", status=404, code="not-found"
        )


class MethodNotAllowed(FhirRefusal):
    """The address is there, for other methods."""

    def __init__(self, allowed: Sequence[str]) -> None:
        refusal = refuse(
            "method-not-allowed", f"This address takes {', '.join(allowed)}.", status=405, code="not-supported"
        )
        super().__init__(refusal.issues, status=405)
        self.allowed = tuple(allowed)


_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}\Z")
_PARTS: Final[Mapping[str, re.Pattern[str]]] = {"{type}": _TYPE, "{id}": _ID, "{version}": _VERSION}


def _match(wanted: tuple[str, ...], given: tuple[str, ...]) -> dict[str, str] | None:
    if len(wanted) != len(given):
        return None
    arguments = {}
    for name, text in zip(wanted, given, strict=True):
        if name[:1] != "{":
            if name != text:
                return None
        elif _PARTS[name].match(text) is None:
            return None
        else:
            arguments[name[1:-1]] = text
    return arguments


def unknown_type(type: str) -> FhirRefusal:
    """404 for a type that is no R4 type, or one of those that this node leaves out."""
    if type in RESOURCE_TYPES or type in NOT_SERVED:
        sentence = f"This node does not serve {type}, because it cannot validate it: see /fhir/metadata."
    else:
        sentence = f"{type[:64]} is not a resource type of FHIR R4."
    return refuse("unknown-type", sentence, status=404, code="not-supported")
