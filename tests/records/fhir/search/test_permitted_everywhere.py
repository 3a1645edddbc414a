"""Nothing but the permitted relation is ever read: proved on the SQL of every parameter of every type."""

import re
from collections.abc import Iterator

import pytest

from records.fhir import definitions
from records.fhir.search import Paging, Permitted, SearchPlan, Statement, compile_search
from records.fhir.search.criteria import modifiers
from records.fhir.search.errors import SearchError
from records.fhir.search.parameters import Parameter, parameters
from tests.records.fhir.search.filling import KEY, NOW, ZONE

MARK = "(SELECT allowed.* FROM records_current allowed WHERE allowed.compartment = %(mine)s)"
PERMITTED = Permitted(MARK, {"mine": 7})
ROWS = r"(?:FROM|JOIN) (records_reference|records_string|records_date|records_quantity) AS (\w+)"
SERVED = sorted(definitions.SERVED_TYPES)


def leaks(statement: Statement) -> list[str]:
    """What a statement reads apart from permitted records; empty if it reads nothing else."""
    found = []
    rest = statement.sql.replace(MARK, "PERMITTED")
    permitted = set(re.findall(r"PERMITTED AS (\w+)", rest))
    rest = rest.replace("FROM records_current_rid_seq)", "FROM THE_SEQUENCE)")
    if "records_current" in rest:
        found.append("the table of records by its name")
    if rest.count("PERMITTED") != len(re.findall(r"(?:FROM|JOIN) PERMITTED AS \w+", rest)):
        found.append("the permitted relation in a place that is not a FROM or JOIN")
    known = {
        "records_reference",
        "records_string",
        "records_date",
        "records_quantity",
        "records_compartment",
        "records_history",
    }
    found += sorted(set(re.findall(r"records_\w+", rest)) - known)
    for table, alias in re.findall(ROWS, rest):
        sources = re.findall(rf"\b{alias}\.source = (\w+)\.rid", rest)
        if not sources or not set(sources) <= permitted:
            found.append(f"{table} AS {alias} without a permitted source")
        if table == "records_reference":
            ends = re.findall(rf"(?:\b(\w+)\.self = {alias}\.target|\b{alias}\.target = (\w+)\.self)", rest)
            targets = {one or other for one, other in ends}
            if not targets or not targets <= permitted:
                found.append(f"{table} AS {alias} without a permitted target")
    for alias in re.findall(r"records_history AS (\w+)", rest):
        if not re.search(rf"\b{alias}\.rid = c\.rid", rest):
            found.append("history of a record that is not a permitted one")
    for alias in re.findall(r"records_compartment AS (\w+)", rest):
        if f"SELECT {alias}.id FROM records_compartment AS {alias} WHERE {alias}.patient_id = " not in rest:
            found.append("compartments for more than the number of a patient")
    if rest.count("FROM records_") + rest.count("JOIN records_") != len(
        re.findall(r"(?:FROM|JOIN) records_\w+ AS", rest)
    ):
        found.append("a table without an alias")
    return found


def plan(type_name: str | None, *params: tuple[str, str], cursor: str | None = None) -> SearchPlan:
    return compile_search(
        type_name,
        params,
        permitted=PERMITTED,
        lenient=False,
        zone=ZONE,
        now=NOW,
        cursor=cursor,
        paging=Paging(KEY, "alice"),
    )


def next_cursor(first: SearchPlan, keys: tuple[object, ...]) -> str:
    """The cursor after a page whose last row had these sort values."""
    row = (5, 1, "x", 1, NOW, 0, b"", *keys, 9, NOW)
    cursor = first.cut([row] * (first.count + 1)).next
    assert cursor is not None
    return cursor


def statements(search: SearchPlan) -> Iterator[Statement]:
    for statement in (search.page, search.total, search.include(0, [1, 2], [1, 2]), search.include(1, [3], [1, 2, 3])):
        if statement is not None:
            yield statement


