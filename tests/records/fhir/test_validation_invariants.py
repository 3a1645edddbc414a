"""Every invariant of R4 is judged by somebody, and judges that can be compared agree."""

import copy
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from records.fhir import definitions, jsontext
from records.fhir.definitions import Invariant, elements, structure, structure_names
from records.fhir.outcome import FhirRefusal
from records.fhir.validation import model, validate
from records.fhir.validation.invariants import ELSEWHERE, EXCLUDED, FhirPath, rule
from records.fhir.validation.native import NATIVE
from records.fhir.validation.native.times import not_after
from records.fhir.validation.walker import Walk
from tests.records.fhir.instances import Maker, written


def _invariants() -> dict[tuple[str, str], Invariant]:
    found = {}
    for name in structure_names():
        for invariant in (*structure(name).invariants, *(i for e in structure(name).elements for i in e.invariants)):
            found[invariant.path, invariant.key] = invariant
    return found


INVARIANTS = _invariants()

# fhirpathpy knows no hasValue(), and stops where partial dates or absent strings meet.
NOT_COMPARABLE = {
    ("Age", "age-1"): "hasValue",
    ("Bundle", "bdl-10"): "hasValue",
    ("Count", "cnt-3"): "hasValue",
    ("Period", "per-1"): "hasValue",
    ("Condition", "con-3"): "its FHIRPath compares a concept with a string",
    ("Consent", "ppc-2"): "its FHIRPath names the system 'something'",
    ("Consent", "ppc-3"): "its FHIRPath names the system 'something'",
    ("Consent", "ppc-4"): "its FHIRPath names the system 'something'",
    ("Consent", "ppc-5"): "its FHIRPath names the system 'something'",
    ("MedicationDispense", "mdd-1"): "partial dates",
    **{where: "only its XPath allows for no name" for where in INVARIANTS if where[1].endswith("-0")},
    ("Questionnaire.item.enableWhen", "que-7"): "fhirpathpy takes the type of the value false for false",
    ("Task", "inv-1"): "partial dates",
}


def test_the_tables_name_only_invariants_of_r4():
    assert (NATIVE.keys() | EXCLUDED.keys() | ELSEWHERE.keys()) <= INVARIANTS.keys()
    assert not NATIVE.keys() & (EXCLUDED.keys() | ELSEWHERE.keys())


def test_what_nobody_judges_is_this_list_and_no_more():
    unjudged = {where for where, invariant in INVARIANTS.items() if rule(invariant) is None} - ELSEWHERE.keys()
    assert unjudged == {("CareTeam.participant", "ctm-1"), ("ElementDefinition", "eld-11")} == EXCLUDED.keys()


def test_what_the_other_judges_do_is_tested_in_the_vectors():
    assert set(ELSEWHERE) == {
        ("DomainResource", "dom-2"),
        ("DomainResource", "dom-3"),
        ("DomainResource", "dom-4"),
        ("DomainResource", "dom-5"),
        ("DomainResource", "dom-6"),
        ("Element", "ele-1"),
        ("Narrative.div", "txt-1"),
        ("Narrative.div", "txt-2"),
        ("Reference", "ref-1"),
    }


