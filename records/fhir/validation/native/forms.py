"""Invariants of questionnaires, their responses and Parameters, which have items by the thousand."""

from collections.abc import Iterator
from typing import Any, Final

from .members import Element, Holds, Rules, distinct, has, has_choice, items, not_both, objects

_WITH_LENGTH: Final = frozenset(("boolean", "decimal", "integer", "string", "text", "url", "open-choice"))
_WITH_OPTIONS: Final = frozenset(
    ("choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity")
)


def _link_ids(element: Element) -> Iterator[Any]:
    open_: list[Element] = list(objects(element, "item"))
    while open_:
        item = open_.pop()
        yield item.get("linkId")
        open_.extend(objects(item, "item"))


def _link_ids_distinct(element: Element, resource: Element) -> bool:
    return distinct(i for i in _link_ids(element) if isinstance(i, str))


def _has_items_as_its_type_says(element: Element, resource: Element) -> bool:
    kind = element.get("type")
    return (kind != "group" or has(element, "item")) and (kind != "display" or not has(element, "item"))


def _may_have_options(element: Element, resource: Element) -> bool:
    options = has(element, "answerValueSet") or has(element, "answerOption")
    return not options or element.get("type") in _WITH_OPTIONS


def _joins_conditions(element: Element, resource: Element) -> bool:
    return len(items(element, "enableWhen")) <= 2 or has(element, "enableBehavior")


def _repeats_for_values(element: Element, resource: Element) -> bool:
    return element.get("repeats") is True or len(items(element, "initial")) <= 1


def _parameter_has_one_content(element: Element, resource: Element) -> bool:
    contents = (has(element, "part"), has_choice(element, "value"), has(element, "resource"))
    return sum(contents) == 1


def _display_without(*names: str) -> Holds:
    return lambda element, resource: element.get("type") != "display" or not any(has(element, n) for n in names)


RULES: Final[Rules] = {
    ("Parameters.parameter", "inv-1"): _parameter_has_one_content,
    ("Questionnaire", "que-2"): _link_ids_distinct,
    ("Questionnaire.item", "que-1"): _has_items_as_its_type_says,
    ("Questionnaire.item", "que-10"): lambda e, r: not has(e, "maxLength") or e.get("type") in _WITH_LENGTH,
    ("Questionnaire.item", "que-11"): not_both("answerOption", "initial"),
    ("Questionnaire.item", "que-12"): _joins_conditions,
    ("Questionnaire.item", "que-13"): _repeats_for_values,
    ("Questionnaire.item", "que-3"): _display_without("code"),
    ("Questionnaire.item", "que-4"): not_both("answerOption", "answerValueSet"),
    ("Questionnaire.item", "que-5"): _may_have_options,
    ("Questionnaire.item", "que-6"): _display_without("required", "repeats"),
    ("Questionnaire.item", "que-8"): lambda e, r: e.get("type") not in ("group", "display") or not has(e, "initial"),
    ("Questionnaire.item", "que-9"): _display_without("readOnly"),
    ("Questionnaire.item.enableWhen", "que-7"): lambda e, r: e.get("operator") != "exists" or has(e, "answerBoolean"),
    ("QuestionnaireResponse.item", "qrs-1"): not_both("answer", "item"),
}
