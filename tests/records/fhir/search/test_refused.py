"""What is not answered, and with which code; and that nothing a client sends raises anything else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.fhir.search import CURSOR_PARAMETER, Paging, SearchError, SearchPlan, compile_search
from records.fhir.search.errors import ISSUE_TYPES
from records.fhir.search.parameters import UNSUPPORTED, parameters
from tests.records.fhir.search.filling import EVERYTHING, KEY, NOW, ZONE, Filled


def plan(type_name: str | None, params: list[tuple[str, str]], *, lenient: bool = False, **more: Any) -> SearchPlan:
    return compile_search(
        type_name,
        params,
        permitted=EVERYTHING,
        lenient=lenient,
        zone=ZONE,
        now=NOW,
        paging=Paging(KEY, "mallory"),
        **more,
    )


CODES = {
    "search-parameter-unknown": [
        ("nope", "1"), ("", "1"), ("name", "1"), ("patient.nope", "1"), ("subject.nope", "1"), ("_has:Provenance:target:nope", "1"),
        ("a" * 5000, "1"), ("nope.name", "1"), ("na\x00me", "1"), ("_sort", "nope"), ("_sort", "---a"),
    ],
    "search-parameter-unsupported": [(code, "1") for code in UNSUPPORTED if code != "near"],
    "search-modifier-unsupported": [
        ("code:text", "a"), ("code:in", "a"), ("code:", "a"), ("date:not", "2020"), ("value-string:missing:exact", "a"),
        ("subject:Organization", "1"), ("_lastUpdated:missing", "true"), ("code-value-quantity:missing", "true"),
        ("_id:exact", "1"), ("_include:recurse", "Observation:patient"), ("code:Patient", "1"), ("patient:above", "1"),
    ],
    "search-prefix-unsupported": [("date", "xx2020"), ("value-quantity", "no5"), ("_lastUpdated", "not-a-date")],
    "search-date-invalid": [
        ("date", "0000"), ("date", "2020-13"), ("date", "2020-02-30"), ("date", "99999"), ("date", "20"), ("date", "gt"),
        ("date", "2020-01-01T25:00"), ("date", "2020-01-01,1"), ("_lastUpdated", "1"), ("date", "2" * 1000),
        ("date", "٢٠٢٠"),
    ],
    "search-number-invalid": [
        ("value-quantity", "1e999999999"), ("value-quantity", "9" * 1900), ("value-quantity", "1.2.3"), ("value-quantity", "-"),
        ("value-quantity", "|urn:s|mg"), ("code-value-quantity", "a$1e5000"), ("value-quantity", "1e101"),
    ],
    "search-value-invalid": [
        ("value-quantity", "1|2"), ("value-quantity", "1|urn:s|"), ("value-quantity", "1|a|b|c"), ("code", "|"),
        ("code-value-quantity", "a"), ("code-value-quantity", "a$1$2"), ("code-value-quantity", "$"), ("code", "a\\b"),
        ("code", "a\\"), ("code:missing", "maybe"), ("value-string", "\u0301"), ("value-string", "a" * 501), ("code", "a\x00"),
        ("code", "\ud800"),
    ],
    "search-value-empty": [
        ("code", ""), ("patient", ""), ("code", "a,"), ("code", ","), ("date", " "), ("_id", ""), ("_sort", ""), ("_sort", "-"),
    ],
    "search-reference-invalid": [
        ("patient", "Practitioner/1"), ("patient", "a b"), ("patient", "x" * 65), ("patient", "a,b c"), ("encounter", "Patient/1"),
        ("patient", "🙂"),
    ],
    "search-chain-unsupported": [
        ("code.name", "a"), ("subject:Organization.name", "a"), ("_has:Observation", "a"), ("_has:Encounter:patient:", "a"),
        ("_has::patient:code", "a"), ("_has:Patient:organization:name", "a"), ("date.name", "a"), ("subject:Nope.name", "a"),
        ("_has:Observation:code:status", "final"),
    ],
    "search-type-unknown": [
        ("_has:Nope:patient:code", "a"), ("_has:MedicinalProduct:name:x", "a"), ("_revinclude", "Nope:patient"),
    ],
    "search-sort-unsupported": [("_sort", "code-value-quantity"), ("_sort", "date,-combo-code-value-quantity")],
    "search-include-unsupported": [
        ("_include", "*"), ("_include", "Observation:*"), ("_include", "Observation"), ("_include", "Observation:patient:Device"),
        ("_include", ""), ("_include", "Encounter:patient"), ("_revinclude", "Encounter:patient"), ("_include", "a:b:c:d"),
    ],
    "search-result-parameter-invalid": [
        ("_count", "-1"), ("_count", "x"), ("_count", "1.5"), ("_count", ""), ("_count", "1" * 30), ("_count", "٣"),
        ("_summary", "yes"), ("_total", "all"), ("_elements", "a b"), ("_elements", ""), ("_elements", "a,,b"),
    ],
    "search-too-complex": [
        ("code", ",".join("a" * 10_000)), ("code", "a" * 3000), ("_sort", "date,code,status,_id,category"),
        ("patient.link.link.link.link.link.name", "a"), ("patient." * 200 + "name", "a"),
        ("_has:Observation:patient:" * 8 + "code", "a"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "name", "value"), [(code, name, value) for code, listed in CODES.items() for name, value in listed]
)
def test_a_search_that_cannot_be_answered_says_so_with_a_code(code: str, name: str, value: str) -> None:
    with pytest.raises(SearchError) as refused:
        plan("Observation", [(name, value)])
    assert refused.value.code == code
    assert refused.value.sentence.endswith(".")
    assert refused.value.sentence.isprintable()
    assert len(refused.value.sentence) < 400
    assert len(refused.value.parameter) <= 101
    assert refused.value.issue_type in ("value", "not-supported", "invalid", "too-costly")
    assert refused.value.status == 400


def test_every_code_is_refused_with_somewhere_or_in_a_test_of_its_own() -> None:
    elsewhere = {"search-cursor-invalid", "search-parameter-repeated", "search-chain-ambiguous"}
    assert set(ISSUE_TYPES) == set(CODES) | elsewhere


def test_near_is_refused_for_a_location() -> None:
    with pytest.raises(SearchError) as refused:
        plan("Location", [("near", "1|2")])
    assert refused.value.code == "search-parameter-unsupported"


def test_a_type_that_is_not_served_is_refused() -> None:
    for type_name in ("Nope", "MedicinalProduct", "", "patient"):
        with pytest.raises(SearchError) as refused:
            plan(type_name, [])
        assert refused.value.code == "search-type-unknown"
    with pytest.raises(SearchError):
        plan(None, [("_type", "Patient,Nope")])


def test_a_search_over_all_types_takes_only_parameters_of_every_type() -> None:
    for name in ("code", "patient.name", "_has:Observation:patient:code"):
        with pytest.raises(SearchError) as refused:
            plan(None, [(name, "1")])
        assert refused.value.code in ("search-parameter-unknown", "search-chain-unsupported")


def test_a_chain_that_may_go_to_too_many_types_wants_a_type() -> None:
    with pytest.raises(SearchError) as refused:
        plan("Provenance", [("target.identifier", "a")])
    assert refused.value.code == "search-chain-ambiguous"
    assert plan("Provenance", [("target:Observation.identifier", "a")]).page


def test_chains_that_multiply_are_refused() -> None:
    with pytest.raises(SearchError) as refused:
        plan("Observation", [("performer.name", "a")] * 20)
    assert refused.value.code == "search-too-complex"


def test_what_is_said_once_is_said_once() -> None:
    for name, value in (
        ("_count", "1"),
        ("_sort", "date"),
        ("_summary", "true"),
        ("_elements", "id"),
        ("_total", "none"),
    ):
        with pytest.raises(SearchError) as refused:
            plan("Observation", [(name, value), (name, value)])
        assert refused.value.code == "search-parameter-repeated"


def test_a_flood_of_parameters_is_refused() -> None:
    for params in ([("code", "a")] * 65, [("_include", "Observation:patient")] * 17):
        with pytest.raises(SearchError) as refused:
            plan("Observation", params)
        assert refused.value.code == "search-too-complex"


def test_lenient_handling_passes_over_what_is_unknown_and_nothing_else() -> None:
    found = plan("Observation", [("nope", "1"), ("_text", "a"), ("code", "b"), ("_sort", "nope")], lenient=True)
    assert [(one.name, one.value) for one in found.ignored] == [("nope", "1"), ("_text", "a"), ("_sort", "nope")]
    assert found.applied == (("code", "b"),)
    for name, value in (("date", "never"), ("code:text", "a"), ("patient", ""), ("_count", "x")):
        with pytest.raises(SearchError):
            plan("Observation", [(name, value)], lenient=True)


def test_the_self_link_has_what_was_applied() -> None:
    found = plan(
        "Observation",
        [("code", "a,b"), ("_count", "99999"), ("_sort", "-date"), ("_format", "json"), ("_total", "none")],
    )
    assert found.applied == (
        ("code", "a,b"),
        ("_format", "json"),
        ("_total", "none"),
        ("_count", "1000"),
        ("_sort", "-date"),
    )
    assert found.count == 1000


def test_a_count_of_nothing_counts() -> None:
    for params in ([("_count", "0")], [("_summary", "count")], [("_summary", "count"), ("_total", "none")]):
        found = plan("Observation", params)
        assert found.page is None
        assert found.total is not None
    silent = plan("Observation", [])
    assert silent.total is None
    assert silent.count == 20


NAMES = sorted({code for name in ("Observation", "Patient", "Encounter") for code in parameters(name)})
PIECES = st.sampled_from(
    [*NAMES, "_has", "_sort", "_count", "_include", "_revinclude", "_type", "_elements", CURSOR_PARAMETER, *ISSUE_TYPES,
     "Patient", "Observation", ":", ".", "missing", "exact", "not", "contains", "identifier", "iterate", "Patient/1"]
)  # fmt: skip
BITS = [
    "gt", "ne", "ap", "eb", "2020", "0001", "9999-12-31", "T23:59:60Z", "-14:00", "|", ",", "$", "\\", "\\,", "1", "1e99",
    "-", "true", "http://loinc.org", "8480-6", "Patient/", "mila", "urn:uuid:", "é", "王", "%", "'", '"', "_",
    "\u0000", "\U0010ffff",
]  # fmt: skip
VALUES = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(BITS), max_size=6).map("".join))
ASKED = st.one_of(st.sampled_from(NAMES), st.lists(PIECES, max_size=5).map("".join), st.text(max_size=20))


@settings(max_examples=1500, deadline=None)
@given(
    st.one_of(st.none(), st.sampled_from(["Observation", "Patient", "Encounter", "Nope"])),
    st.lists(st.tuples(ASKED, VALUES), max_size=3),
    st.booleans(),
)
def test_whatever_is_asked_is_compiled_or_refused(
    type_name: str | None, params: list[tuple[str, str]], lenient: bool
) -> None:
    code = None
    try:
        plan(type_name, params, lenient=lenient)
    except SearchError as error:
        code = error.code
    assert code is None or code in ISSUE_TYPES


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["Observation", "Patient", "Encounter"]), st.data())
def test_whatever_is_compiled_runs(hospital: Filled, type_name: str, data: st.DataObject) -> None:
    codes = sorted(parameters(type_name))
    names = st.tuples(
        st.sampled_from(codes), st.sampled_from(["", "", "", ":missing", ":exact", ":contains", ":not"])
    ).map("".join)
    params = data.draw(st.lists(st.tuples(names, VALUES), min_size=1, max_size=2))
    try:
        found = plan(type_name, [*params, ("_count", "3")])
    except SearchError:
        return
    assert found.page is not None
    hospital.rows(found.page)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("birthdate", "gt9999-12-31"),
        ("birthdate", "lt0001"),
        ("birthdate", "ap0001"),
        ("birthdate", "9999-12-31T23:59:60-14:00"),
        ("name", "\U0010ffff"),
        ("name", "\ud7ff"),
        ("name", "%_\\\\"),
        ("name:contains", "%"),
        ("_id", "'; DROP TABLE records_current; --"),
        ("_id", ",".join(f"id-{n}" for n in range(400))),
        ("identifier", ",".join(f"urn:s|{n}" for n in range(500))),
        ("_lastUpdated", "ap9999"),
    ],
)
def test_extreme_values_find_nothing_or_something_and_no_error(hospital: Filled, name: str, value: str) -> None:
    assert hospital.found("Patient", [(name, value)]) is not None


def test_numbers_at_the_limits_are_searched(hospital: Filled) -> None:
    for value in ("1e100", "-1e100", "1e-100", "gt-1e100", "ap1e100", "0", "-0", "1" * 59):
        for params in ([("value-quantity", value)], [("code-value-quantity", f"2339-0${value}")]):
            assert hospital.found("Observation", params) is not None


def test_a_refused_reference_says_what_it_could_be() -> None:
    with pytest.raises(SearchError) as refused:
        plan("Observation", [("subject", "Organization/1")])
    assert "Device, Group, Location, Patient" in refused.value.sentence
