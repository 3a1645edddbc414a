"""Invariants of bundles. Written to read a bundle once, however many entries it has."""

from typing import Any, Final

from .members import Element, Holds, Rules, any_of, has, member, objects


def _bundle_distinct(element: Element, resource: Element) -> bool:
    if element.get("type") == "history":
        return True
    seen: set[tuple[Any, Any]] = set()
    for entry in objects(element, "entry"):
        url = entry.get("fullUrl")
        if isinstance(url, str):
            version = member(member(entry, "resource"), "meta").get("versionId")
            key = (url, version if isinstance(version, str) else None)
            if key in seen:
                return False
            seen.add(key)
    return True


def _entries_have(name: str, *kinds: str) -> Holds:
    def holds(element: Element, resource: Element) -> bool:
        expected = element.get("type") in kinds
        return all(has(entry, name) == expected for entry in objects(element, "entry"))

    return holds


def _first_entry_is(kind: str, wanted: str) -> Holds:
    def holds(element: Element, resource: Element) -> bool:
        if element.get("type") != kind:
            return True
        first = next(objects(element, "entry"), {})
        return member(first, "resource").get("resourceType") == wanted

    return holds


def _document_is_identified(element: Element, resource: Element) -> bool:
    identifier = member(element, "identifier")
    return element.get("type") != "document" or (has(identifier, "system") and has(identifier, "value"))


RULES: Final[Rules] = {
    ("Bundle", "bdl-1"): lambda e, r: not has(e, "total") or e.get("type") in ("searchset", "history"),
    ("Bundle", "bdl-2"): lambda e, r: (
        e.get("type") == "searchset" or not any(has(x, "search") for x in objects(e, "entry"))
    ),
    ("Bundle", "bdl-3"): _entries_have("request", "batch", "transaction", "history"),
    ("Bundle", "bdl-4"): _entries_have("response", "batch-response", "transaction-response", "history"),
    ("Bundle", "bdl-7"): _bundle_distinct,
    ("Bundle", "bdl-9"): _document_is_identified,
    ("Bundle", "bdl-10"): lambda e, r: e.get("type") != "document" or "timestamp" in e,
    ("Bundle", "bdl-11"): _first_entry_is("document", "Composition"),
    ("Bundle", "bdl-12"): _first_entry_is("message", "MessageHeader"),
    ("Bundle.entry", "bdl-5"): any_of("resource", "request", "response"),
    ("Bundle.entry", "bdl-8"): lambda e, r: "/_history/" not in str(e.get("fullUrl", "")),
}
