"""GET /fhir/metadata: what this node serves, made from the routes, the search parameters and the types that it really has."""

import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import orjson

from records.access.permitted import AUDIT_EVENT
from records.fhir.definitions import NOT_SERVED, SERVED_TYPES
from records.fhir.node import FhirNode, fhir_node
from records.fhir.rest.calls import Router
from records.fhir.rest.negotiation import MEDIA_TYPE
from records.fhir.rest.trail import PARAMETERS as TRAIL_PARAMETERS
from records.fhir.search import UNSUPPORTED, parameters

_DEFINITIONS: Final = {
    "validate": "http://hl7.org/fhir/OperationDefinition/Resource-validate",
    "everything": "http://hl7.org/fhir/OperationDefinition/Patient-everything",
    "evidence": "urn:xinglin:fhir:operation:evidence",
}
_STARTED: Final = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def capability_statement(router: Router) -> bytes:
    """The CapabilityStatement, JSON in UTF-8."""
    return _rendered(
        fhir_node(), tuple(sorted({(r.code, r.level, r.only or frozenset()) for r in router.routes}, key=str))
    )


def software_version() -> str:
    try:
        return version("xinglin")
    except PackageNotFoundError:
        return "0.1.0"


@functools.lru_cache(maxsize=4)
def _rendered(node: FhirNode, routes: tuple[tuple[str, str, frozenset[str]], ...]) -> bytes:
    codes = {code for code, level, _ in routes if level in ("type", "system")}
    operations = sorted({(code, only) for code, level, only in routes if level == "operation"}, key=str)
    return orjson.dumps(
        {
            "resourceType": "CapabilityStatement",
            "id": "node",
            "url": f"{node.base_url}/metadata",
            "version": software_version(),
            "name": "XinglinNode",
            "title": f"The FHIR API of {node.name}",
            "status": "active",
            "date": _STARTED,
            "kind": "instance",
            "description": _description(),
            "software": {"name": "Xinglin", "version": software_version()},
            "implementation": {"description": node.name, "url": node.base_url},
            "fhirVersion": "4.0.1",
            "format": [MEDIA_TYPE, "application/json", "json"],
            "rest": [
                {
                    "mode": "server",
                    "security": _security(node),
                    "resource": [_resource(name, codes, operations, node) for name in sorted(SERVED_TYPES)],
                    "interaction": _system_interactions(codes),
                    "searchParam": _search_params("Resource", parameters("Basic"), own=False),
                }
            ],
        }
    )


def _description() -> str:
    unsupported = "; ".join(f"{name}: {reason}" for name, reason in sorted(UNSUPPORTED.items()))
    return (
        "FHIR R4 records, kept byte for byte. Not served, because they cannot be validated here: "
        f"{', '.join(sorted(NOT_SERVED))}. Search parameters that are not served: {unsupported}. References need not resolve. "
        "A POST sets the id itself. A bundle that comes again in the same bytes makes nothing new under a fullUrl urn:uuid. "
        "History is kept for good; a page of search results follows the first one's moment."
    )


def _security(node: FhirNode) -> dict[str, Any]:
    token = {"url": "token", "valueUri": node.base_url.removesuffix("/fhir") + "/o/token"}
    return {
        "extension": [
            {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": [token]}
        ],
        "cors": False,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ],
                "text": "OAuth 2.0 client credentials with SMART v2 scopes: system/Type.cruds",
            }
        ],
    }


def _system_interactions(codes: set[str]) -> list[dict[str, str]]:
    listed = ["search-system", "history-system", "transaction"]
    return [{"code": code} for code in [one for one in listed if one in codes] + ["batch"] * ("transaction" in codes)]


def _resource(
    name: str, codes: set[str], operations: Iterable[tuple[str, frozenset[str]]], node: FhirNode
) -> dict[str, Any]:
    profile = f"http://hl7.org/fhir/StructureDefinition/{name}"
    if name == AUDIT_EVENT:
        return {
            "type": name,
            "profile": profile,
            "documentation": "Made from the node's audit trail when it is read; it cannot be written.",
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "versioning": "no-version",
            "searchParam": [{"name": code, "type": kind} for code, kind in TRAIL_PARAMETERS.items()],
        }
    order = ("read", "vread", "update", "delete", "history-instance", "history-type", "create", "search-type")
    known = parameters(name)
    includes = sorted(f"{name}:{code}" for code, p in known.items() if p.local_targets)
    return {
        "type": name,
        "profile": profile,
        "interaction": [{"code": code} for code in order if code in codes],
        "versioning": "versioned-update",
        "readHistory": "vread" in codes,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": "conditional-update" in codes,
        "conditionalDelete": "single" if "conditional-delete" in codes else "not-supported",
        "referencePolicy": ["literal", "logical", "local"],
        **({"searchInclude": includes} if includes else {}),
        **({"searchRevInclude": list(found)} if (found := _reverse().get(name)) else {}),
        "searchParam": _search_params(name, known, own=True),
        "operation": [
            {"name": code, "definition": _DEFINITIONS[code]} for code, only in operations if not only or name in only
        ],
    }


@functools.cache
def _reverse() -> dict[str, tuple[str, ...]]:
    """What may be named in `_revinclude` of each type."""
    found: dict[str, set[str]] = {}
    for name in sorted(SERVED_TYPES - {AUDIT_EVENT}):
        for code, parameter in parameters(name).items():
            for target in parameter.local_targets:
                found.setdefault(target, set()).add(f"{name}:{code}")
    return {target: tuple(sorted(listed)) for target, listed in found.items()}


def _search_params(name: str, known: Any, *, own: bool) -> list[dict[str, str]]:
    listed = [p for p in known.values() if own or p.code.startswith("_")]
    return [
        {"name": p.code, "definition": p.url, "type": p.fhir_type} for p in sorted(listed, key=lambda one: one.code)
    ]
