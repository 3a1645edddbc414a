"""How PostgreSQL reads what is compiled: the searches that have to be quick take the way that is quick."""

import pytest

from records.fhir.search import Statement, warm_up
from tests.records.fhir.search.filling import HALF, Filled


def nodes(filled: Filled, statement: Statement) -> str:
    rows = filled.connection.execute("EXPLAIN (COSTS OFF) " + statement.sql, statement.params, prepare=False).fetchall()
    return "\n".join(row[0] for row in rows)


def a_patient(filled: Filled) -> str:
    return next(place for place in filled.resources if place.startswith("Patient/") and filled.primary[place] == 3)


@pytest.mark.parametrize("more", [[], [("_sort", "-date")], [("date", "ge1990")], [("code", "8302-2")]])
def test_one_patients_records_are_read_in_the_order_of_their_index(
    hospital: Filled, more: list[tuple[str, str]]
) -> None:
    plan = hospital.plan("Observation", [("patient", a_patient(hospital)), *more], permitted=HALF)
    assert plan.page is not None
    found = nodes(hospital, plan.page)
    assert "Index Scan using records_current_timeline" in found
    assert "@>" not in plan.page.sql, "a plan for all values would read everybody's records with the code"
    assert "Sort" not in found
    assert plan.page.prepare


def test_the_next_page_of_one_patients_records_begins_where_the_last_one_ended(hospital: Filled) -> None:
    params = [("patient", a_patient(hospital)), ("_count", "10")]
    first = hospital.plan("Observation", params)
    assert first.page is not None
    cursor = first.cut(hospital.rows(first.page)).next
    following = hospital.plan("Observation", params, cursor=cursor)
    assert following.page is not None
    found = nodes(hospital, following.page)
    assert "Seq Scan on records_current r" not in found
    assert "sort_date <= " in next(line for line in found.splitlines() if "Index Cond" in line and "sort_date" in line)


@pytest.mark.parametrize(
    ("type_name", "name", "value"),
    [
        ("Practitioner", "identifier", "http://hl7.org/fhir/sid/us-npi|9999966979"),
        ("Observation", "identifier", "urn:nobody|has this"),
        ("Observation", "encounter", "Encounter/nowhere"),
    ],
)
def test_what_is_rare_is_found_by_its_token(hospital: Filled, type_name: str, name: str, value: str) -> None:
    plan = hospital.plan(type_name, [(name, value), ("_count", "1")])
    assert plan.page is not None
    assert not plan.page.prepare
    found = nodes(hospital, plan.page)
    assert "records_current_tokens" in found
    assert "records_current_pkey" not in found


def test_names_are_found_by_their_beginning_in_an_index(hospital: Filled) -> None:
    plan = hospital.plan("Practitioner", [("family", "smith9")])
    assert plan.page is not None
    assert "records_string_value" in nodes(hospital, plan.page)


def test_records_that_are_named_are_read_by_their_key(hospital: Filled) -> None:
    plan = hospital.plan("Patient", [("_id", "mila,smyth")])
    assert plan.page is not None
    assert plan.page.prepare
    assert "records_current_self" in nodes(hospital, plan.page)


def test_no_page_skips_rows_and_nothing_is_counted_unasked(hospital: Filled) -> None:
    for params in (
        [("status", "final")],
        [("patient", "mila"), ("_sort", "-date")],
        [("subject.name", "a"), ("_sort", "code")],
    ):
        plan = hospital.plan("Observation", params)
        assert plan.page is not None
        cursor = plan.cut(hospital.rows(plan.page)).next
        following = hospital.plan("Observation", params, cursor=cursor) if cursor else plan
        assert following.page is not None
        for statement in (plan.page, following.page):
            assert " offset " not in statement.sql.lower()
            assert "count(" not in statement.sql.lower()
        assert plan.total is None


def test_everything_can_be_compiled_before_it_is_needed() -> None:
    warm_up()
