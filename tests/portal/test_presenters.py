"""Presenters: from FHIR's JSON to what a page says, without a database."""

import json
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from records.fhir.definitions import SERVED_TYPES
from records.portal import datatypes, dates, finding, labels, readable, summary, text, timeline
from records.portal.dates import Setting
from records.portal.documents import parsed, source_of
from tests.portal import patients
from tests.portal.conftest import NOW

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Named:
    version = 1

    def __init__(self, resource):
        self.type, self.id = resource["resourceType"], resource.get("id", "x")


def entry_of(resource, setting, medicines=None):
    return timeline.entry(resource, Named(resource), medicines or {}, setting)


def one(resources, id):
    return next(r for r in resources if r["id"] == id)


# Text


def test_direction_marks_and_invisible_characters_become_visible():
    assert text.line("Fang\u202egnaW\u202c\x00\ufeff") == "Fang\ufffdgnaW\ufffd\ufffd\ufffd"
    assert text.line("a\u2066b\u2069") == "a\ufffdb\ufffd"


def test_a_value_of_a_megabyte_is_one_short_line():
    assert len(text.line("A" * 1_000_000)) == text.LINE
    assert text.line("A" * 1_000_000).endswith("…")
    assert len(text.line(" " * 1_000_000)) <= text.LINE


def test_accents_cannot_be_piled_over_the_lines_around():
    assert text.line("e" + "\u0301" * 500) == "e" + "\u0301" * 3


def test_chinese_and_arabic_text_stay_as_they_are():
    assert text.line("王芳 أحمد Ångström") == "王芳 أحمد Ångström"


def test_raw_json_writes_direction_marks_out_and_counts_them():
    shown = source_of('{"a":"\u202ex\u202c"}'.encode())
    assert shown.text == '{"a":"⟦U+202E⟧x⟦U+202C⟧"}'
    assert shown.steered == 2
    assert not shown.cut


def test_bytes_that_are_no_json_object_open_as_an_empty_record():
    for broken in (b"", b"\xff\xfe", b"[1]", b"{", b"[" * 100_000, b'{"a":' + b"1" * 10_000 + b"}"):
        assert parsed(broken) == {}


# Dates


@pytest.mark.parametrize(
    ("written", "shown", "chinese"),
    [
        ("1980", "1980", "1980年"),
        ("1980-03", "Mar 1980", "1980年3月"),
        ("1980-03-05", "5 Mar 1980", "1980年3月5日"),
        ("2026-11-23T20:00:00Z", "24 Nov 2026 04:00", "2026年11月24日 04:00"),
        ("2026-11-23T20:00:00+08:00", "23 Nov 2026 20:00", "2026年11月23日 20:00"),
        ("2016-12-31T23:59:60Z", "1 Jan 2017 07:59", "2017年1月1日 07:59"),
    ],
)
def test_dates_are_shown_as_precisely_as_they_were_written_and_times_in_the_nodes_zone(written, shown, chinese):
    for language, expected in (("en", shown), ("zh-hans", chinese)):
        setting = Setting(NOW, SHANGHAI, "Asia/Shanghai", language)
        when = dates.read(written, SHANGHAI)
        assert when is not None
        assert dates.show(when, setting) == expected


@pytest.mark.parametrize("written", ["", "1980-13", "1980-02-30", "05.03.1980", "0000", 1980, None, {}, "9" * 100])
def test_what_is_no_fhir_date_is_none(written):
    assert dates.read(written, SHANGHAI) is None


def test_a_time_states_its_zone_where_asked(setting):
    moment = dates.read("2026-11-23T20:00:00Z", SHANGHAI)
    assert moment is not None
    assert dates.show(moment, setting, zone_too=True) == "24 Nov 2026 04:00 UTC+08:00"
    assert dates.show_zone(setting) == "Asia/Shanghai (UTC+08:00)"
    assert dates.offset_of(datetime(2026, 1, 1, tzinfo=ZoneInfo("America/St_Johns"))) == "UTC-03:30"


@pytest.mark.parametrize(
    ("born", "words"),
    [
        ("1980-03-05", "46 years"),
        ("1980-11-24", "45 years"),
        ("1980-11-23", "46 years"),
        ("1956", "about 70 years"),
        ("2026-11-20", "3 days"),
        ("2026-11-22", "1 day"),
        ("2026-05-01", "6 months"),
        ("2024-11-23", "2 years"),
        ("2030-01-01", ""),
        ("1066", ""),
    ],
)
def test_age_in_words(born, words):
    when = dates.read(born, SHANGHAI)
    assert when is not None
    assert dates.age(when, date(2026, 11, 23)) == words


# Datatypes


