"""Parameters that are found by hashes in `tokens`: tokens, references, URIs, whole strings, sounds, presence; and
ids."""

from collections.abc import Iterable

from records.fhir import definitions

from .criterion import Criterion
from .emit import identifier_slot, local_reference
from .errors import SearchError, shown
from .hashing import (
    any_code_text,
    any_system_text,
    coding_text,
    exact_hash,
    presence_hash,
    record_key,
    value_hash,
)
from .parameters import Leaf, patient_leaves, primary_patient_slot
from .request import split
from .statement import all_of, either
from .strings import sounds


def token(criterion: Criterion, values: list[str]) -> None:
    leaves = criterion.parameter.leaves
    criterion.require(token_hashes(criterion, leaves, value) for value in values)
    types = {branch.fhir_type for leaf in leaves for branch in leaf.branches}
    # An identifier is nearly unique, unless only its system was asked for.
    if types == {"Identifier"} and all(token_text(criterion, value)[2] for value in values):
        criterion.where.rare = True


def not_token(criterion: Criterion, values: list[str]) -> None:
    """R4: also records that have no value at all."""
    criterion.refuse(key for value in values for key in token_hashes(criterion, criterion.parameter.leaves, value))


def token_text(criterion: Criterion, value: str) -> tuple[str, str, str]:
    """The text that finds the token, with its system (`*`: any) and code."""
    first, *rest = split(value, "|")
    system, code = criterion.plain(first), criterion.plain("|".join(rest))
    if not rest:
        return any_system_text(system), "*", system
    if not code:
        if not system:
            raise criterion.invalid("A bar alone searches for nothing; write system|code, |code, system| or code.")
        return any_code_text(system), system, ""
    return coding_text(system, code), system, code


def token_hashes(criterion: Criterion, leaves: Iterable[Leaf], value: str) -> list[int]:
    """The keys under which a token may be in these leaves."""
    text, system, code = token_text(criterion, value)
    keys = []
    for leaf in leaves:
        keys.append(value_hash(leaf.slot, text))
        if implies(leaf, system, code):
            keys.append(value_hash(leaf.slot, coding_text("", code)))
    return keys


def implies(leaf: Leaf, system: str, code: str) -> bool:
    """Whether a plain code of this element is a code of that system, as its required value set says."""
    for branch in leaf.branches:
        if branch.fhir_type == "code" and branch.binding:
            listed = definitions.codes(branch.binding)
            if listed is not None and code in listed.get(system, ()):
                return True
    return False


def missing(criterion: Criterion, value: str) -> None:
    if value not in ("true", "false"):
        raise criterion.invalid(f":missing is true or false, not {shown(value)!r}.")
    keys = [presence_hash(leaf.slot, leaf.target or "") for leaf in criterion.parameter.leaves]
    if value == "false":
        criterion.require([keys])
    else:
        criterion.refuse(keys)


def reference(criterion: Criterion, values: list[str]) -> None:
    _reference(criterion, values, criterion.parameter.targets)


def reference_to(criterion: Criterion, values: list[str], target: str) -> None:
    """With a resource type as modifier: `subject:Patient=1`."""
    targets = criterion.parameter.targets
    if targets and target not in targets:
        raise SearchError(
            "search-modifier-unsupported",
            criterion.name,
            f"{criterion.parameter.code} never refers to {target}; it refers to {listed(targets)}.",
        )
    _reference(criterion, values, (target,))


def _reference(criterion: Criterion, values: list[str], targets: tuple[str, ...]) -> None:
    texts = [reference_texts(criterion, value, targets) for value in values]
    keys = [
        value_hash(leaf.slot, text)
        for found in texts
        for target, text in found
        for leaf in criterion.parameter.leaves
        if leaf.target in (None, target) or (not target and f"/{leaf.target}/" in text)
    ]
    patient = _primary_patient(criterion, values, targets)
    if patient is None or len(keys) != 1:
        criterion.require([keys])
        # What belongs to a patient is referred to by a few records; an organisation may be by all.
        if all(target and patient_leaves(target) for found in texts for target, _ in found):
            criterion.where.rare = True
        return
    # `patient=X` implies the compartment of X, whose index gives the records in the order of their dates. It is not
    # implied the other way round, so the token stays: as a plain comparison, which draws the planner to no other
    # index.
    draft, alias = criterion.draft, criterion.where.alias
    id_of = f"SELECT k.id FROM records_compartment AS k WHERE k.patient_id = {draft.bind(patient, 'text')}"
    criterion.add(f"{alias}.compartment = ({id_of})")
    criterion.add(f"{draft.bind(keys[0], 'bigint')} = ANY({alias}.tokens)")
    criterion.where.one_compartment = True


