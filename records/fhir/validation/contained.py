"""Contained resources (dom-2 to dom-5): never nested, never with a version or labels of their own, always
referred to.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..outcome import shown

if TYPE_CHECKING:
    from .walker import Place, Walk

Json = dict[str, Any]


def by_id(resource: Json) -> dict[str, Json]:
    """The contained resources of a resource by their ids."""
    listed = resource.get("contained")
    if not isinstance(listed, list):
        return {}
    return {c["id"]: c for c in listed if isinstance(c, dict) and isinstance(c.get("id"), str)}


def check_one(walk: "Walk", value: Json, place: "Place") -> None:
    """What a contained resource may not have."""
    if "contained" in value:
        walk.find(
            (place, "contained"), "dom-2", "dom-2: a contained resource contains no other: put them side by side.",
            code="invariant",
        )  # fmt: skip
    meta = value.get("meta")
    if isinstance(meta, dict):
        for name in ("versionId", "lastUpdated"):
            if name in meta:
                walk.find(
                    ((place, "meta"), name), "dom-4", f"dom-4: a contained resource has no {name} of its own.",
                    code="invariant",
                )  # fmt: skip
        if "security" in meta:
            walk.find(
                ((place, "meta"), "security"), "dom-5", "dom-5: a contained resource has no labels of its own.",
                code="invariant",
            )  # fmt: skip


def check_all(walk: "Walk", resource: Json, place: "Place") -> None:
    """Ids are there and differ, and each contained resource is referred to, or refers to its container
    (dom-3).
    """
    listed = resource["contained"]
    if not isinstance(listed, list):
        return
    used: set[str] | None = None
    seen: set[str] = set()
    for index, value in enumerate(listed):
        if not isinstance(value, dict):
            continue
        at = ((place, "contained"), index)
        identity = value.get("id")
        if not isinstance(identity, str):
            walk.find(
                (at, "id"),
                "missing-member",
                "A contained resource needs an id to be referred to.",
                code="required",
            )
            continue
        if identity in seen:
            walk.find(
                (at, "id"),
                "duplicate-contained-id",
                f"Two contained resources have the id {shown(identity)}.",
                code="duplicate",
            )
        seen.add(identity)
        if used is None:
            used = set(_fragments(resource))
        if f"#{identity}" not in used and "#" not in _fragments(value):
            walk.find(
                at,
                "dom-3",
                f"dom-3: nothing refers to #{identity}: refer to it or take it out.",
                code="invariant",
            )


def advise(walk: "Walk", resource: Json, place: "Place") -> None:
    """dom-6, a best practice: a narrative for people."""
    text = resource.get("text")
    if resource.get("resourceType") in ("Binary", "Bundle", "Parameters"):
        return
    if not isinstance(text, dict) or "div" not in text:
        walk.find(
            place, "dom-6", "dom-6: a resource should have a narrative, so that people can read it as it was sent.",
            code="invariant", severity="warning",
        )  # fmt: skip


def _fragments(value: Any) -> Iterator[str]:
    """Every string that begins with #, wherever it stands: a reference, a canonical, a uri or a url."""
    open_ = [value]
    while open_:
        item = open_.pop()
        for inner in item.values() if isinstance(item, dict) else item:
            if isinstance(inner, str):
                if inner.startswith("#"):
                    yield inner
            elif isinstance(inner, (dict, list)):
                open_.append(inner)