def test_a_chinese_name_is_written_family_first_and_without_a_space():
    assert datatypes.human_name({"family": "王", "given": ["芳"]}) == "王芳"
    assert datatypes.human_name({"family": "Smith", "given": ["Anna", "B"], "prefix": ["Dr"]}) == "Dr Anna B Smith"


def test_the_official_name_goes_before_the_usual_and_former_ones():
    names = [{"use": "old", "text": "Old"}, {"use": "usual", "text": "Usual"}, {"use": "official", "text": "Official"}]
    assert datatypes.best_name(names) == "Official"
    assert datatypes.best_name(names[:2]) == "Usual"


def test_numbers_keep_the_digits_that_were_written():
    value = json.loads('{"value":5.90,"unit":"mmol/L","comparator":">="}', parse_float=Decimal)
    assert datatypes.quantity(value) == "≥ 5.90 mmol/L"
    assert datatypes.number(Decimal("1E-7")) == "0.0000001"
    assert datatypes.number(10**5000) == "…"


def test_only_a_reference_to_a_record_of_this_node_can_become_a_link():
    assert datatypes.target("Patient/a") == datatypes.Target("Patient", "a", None)
    assert datatypes.target("Patient/a/_history/3") == datatypes.Target("Patient", "a", 3)
    for other in ("javascript:alert(1)", "//evil/Patient/a", "https://evil/Patient/a", "#a", "../a", None, 1, "a/b"):
        assert datatypes.target(other) is None


def test_text_attachments_are_read_and_others_only_named():
    letter = {"contentType": "text/plain", "data": "SGVsbG8="}
    assert datatypes.attached_text(letter) == ("Hello", False)
    for other in (
        {"contentType": "text/html", "data": "SGVsbG8="},
        {"contentType": "text/plain", "data": "not base64!"},
        {"contentType": "text/plain; charset=gb18030", "data": "SGVsbG8="},
        {"contentType": "text/plain"},
    ):
        assert datatypes.attached_text(other) is None


# The banner and the summaries


def test_the_banner_says_who_the_patient_is(setting):
    shown = summary.banner(one(patients.wang_fang(), "wang-fang"), setting)
    assert (shown.name, shown.other_names, shown.born, shown.age, shown.sex) == (
        "王芳",
        ("Wang Fang",),
        "5 Mar 1980",
        "46 years",
        "female",
    )
    assert shown.identifiers[0] == datatypes.ShownIdentifier("病案号", "A-1001")
    assert shown.died == ""


def test_the_dead_have_the_age_at_which_they_died(setting):
    shown = summary.banner({"birthDate": "1950-01-01", "deceasedDateTime": "2020-06-01"}, setting)
    assert (shown.died, shown.age) == ("1 Jun 2020", "70 years")
    shown = summary.banner({"birthDate": "1950-01-01", "deceasedBoolean": True}, setting)
    assert (shown.died, shown.age) == ("date not recorded", "")


def test_no_allergy_recorded_is_not_the_same_as_no_allergy_known(setting):
    nothing = summary.allergies([], [], setting)
    assert nothing.state == "not_recorded"
    stated = summary.allergies([one(patients.li_wei(), "lw-none")], [], setting)
    assert stated.state == "none_known"
    assert [(s.said_by, s.said_on) for s in stated.statements] == [("Nurse Chen", "8 Jul 2024")]


def test_a_list_may_state_that_nothing_is_known(setting):
    def listing(reason, code, status="current", entries=()):
        return {
            "resourceType": "List",
            "id": "l",
            "status": status,
            "code": {"coding": [{"system": patients.LOINC, "code": code}]},
            "emptyReason": {"coding": [{"code": reason}], "text": "Nil known"},
            "source": {"display": "Dr Alice"},
            **({"entry": list(entries)} if entries else {}),
        }

    assert summary.allergies([], [listing("nilknown", "48765-2")], setting).state == "none_known"
    assert summary.problems([], [listing("nilknown", "11450-4")], setting).statements[0].said_by == "Dr Alice"
    assert summary.medications([], {}, [listing("nilknown", "10160-0")], setting).state == "none_known"
    assert summary.allergies([], [listing("notasked", "48765-2")], setting).state == "not_recorded"
    assert summary.allergies([], [listing("nilknown", "11450-4")], setting).state == "not_recorded"
    assert summary.allergies([], [listing("nilknown", "48765-2", "retired")], setting).state == "not_recorded"
    assert summary.allergies([], [listing("nilknown", "48765-2", entries=[{}])], setting).state == "not_recorded"


def test_no_known_drug_allergy_does_not_speak_of_food(setting):
    partly = {
        "resourceType": "AllergyIntolerance",
        "id": "p",
        "code": patients.concept("409137002", "No known drug allergy"),
    }
    shown = summary.allergies([partly], [], setting)
    assert shown.state == "not_recorded"
    assert [s.text for s in shown.in_part] == ["No known drug allergy"]


