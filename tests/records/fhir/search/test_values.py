"""Dates, numbers and strings as ranges and keys."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.fhir.search.by_row import next_text
from records.fhir.search.dates import EARLIEST, LATEST, RANGE_READERS, date_range, widened
from records.fhir.search.hashing import code_texts, coding_text, hash64, slot_number, token_hashes
from records.fhir.search.numbers import INFINITY, NUMBER_READERS, QUANTITY_READERS, searched_number
from records.fhir.search.strings import MAX_INDEXED, STRING_READERS, normalised, sounds

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", at(2023, 12, 31, 16), at(2024, 12, 31, 16)),
        ("2024-02", at(2024, 1, 31, 16), at(2024, 2, 29, 16)),
        ("2024-02-29", at(2024, 2, 28, 16), at(2024, 2, 29, 16)),
        ("2024-12", at(2024, 11, 30, 16), at(2024, 12, 31, 16)),
        ("2024-02-29T10:00", at(2024, 2, 29, 2), at(2024, 2, 29, 2, 1)),
        ("2024-02-29T10:00:30", at(2024, 2, 29, 2, 0, 30), at(2024, 2, 29, 2, 0, 31)),
        ("2024-02-29T10:00:30Z", at(2024, 2, 29, 10, 0, 30), at(2024, 2, 29, 10, 0, 31)),
        ("2024-02-29T10:00:30.5-05:00", at(2024, 2, 29, 15, 0, 30, 500_000), at(2024, 2, 29, 15, 0, 30, 600_000)),
        ("2024-02-29T10:00:30.123Z", at(2024, 2, 29, 10, 0, 30, 123_000), at(2024, 2, 29, 10, 0, 30, 124_000)),
        ("2024-02-29T10:00:30.123456789Z", at(2024, 2, 29, 10, 0, 30, 123_456), at(2024, 2, 29, 10, 0, 30, 123_457)),
        ("2016-12-31T23:59:60Z", at(2016, 12, 31, 23, 59, 59), at(2017, 1, 1)),
    ],
)
def test_a_date_is_the_range_that_its_digits_mean(text: str, low: datetime, high: datetime) -> None:
    found = date_range(text, SHANGHAI)
    assert (found.low, found.high) == (low, high)


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    spring, autumn = date_range("2024-03-31", BERLIN), date_range("2024-10-27", BERLIN)
    assert spring.high - spring.low == timedelta(hours=23)
    assert autumn.high - autumn.low == timedelta(hours=25)


@pytest.mark.parametrize(
    "text",
    ["", "0000", "0000-01-01", "24", "2024-13", "2024-02-30", "2024-1-1", "2024-01-01T25:00", "2024-01-01T10",
     "2024-01-01T10:00+15:00", "2024-01-01T10:00+14:30", "2024-01-01T10:61", "２０２４", "2024-01-01T", "99999",
     "2024-01-01T10:00:00.Z", "2024-01-01 10:00", "now", "-2024", "2024-01-01T10:00:00.1234567890Z"],
)  # fmt: skip
def test_what_is_no_date_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        date_range(text, SHANGHAI)


@pytest.mark.parametrize("offset", [-14, 0, 14])
@pytest.mark.parametrize("text", ["0001", "0001-01-01", "0001-01-01T00:00:00Z", "9999", "9999-12", "9999-12-31"])
def test_the_first_and_the_last_year_stay_within_what_a_driver_reads(text: str, offset: int) -> None:
    found = date_range(text, timezone(timedelta(hours=offset)))
    assert EARLIEST <= found.low <= found.high <= LATEST


def test_a_period_without_an_end_goes_on() -> None:
    read = RANGE_READERS["Period"]
    open_end = read({"start": "2020-01-01T00:00:00Z"}, UTC)
    open_start = read({"end": "2020-01-01T00:00:00Z"}, UTC)
    assert open_end is not None
    assert (open_end.low, open_end.high) == (at(2020, 1, 1), LATEST)
    assert open_start is not None
    assert (open_start.low, open_start.high) == (EARLIEST, at(2020, 1, 1, 0, 0, 1))
    assert read({}, UTC) is None
    assert read({"start": "yesterday"}, UTC) is None
    assert read("2020", UTC) is None


def test_a_period_that_ends_before_it_starts_is_found_at_its_start() -> None:
    found = RANGE_READERS["Period"]({"start": "2020", "end": "2019"}, UTC)
    assert found is not None
    assert (found.low, found.high) == (at(2020, 1, 1), at(2021, 1, 1))


def test_a_timing_is_its_outer_limits() -> None:
    read = RANGE_READERS["Timing"]
    timing = {"event": ["2020-05-01", "2020-01-01"], "repeat": {"boundsPeriod": {"end": "2020-06"}}}
    found = read(timing, UTC)
    assert found is not None
    assert (found.low, found.high) == (EARLIEST, at(2020, 7, 1))
    assert read({"event": [1, None], "repeat": "daily"}, UTC) is None


def test_approximately_is_a_tenth_of_the_way_to_now() -> None:
    day = date_range("2020-01-01", UTC)
    wider = widened(day, at(2020, 1, 12))
    assert (wider.low, wider.high) == (at(2019, 12, 31), at(2020, 1, 3))
    assert widened(day, at(2020, 1, 1, 12)) == day
    assert widened(date_range("0001", UTC), at(2024, 1, 1)).low == EARLIEST


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("100", "99.5", "100.5"),
        ("100.00", "99.995", "100.005"),
        ("1e2", "95", "105"),
        ("5.4", "5.35", "5.45"),
        ("5.40e-3", "0.00535", "0.00545"),
        ("-7", "-7.5", "-6.5"),
        ("0", "-0.5", "0.5"),
        ("0e0", "-0.5", "0.5"),
        ("+.5", "0.45", "0.55"),
    ],
)
def test_a_searched_number_has_the_precision_that_its_digits_show(text: str, low: str, high: str) -> None:
    found = searched_number(text)
    assert (found.low, found.high) == (Decimal(low), Decimal(high))


@pytest.mark.parametrize(
    "text", ["", "x", "1e", "1e99999", "1e101", "1e-101", "NaN", "Infinity", "١", "1_0", "1" * 70, "0x1", "--1", "1,5"]
)
def test_what_is_no_number_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        searched_number(text)


def test_a_stored_number_is_exact_whatever_its_digits() -> None:
    read = NUMBER_READERS["decimal"]
    for value in (1, 1.5, Decimal("1.50"), 10**50, Decimal("1e-150"), Decimal("1e150"), Decimal("-1e150"), 0):
        found = read(value)
        assert found is not None
        assert found.low <= Decimal(value) <= found.high
    assert read(float("inf")) is None
    assert read("1") is None
    assert read(True) is None


def test_a_number_of_many_digits_becomes_a_narrow_range_that_an_index_takes() -> None:
    found = NUMBER_READERS["decimal"](Decimal("0." + "123456789" * 100))
    assert found is not None
    assert found.low < found.high
    assert len(str(found.low)) < 60
    enormous = NUMBER_READERS["decimal"](Decimal("1e200"))
    assert enormous is not None
    assert (enormous.low, enormous.high) == (Decimal("1e100"), INFINITY)


def test_a_comparator_opens_a_quantity() -> None:
    read = QUANTITY_READERS["Quantity"]
    below, at_most = read({"value": 5, "comparator": "<"}), read({"value": 5, "comparator": "<="})
    assert below is not None
    assert at_most is not None
    assert below.low == -INFINITY
    assert Decimal("4.999999999") < below.high < 5
    assert (at_most.low, at_most.high) == (-INFINITY, Decimal(5))


def test_a_quantity_is_known_by_its_code_and_by_its_words() -> None:
    read = QUANTITY_READERS["Quantity"]
    ucum = "http://unitsofmeasure.org"
    cases = {
        (("system", ucum), ("code", "mg"), ("unit", "mg")): ((ucum, "mg"),),
        (("system", ucum), ("code", "mg"), ("unit", "milligram")): ((ucum, "mg"), ("", "milligram")),
        (("system", "urn:x"), ("code", "t")): (("urn:x", "t"), ("", "t")),
        (("unit", "tablet"),): (("", "tablet"),),
        (): (),
    }
    for members, units in cases.items():
        found = read({"value": 1, **dict(members)})
        assert found is not None
        assert found.units == units
    assert read({"unit": "mg"}) is None
    assert read("5 mg") is None


def test_samples_reach_from_the_smallest_to_the_largest() -> None:
    read = QUANTITY_READERS["SampledData"]
    found = read({"origin": {"value": 2}, "factor": Decimal("-0.5"), "data": "2 E 4 -2 NaN U x"})
    assert found is not None
    assert (found.low, found.high) == (Decimal(0), Decimal(3))
    assert read({"origin": {}, "data": "1"}) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("  Müller   Lüdenscheidt ", "muller ludenscheidt"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("王小明", "王小明"),
        ("a\u0301", "a"),
        ("", ""),
    ],
)
def test_strings_are_compared_without_accents_case_and_repeated_space(text: str, key: str) -> None:
    assert normalised(text) == key


@given(st.text(max_size=1200))
def test_a_normalised_string_is_short_and_stays_what_it_is(text: str) -> None:
    key = normalised(text)
    assert len(key) <= MAX_INDEXED
    assert normalised(key) == key


def test_names_and_addresses_are_searched_by_their_parts() -> None:
    name = {"family": "F", "given": ["G", None, 3], "use": "official", "period": {"start": "2020"}}
    assert list(STRING_READERS["HumanName"](name)) == ["F", "G"]
    assert list(STRING_READERS["Address"]({"line": ["L"], "city": "C", "use": "home"})) == ["L", "C"]
    assert list(STRING_READERS["string"](5)) == []


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("Robert", "R163"),
        ("Rupert", "R163"),
        ("Ashcraft", "A261"),
        ("Tymczak", "T522"),
        ("Pfister", "P236"),
        ("王", "王"),
    ],
)
def test_words_sound_as_soundex_has_it(word: str, code: str) -> None:
    assert list(sounds(word)) == [code]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), st.text(max_size=3))
def test_all_that_starts_with_a_text_comes_before_the_next_text(start: str, rest: str) -> None:
    after = next_text(start)
    if after is not None and rest.isprintable():
        whole = (start + rest).encode("utf-8", "ignore")
        assert start.encode() <= whole < after.encode()


def test_a_hash_is_a_signed_64_bit_number_that_never_changes() -> None:
    # As b2sum -l 64 has it.
    assert hash64("Patient/1") == 1726183619290008363
    assert hash64("") == -1970711489451281740
    assert slot_number("Observation", "Observation.subject") == -1604624945
    assert all(-(2**63) <= hash64(str(n)) < 2**63 for n in range(1000))
    assert hash64("\ud800") != hash64("\ud801")


def test_no_token_reads_like_another() -> None:
    texts = [coding_text(s, c) for s, c in [("a", "b|c"), ("a|b", "c"), ("", "*"), ("*", "a"), ("a", "*"), ("a", "")]]
    assert len(set(texts)) == len(texts)
    assert "*|a" not in code_texts("*", "")
    assert code_texts("", "a") == ("|a", "*|a")
    assert code_texts("s", "a") == ("s|a", "*|a", "s|*")
    assert code_texts("s", "") == ("s|*",)
    assert len(set(token_hashes(1, "s", "a"))) == 3