def _primary_patient(criterion: Criterion, values: list[str], targets: tuple[str, ...]) -> str | None:
    """The id of the one patient that is searched for, if records of this type are in that patient's compartment
    first."""
    if len(values) != 1 or len(criterion.types) != 1:
        return None
    if criterion.parameter.slots != (primary_patient_slot(criterion.types[0]),):
        return None
    text = criterion.plain(values[0])
    local = local_reference(text, criterion.asked.base_url)
    if local is None and targets == ("Patient",):
        local = local_reference(f"Patient/{text}")
    return local[1] if local and local[0] == "Patient" else None


def reference_texts(criterion: Criterion, value: str, targets: tuple[str, ...]) -> list[tuple[str, str]]:
    """Type ("" for an address) and text of what a value may mean."""
    text = criterion.plain(value)
    local = local_reference(text, criterion.asked.base_url)
    if local is not None:
        if targets and local[0] not in targets:
            raise SearchError(
                "search-reference-invalid",
                criterion.name,
                f"{criterion.parameter.code} never refers to {local[0]}; it refers to {listed(targets)}.",
            )
        return [(local[0], f"{local[0]}/{local[1]}")]
    if ":" in text or "|" in text or "/" in text:
        return [("", text)]
    if local_reference(f"Patient/{text}") is None:
        raise SearchError(
            "search-reference-invalid",
            criterion.name,
            f"{shown(text)!r} is not an id, Type/id or URL of a record.",
        )
    return [(target, f"{target}/{text}") for target in targets or sorted(definitions.SERVED_TYPES)]


def identifier(criterion: Criterion, values: list[str]) -> None:
    """`subject:identifier=system|value`: references that name what they mean by an identifier."""
    slots = [identifier_slot(leaf) for leaf in criterion.parameter.leaves]
    criterion.require([value_hash(slot, token_text(criterion, v)[0]) for slot in slots] for v in values)
    criterion.where.rare = True


def uri(criterion: Criterion, values: list[str]) -> None:
    criterion.require([value_hash(s, criterion.plain(v)) for s in criterion.parameter.slots] for v in values)


def exact(criterion: Criterion, values: list[str]) -> None:
    criterion.require([exact_hash(s, criterion.plain(v)) for s in criterion.parameter.slots] for v in values)


def phonetic(criterion: Criterion, values: list[str]) -> None:
    """Every word of a value sounds like a word of the same slot."""
    wanted = []
    for value in values:
        heard = list(sounds(criterion.plain(value)))
        if not heard:
            raise criterion.invalid("A phonetic search needs at least one word.")
        wanted += [
            all_of(criterion.draft, criterion.where.alias, [value_hash(slot, "~" + one) for one in heard])
            for slot in criterion.parameter.slots
        ]
    criterion.add(either(wanted))


def record_id(criterion: Criterion, values: list[str]) -> None:
    ids = [criterion.plain(value) for value in values]
    keys = [record_key(type_name, one) for type_name in criterion.types for one in ids]
    alias = criterion.where.alias
    criterion.add(f"{alias}.self = ANY({criterion.draft.bind(keys, 'bigint[]')})")
    criterion.add(f"{alias}.id = ANY({criterion.draft.bind(ids, 'text[]')})")
    criterion.where.named = True


def not_record_id(criterion: Criterion, values: list[str]) -> None:
    ids = [criterion.plain(value) for value in values]
    criterion.add(f"{criterion.where.alias}.id <> ALL({criterion.draft.bind(ids, 'text[]')})")


def listed(types: tuple[str, ...]) -> str:
    return ", ".join(types) if len(types) <= 8 else f"{', '.join(types[:8])} and others"