def _contexts(value: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every element below a resource with the path that its type's invariants are stated on."""
    yield name, value
    for key, item in value.items():
        element = elements(name).get(key)
        kind = element.json_names()[key] if element else None
        if element is None or kind is None or kind.code == "Resource":
            continue
        for one in item if isinstance(item, list) else [item]:
            if isinstance(one, dict):
                yield from _contexts(one, element.structure or kind.code)


def test_native_rules_agree_with_fhirpathpy_on_resources_at_random():
    judged = {where: FhirPath(INVARIANTS[where]) for where in NATIVE.keys() - NOT_COMPARABLE.keys()}
    by_path: dict[str, list[tuple[str, str]]] = {}
    for where in judged:
        by_path.setdefault(where[0], []).append(where)
    verdicts: Counter[tuple[str, str, bool]] = Counter()
    for seed, kind in enumerate(sorted(definitions.SERVED_TYPES) * 3):
        resource = jsontext.parse(written(Maker(seed, 0.4, repair=False).resource(kind))).value
        for path, value in _contexts(resource, kind):
            for where in by_path.get(path, ()):
                if verdicts[*where, True] + verdicts[*where, False] > 200:
                    continue
                theirs = judged[where](value, resource, resource)
                if theirs is not None:
                    ours = NATIVE[where](value, resource)
                    assert ours == theirs, (where, value)
                    verdicts[*where, ours] += 1
    assert sum(1 for n in verdicts.values() if n) > 80


@pytest.mark.parametrize("density", [0.1, 0.3, 0.6])
def test_resources_at_random_are_right_in_structure_and_the_model_agrees(density):
    for seed, kind in enumerate(sorted(definitions.SERVED_TYPES)):
        data = written(Maker(seed, density).resource(kind))
        document = jsontext.parse(data)
        walk = Walk(document.value, in_transaction=False, skip_entries=False, advise=True)
        assert [i for i in walk.run() if i.code not in ("invariant", "incomplete")] == []
        assert [i for i in model.objections(kind, data) if i.refuses] == []
        assert written(document.value) == data, "judging changed the values"


def test_every_rule_gives_a_verdict_on_resources_at_random():
    unjudged: Counter[str] = Counter()
    for seed, kind in enumerate(sorted(definitions.SERVED_TYPES) * 2):
        data = written(Maker(seed, 0.4).resource(kind))
        unjudged.update(i.details_code for i in validate(data, advise=True) if i.details_code.endswith("-not-judged"))
    # Only where a primitive has extensions instead of a value, which fhirpathpy stumbles over.
    assert set(unjudged) <= {
        "eld-20-not-judged",
        "sdf-19-not-judged",
        "sdf-20-not-judged",
        "sdf-22-not-judged",
        "sdf-23-not-judged",
        "model-not-judged",
    }


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


HOSTILE: list[Any] = [
    *(None, True, 0, -1, Decimal("1e200"), 1.5, "", " ", "#", "x" * 3000),
    *([], {}, [None], [[]], [{}], ["a", 1, None], {"": ""}, {"_": {}}, {"id": None}),
    *({"resourceType": "Patient"}, {"resourceType": []}, {"reference": ["#"]}),
]
STRANGE_NAMES = ("_", "", "_id", "extension", "contained", "text", "meta", "杏", "_x")


def _spoil(resource: dict[str, Any], random_: random.Random) -> None:
    """Put something wrong somewhere."""
    places = list(_places(resource))
    holder, key = random_.choice(places) if places else (resource, "id")
    if random_.random() < 0.2 and isinstance(holder, dict):
        key = random_.choice(STRANGE_NAMES)
    holder[key] = copy.deepcopy(random_.choice(HOSTILE))


def test_a_resource_with_anything_anywhere_gets_an_answer():
    for seed, kind in enumerate(sorted(definitions.SERVED_TYPES) * 4):
        random_ = random.Random(seed)
        resource = Maker(seed, 0.3).resource(kind)
        for _ in range(random_.choice((1, 1, 3))):
            _spoil(resource, random_)
        try:
            issues = validate(written(resource), advise=True)
        except FhirRefusal as refusal:
            issues = list(refusal.issues)
        assert all(i.details_code and i.diagnostics for i in issues)


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        ("2020", "2020", True),
        ("2020-05", "2020", True),
        ("2020", "2020-05", True),
        ("2021", "2020-05", False),
        ("2020-06", "2020-05-31", False),
        ("2020-05-31", "2020-05-31T00:00:00Z", True),
        ("2020-06-01", "2020-05-31T23:59:59Z", False),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00.001Z", "2020-01-01T00:00:00Z", False),
        ("2020-01-01T08:00:00+08:00", "2020-01-01T00:00:00Z", True),
        ("2020-01-01T08:00:01+08:00", "2020-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.123456789-12:00", True),
        ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", False),
        (None, "2020", True),
        ("not a date at all", "2020-01-01T00:00:00Z", True),
        ("2020-01-01T00:00:00Z.", "2020-01-01T00:00:00+01:00", True),
    ],
)
def test_dates_are_compared_as_far_as_they_say(first, second, holds):
    assert not_after(first, second) is holds
