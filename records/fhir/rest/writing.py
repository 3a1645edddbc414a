"""Interactions that write one record, and $validate, which writes none."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from records.access.audit import audited_refusals
from records.access.unit import write_unit
from records.fhir import validation
from records.fhir.answers import Answer
from records.fhir.changes import Criteria, Verb, WriteRequest, carry_out, check_criteria, parse_criteria
from records.fhir.definitions import SERVED_TYPES
from records.fhir.jsontext import Document
from records.fhir.node import fhir_node
from records.fhir.outcome import FhirRefusal, Issue, refuse, render
from records.fhir.rest.calls import Call
from records.fhir.rest.negotiation import version_of_etag

# Rendered from the audit trail, so that nobody can write it.
UNWRITABLE: Final = frozenset({"AuditEvent"})
_MODES: Final = frozenset({"create", "update", "delete"})


def create(call: Call, *, type: str) -> Answer:
    return _carry_out(call, "create", type, None, lambda: create_request(call, type))


def update(call: Call, *, type: str, id: str) -> Answer:
    return _carry_out(call, "update", type, id, lambda: update_request(call, type, id))


def conditional_update(call: Call, *, type: str) -> Answer:
    return _carry_out(call, "update", type, None, lambda: conditional_update_request(call, type))


def delete(call: Call, *, type: str, id: str) -> Answer:
    return _carry_out(call, "delete", type, id, lambda: delete_request(call, type, id))


def conditional_delete(call: Call, *, type: str) -> Answer:
    return _carry_out(call, "delete", type, None, lambda: conditional_delete_request(call, type))


def _carry_out(call: Call, verb: Verb, type: str, id: str | None, build: Callable[[], WriteRequest]) -> Answer:
    with audited_refusals(call.asker, interaction=verb, type=type, id=id):
        request = build()
        return write_unit(lambda: carry_out(writer=call.asker, requests=[request], node=fhir_node())[0])


# --- Requests ------------------------------------------------------------------------------------------------------


def create_request(call: Call, type: str) -> WriteRequest:
    document = _body(call)
    criteria = None if call.if_none_exist is None else _criteria(call.if_none_exist, call)
    return WriteRequest(
        "create", type, document=document, criteria=criteria, issues=judged(call, document, type), **_entry(call)
    )


def update_request(call: Call, type: str, id: str) -> WriteRequest:
    document = _body(call)
    issues = judged(call, document, type)
    claimed = document.value.get("id")
    if claimed != id:
        raise refuse(
            "id-missing" if claimed is None else "id-mismatch",
            f"The address says id {id}: the body must say the same.",
            expression=f"{call.place}.resource.id" if call.place else f"{type}.id",
        )
    return WriteRequest(
        "update",
        type,
        id=id,
        document=document,
        if_match=version_of_etag(call.if_match),
        if_absent=_if_absent(call),
        issues=issues,
        **_entry(call),
    )


def conditional_update_request(call: Call, type: str) -> WriteRequest:
    document = _body(call)
    return WriteRequest(
        "update",
        type,
        document=document,
        criteria=_criteria_of_params(call),
        if_match=version_of_etag(call.if_match),
        if_absent=_if_absent(call),
        issues=judged(call, document, type),
        **_entry(call),
    )


def delete_request(call: Call, type: str, id: str) -> WriteRequest:
    _check_writable(type)
    return WriteRequest("delete", type, id=id, if_match=version_of_etag(call.if_match), **_entry(call))


def conditional_delete_request(call: Call, type: str) -> WriteRequest:
    _check_writable(type)
    return WriteRequest(
        "delete", type, criteria=_criteria_of_params(call), if_match=version_of_etag(call.if_match), **_entry(call)
    )


def _entry(call: Call) -> dict[str, Any]:
    return {"place": call.place, "resolves": call.resolves, "full_url": call.full_url}


def _body(call: Call) -> Document:
    if call.document is None:
        raise refuse("body-missing", "Send the resource as the body.", code="required", expression=call.place)
    return call.document


def _if_absent(call: Call) -> bool:
    if call.if_none_match is None:
        return False
    if call.if_none_match.strip() != "*":
        raise refuse("etag-invalid", "If-None-Match of a write is *: only where there is no such record.", code="value")
    return True


def _criteria(text: str, call: Call) -> Criteria:
    return parse_criteria(text, place=call.place)


def _criteria_of_params(call: Call) -> Criteria:
    params = (one for one in call.params if one[0] not in ("_format", "_pretty"))
    return check_criteria(params, place=call.place)


def _check_writable(type: str) -> None:
    if type in UNWRITABLE:
        raise refuse(
            "not-writable",
            f"{type} is made by this node itself and cannot be written.",
            status=405,
            code="not-supported",
        )


def judged(call: Call, document: Document, type: str) -> tuple[Issue, ...]:
    """The warnings on a valid resource of this type. Raises FhirRefusal for one that is not."""
    _check_writable(type)
    issues = validation.validate(document, expected_type=type, in_transaction=call.resolves)
    if call.place is not None:
        issues = [issue.inside(f"{call.place}.resource") for issue in issues]
    if any(i.code == "invalid" and i.details_code == "wrong-resource-type" for i in issues):
        raise FhirRefusal(issues, status=400)
    validation.raise_for(issues)
    return tuple(issues)


# --- $validate -----------------------------------------------------------------------------------------------------


def validate(call: Call, *, type: str) -> Answer:
    """200 with an OperationOutcome, whatever is found; a body that is not FHIR JSON at all is refused like any other."""
    document, mode, profiles = _to_validate(_body(call))
    if mode == "delete":
        issues: Sequence[Issue] = ()
    else:
        expected = type if document.type in SERVED_TYPES or document.type is None else None
        issues = validation.validate(document, expected_type=expected or type, advise=True)
    if profiles:
        sentence = "This node validates against R4 itself and not against profiles."
        issues = [*issues, Issue("warning", "not-supported", "profile-not-validated", None, sentence)]
    return Answer(200, render(tuple(issues)))


def _to_validate(body: Document) -> tuple[Document, str | None, bool]:
    """The resource, the mode and whether a profile was named: the body itself, or the parameters of a Parameters."""
    if body.type != "Parameters":
        return body, None, False
    listed = body.value.get("parameter")
    named = {p.get("name"): p for p in listed if isinstance(p, dict)} if isinstance(listed, list) else {}
    mode = named.get("mode", {}).get("valueCode")
    if mode is not None and mode not in _MODES:
        raise refuse(
            "mode-unknown", "mode is create, update or delete.", code="value", expression="Parameters.parameter"
        )
    if "resource" not in named and mode != "delete":
        raise refuse(
            "parameter-missing",
            "Name the resource to validate: a parameter called resource.",
            code="required",
            expression="Parameters.parameter",
        )
    if mode == "delete":
        return body, mode, "profile" in named
    value = named["resource"].get("resource")
    if not isinstance(value, dict):
        raise refuse(
            "parameter-missing", "The parameter called resource holds none.", expression="Parameters.parameter"
        )
    # The judge of bytes asks for types and not for digits, so that it may be given the same values written anew.
    return Document(orjson.dumps(value, default=float), value), mode, "profile" in named