def test_no_information_is_not_a_statement(setting):
    unknown = {"id": "u", "code": {"coding": [{"code": "no-allergy-info"}]}}
    assert summary.allergies([unknown], [], setting).state == "not_recorded"


def test_an_allergy_beside_a_statement_of_none_is_shown_with_the_contradiction(setting):
    both = [one(patients.wang_fang(), "wf-penicillin"), one(patients.li_wei(), "lw-none")]
    shown = summary.allergies(both, [], setting)
    assert shown.state == "listed"
    assert [(i.title, i.detail, i.alert) for i in shown.items] == [("Penicillin", "Anaphylaxis", "High risk")]
    assert len(shown.statements) == 1


@pytest.mark.parametrize("member", ["verificationStatus", "status"])
def test_what_was_entered_in_error_is_not_summarised(setting, member):
    wrong = one(patients.wang_fang(), "wf-penicillin")
    wrong[member] = {"coding": [{"code": "entered-in-error"}]} if member == "verificationStatus" else "entered-in-error"
    assert summary.allergies([wrong], [], setting).state == "not_recorded"


def test_problems_that_are_over_are_counted_and_not_listed(setting):
    shown = summary.problems([r for r in patients.wang_fang() if r["resourceType"] == "Condition"], [], setting)
    assert [i.title for i in shown.items] == ["Asthma"]
    assert shown.earlier == 1
    over = [one(patients.wang_fang(), "wf-fracture")]
    assert summary.problems(over, [], setting).state == "none_current"


def test_medicines_in_force_are_named_by_what_they_refer_to(setting):
    resources = patients.wang_fang()
    medicines = {"Medication/salbutamol": one(resources, "salbutamol")}
    requests = [r for r in resources if r["resourceType"] == "MedicationRequest"]
    shown = summary.medications(requests, medicines, [], setting)
    assert [(i.title, i.detail) for i in shown.items] == [
        ("Salbutamol 100 µg inhaler", "2 puffs, Inhalation, 2 × every 1 d, as needed")
    ]
    assert shown.earlier == 1


def test_a_prohibition_is_not_shown_as_a_prescription(setting):
    ban = {**one(patients.wang_fang(), "wf-prednisolone"), "status": "active", "doNotPerform": True}
    assert summary.medications([ban], {}, [], setting).items[0].alert == "Must not be given"


# The timeline


def test_a_result_out_of_range_is_said_in_a_word(setting):
    shown = entry_of(one(patients.wang_fang(), "wf-potassium"), setting)
    assert (shown.title, shown.detail, shown.flag, shown.source) == ("Potassium", "5.9 mmol/L", "High", "Laboratory")
    assert (shown.day, shown.time) == ("3 Feb 2026", "09:10")


def test_components_are_part_of_the_result(setting):
    assert (
        entry_of(one(patients.wang_fang(), "wf-pressure"), setting).detail == "Systolic: 128 mmHg; Diastolic: 79 mmHg"
    )


def test_every_type_that_is_served_has_a_name_and_a_line(setting):
    for name in SERVED_TYPES:
        assert name in labels.TYPES
        assert entry_of({"resourceType": name, "id": "x"}, setting).title


def test_every_type_of_a_filter_is_served_and_in_one_filter_only():
    listed = [name for kind in timeline.FILTERS for name in kind.types]
    assert set(listed) <= SERVED_TYPES
    assert len(listed) == len(set(listed))


# One record


def all_texts(members):
    for member in members:
        yield member.label
        for value in member.values:
            yield value.text
            yield from all_texts(value.members)


def test_a_record_is_shown_member_by_member_in_words(setting):
    view = readable.readable(one(patients.wang_fang(), "wf-potassium"), setting)
    shown = {m.label: [(v.text, v.note) for v in m.values] for m in view.members}
    assert shown["Value"] == [("5.9 mmol/L", "")]
    assert shown["Code"] == [("Potassium", "2823-3 (loinc.org)")]
    assert shown["When"] == [("3 Feb 2026 09:10 UTC+08:00", "")]
    assert shown["Status"] == [("final", "")]


def test_a_narrative_is_mentioned_and_never_shown(setting):
    view = readable.readable(one(patients.hostile(), "hostile"), setting)
    assert view.has_narrative
    assert not any("NARRATIVE" in shown for shown in all_texts(view.members))


def test_a_modifier_that_cannot_be_interpreted_is_a_warning(setting):
    resource = {
        **one(patients.wang_fang(), "wf-asthma"),
        "modifierExtension": [{"url": "http://example.org/not-really", "valueBoolean": True}],
    }
    view = readable.readable(resource, setting)
    assert view.warns
    assert view.members[0].warns


