"""Whether a resource is valid R4, and what is wrong where.

Three judges, in order: the strict walk over the parsed values (members, JSON types, primitives, cardinality,
required bindings, references, contained resources, narrative), R4's invariants as part of it, and
fhir.resources' model on the exact bytes. The last is asked only about what the first two accept.
"""

from ..jsontext import Document, parse
from ..outcome import FhirRefusal, Issue, raise_for
from . import model
from .walker import Walk

__all__ = ["FhirRefusal", "Issue", "raise_for", "validate"]


def validate(
    document: Document | bytes,
    *,
    expected_type: str | None = None,
    in_transaction: bool = False,
    skip_entries: bool = False,
    advise: bool = False,
) -> list[Issue]:
    """The findings on one resource; empty when there are none. Bytes that are not strict JSON raise
    FhirRefusal.

    expected_type: the type that the address names. in_transaction: urn:uuid and conditional references stand
    for something the transaction resolves. skip_entries: of a Bundle judge the envelope only; its resources
    are judged one by one. advise: also the warnings of the specification (dom-6, names, con-3), as $validate
    wants them.
    """
    if isinstance(document, bytes):
        document = parse(document)
    kind = document.type
    if expected_type is not None and kind is not None and kind != expected_type:
        return [
            Issue(
                "error",
                "invalid",
                "wrong-resource-type",
                f"{kind}.resourceType",
                f"The address takes {expected_type}, the body is {kind}: send it to the address of its type.",
            )
        ]
    issues = Walk(document.value, in_transaction=in_transaction, skip_entries=skip_entries, advise=advise).run()
    if kind is not None and not skip_entries and not any(i.refuses for i in issues):
        issues += (i for i in model.objections(kind, document.data) if advise or i.refuses)
    return issues
