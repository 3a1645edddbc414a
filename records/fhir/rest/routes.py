"""The whole API, in one list: what the door serves, what bundles may ask for, and what the CapabilityStatement says."""

from typing import Final

from records.fhir.answers import Answer
from records.fhir.rest import bundles, reading, trail, writing
from records.fhir.rest.calls import Call, Handler, Route, Router

_TRAIL: Final = frozenset({"AuditEvent"})
_PATIENT: Final = frozenset({"Patient"})

ROUTER: Final = Router()


def _add(
    method: str,
    pattern: str,
    code: str,
    level: str,
    handler: Handler,
    *,
    takes: str = "nothing",
    only: frozenset[str] | None = None,
) -> None:
    ROUTER.routes.append(Route(method, pattern, code, level, handler, takes, only))


def _process(call: Call) -> Answer:
    return bundles.process(call, ROUTER)


# AuditEvent has its own reads, before those of all types.
_add("GET", "{type}/{id}", "read", "trail", trail.read, only=_TRAIL)
_add("GET", "{type}", "search-type", "trail", trail.search, only=_TRAIL)
_add("POST", "{type}/_search", "search-type", "trail", trail.search, takes="form", only=_TRAIL)

_add("GET", "{type}/{id}", "read", "type", reading.read)
_add("GET", "{type}/{id}/_history/{version}", "vread", "type", reading.vread)
_add("GET", "{type}/{id}/_history", "history-instance", "type", reading.history_instance)
_add("GET", "{type}/_history", "history-type", "type", reading.history_type)
_add("GET", "{type}", "search-type", "type", reading.search_type)
_add("POST", "{type}/_search", "search-type", "type", reading.search_type, takes="form")
_add("POST", "{type}", "create", "type", writing.create, takes="resource")
_add("PUT", "{type}/{id}", "update", "type", writing.update, takes="resource")
_add("PUT", "{type}", "conditional-update", "type", writing.conditional_update, takes="resource")
_add("DELETE", "{type}/{id}", "delete", "type", writing.delete)
_add("DELETE", "{type}", "conditional-delete", "type", writing.conditional_delete)

_add("POST", "{type}/$validate", "validate", "operation", writing.validate, takes="resource")
_add("GET", "{type}/{id}/$everything", "everything", "operation", reading.everything, only=_PATIENT)
_add("GET", "{type}/{id}/_history/{version}/$evidence", "evidence", "operation", reading.evidence)

_add("GET", "_history", "history-system", "system", reading.history_system)
_add("GET", "", "search-system", "system", reading.search_system)
_add("POST", "_search", "search-system", "system", reading.search_system, takes="form")
_add("POST", "", "transaction", "system", _process, takes="resource")
