"""The second opinion: fhir.resources' R4B models on the exact bytes.

R4B is R4 with a few types changed, and the models lack a few members that R4 has (Extension.valueMeta, the
extensions of Extension.valueString). Which members there are and must be is therefore the walk's to judge,
from R4's own definitions; the model is heard on values.
"""

import functools
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ..definitions import SERVED_TYPES
from ..outcome import Issue

REWRITTEN_IN_R4B: Final = frozenset({"Evidence", "EvidenceVariable"})
"""Types whose R4B model is another design; the walk alone judges them."""

_JUDGED_BY_THE_WALK: Final = frozenset({"extra_forbidden", "missing"})
# Said of a required choice that has only extensions (data-absent-reason), which R4 allows.
_CHOICE_WITHOUT_VALUE: Final = "Value error, Expect any of field value from this list"


@functools.cache
def model(kind: str) -> type[BaseModel]:
    """The model class of a served type."""
    from fhir.resources.R4B import get_fhir_model_class

    found: type[BaseModel] = get_fhir_model_class(kind)
    return found


def objections(kind: str, data: bytes) -> list[Issue]:
    """What the model says against `data`, which the walk has accepted; information when it falls over its
    own feet.
    """
    if kind not in SERVED_TYPES or kind in REWRITTEN_IN_R4B:
        return []
    try:
        model(kind).model_validate_json(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [_issue(kind, e) for e in found if _counts(e)]
    except Exception as error:  # noqa: BLE001 - valid resources break it (extensions of a required, repeating primitive)
        said = f"The model of fhir.resources could not judge this: {type(error).__name__}. R4's own rules accept it."
        return [Issue("information", "incomplete", "model-not-judged", kind, said)]
    return []


def _counts(error: Any) -> bool:
    return error["type"] not in _JUDGED_BY_THE_WALK and not error["msg"].startswith(_CHOICE_WITHOUT_VALUE)


def _issue(kind: str, error: Any) -> Issue:
    steps = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in error["loc"])
    return Issue("error", "structure", f"model-{error['type'].replace('_', '-')}", kind + steps, f"{error['msg']}.")