def test_why_a_value_is_missing_is_said(setting):
    resource = {
        "resourceType": "Patient",
        "_birthDate": {
            "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
        },
    }
    assert readable.readable(resource, setting).members[0].values[0].text == "no value: unknown"


def test_a_page_has_room_for_so_much_and_says_when_more_was_left_out(setting):
    deep: dict[str, Any] = {"url": "u"}
    for _ in range(30):
        deep = {"url": "u", "extension": [deep]}
    wide = [{"value": str(n)} for n in range(5_000)]
    view = readable.readable({"resourceType": "Patient", "identifier": wide, "extension": [deep]}, setting)
    assert view.cut
    assert len(list(all_texts(view.members))) < 4_000


def test_whatever_is_in_a_record_some_view_comes_of_it(setting):
    """Wrong shapes at every place: a record changed behind the node's back must open all the same."""
    chance = random.Random(7)
    junk: list[Any] = [
        None,
        True,
        0,
        -1.5,
        "",
        "x",
        [],
        {},
        [[]],
        [None],
        [{}],
        {"x": []},
        "2020",
        {"coding": "x"},
        {"coding": [3]},
    ]
    whole = patients.wang_fang() + patients.li_wei() + patients.hostile()

    def spoil(value, depth=0):
        if chance.random() < 0.12 and depth:
            return chance.choice(junk)
        if isinstance(value, dict):
            return {key: spoil(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list):
            return [spoil(inner, depth + 1) for inner in value]
        return value

    for _round in range(300):
        resources = [spoil(r) for r in whole]
        for resource in resources:
            readable.readable(resource, setting)
            entry_of({**resource, "resourceType": "Observation"}, setting)
            entry_of({**resource, "resourceType": "MedicationRequest"}, setting)
            summary.banner(resource, setting)
        summary.allergies(resources, resources, setting)
        summary.problems(resources, resources, setting)
        summary.medications(resources, {}, resources, setting)


def test_hostile_words_lose_their_length_and_their_direction(setting):
    for resource in patients.hostile():
        view = readable.readable(resource, setting)
        shown = list(all_texts(view.members))
        assert max(map(len, shown)) <= text.PARAGRAPH + 100
        assert not any("\u202e" in one for one in shown)


# Finding a patient


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ("", [(("_sort", "-_lastUpdated"),)]),
        ("smith anna", [(("name", "smith"), ("name", "anna"))]),
        ("1980-03-05", [(("birthdate", "1980-03-05"),)]),
        ("1980/3/5", [(("birthdate", "1980-03-05"),)]),
        ("1980年3月5日", [(("birthdate", "1980-03-05"),)]),
        ("1980-03", [(("birthdate", "1980-03"),)]),
        ("A-1001", [(("identifier", "A-1001"),), (("name", "A-1001"),)]),
        ("a,b|c$d\\e", [(("name", "a\\,b\\|c\\$d\\\\e"),)]),
        ("王芳", [(("name", "王芳"),), (("family", "王"), ("given", "芳"))]),
        (
            "欧阳娜",
            [(("name", "欧阳娜"),), (("family", "欧"), ("given", "阳娜")), (("family", "欧阳"), ("given", "娜"))],
        ),
    ],
)
def test_what_was_typed_becomes_searches(typed, searched):
    assert list(finding.searches(typed)) == searched


# Words


@pytest.fixture
def _in_chinese():
    with translation.override("zh-hans"):
        yield


@pytest.mark.usefixtures("_in_chinese")
def test_a_page_in_chinese_has_no_english_of_ours(setting):
    chinese = Setting(NOW, SHANGHAI, "Asia/Shanghai", "zh-hans")
    shown = entry_of(one(patients.wang_fang(), "wf-visit"), chinese)
    assert (shown.kind, shown.day, shown.time) == ("就诊", "2026年2月3日", "09:00–09:25")
    assert summary.banner(one(patients.wang_fang(), "wang-fang"), chinese).age == "46岁"
    view = readable.readable(one(patients.wang_fang(), "wf-potassium"), chinese)
    assert [m.label for m in view.members] == [
        "状态",
        "代码",
        "患者",
        "就诊",
        "发生时间",
        "执行者",
        "数值",
        "结果判读",
        "参考范围",
    ]


def test_now_is_told_and_not_looked_up():
    early = Setting(datetime(2000, 1, 1, 15, 59, tzinfo=UTC), SHANGHAI, "Asia/Shanghai", "en")
    late = Setting(datetime(2000, 1, 1, 16, 0, tzinfo=UTC), SHANGHAI, "Asia/Shanghai", "en")
    assert (early.today, late.today) == (date(2000, 1, 1), date(2000, 1, 2))
