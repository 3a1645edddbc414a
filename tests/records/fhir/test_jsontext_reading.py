"""Bodies that two readers could understand differently are refused; what costs too much is refused before it costs."""

import contextlib
import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.fhir.jsontext import LIMITS, Limits, parse
from records.fhir.outcome import FhirRefusal

VECTORS = json.loads((Path(__file__).parent / "vectors" / "json_refused.json").read_text())


def _refused(data: bytes, limits: Limits = LIMITS) -> FhirRefusal:
    with pytest.raises(FhirRefusal) as caught:
        parse(data, limits=limits)
    return caught.value


@pytest.mark.parametrize("case", [pytest.param(c, id=c["why"]) for c in VECTORS])
def test_a_text_that_is_not_strict_json_is_refused_with_its_place(case):
    data = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    refusal = _refused(data)
    (issue,) = refusal.issues
    assert (refusal.code, issue.expression, refusal.status) == (case["code"], case["expression"], case["status"])
    assert issue.diagnostics.endswith(".")


def test_numbers_keep_their_text():
    value = parse(b'{"a":1.00,"b":-0.10e2,"c":12,"d":1E-7,"e":0.1}').value
    assert [str(v) for v in value.values()] == ["1.00", "-10", "12", "1E-7", "0.1"]
    assert [type(v) for v in value.values()] == [Decimal, Decimal, int, Decimal, Decimal]


def test_the_members_keep_their_order_and_the_bytes_are_untouched():
    data = b' {"b":1, "a":{"z":"\\u00e9","y":"\xc3\xa9"}}\n'
    document = parse(data)
    assert document.data is data
    assert list(document.value) == ["b", "a"]
    assert document.value["a"] == {"z": "é", "y": "é"}


def test_an_escaped_backslash_before_u0000_is_text():
    assert parse(b'{"a":"\\\\u0000","b":"\\ud83d\\ude00"}').value == {"a": "\\u0000", "b": "😀"}


@pytest.mark.parametrize(
    ("opening", "closing", "each"), [("[", "]", 1), ('{"a":', "}", 1), ('[{"a":', "}]", 2), ('[[],{"a":', "}]", 2)]
)
def test_the_depth_has_a_limit(opening, closing, each):
    for levels in range(60 // each, 70 // each):
        data = ('{"x":' + opening * levels + "1" + closing * levels + "}").encode()
        if 1 + levels * each <= LIMITS.depth:
            assert parse(data).value["x"]
        else:
            assert _refused(data).code == "too-deep"


@pytest.mark.parametrize("text", ["[" * 2_000_000, '{"a":' * 500_000, "[{" * 500_000, "[" * 300_000 + "]" * 300_000])
def test_bottomless_nesting_is_refused_at_once(text):
    started = time.monotonic()
    assert _refused(text.encode()).code in ("too-deep", "too-many-values")
    assert time.monotonic() - started < 5


def test_brackets_in_strings_are_no_depth():
    data = json.dumps({"a": "[" * 1000, "b": '"{' * 1000, "c": "\\[" * 1000}).encode()
    assert len(parse(data).value) == 3


def test_unbalanced_brackets_are_a_syntax_error_not_depth():
    data = b'{"a":[' + b"1,[]," * 100 + b"[[]"
    assert _refused(data).code == "json-syntax"


def test_a_body_over_the_limit_is_refused_unread():
    refusal = _refused(b"{" + b" " * 100 + b"}", Limits(body=100))
    assert (refusal.code, refusal.status) == ("body-too-large", 413)


def test_a_flood_of_values_is_refused():
    data = b'{"a":[' + b"[]," * 1000 + b"[]]}"
    refusal = _refused(data, Limits(values=1500))
    assert (refusal.code, refusal.status) == ("too-many-values", 413)


def test_a_string_over_the_limit_is_refused_with_its_place():
    refusal = _refused(b'{"resourceType":"Binary","data":"' + b"A" * 200 + b'"}', Limits(string=100))
    assert (refusal.code, refusal.issues[0].expression) == ("string-too-long", "Binary.data")


def test_a_flood_of_entries_is_refused():
    data = json.dumps({"resourceType": "Bundle", "entry": [{}] * 11}).encode()
    refusal = _refused(data, Limits(entries=10))
    assert (refusal.code, refusal.status) == ("too-many-entries", 413)
    assert len(parse(data).value["entry"]) == 11


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.booleans())
def test_whatever_is_strict_json_is_read_as_it_is(value, ascii_only):
    has_null = "\\u0000" in json.dumps(value).replace("\\\\", "")
    try:
        data = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    if has_null:
        assert _refused(data).code == "null-character"
    else:
        assert parse(data).value == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data):
    _read_or_refuse(data)


@given(st.text(alphabet='{}[]",:\\u0d8eEtrfalsn1.- \n', max_size=80))
def test_any_text_that_looks_like_json_is_read_or_refused(text):
    _read_or_refuse(text.encode())


def _read_or_refuse(data: bytes) -> None:
    with contextlib.suppress(FhirRefusal):
        parse(data)
