"""The order of results, and the place in it where the next page begins.

What a value is of a record that has several: the smallest when ascending, the largest when descending. A record
without a value comes last either way. The row number, which a record keeps for ever, decides between equals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .clinical_dates import clinical_date_slot
from .criterion import find_parameter
from .cursor import Position
from .errors import SearchError, shown
from .parameters import Leaf, Parameter
from .paths import Branch
from .request import MAX_SORT_KEYS
from .statement import Draft, in_slots

# What is compared in the text of a record, by the FHIR type at the end of the path.
_TEXT_MEMBERS: Final = {
    "CodeableConcept": ("coding", "code"),
    "Coding": ("code",),
    "Identifier": ("value",),
    "ContactPoint": ("value",),
    "Reference": ("reference",),
}


@dataclass(frozen=True, slots=True)
class SortKey:
    """One part of an order. `expression`: SQL over the alias of the row. `was`: the same over a row of its history,
    where the history has it, so that a record keeps the place that it had when the paging began."""

    expression: str
    sql_type: str
    descending: bool
    was: str | None
    nullable: bool = True

    @property
    def direction(self) -> str:
        return "DESC NULLS LAST" if self.descending else "ASC NULLS LAST"


def sort_keys(draft: Draft, alias: str, types: tuple[str, ...], value: str, history: str) -> tuple[SortKey, ...]:
    """The keys of `_sort`. `history` is the alias under which an older version's columns can be had. Raises
    SearchError."""
    names = value.split(",")
    if len(names) > MAX_SORT_KEYS:
        raise SearchError("search-too-complex", "_sort", f"_sort has at most {MAX_SORT_KEYS} parameters.")
    return tuple(_sort_key(draft, alias, types, name, history) for name in names)


def timeline(alias: str, history: str) -> SortKey:
    """Newest clinical date first: the order of one patient's records, which their index has."""
    return SortKey(f"{alias}.sort_date", "timestamptz", True, f"{history}.sort_date")


def _sort_key(draft: Draft, alias: str, types: tuple[str, ...], name: str, history: str) -> SortKey:
    descending = name.startswith("-")
    code = name[1:] if descending else name
    parameter = find_parameter(types, code, "_sort")
    if parameter.kind == "id":
        return SortKey(f"{alias}.id", 'text COLLATE "C"', descending, f"{alias}.id", nullable=False)
    if parameter.kind == "last-updated":
        return SortKey(f"{alias}.stored_at", "timestamptz", descending, f"{history}.stored_at", nullable=False)
    if len(types) == 1 and parameter.slots == (clinical_date_slot(types[0]),):
        return SortKey(f"{alias}.sort_date", "timestamptz", descending, f"{history}.sort_date")
    return _row_key(draft, alias, parameter, descending)


def _row_key(draft: Draft, alias: str, parameter: Parameter, descending: bool) -> SortKey:
    low, high = ("low", "low") if parameter.kind == "date" else ("low", "high")
    function, column = ("max", high) if descending else ("min", low)
    row = draft.alias("o")
    match parameter.kind:
        case "string":
            table, value, sql_type = "records_string", f"{row}.value", 'text COLLATE "C"'
        case "date":
            table, value, sql_type = "records_date", f"{row}.{column}", "timestamptz"
        case "number" | "quantity":
            table, value, sql_type = "records_quantity", f"{row}.{column}", "numeric"
        case "token" | "reference" | "uri" if not any(leaf.truth for leaf in parameter.leaves):
            return _text_key(alias, row, parameter, function, descending)
        case _:
            raise SearchError(
                "search-sort-unsupported",
                "_sort",
                f"Results cannot be sorted by {shown(parameter.code)}; sort by a date, string, number or code.",
            )
    expression = (
        f"(SELECT {function}({value}) FROM {table} AS {row} WHERE {row}.source = {alias}.rid"
        f" AND {in_slots(row + '.slot', parameter.slots)})"
    )
    return SortKey(expression, sql_type, descending, None)


def _text_key(alias: str, row: str, parameter: Parameter, function: str, descending: bool) -> SortKey:
    """Codes, references and URIs are stored as hashes, which have no order: their text is read out of the record
    itself."""
    document = f"convert_from({alias}.content, 'UTF8')::jsonb"
    paths = dict.fromkeys(_json_path(leaf, branch) for leaf in parameter.leaves for branch in leaf.branches)
    values = " UNION ALL ".join(f"SELECT jsonb_path_query({document}, '{path}') AS value" for path in paths)
    text = f"({row}.value #>> '{{}}') COLLATE \"C\""
    return SortKey(f"(SELECT {function}({text}) FROM ({values}) AS {row})", 'text COLLATE "C"', descending, None)


def _json_path(leaf: Leaf, branch: Branch) -> str:
    """The branch in SQL/JSON path language, whose lax mode goes through arrays by itself."""
    path = "$"
    for hop in branch.hops:
        path += f'."{hop.name}"'
        if hop.index is not None:
            path += f"[{hop.index}]"
        if hop.where is not None:
            path += f'?(@."{hop.where[0]}" == "{hop.where[1]}")'
    path += "".join(f'."{name}"' for name in _TEXT_MEMBERS.get(branch.fhir_type, ()))
    if leaf.target:
        path += f'?(@ starts with "{leaf.target}/")'
    if "'" in path or "\\" in path or "%" in path:
        raise AssertionError(f"a path of the definitions cannot be written in SQL: {path}")
    return path


def order_by(keys: Sequence[str], directions: Sequence[SortKey], rid: str) -> str:
    """ORDER BY of these expressions, in the directions of the keys, with the row number at the end."""
    parts = [f"{key} {one.direction}" for key, one in zip(keys, directions, strict=True)]
    return "ORDER BY " + ", ".join((*parts, f"{rid} {'DESC' if rid_descends(directions) else 'ASC'}"))


def rid_descends(keys: Sequence[SortKey]) -> bool:
    return bool(keys) and keys[0].descending


def after(draft: Draft, expressions: Sequence[str], keys: Sequence[SortKey], rid: str, position: Position) -> str:
    """The condition that a row comes after the position, in the order of these keys with nulls last.

    Of a first key that is never null an index can serve the beginning, so its bound is stated by itself as well.
    """
    condition = f"{rid} {'<' if rid_descends(keys) else '>'} {draft.bind(position.rid, 'bigint')}"
    for expression, key, value in reversed(tuple(zip(expressions, keys, position.values, strict=True))):
        if value is None:
            condition = f"({expression} IS NULL AND {condition})"
            continue
        bound = draft.bind(value, key.sql_type)
        comparison = "<" if key.descending else ">"
        further = [f"{expression} {comparison} {bound}", f"({expression} = {bound} AND {condition})"]
        if key.nullable:
            further.insert(1, f"{expression} IS NULL")
        condition = "(" + " OR ".join(further) + ")"
        if key is keys[0] and not key.nullable:
            condition = f"({expression} {comparison}= {bound} AND {condition})"
    return condition
