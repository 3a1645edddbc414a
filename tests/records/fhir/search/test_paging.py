"""Pages follow one another, whatever is written between them; and a cursor serves only who was given it."""

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from records.fhir.search import Paging, SearchError, compile_search
from records.fhir.search.cursor import Position, open_cursor, seal, search_digest
from tests.records.fhir.search.filling import EVERYTHING, HALF, KEY, NOW, ZONE, Filled
from tests.records.fhir.search.made import observation

ALICE = Paging(KEY, "person:1")
DIGEST = search_digest("Patient", [("name", "a")])
PLACE = Position(
    12, datetime(2024, 1, 1, tzinfo=UTC), ("é", None, Decimal("1.50"), datetime(1970, 1, 2, tzinfo=UTC)), 7
)


def series(count: int, **members: Any) -> list[dict[str, Any]]:
    """Observations of successive days, whose codes and ids are in the same order."""
    return [
        observation(f"day-{n:03}", f"c{n:03}", effectiveDateTime=f"2020-01-{n + 1:02}T08:00:00Z", **members)
        for n in range(count)
    ]


ORDERS = [
    "",
    "date",
    "-date",
    "_lastUpdated",
    "-_lastUpdated",
    "_id",
    "-_id",
    "code",
    "-code",
    "status,-date",
    "-value-string,date",
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", ["1", "4", "20", "1000"])
def test_pages_together_are_the_whole_in_order(clinic: Filled, order: str, count: str) -> None:
    clinic.add(series(15))
    params = [("status", "final"), *([("_sort", order)] if order else [])]
    whole = next(clinic.pages("Observation", [*params, ("_count", "1000")]))
    assert clinic.found("Observation", [*params, ("_count", count)]) == whole
    assert len(whole) == len(set(whole)) == sum(p.startswith("Observation/") for p in clinic.resources)


STABLE = ["", "date", "-date", "_lastUpdated", "-_lastUpdated", "_id", "-_id", "_lastUpdated,-date", "-date,_id"]


@pytest.mark.parametrize("patient", [True, False])
@pytest.mark.parametrize("order", STABLE)
def test_nothing_is_met_twice_or_missed_while_others_write(clinic: Filled, order: str, patient: bool) -> None:
    clinic.add(series(20))
    params = [("patient", "mila")] if patient else [("code", ",".join(f"c{n:03}" for n in range(20)) + ",new")]
    params += [("_count", "5"), *([("_sort", order)] if order else [])]
    before = clinic.found("Observation", params)
    pages = clinic.pages("Observation", params)
    met = [*next(pages), *next(pages)]
    waiting = [place for place in before if place not in met]
    # One that was met and one that waits go to the other end; one changes in place; one is new; one goes.
    for place, date in (
        (met[3], "2031-01-01"),
        (met[4], "1931-01-01"),
        (waiting[0], "2031-01-01"),
        (waiting[1], "1931-01-01"),
    ):
        clinic.update(clinic.resources[place] | {"effectiveDateTime": date})
    clinic.update(clinic.resources[waiting[2]] | {"note": [{"text": "seen"}]})
    clinic.update(clinic.resources[waiting[2]] | {"note": [{"text": "seen again"}]})
    clinic.add([observation("new", "new", effectiveDateTime="2020-01-05"), observation("new2", "new")], analyze=False)
    clinic.delete(waiting[3])
    met += [place for page in pages for place in page]
    assert met == [place for place in before if place != waiting[3]]


@pytest.mark.parametrize("order", ["code", "-code", "value-string", "-value-string,date"])
def test_an_update_that_leaves_the_sorted_value_alone_keeps_a_record_in_its_place(clinic: Filled, order: str) -> None:
    clinic.add(series(20, valueString="same"))
    params = [("patient", "mila"), ("_count", "5"), ("_sort", order)]
    before = clinic.found("Observation", params)
    pages = clinic.pages("Observation", params)
    met = next(pages)
    for place in (met[0], before[7], before[-1]):
        clinic.update(clinic.resources[place] | {"note": [{"text": "seen"}]})
    clinic.add([observation("new", "c003")], analyze=False)
    assert [*met, *(place for page in pages for place in page)] == before


def test_a_record_that_stops_to_match_is_not_met(clinic: Filled) -> None:
    clinic.add(series(10))
    pages = clinic.pages("Observation", [("patient", "mila"), ("status", "final"), ("_count", "5")])
    met = next(pages)
    gone = "Observation/day-001"
    assert gone not in met
    clinic.update(clinic.resources[gone] | {"status": "amended"})
    assert gone not in [place for page in pages for place in page]


def test_a_record_that_was_deleted_before_and_comes_back_after_is_not_met(clinic: Filled) -> None:
    clinic.add(series(10))
    back = clinic.resources["Observation/day-001"]
    clinic.delete("Observation/day-001")
    pages = clinic.pages("Observation", [("patient", "mila"), ("_count", "5")])
    met = next(pages)
    clinic.update(back)
    met += [place for page in pages for place in page]
    assert "Observation/day-001" not in met


@pytest.mark.parametrize("order", ["-date", "_lastUpdated", "-_lastUpdated"])
def test_records_stored_by_a_clock_that_is_ahead_are_met(clinic: Filled, order: str) -> None:
    clinic.add(series(10))
    ahead = "UPDATE records_current SET stored_at = clock_timestamp() + interval '1 minute' WHERE id LIKE 'day-00%'"
    clinic.connection.execute(ahead)
    params = [("patient", "mila"), ("_sort", order), ("_count", "3")]
    assert clinic.found("Observation", params) == clinic.found("Observation", [*params[:2], ("_count", "500")])


def test_a_record_that_may_no_longer_be_read_is_not_met(clinic: Filled) -> None:
    clinic.add(series(10))
    first = clinic.plan("Observation", [("_count", "3")])
    assert first.page is not None
    cursor = first.cut(clinic.rows(first.page)).next
    following = clinic.plan("Observation", [("_count", "3")], permitted=HALF, cursor=cursor)
    assert following.page is not None
    visible = clinic.visible(HALF)
    assert all(clinic.place(row) in visible for row in following.cut(clinic.rows(following.page)).rows)


def test_the_rows_of_a_page_are_one_more_than_asked_for_only_for_the_cursor(clinic: Filled) -> None:
    clinic.add(series(4))
    plan = clinic.plan("Observation", [("code:not", "nothing"), ("_count", "4")])
    assert plan.page is not None
    rows = clinic.rows(plan.page)
    page = plan.cut(rows)
    assert (len(rows), len(page.rows)) == (5, 4)
    assert page.next is not None
    last = clinic.plan("Observation", [("patient", "nobody")])
    assert last.page is not None
    assert last.cut(clinic.rows(last.page)).next is None


def test_without_paging_there_is_one_page(clinic: Filled) -> None:
    plan = compile_search("Observation", [("_count", "2")], permitted=EVERYTHING, lenient=False, zone=ZONE, now=NOW)
    assert plan.page is not None
    page = plan.cut(clinic.rows(plan.page))
    assert (len(page.rows), page.next) == (2, None)


def test_a_place_comes_out_of_its_cursor_as_it_went_in() -> None:
    assert open_cursor(seal(PLACE, paging=ALICE, digest=DIGEST), paging=ALICE, digest=DIGEST) == PLACE


def test_two_cursors_of_one_place_look_different_and_tell_nothing() -> None:
    first, second = seal(PLACE, paging=ALICE, digest=DIGEST), seal(PLACE, paging=ALICE, digest=DIGEST)
    assert first != second
    assert len(first) == len(second)
    assert b"1970" not in base64.urlsafe_b64decode(first + "==")


@pytest.mark.parametrize(
    ("paging", "digest"),
    [
        (Paging(KEY, "person:2"), DIGEST),
        (Paging(KEY[:-1] + b"?", "person:1"), DIGEST),
        (ALICE, search_digest("Patient", [("name", "b")])),
        (ALICE, search_digest("Person", [("name", "a")])),
        (ALICE, search_digest("Patient", [("name", "a"), ("_count", "1")])),
        (ALICE, search_digest(None, [("name", "a")])),
    ],
)
def test_the_cursor_of_another_asker_node_or_search_is_refused(paging: Paging, digest: bytes) -> None:
    with pytest.raises(SearchError) as refused:
        open_cursor(seal(PLACE, paging=ALICE, digest=DIGEST), paging=paging, digest=digest)
    assert refused.value.code == "search-cursor-invalid"


def test_a_cursor_with_any_byte_changed_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(seal(PLACE, paging=ALICE, digest=DIGEST) + "=="))
    for place in range(len(raw)):
        changed = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        with pytest.raises(SearchError):
            open_cursor(base64.urlsafe_b64encode(changed).decode().rstrip("="), paging=ALICE, digest=DIGEST)


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 20_000, "====", "..", "a b", "\x00", "AAAA" * 10])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(SearchError) as refused:
        open_cursor(text, paging=ALICE, digest=DIGEST)
    assert refused.value.code == "search-cursor-invalid"


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Paging(b"short", "person:1")
    assert "short" not in repr(Paging(b"short" * 10, "person:1"))


def test_a_cursor_of_mallory_is_not_one_of_alice(clinic: Filled) -> None:
    plan = clinic.plan("Observation", [("_count", "2")], asker="mallory")
    assert plan.page is not None
    cursor = plan.cut(clinic.rows(plan.page)).next
    assert cursor
    with pytest.raises(SearchError):
        clinic.plan("Observation", [("_count", "2")], asker="alice", cursor=cursor)
    with pytest.raises(SearchError):
        clinic.plan("Observation", [("_count", "3")], asker="mallory", cursor=cursor)
    assert clinic.plan("Observation", [("_count", "2")], asker="mallory", cursor=cursor).page
