"""Edits change the tokens they name and not one other byte."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.fhir import jsontext
from records.fhir.jsontext import Edit, assign, entry_documents, entry_slices, parse, relink, replace_at, splice

STAMP = {"id": "new", "version_id": "2", "last_updated": "2024-05-06T07:08:09.123Z"}


def _stamped(data: bytes) -> bytes:
    return splice(data, assign(data, **STAMP))


# --- id and meta ---


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"resourceType":"Patient","active":true}',
            '{"resourceType":"Patient","id":"new","meta":{"versionId":"2","lastUpdated":"NOW"},"active":true}',
        ),
        (
            '{"resourceType":"Patient"}',
            '{"resourceType":"Patient","id":"new","meta":{"versionId":"2","lastUpdated":"NOW"}}',
        ),
        (
            '{\n  "resourceType": "Patient",\n  "active": true\n}\n',
            '{\n  "resourceType": "Patient",\n  "id": "new",\n  "meta": {"versionId": "2",'
            '"lastUpdated": "NOW"},\n  "active": true\n}\n',
        ),
        (
            '{"id":"old","meta":{"profile":["http://a"]},"resourceType":"Patient"}',
            '{"id":"new","meta":{"versionId":"2","lastUpdated":"NOW","profile":["http://a"]},"resourceType":"Patient"}',
        ),
        (
            '{"resourceType":"Patient","id":"old","meta":{"lastUpdated":"x","tag":[{"code":"a"}],"versionId":"1"}}',
            '{"resourceType":"Patient","id":"new","meta":{"lastUpdated":"NOW","tag":[{"code":"a"}],"versionId":"2"}}',
        ),
        (
            '{"resourceType":"Patient","meta" : { "versionId" : "1" }}',
            '{"resourceType":"Patient","id":"new","meta" : { "lastUpdated" : "NOW", "versionId" : "2" }}',
        ),
        (
            '{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"p","meta":{"tag":[{"id":"x"}]}}]}',
            '{"resourceType":"Patient","id":"new","meta":{"versionId":"2","lastUpdated":"NOW"},'
            '"contained":[{"resourceType":"Patient","id":"p","meta":{"tag":[{"id":"x"}]}}]}',
        ),
        (
            '{"name":[{"text":"杏\\u6797 😀","id":"n"}],"resourceType":"Patient","\\u0069d":"old"}',
            '{"name":[{"text":"杏\\u6797 😀","id":"n"}],"resourceType":"Patient",'
            '"meta":{"versionId":"2","lastUpdated":"NOW"},"\\u0069d":"new"}',
        ),
    ],
)
def test_the_server_s_members_are_replaced_or_put_in_and_nothing_else_changes(before, after):
    assert _stamped(before.encode()).decode() == after.replace("NOW", STAMP["last_updated"])


def test_stamping_twice_changes_only_what_differs():
    once = _stamped(b'{ "resourceType" : "Patient" , "x" : "\\u00e9" }')
    assert _stamped(once) == once


# --- whole documents at random ---


def _write(value: Any, random_: random.Random) -> str:
    """`value` as JSON with white space and escapes at random."""
    gap = lambda: random_.choice(["", "", " ", "\n", "\t ", "\r\n"])  # noqa: E731
    if isinstance(value, str):
        return _write_string(value, random_)
    if isinstance(value, list):
        return "[" + ",".join(gap() + _write(v, random_) + gap() for v in value) + gap() + "]"
    if isinstance(value, dict):
        members = (
            gap() + _write_string(k, random_) + gap() + ":" + gap() + _write(v, random_) + gap()
            for k, v in value.items()
        )
        return "{" + ",".join(members) + gap() + "}"
    return json.dumps(value)


def _write_string(text: str, random_: random.Random) -> str:
    return '"' + "".join(_write_character(c, random_) for c in text) + '"'


def _write_character(character: str, random_: random.Random) -> str:
    if character in '"\\' or character < " ":
        return json.dumps(character)[1:-1]
    if character == "/" and random_.random() < 0.5:
        return "\\/"
    if random_.random() < 0.2:
        return json.dumps(character, ensure_ascii=True)[1:-1] if ord(character) > 127 else f"\\u{ord(character):04X}"
    return character


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
resources = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "id": texts,
        "meta": st.dictionaries(st.sampled_from(["versionId", "lastUpdated", "tag", "id"]), texts, max_size=4),
        "name": values,
        "text": values,
        "杏": values,
    },
).flatmap(lambda r: st.permutations(list(r.items())).map(dict))


@given(resources, st.randoms(use_true_random=False))
def test_stamping_any_document_sets_three_members_and_keeps_the_rest(resource, random_):
    data = _write(resource, random_).encode()
    after = parse(_stamped(data)).value
    expected = {k: v for k, v in resource.items() if k not in ("id", "meta")}
    assert {k: v for k, v in after.items() if k not in ("id", "meta")} == expected
    assert after["id"] == "new"
    assert after["meta"] == {
        **resource.get("meta", {}),
        "versionId": "2",
        "lastUpdated": "2024-05-06T07:08:09.123Z",
    }


@given(resources, st.randoms(use_true_random=False))
def test_the_bytes_outside_the_edits_are_the_same_bytes(resource, random_):
    data = _write(resource, random_).encode()
    edits = sorted(assign(data, **STAMP), key=lambda e: e.start)
    rest_before, rest_after, position = [], [], 0
    after, moved = splice(data, edits), 0
    for edit in edits:
        rest_before.append(data[position : edit.start])
        rest_after.append(after[position + moved : edit.start + moved])
        moved += len(edit.text) - (edit.end - edit.start)
        position = edit.end
    assert rest_before == rest_after
    assert data[position:] == after[position + moved :]


def _strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*path, index))


def _set(value: Any, path: tuple[str | int, ...], new: str) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


@given(resources, st.randoms(use_true_random=False), texts)
def test_a_string_at_a_path_is_replaced_and_no_other(resource, random_, new):
    data = _write(resource, random_).encode()
    path = random_.choice(list(_strings(resource)))
    after = parse(splice(data, replace_at(data, {path: new}))).value
    _set(resource, path, new)
    assert after == resource


def test_a_path_without_a_string_is_an_error():
    with pytest.raises(KeyError):
        replace_at(b'{"a":1}', {("a",): "x"})


@given(
    st.lists(st.one_of(resources.map(lambda r: {"resource": r, "fullUrl": "x"}), values), max_size=4),
    st.randoms(use_true_random=False),
)
def test_entries_are_cut_out_with_their_exact_bytes(entries, random_):
    bundle = {"meta": {"entry": [{"resource": {}}]}, "entry": entries, "resourceType": "Bundle"}
    data = _write(bundle, random_).encode()
    found = {s.index: data[s.start : s.end] for s in entry_slices(data)}
    expected = {i: e["resource"] for i, e in enumerate(entries) if isinstance(e, dict) and "resource" in e}
    assert {i: json.loads(part) for i, part in found.items()} == expected
    for part in found.values():
        assert part == part.strip()
    documents = entry_documents(parse(data))
    assert {i: d.value for i, d in documents.items()} == {i: r for i, r in expected.items() if isinstance(r, dict)}


@pytest.mark.parametrize(
    "bundle", [b"{}", b'{"entry":null}', b'{"entry":[]}', b'{"entry":{"resource":{}}}', b'{"entry":[ ]}']
)
def test_a_bundle_without_entries_has_no_slices(bundle):
    assert entry_slices(bundle) == []


def test_edits_that_overlap_are_a_mistake():
    with pytest.raises(ValueError):
        splice(b"0123456789", [Edit(0, 5, b"a"), Edit(4, 6, b"b")])
    with pytest.raises(ValueError):
        splice(b"0", [Edit(0, 5, b"a")])


def test_insertions_at_one_place_keep_their_order():
    assert splice(b"ad", [Edit(1, 1, b"b"), Edit(1, 1, b"c")]) == b"abcd"


# --- links ---

PLACE = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
NEW = "Patient/7"


def _relinked(resource: dict[str, Any] | bytes, **links: str) -> Any:
    data = resource if isinstance(resource, bytes) else json.dumps(resource, ensure_ascii=False).encode()
    document = parse(data)
    return json.loads(splice(data, relink(document, links or {PLACE: NEW})))


def test_references_are_replaced_wherever_they_stand():
    observation = {
        "resourceType": "Observation",
        "contained": [{"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": PLACE}}],
        "extension": [{"url": "http://a", "valueReference": {"reference": PLACE}}],
        "subject": {"reference": PLACE, "display": PLACE},
        "performer": [{"reference": "Practitioner/1"}, {"reference": PLACE}],
    }
    after = _relinked(observation)
    assert after["contained"][0]["managingOrganization"]["reference"] == NEW
    assert after["extension"][0]["valueReference"]["reference"] == NEW
    assert after["subject"] == {"reference": NEW, "display": PLACE}
    assert [p["reference"] for p in after["performer"]] == ["Practitioner/1", NEW]


def test_uris_are_replaced_and_texts_that_look_like_them_are_data():
    document = {
        "resourceType": "DocumentReference",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": PLACE}],
        "description": PLACE,
        "content": [{"attachment": {"url": PLACE, "title": PLACE}}],
        "extension": [
            {"url": "http://a", "valueUri": PLACE},
            {"url": "http://a", "valueCanonical": PLACE},
            {"url": "http://a", "valueUuid": PLACE},
            {"url": "http://a", "valueString": PLACE},
        ],
    }
    after = _relinked(document)
    assert after["identifier"][0]["value"] == PLACE
    assert after["description"] == PLACE
    assert after["content"][0]["attachment"] == {"url": NEW, "title": PLACE}
    assert [list(e.values())[1] for e in after["extension"]] == [NEW, NEW, NEW, PLACE]


def test_conditional_references_are_replaced_too():
    criteria = "Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999"
    observation = {"resourceType": "Observation", "performer": [{"reference": criteria}]}
    assert _relinked(observation, **{criteria: "Practitioner/1"})["performer"][0]["reference"] == "Practitioner/1"


def test_narrative_links_are_replaced_and_narrative_text_is_not():
    div = f'<div>杏 <a href="{PLACE}">{PLACE}</a><img src=\'{PLACE}\' alt="{PLACE}"/></div>'
    after = _relinked({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert after["text"]["div"] == (f'<div>杏 <a href="{NEW}">{PLACE}</a><img src=\'{NEW}\' alt="{PLACE}"/></div>')


def test_a_narrative_link_is_found_behind_json_escapes_and_entities():
    start = b'{"resourceType":"Patient","text":{"div":"'
    raw = start + b'<a hre\\u0066=\\u0022http:\\/\\/a?x=1&amp;y=2\\u0022>\\ud83d\\ude00</a>"}}'
    after = splice(raw, relink(parse(raw), {"http://a?x=1&y=2": "Patient/1?a=1&b=2"}))
    assert after == raw.replace(b"http:\\/\\/a?x=1&amp;y=2", b"Patient/1?a=1&amp;b=2")


def test_references_behind_json_escapes_are_replaced_and_the_rest_is_kept():
    start, middle, end = (
        b'{"resourceType":"Observation", "subject":{"reference":"',
        b'"},"focus" : [ {"reference":"',
        b'"}]}',
    )
    raw = start + b"urn\\u003auuid:1" + middle + b"urn:uuid:1" + end
    after = splice(raw, relink(parse(raw), {"urn:uuid:1": NEW}))
    assert after == start + b"Patient/7" + middle + b"Patient/7" + end


def test_resources_inside_a_stored_bundle_are_somebody_s_whole():
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"fullUrl": PLACE, "resource": {"resourceType": "Observation", "subject": {"reference": PLACE}}}],
    }
    assert _relinked(bundle)["entry"][0]["resource"]["subject"]["reference"] == PLACE


def test_without_a_link_there_is_nothing_to_edit():
    data = json.dumps({"resourceType": "Patient", "link": [{"other": {"reference": "Patient/1"}}]}).encode()
    assert relink(parse(data), {PLACE: NEW}) == []
    assert relink(parse(data), {}) == []


def _links(value: Any) -> Iterator[str]:
    return (r.text for r in jsontext.references(value))


@given(
    st.lists(st.sampled_from([PLACE, "urn:uuid:2", "Patient/1", "#p", "a\\b", 'q"'])), st.randoms(use_true_random=False)
)
def test_references_are_replaced_in_any_spelling(targets, random_):
    resource = {
        "resourceType": "Observation",
        "note": [{"text": t} for t in targets],
        "performer": [{"reference": t, "display": t} for t in targets],
    }
    data = _write(resource, random_).encode()
    links = {PLACE: "Patient/x", "#p": "#q", "a\\b": "c\\d", 'q"': '"'}
    after = parse(splice(data, relink(parse(data), links))).value
    assert list(_links(after)) == [links.get(t, t) for t in targets]
    assert [p["display"] for p in after.get("performer", ())] == targets
    assert after["note"] == resource["note"]
