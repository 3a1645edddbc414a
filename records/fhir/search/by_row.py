"""Parameters that are found by rows: strings, dates, numbers and quantities; and by the columns of dates."""

from collections.abc import Callable, Iterable
from typing import Final

from .clinical_dates import clinical_date_slot
from .comparisons import date_condition, moment_condition, number_condition, searched, searched_date
from .criterion import Criterion
from .hashing import coding_hash
from .numbers import UCUM
from .request import split
from .statement import either
from .strings import MAX_INDEXED, normalised

# records_string is indexed by so many characters of a value.
_INDEXED_START: Final = 128
_INTEGERS: Final = frozenset({"integer", "positiveInt", "unsignedInt"})


def string(criterion: Criterion, values: list[str]) -> None:
    _strings(criterion, values, _starts_with)


def contains(criterion: Criterion, values: list[str]) -> None:
    _strings(criterion, values, lambda c, alias, text: f"position({c.draft.bind(text, 'text')} in {alias}.value) > 0")


def _strings(criterion: Criterion, values: list[str], condition: Callable[[Criterion, str, str], str]) -> None:
    alias = criterion.draft.alias("s")
    wanted = []
    for value in values:
        text = normalised(criterion.plain(value))
        if not text or len(value) > MAX_INDEXED:
            raise criterion.invalid(f"A string to search for has 1 to {MAX_INDEXED} characters that are not spaces.")
        wanted.append(condition(criterion, alias, text))
    criterion.add(criterion.rows("records_string", alias, criterion.parameter.slots, either(wanted)))


def _starts_with(criterion: Criterion, alias: str, text: str) -> str:
    """A range, which an index in the order of code points serves whatever the plan knows of the value."""
    draft, start = criterion.draft, text[:_INDEXED_START]
    column = f"left({alias}.value, {_INDEXED_START})"
    condition = f"{column} >= {draft.bind(start, 'text')}"
    after = next_text(start)
    if after:
        condition += f" AND {column} < {draft.bind(after, 'text')}"
    if len(text) > _INDEXED_START:
        condition += f" AND starts_with({alias}.value, {draft.bind(text, 'text')})"
    return f"({condition})"


def next_text(text: str) -> str | None:
    """The first text after all that start with this one, by code points; None after the very last character."""
    while text:
        last = ord(text[-1])
        if last < 0x10FFFF:
            return text[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        text = text[:-1]
    return None


def date(criterion: Criterion, values: list[str]) -> None:
    wanted = [searched_date(criterion.plain(v), criterion.name, criterion.asked.zone) for v in values]

    def matches(low: str, high: str) -> str:
        return either(
            date_condition(criterion.draft, low, high, prefix, one, criterion.asked.now) for prefix, one in wanted
        )

    slots = criterion.parameter.slots
    in_columns = clinical_date_slot(criterion.types[0]) if len(criterion.types) == 1 else None
    found = []
    if in_columns in slots:
        found.append(matches(f"{criterion.where.alias}.sort_date", f"{criterion.where.alias}.period_end"))
    in_rows = [slot for slot in slots if slot != in_columns]
    if in_rows:
        alias = criterion.draft.alias("d")
        condition = matches(f"{alias}.low", f"{alias}.high")
        found.append(criterion.rows("records_date", alias, in_rows, condition))
    criterion.add(either(found))


def last_updated(criterion: Criterion, values: list[str]) -> None:
    column = f"{criterion.where.alias}.stored_at"
    wanted = [searched_date(criterion.plain(v), criterion.name, criterion.asked.zone) for v in values]
    criterion.add(
        either(moment_condition(criterion.draft, column, prefix, one, criterion.asked.now) for prefix, one in wanted)
    )


def number(criterion: Criterion, values: list[str]) -> None:
    alias = criterion.draft.alias("n")
    integers = all(b.fhir_type in _INTEGERS for leaf in criterion.parameter.leaves for b in leaf.branches)
    wanted = []
    for value in values:
        prefix, one = searched(criterion.plain(value), criterion.name)
        wanted.append(
            number_condition(criterion.draft, f"{alias}.low", f"{alias}.high", prefix, one, integers=integers)
        )
    criterion.add(criterion.rows("records_quantity", alias, criterion.parameter.slots, either(wanted)))


def quantity(criterion: Criterion, values: list[str]) -> None:
    criterion.add(quantity_rows(criterion, criterion.parameter.slots, values))


def quantity_rows(criterion: Criterion, slots: Iterable[int], values: list[str], code: int | None = None) -> str:
    """That there is a row of a quantity with one of these values, and with this code if it is a composite's."""
    alias = criterion.draft.alias("n")
    condition = either(_quantity_condition(criterion, alias, value) for value in values)
    if code is not None:
        condition = f"{alias}.code = {criterion.draft.bind(code, 'bigint')} AND {condition}"
    return criterion.rows("records_quantity", alias, slots, condition)


def _quantity_condition(criterion: Criterion, alias: str, value: str) -> str:
    parts = [criterion.plain(part) for part in split(value, "|")]
    if len(parts) not in (1, 3):
        raise criterion.invalid("A quantity is written number, number|system|code or number||unit.")
    prefix, one = searched(parts[0], criterion.name)
    condition = number_condition(criterion.draft, f"{alias}.low", f"{alias}.high", prefix, one)
    if len(parts) == 1 or parts[1:] == ["", ""]:
        return condition
    _, system, code = parts
    if not code:
        raise criterion.invalid(
            "A quantity with the system of its unit also needs the unit's code: number|system|code."
        )
    units = [coding_hash(system, code)] if system else [coding_hash("", code), coding_hash(UCUM, code)]
    return f"({condition} AND {alias}.unit = ANY({criterion.draft.bind(units, 'bigint[]')}))"
