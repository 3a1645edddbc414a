"""Chains and `_has`: conditions on records that refer to one another. Every record on the way is a permitted one."""

from records.fhir import definitions

from .criteria import add_criterion
from .criterion import Asked, find_parameter
from .errors import SearchError, shown
from .parameters import Parameter, parameters, resource_parameters
from .request import MAX_TABLES, MAX_UNION_TYPES, Key, Link, Reverse
from .statement import Draft, Where, in_slots


def add_condition(draft: Draft, where: Where, types: tuple[str, ...], key: Key, value: str, asked: Asked) -> None:
    """Adds the conditions of `key=value`, whatever its chain, on records of these types. Raises SearchError."""
    if draft.tables > MAX_TABLES:
        raise SearchError(
            "search-too-complex",
            key.name,
            "The search follows too many references; name their types, or search in two requests.",
        )
    if not key.steps:
        add_criterion(draft, where, types, key, value, asked)
        return
    step, rest = key.steps[0], Key(key.name, key.steps[1:], key.code, key.modifier)
    if len(types) != 1:
        raise SearchError(
            "search-chain-unsupported",
            key.name,
            "Chains and _has need a search of one type, such as /Observation?patient.name=...",
        )
    if isinstance(step, Reverse):
        _add_reverse(draft, where, types[0], step, rest, value, asked)
    else:
        _add_forward(draft, where, types[0], step, rest, value, asked)


def referring_parameter(type_name: str, code: str, name: str) -> Parameter:
    """The parameter of a type by which a chain or an include goes on to other records. Raises SearchError."""
    if type_name not in definitions.SERVED_TYPES:
        raise SearchError(
            "search-type-unknown", name, f"{shown(type_name)!r} is not a resource type that this node serves."
        )
    parameter = find_parameter((type_name,), code, name)
    if not parameter.local_targets:
        raise SearchError(
            "search-chain-unsupported",
            name,
            f"{parameter.code} of {type_name} does not refer to records, so nothing can follow it.",
        )
    return parameter


def _add_forward(draft: Draft, where: Where, type_name: str, step: Link, rest: Key, value: str, asked: Asked) -> None:
    parameter = referring_parameter(type_name, step.code, rest.name)
    targets = parameter.local_targets
    if step.to_type is not None:
        if step.to_type not in targets:
            raise SearchError(
                "search-chain-unsupported",
                rest.name,
                f"{step.code} of {type_name} never refers to {shown(step.to_type)}; it refers to "
                f"{', '.join(targets[:8])}.",
            )
        targets = (step.to_type,)
    if not rest.steps and rest.code in resource_parameters() and len(targets) > 1:
        where.clauses.append(_forward(draft, where.alias, parameter, targets, rest, value, asked))
        return
    following = [target for target in targets if _understands(target, rest)]
    if not following:
        first = rest.steps[0].code if rest.steps and isinstance(rest.steps[0], Link) else rest.code
        raise SearchError(
            "search-parameter-unknown",
            rest.name,
            f"No type that {step.code} of {type_name} refers to has a search parameter {shown(first)!r}.",
        )
    if len(following) > MAX_UNION_TYPES:
        raise SearchError(
            "search-chain-ambiguous",
            rest.name,
            f"{step.code} may refer to {len(following)} types; name the one you mean, as in "
            f"{step.code}:{following[0]}.{rest.code}.",
        )
    if len(following) == 1:
        where.clauses.append(_forward(draft, where.alias, parameter, tuple(following), rest, value, asked))
        return
    # One relation for all types, because the planner turns IN over a union around and an OR of EXISTS it does not.
    union = " UNION ALL ".join(_sources(draft, parameter, target, rest, value, asked) for target in following)
    where.clauses.append(f"{where.alias}.rid IN ({union})")


def _understands(target: str, rest: Key) -> bool:
    if not rest.steps:
        return rest.code in parameters(target)
    step = rest.steps[0]
    if isinstance(step, Reverse):
        parameter = parameters(step.from_type).get(step.code) if step.from_type in definitions.SERVED_TYPES else None
        return parameter is None or target in parameter.local_targets
    return step.code in parameters(target)


def _target_where(draft: Draft, types: tuple[str, ...], rest: Key, value: str, asked: Asked) -> Where:
    alias = draft.alias("c")
    where = Where(alias, type_condition(alias, types))
    add_condition(draft, where, types, rest, value, asked)
    return where


def _forward(
    draft: Draft,
    alias: str,
    parameter: Parameter,
    types: tuple[str, ...],
    rest: Key,
    value: str,
    asked: Asked,
) -> str:
    target = _target_where(draft, types, rest, value, asked)
    ref = draft.alias("r")
    return (
        f"EXISTS (SELECT FROM records_reference AS {ref}"
        f" JOIN {draft.records(target.alias)} ON {target.alias}.self = {ref}.target"
        f" WHERE {ref}.source = {alias}.rid AND {in_slots(ref + '.slot', parameter.slots)}"
        f" AND {target_type_condition(ref, types)} AND {target.sql(draft)})"
    )


def _sources(draft: Draft, parameter: Parameter, target_type: str, rest: Key, value: str, asked: Asked) -> str:
    target = _target_where(draft, (target_type,), rest, value, asked)
    ref, source = draft.alias("r"), draft.alias("c")
    return (
        f"SELECT {ref}.source FROM records_reference AS {ref}"
        f" JOIN {draft.records(source)} ON {ref}.source = {source}.rid"
        f" JOIN {draft.records(target.alias)} ON {target.alias}.self = {ref}.target"
        f" WHERE {in_slots(ref + '.slot', parameter.slots)}"
        f" AND {target_type_condition(ref, (target_type,))} AND {target.sql(draft)}"
    )


def _add_reverse(
    draft: Draft, where: Where, type_name: str, step: Reverse, rest: Key, value: str, asked: Asked
) -> None:
    parameter = referring_parameter(step.from_type, step.code, rest.name)
    if type_name not in parameter.local_targets:
        raise SearchError(
            "search-chain-unsupported",
            rest.name,
            f"{step.code} of {step.from_type} never refers to {type_name}.",
        )
    source_alias = draft.alias("c")
    source = Where(source_alias, type_condition(source_alias, (step.from_type,)))
    add_condition(draft, source, (step.from_type,), rest, value, asked)
    ref = draft.alias("r")
    where.clauses.append(
        f"EXISTS (SELECT FROM records_reference AS {ref}"
        f" JOIN {draft.records(source.alias)} ON {ref}.source = {source.alias}.rid"
        f" WHERE {ref}.target = {where.alias}.self AND {in_slots(ref + '.slot', parameter.slots)}"
        f" AND {target_type_condition(ref, (type_name,))} AND {source.sql(draft)})"
    )


def type_condition(alias: str, types: tuple[str, ...]) -> str:
    """Types are numbers of our own and stand in the SQL, where the planner's statistics see them."""
    return _numbers(f"{alias}.type", types)


def target_type_condition(alias: str, types: tuple[str, ...]) -> str:
    return _numbers(f"{alias}.target_type", types)


def _numbers(column: str, types: tuple[str, ...]) -> str:
    numbers = sorted(definitions.TYPE_NUMBERS[name] for name in types)
    if len(numbers) == 1:
        return f"{column} = {numbers[0]}::smallint"
    return f"{column} = ANY('{{{','.join(map(str, numbers))}}}'::smallint[])"
