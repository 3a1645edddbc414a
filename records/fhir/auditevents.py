"""Audit rows as FHIR AuditEvents, made when they are read."""

import base64
import json
from datetime import UTC
from typing import Any, Final

from consortium.audit.models import AccessEvent
from consortium.audit.trail import Names, interaction_of
from records.fhir.definitions import TYPE_NAMES
from records.fhir.node import FhirNode

ACTOR_SYSTEMS: Final = {
    AccessEvent.Actor.PERSON.value: "urn:xinglin:person",
    AccessEvent.Actor.MACHINE.value: "urn:xinglin:machine",
}
# The actor of what the node's own commands do.
THIS_NODE: Final = 0
_PURPOSES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ENTITY_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"


def render_event(event: AccessEvent, *, names: Names, patients: dict[int, str], node: FhirNode) -> bytes:
    """The AuditEvent of one row, JSON in UTF-8."""
    interaction = interaction_of(event)
    recorded = event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    resource: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(event.id),
        "meta": {"versionId": "1", "lastUpdated": recorded},
        "type": _coding(*interaction.type),
        "subtype": [_coding(*interaction.subtype)],
        "action": interaction.action,
        "recorded": recorded,
        "outcome": str(event.outcome),
    }
    if event.because:
        resource["outcomeDesc"] = event.because
    if event.purpose:
        resource["purposeOfEvent"] = [{"coding": [_coding(_PURPOSES, event.purpose)]}]
    resource["agent"] = [_agent(event, names)]
    observer: dict[str, Any] = {"display": node.name}
    if event.organisation_id is not None and event.organisation_id in names.organisations:
        resource["agent"][0]["who"]["extension"] = [
            {
                "url": "urn:xinglin:on-behalf-of",
                "valueReference": {"display": names.organisations[event.organisation_id]},
            }
        ]
    resource["source"] = {"site": node.base_url, "observer": observer}
    entities = _entities(event, patients)
    if entities:
        resource["entity"] = entities
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _coding(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def _agent(event: AccessEvent, names: Names) -> dict[str, Any]:
    system = ACTOR_SYSTEMS.get(event.actor_kind)
    who: dict[str, Any] = {}
    if system is not None and event.actor_id is not None:
        who["identifier"] = {"system": system, "value": str(event.actor_id)}
    who["display"] = names.actor(event) or ("this node" if event.actor_id == THIS_NODE else "unknown")
    return {"who": who, "name": who["display"], "requestor": True}


def _entities(event: AccessEvent, patients: dict[int, str]) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    patient = patients.get(event.compartment) if event.compartment is not None else None
    type = TYPE_NAMES.get(event.type) if event.type is not None else None
    if patient is not None:
        entities.append(
            {
                "what": {"reference": f"Patient/{patient}"},
                "type": _coding(_ENTITY_TYPE, "1"),
                "role": _coding(_ENTITY_ROLE, "1"),
            }
        )
    if type is not None and event.resource_id and (type, event.resource_id) != ("Patient", patient):
        reference = f"{type}/{event.resource_id}"
        if event.version is not None:
            reference += f"/_history/{event.version}"
        entities.append(
            {
                "what": {"reference": reference},
                "type": _coding(_ENTITY_TYPE, "2"),
                "role": _coding(_ENTITY_ROLE, "4"),
            }
        )
    if event.query is not None:
        query = f"{type or ''}?{event.query}"
        entities.append(
            {
                "type": _coding(_ENTITY_TYPE, "2"),
                "role": _coding(_ENTITY_ROLE, "24"),
                "query": base64.b64encode(query.encode(errors="replace")).decode(),
            }
        )
    return entities
