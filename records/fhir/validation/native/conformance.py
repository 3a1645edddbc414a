"""Invariants of conformance and terminology resources whose FHIRPath is quadratic, or that come by the
thousand.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from .members import (
    Element,
    Holds,
    Rules,
    any_of,
    distinct,
    distinct_members,
    has,
    items,
    member,
    needs,
    not_both,
    objects,
)


def _concept_codes(element: Element) -> Iterator[Any]:
    open_: list[Element] = list(objects(element, "concept"))
    while open_:
        concept = open_.pop()
        yield concept.get("code")
        open_.extend(objects(concept, "concept"))


def _code_system_distinct(element: Element, resource: Element) -> bool:
    return distinct(c for c in _concept_codes(element) if isinstance(c, str))


def _elements_of(view: str) -> Callable[[Element], list[Element]]:
    return lambda element: list(objects(member(element, view), "element"))


_snapshot = _elements_of("snapshot")


_differential = _elements_of("differential")


def _element_paths_distinct(element: Element, resource: Element) -> bool:
    return element.get("derivation") == "constraint" or distinct(
        e["path"] for e in _snapshot(element) if isinstance(e.get("path"), str)
    )


def _element_ids_distinct(view: Callable[[Element], list[Element]]) -> Holds:
    def holds(element: Element, resource: Element) -> bool:
        ids = [e.get("id") for e in view(element)]
        return all(isinstance(i, str) for i in ids) and distinct(ids)

    return holds


def _snapshot_paths(element: Element, resource: Element) -> bool:
    paths = [str(e.get("path", "")) for e in objects(element, "element")]
    if not paths:
        return True
    named = resource.get("kind") == "logical" or paths[0] == resource.get("type")
    return named and all(p.startswith(paths[0] + ".") for p in paths[1:])


def _differential_paths(element: Element, resource: Element) -> bool:
    paths = [str(e.get("path", "")) for e in objects(element, "element")]
    if not paths:
        return True
    root = paths[0].partition(".")[0]
    named = resource.get("kind") == "logical" or paths[0].startswith(str(resource.get("type")))
    return named and all(p.startswith(root + ".") for p in paths[1:])


def _guide_versions(element: Element, resource: Element) -> bool:
    known = {v for v in items(element, "fhirVersion") if isinstance(v, str)}
    return all(
        v in known
        for r in objects(member(element, "definition"), "resource")
        for v in items(r, "fhirVersion")
        if isinstance(v, str)
    )


def _guide_groups(element: Element, resource: Element) -> bool:
    known = {g.get("id") for g in objects(element, "grouping") if isinstance(g.get("id"), str)}
    return all(r["groupingId"] in known for r in objects(element, "resource") if isinstance(r.get("groupingId"), str))


def _naming_preferred(element: Element, resource: Element) -> bool:
    return distinct(
        u["type"] for u in objects(element, "uniqueId") if u.get("preferred") is True and isinstance(u.get("type"), str)
    )


def _vs_concept_or_filter(element: Element, resource: Element) -> bool:
    return not (has(element, "concept") or has(element, "filter")) or has(element, "system")


def _mapping_comment(element: Element, resource: Element) -> bool:
    return has(element, "comment") or element.get("equivalence") not in ("narrower", "inexact")


_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9_]{0,254}")
# All of them say the same of the type's name, and only R4's XPath says that a name may be missing.
_NAMED: Final = {
    "ActivityDefinition": "adf-0",
    "CapabilityStatement": "cpb-0",
    "ChargeItemDefinition": "cid-0",
    "CodeSystem": "csd-0",
    "CompartmentDefinition": "cpd-0",
    "ConceptMap": "cmd-0",
    "EffectEvidenceSynthesis": "ees-0",
    "EventDefinition": "evd-0",
    "Evidence": "evi-0",
    "EvidenceVariable": "evv-0",
    "ExampleScenario": "esc-0",
    "GraphDefinition": "gdf-0",
    "ImplementationGuide": "ig-0",
    "Library": "lib-0",
    "Measure": "mea-0",
    "MessageDefinition": "msd-0",
    "NamingSystem": "nsd-0",
    "OperationDefinition": "opd-0",
    "PlanDefinition": "pdf-0",
    "Questionnaire": "que-0",
    "ResearchDefinition": "rsd-0",
    "ResearchElementDefinition": "red-0",
    "RiskEvidenceSynthesis": "rvs-0",
    "SearchParameter": "spd-0",
    "StructureDefinition": "sdf-0",
    "StructureMap": "smp-0",
    "TerminologyCapabilities": "tcp-0",
    "TestScript": "tst-0",
    "ValueSet": "vsd-0",
}


def _machine_name(element: Element, resource: Element) -> bool:
    return not isinstance(element.get("name"), str) or _NAME.fullmatch(element["name"]) is not None


RULES: Final[Rules] = {
    **dict.fromkeys(_NAMED.items(), _machine_name),
    ("CapabilityStatement", "cpb-7"): distinct_members("document", "profile", "mode"),
    ("CapabilityStatement.rest", "cpb-9"): distinct_members("resource", "type"),
    ("CapabilityStatement.rest.resource", "cpb-12"): distinct_members("searchParam", "name"),
    ("CodeSystem", "csd-1"): _code_system_distinct,
    ("ConceptMap.group.element.target", "cmd-1"): _mapping_comment,
    ("ImplementationGuide", "ig-2"): _guide_versions,
    ("ImplementationGuide.definition", "ig-1"): _guide_groups,
    ("NamingSystem", "nsd-2"): _naming_preferred,
    ("StructureDefinition", "sdf-1"): _element_paths_distinct,
    ("StructureDefinition", "sdf-16"): _element_ids_distinct(_snapshot),
    ("StructureDefinition", "sdf-17"): _element_ids_distinct(_differential),
    ("StructureDefinition.differential", "sdf-8a"): _differential_paths,
    ("StructureDefinition.snapshot", "sdf-8"): _snapshot_paths,
    ("ValueSet.compose.include", "vsd-1"): any_of("valueSet", "system"),
    ("ValueSet.compose.include", "vsd-2"): _vs_concept_or_filter,
    ("ValueSet.compose.include", "vsd-3"): not_both("concept", "filter"),
    ("ValueSet.expansion.contains", "vsd-10"): needs("code", "system"),
    ("ValueSet.expansion.contains", "vsd-6"): any_of("code", "display"),
    ("ValueSet.expansion.contains", "vsd-9"): lambda e, r: has(e, "code") or e.get("abstract") is True,
}
