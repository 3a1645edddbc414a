"""Composites: several values that have to be of the same resource, or of the same element of it."""

from collections.abc import Callable

from .by_row import quantity_rows
from .by_token import implies, reference_texts, token_hashes, token_text
from .comparisons import number_condition, searched
from .criterion import Criterion
from .emit import composite_key
from .hashing import coding_text, value_hash
from .parameters import Component, Composite, Leaf, parameters, row_shape
from .request import split
from .statement import Where, any_of, either

Apply = Callable[[Criterion, list[str]], None]


def composite(criterion: Criterion, values: list[str], apply: Apply) -> None:
    """`apply` adds the conditions of a parameter that is a part."""
    stated = criterion.parameter.composite
    assert stated is not None, "a composite parameter has a composite"
    texts = [_texts(criterion, stated, value) for value in values]
    if len(texts) == 1 and not stated.elements:
        for part, text in zip(stated.parts, texts[0], strict=True):
            apply(criterion.of(part, criterion.where), [text])
        return
    firsts = [_first_keys(criterion, stated, one[0]) for one in texts]
    if all(firsts):
        # Implied by every alternative, so that an index finds the few that are then looked at closely.
        criterion.require(firsts)
    criterion.add(either(_condition(criterion, stated, one, apply) for one in texts))


def _texts(criterion: Criterion, stated: Composite, value: str) -> list[str]:
    texts = split(value, "$")
    wanted = len(stated.parts or stated.components)
    if len(texts) != wanted or not all(texts):
        raise criterion.invalid(f"{criterion.parameter.code} has {wanted} values with $ between them.")
    return texts


def _first_keys(criterion: Criterion, stated: Composite, text: str) -> list[int]:
    """The keys of the first value wherever the composite may have it in the resource; none if a place has no slot."""
    keys = token_hashes(criterion, stated.parts[0].leaves, text) if stated.parts else []
    known = {
        branch.hops: leaf
        for parameter in parameters(criterion.types[0]).values()
        if parameter.kind == "token"
        for leaf in parameter.leaves
        for branch in leaf.branches
    }
    for element in stated.elements:
        for branch in stated.components[0].branches:
            hops = branch.hops if stated.components[0].absolute else (*element.hops, *branch.hops)
            leaf = known.get(hops)
            if leaf is None:
                return []
            keys += token_hashes(criterion, (leaf,), text)
    return keys


def _condition(criterion: Criterion, stated: Composite, texts: list[str], apply: Apply) -> str:
    found = []
    if stated.parts:
        inner = Where(criterion.where.alias, "")
        for part, text in zip(stated.parts, texts, strict=True):
            apply(criterion.of(part, inner), [text])
        found.append(f"({inner.sql(criterion.draft)})")
    if stated.elements:
        found.append(_of_element(criterion, stated, texts))
    return either(found)


def _of_element(criterion: Criterion, stated: Composite, texts: list[str]) -> str:
    firsts = _component_texts(criterion, stated.components[0], texts[0])
    match row_shape(stated):
        case "pair":
            seconds = _component_texts(criterion, stated.components[1], texts[1])
            keys = [value_hash(stated.slot, f"{a}${b}") for a in firsts for b in seconds]
            return any_of(criterion.draft, criterion.where.alias, keys)
        case "code-quantity":
            return either(
                quantity_rows(criterion, (stated.slot,), [texts[1]], composite_key(first)) for first in firsts
            )
        case _:
            return either(_numbers(criterion, stated, first, texts) for first in firsts)


def _numbers(criterion: Criterion, stated: Composite, first: str, texts: list[str]) -> str:
    """The first number is `low` of the row and the second `high`."""
    draft = criterion.draft
    alias = draft.alias("n")
    conditions = [f"{alias}.code = {draft.bind(composite_key(first), 'bigint')}"]
    for column, text in zip((f"{alias}.low", f"{alias}.high"), texts[1:], strict=True):
        prefix, number = searched(criterion.plain(text), criterion.name)
        conditions.append(number_condition(draft, column, column, prefix, number, integers=True))
    return criterion.rows("records_quantity", alias, (stated.slot,), " AND ".join(conditions))


def _component_texts(criterion: Criterion, component: Component, text: str) -> list[str]:
    if component.kind == "reference":
        return [found for _, found in reference_texts(criterion, text, component.targets)]
    wanted, system, code = token_text(criterion, text)
    if implies(Leaf(0, "", component.branches), system, code):
        return [wanted, coding_text("", code)]
    return [wanted]
