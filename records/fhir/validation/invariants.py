"""Which rule judges which invariant: native Python, FHIRPath by fhirpathpy, another part of the validation,
or none.

Every invariant of R4 appears in exactly one of these; a test holds the tables to the definitions.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..definitions import Invariant
from .native import NATIVE, Element, Holds

ELSEWHERE: Final[dict[tuple[str, str], str]] = {
    ("DomainResource", "dom-2"): "the contained rules of the walker",
    ("DomainResource", "dom-3"): "the contained rules of the walker",
    ("DomainResource", "dom-4"): "the contained rules of the walker",
    ("DomainResource", "dom-5"): "the contained rules of the walker",
    ("DomainResource", "dom-6"): "the contained rules of the walker, as a warning",
    ("Element", "ele-1"): "the walker: no element is empty",
    ("Narrative.div", "txt-1"): "the narrative rules",
    ("Narrative.div", "txt-2"): "the narrative rules",
    ("Reference", "ref-1"): "the reference rules",
}

EXCLUDED: Final[dict[tuple[str, str], str]] = {
    ("ElementDefinition", "eld-11"): "its FHIRPath holds whatever types are bound",
    (
        "CareTeam.participant",
        "ctm-1",
    ): "it resolves references, and a record is judged without reading another one",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """An invariant with what decides it: `holds(value, resource, root)` is None when that cannot be told."""

    invariant: Invariant
    holds: Callable[[Any, Element, Element], bool | None]
    costly: bool


@functools.cache
def rule(invariant: Invariant) -> Rule | None:
    """The rule for an invariant; None when another part judges it or nothing can."""
    where = (invariant.path, invariant.key)
    if where in ELSEWHERE or where in EXCLUDED:
        return None
    native = NATIVE.get(where)
    if native is not None:
        return Rule(invariant, _native(native), costly=False)
    return Rule(invariant, FhirPath(invariant), costly=True)


def _native(holds: Holds) -> Callable[[Any, Element, Element], bool]:
    return lambda value, resource, root: holds(value, resource)


class FhirPath:
    """An invariant judged by fhirpathpy, compiled when first needed."""

    def __init__(self, invariant: Invariant) -> None:
        self._invariant = invariant
        self._compiled: Callable[[Any, dict[str, Any]], list[Any]] | None = None

    def __call__(self, value: Any, resource: Element, root: Element) -> bool | None:
        verdict = self._evaluate(value, resource, root)
        if not verdict:
            # fhirpathpy cannot compare a primitive that has extensions as well. They change no invariant's
            # verdict.
            bare = [_without_siblings(v) for v in (value, resource, root)]
            if bare != [value, resource, root]:
                verdict = self._evaluate(*bare)
        return verdict

    def _evaluate(self, value: Any, resource: Element, root: Element) -> bool | None:
        import fhirpathpy
        from fhirpathpy.engine.nodes import ResourceNode
        from fhirpathpy.models import models

        if self._compiled is None:
            # Without a function of our own, trace() would print patients' data.
            self._compiled = fhirpathpy.compile(self._invariant.expression, models["r4"], {"traceFn": lambda *_: None})
        path = self._invariant.path
        # A resource goes in as it is, so that an expression may begin with its type (app-4).
        is_resource = isinstance(value, dict) and value.get("resourceType") == path
        node: Any = value if is_resource else ResourceNode(value, path)  # type: ignore[no-untyped-call]
        try:
            result = self._compiled(node, {"resource": resource, "rootResource": root, "context": value})
        except Exception:  # noqa: BLE001 - the library raises bare exceptions; what it cannot tell is reported as such
            return None
        # FHIRPath's rule for a criterion: true, or one value that is not a boolean; empty is false.
        return bool(result) and result[0] is not False


def _without_siblings(value: Any) -> Any:
    """A copy without the extensions of those primitives that have a value."""
    if isinstance(value, dict):
        return {k: _without_siblings(v) for k, v in value.items() if not (k.startswith("_") and k[1:] in value)}
    if isinstance(value, list):
        return [_without_siblings(v) for v in value]
    return value