def values_for(parameter: Parameter) -> list[str]:
    """Values in every form that makes SQL of another shape."""
    texts = {
        "token": ["a", "urn:s|a", "a,b", "urn:s|"],
        "reference": ["Patient/1", "urn:uuid:1"] if "Patient" in parameter.targets else ["urn:uuid:1", "a"],
        "string": ["a", "a,b", "x" * 200],
        "phonetic": ["a b", "a,b"],
        "date": [f"{prefix}2020" for prefix in ("", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")] + ["2020,2021"],
        "number": ["1", "ne1", "gt1,lt0", "ap5"],
        "quantity": ["1", "gt1||mg", "1|urn:s|mg,2"],
        "uri": ["urn:a", "urn:a,urn:b"],
        "id": ["a", "a,b"],
        "last-updated": ["2020", "gt2020,lt2019"],
    }
    if parameter.composite is None:
        return texts[parameter.kind]
    kinds = [part.kind for part in parameter.composite.parts or parameter.composite.components]
    one = "$".join(
        {"reference": "urn:uuid:1", "date": "2020", "number": "1", "quantity": "1"}.get(k, "a") for k in kinds
    )
    return [one, f"{one},{one}"]


@pytest.mark.parametrize("type_name", SERVED)
def test_every_parameter_with_every_modifier_reads_permitted_records_only(type_name: str) -> None:
    for code, parameter in parameters(type_name).items():
        for modifier in ("", *modifiers(parameter.kind)):
            values = ["true", "false"] if modifier == "missing" else values_for(parameter)
            for value in values:
                name = f"{code}:{modifier}" if modifier else code
                search = plan(type_name, (name, value), ("_total", "accurate"))
                assert [leaks(s) for s in statements(search)] == [[], []], name


@pytest.mark.parametrize("type_name", SERVED)
def test_every_chain_and_every_has_reads_permitted_records_only(type_name: str) -> None:
    for code, parameter in parameters(type_name).items():
        for target in parameter.local_targets[:6]:
            forward = plan(type_name, (f"{code}:{target}._id", "1"), ("_total", "accurate"))
            backward = plan(target, (f"_has:{type_name}:{code}:_lastUpdated", "2020"), ("_total", "accurate"))
            assert [leaks(s) for search in (forward, backward) for s in statements(search)] == [[]] * 4


@pytest.mark.parametrize("type_name", SERVED)
def test_every_order_reads_permitted_records_only_on_every_page(type_name: str) -> None:
    for code, parameter in parameters(type_name).items():
        for sign in ("", "-"):
            if parameter.kind in ("composite", "phonetic") or any(leaf.truth for leaf in parameter.leaves):
                with pytest.raises(SearchError, match="cannot be sorted"):
                    plan(type_name, ("_sort", sign + code))
                continue
            first = plan(type_name, ("_sort", sign + code))
            for value in (None, "x" if parameter.kind in ("token", "string", "id") else NOW):
                cursor = next_cursor(first, (value,))
                following = plan(type_name, ("_sort", sign + code), cursor=cursor)
                assert [leaks(s) for s in (*statements(first), *statements(following))] == [[], []]


@pytest.mark.parametrize("type_name", SERVED)
def test_every_include_reads_permitted_records_only(type_name: str) -> None:
    for code, parameter in parameters(type_name).items():
        for target in parameter.local_targets[:3]:
            forward = plan(
                type_name, ("_include", f"{type_name}:{code}:{target}"), ("_include:iterate", f"{type_name}:{code}")
            )
            backward = plan(
                target, ("_revinclude", f"{type_name}:{code}"), ("_revinclude:iterate", f"{type_name}:{code}")
            )
            assert [leaks(s) for search in (forward, backward) for s in statements(search)] == [[]] * 6


@pytest.mark.parametrize(
    "query",
    [
        (("subject.name", "a"),),
        (("subject.name:contains", "a"), ("_sort", "-code,date"), ("_total", "accurate")),
        (("subject:Patient.organization.partof.partof.name", "a"),),
        (("performer.name", "a,b"), ("subject.name", "c")),
        (("patient._has:Encounter:patient:service-provider.name", "a"),),
        (("_has:Provenance:target:agent.name", "a"),),
        (("_has:DiagnosticReport:result:_has:Composition:entry:author:Practitioner.name", "a"),),
        (("patient", "1"), ("_include", "Observation:subject"), ("_revinclude:iterate", "Encounter:patient")),
        (("patient", "1"), ("encounter.participant.name", "a"), ("_sort", "_lastUpdated,-date")),
    ],
)
def test_searches_of_several_steps_read_permitted_records_only(query: tuple[tuple[str, str], ...]) -> None:
    assert [found for s in statements(plan("Observation", *query)) for found in leaks(s)] == []


def test_a_search_over_all_types_reads_permitted_records_only() -> None:
    search = plan(
        None, ("_lastUpdated", "gt2020"), ("_tag", "a"), ("_type", "Patient,Observation"), ("_total", "accurate")
    )
    assert [leaks(s) for s in statements(search)] == [[], []]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM records_current AS c",
        f"SELECT * FROM {MARK} AS c WHERE EXISTS (SELECT FROM records_string AS s1 WHERE s1.slot = 1)",
        f"SELECT * FROM {MARK} AS c WHERE EXISTS (SELECT FROM records_string AS s1 WHERE s1.source = x.rid)",
        f"SELECT * FROM {MARK} AS c WHERE EXISTS (SELECT FROM records_reference AS r1 WHERE r1.source = c.rid)",
        f"SELECT * FROM {MARK} AS c WHERE EXISTS (SELECT FROM records_date WHERE records_date.source = c.rid)",
        f"SELECT * FROM {MARK} AS c, records_history AS h",
        f"SELECT * FROM {MARK} AS c, records_bundle AS b",
        f"SELECT {MARK} FROM {MARK} AS c",
    ],
)
def test_the_proof_sees_a_leak(sql: str) -> None:
    assert leaks(Statement(sql, {}, prepare=False))


def test_names_of_values_never_meet_those_of_the_permitted_relation() -> None:
    permitted = Permitted("(SELECT r.* FROM records_current r WHERE r.compartment = %(q1)s)", {"q1": 7, "qq2": 8})
    found = compile_search(
        "Patient", [("name", "a"), ("gender", "b")], permitted=permitted, lenient=False, zone=ZONE, now=NOW
    ).page
    assert found is not None
    assert found.params["q1"] == 7
    assert set(re.findall(r"%\((\w+)\)s", found.sql)) <= set(found.params)
    assert len(found.params) == 5
