"""Pages about a patient, from the search field to the file."""

import hashlib
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.test import Client

from consortium.audit.models import AccessEvent
from tests.portal import patients
from tests.portal.conftest import remove, store

pytestmark = pytest.mark.django_db(databases=["default", "vault"])

PARTIAL = {"HX-Request": "true"}


def words(response) -> str:
    """What a reader reads: without tags, white space as single spaces."""
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(text))


# Finding


def test_a_clinician_starts_with_the_patients_of_their_care_teams(alices, wang_fang):
    page = alices.get("/")
    assert page.status_code == 200
    assert "王芳" in page.content.decode()


@pytest.mark.parametrize(
    "typed", ["王芳", "王", "Wang", "fang wa", "A-1001", "E12345678", "1980-03-05", "1980年3月5日", "1980-03"]
)
def test_a_patient_is_found_by_name_identifier_or_birth_date(alices, wang_fang, treated, typed):
    treated(*patients.li_wei())
    found = words(alices.post("/", {"text": typed}, headers=PARTIAL))
    assert "王芳" in found
    assert "李伟" not in found
    assert "1 patient found." in found


def test_what_is_not_found_is_said_with_what_to_do(alices, wang_fang):
    found = words(alices.post("/", {"text": "Nobody"}, headers=PARTIAL))
    assert "No patient found." in found
    assert "Check the spelling" in found


@pytest.mark.parametrize(
    "typed", ["\x00", "\ud800".encode("utf-8", "surrogatepass"), ",|$\\", "%", "x" * 10_000, "🙂", "'; --"]
)
def test_whatever_is_typed_gets_an_answer(alices, wang_fang, typed):
    assert alices.post("/", {"text": typed}, headers=PARTIAL).status_code in {200, 400}


def test_a_part_of_a_page_is_only_the_results(alices, wang_fang):
    assert b"<html" not in alices.post("/", {"text": "Wang"}, headers=PARTIAL).content
    assert b"<html" in alices.post("/", {"text": "Wang"}).content


def test_long_lists_continue_without_repeating(alices, treated):
    treated(*({"resourceType": "Patient", "id": f"p{n}", "name": [{"text": f"Zhou {n}"}]} for n in range(45)))
    seen: list[str] = []
    response = alices.post("/", {"text": "zhou"}, headers=PARTIAL)
    while True:
        html = response.content.decode()
        seen += re.findall(r'href="/patients/([^/]+)/"', html)
        cursor = re.search(r'name="cursor" value="([^"]+)"', html)
        if cursor is None:
            break
        response = alices.post("/", {"text": "zhou", "cursor": cursor[1]}, headers=PARTIAL)
    assert sorted(seen) == sorted({f"p{n}" for n in range(45)})


@pytest.mark.parametrize("cursor", ["0.x", "9.abc", "x", "0." + "A" * 50_000])
def test_a_made_up_cursor_is_refused_or_ignored(alices, wang_fang, cursor):
    assert alices.post("/", {"text": "Wang", "cursor": cursor}, headers=PARTIAL).status_code in {200, 400}


# The patient


def test_the_patients_page_says_the_most_important_first(alices, wang_fang):
    page = alices.get("/patients/wang-fang/")
    assert page.status_code == 200
    said = words(page)
    order = ["王芳", "5 Mar 1980", "female", "A-1001", "Penicillin", "Asthma", "Salbutamol", "Timeline", "Potassium"]
    places = [said.index(word) for word in order]
    assert places == sorted(places)
    assert "1 earlier one is in the timeline." in said


def test_not_recorded_and_none_known_are_told_apart(alices, treated):
    treated(*patients.li_wei())
    said = words(alices.get("/patients/li-wei/"))
    assert "Allergies: none known" in said
    assert "No known allergy Stated by Nurse Chen on 8 Jul 2024" in said
    assert said.count("Nobody has recorded any, and nobody has stated that there are none.") == 2


def test_the_timeline_is_newest_first_and_says_source_and_mark(alices, wang_fang):
    said = words(alices.get("/patients/wang-fang/"))
    timeline = said[said.index("Timeline") :]
    order = [
        "Consultation note",
        "Potassium",
        "Blood pressure",
        "Asthma review",
        "Prednisolone",
        "Penicillin",
        "Fracture",
    ]
    places = [timeline.index(word) for word in order]
    assert places == sorted(places)
    assert "Laboratory" in timeline
    assert "Waiting for confirmation" in timeline


def test_the_timeline_can_be_narrowed_to_a_kind(alices, wang_fang):
    said = words(alices.get("/patients/wang-fang/?kind=results"))
    timeline = said[said.index("Timeline") :]
    assert "Potassium" in timeline
    assert "Penicillin" not in timeline
    assert "No records of this kind." in words(alices.get("/patients/wang-fang/?kind=billing"))
    assert alices.get("/patients/wang-fang/?kind=nonsense").status_code == 200


def test_a_long_timeline_shows_every_record_once(alices, treated):
    undated = [
        {"resourceType": "Basic", "id": f"b{n}", "code": {"text": "note"}, "subject": patients.about("wang-fang")}
        for n in range(30)
    ]
    dated = [
        {
            "resourceType": "Observation",
            "id": f"o{n}",
            "status": "final",
            "code": {"text": "Pulse"},
            "subject": patients.about("wang-fang"),
            # Several at the same moment: the place in the list must not depend on the date alone.
            "effectiveDateTime": f"2026-01-{1 + n // 20:02}",
            "valueInteger": 60 + n,
        }
        for n in range(70)
    ]
    treated(*patients.wang_fang(), *dated, *undated)
    seen: list[str] = []
    address = "/patients/wang-fang/timeline?kind=all"
    while True:
        html = alices.get(address, headers=PARTIAL).content.decode()
        seen += re.findall(r'href="/records/([^"]+)/"', html)
        more = re.search(r'hx-get="([^"]+)"', html)
        if more is None:
            break
        address = more[1].replace("&amp;", "&")
    expected = [f"{r['resourceType']}/{r['id']}" for r in patients.wang_fang()[1:] if r["resourceType"] != "Medication"]
    expected += [f"Observation/o{n}" for n in range(70)] + [f"Basic/b{n}" for n in range(30)]
    assert sorted(seen) == sorted(expected)
    assert all(place.startswith("Basic/") for place in seen[-30:])


def test_a_cursor_of_another_patient_or_kind_is_refused(alices, treated):
    many = [
        {"resourceType": "Basic", "id": f"b{n}", "code": {"text": "note"}, "subject": patients.about("wang-fang")}
        for n in range(50)
    ]
    treated(*patients.wang_fang(), *patients.li_wei(), *many)
    html = alices.get("/patients/wang-fang/timeline?kind=all").content.decode()
    more = re.search(r'hx-get="[^"]+cursor=([^"]+)"', html)
    assert more is not None
    assert alices.get(f"/patients/wang-fang/timeline?kind=all&cursor={more[1]}").status_code == 200
    assert alices.get(f"/patients/li-wei/timeline?kind=all&cursor={more[1]}").status_code == 400
    assert alices.get(f"/patients/wang-fang/timeline?kind=results&cursor={more[1]}").status_code == 400


# One record


def test_a_record_is_readable_first_and_its_json_behind(alices, wang_fang):
    page = alices.get("/records/Observation/wf-potassium/")
    said = words(page)
    assert page.status_code == 200
    assert said.index("5.9 mmol/L") < said.index("The stored JSON")
    assert "3 Feb 2026 09:10 UTC+08:00" in said
    assert "王芳" in said
    assert "Penicillin" in said


def test_the_file_of_a_record_has_exactly_the_stored_bytes(alices, wang_fang):
    response = alices.get("/records/Observation/wf-potassium/versions/1/record.json")
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM records_current WHERE id = 'wf-potassium'")
        stored = bytes(cursor.fetchone()[0])
    assert response.content == stored
    assert b'"value": 5.9' in stored
    assert response["Content-Disposition"] == 'attachment; filename="Observation-wf-potassium-v1.json"'


def test_earlier_versions_are_listed_shown_and_said_to_be_earlier(alices, treated):
    treated(*patients.wang_fang())
    changed = next(r for r in patients.wang_fang() if r["id"] == "wf-potassium")
    changed["status"] = "corrected"
    changed["valueQuantity"]["value"] = 4.2
    store(changed)
    newest = words(alices.get("/records/Observation/wf-potassium/"))
    assert "4.2 mmol/L" in newest
    assert "Version 1" in newest
    assert "This is an earlier version." not in newest
    first = words(alices.get("/records/Observation/wf-potassium/versions/1/"))
    assert "5.9 mmol/L" in first
    assert "This is an earlier version." in first


def test_a_record_that_was_changed_in_the_database_does_not_match(alices, wang_fang):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE records_current SET content = convert_to(replace(convert_from(content, 'UTF8'), '5.9', '3.9'), 'UTF8')"
            " WHERE id = 'wf-potassium'"
        )
    said = words(alices.get("/records/Observation/wf-potassium/"))
    assert "Does not match" in said
    assert "Do not rely on this record" in said
    assert "Download evidence" not in said
    assert alices.get("/records/Observation/wf-potassium/versions/1/evidence.json").status_code == 409


def test_a_summary_of_records_that_were_changed_in_the_database_says_so_on_every_page(alices, wang_fang):
    assert "Does not match" not in words(alices.get("/patients/wang-fang/"))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE records_current SET"
            " content = convert_to(replace(convert_from(content, 'UTF8'), 'Penicillin', 'Peppermint'), 'UTF8')"
            " WHERE id = 'wf-penicillin'"
        )
    for address in ("/patients/wang-fang/", "/records/Observation/wf-potassium/"):
        said = words(alices.get(address))
        assert "Does not match: some of what is shown here is not what was stored at first." in said
        assert "AllergyIntolerance wf-penicillin" in said


def test_a_deleted_record_says_so_and_leads_to_what_it_was(alices, wang_fang):
    remove("Condition", "wf-asthma")
    page = alices.get("/records/Condition/wf-asthma/")
    assert page.status_code == 410
    assert "This record was deleted" in words(page)
    assert 'href="/records/Condition/wf-asthma/versions/1/"' in page.content.decode()
    assert "Asthma" in words(alices.get("/records/Condition/wf-asthma/versions/1/"))
    assert alices.get("/records/Condition/wf-asthma/versions/2/").status_code == 410
    assert "Asthma " not in words(alices.get("/patients/wang-fang/")).replace("Asthma review", "")


def test_a_record_that_was_spoiled_in_the_database_still_opens(alices, wang_fang):
    for spoiled in (b"{", b"\xff", b"[]", b"[" * 100_000):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE records_current SET content = %s WHERE id = 'wf-asthma'", [spoiled])
        page = alices.get("/records/Condition/wf-asthma/")
        assert page.status_code == 200
        assert "Does not match" in words(page)
        assert alices.get("/patients/wang-fang/").status_code == 200


def test_evidence_that_is_not_there_yet_says_what_it_waits_for(alices, wang_fang):
    response = alices.get("/records/Condition/wf-asthma/versions/1/evidence.json")
    assert response.status_code == 202
    assert int(response["Retry-After"]) > 0
    assert "Waiting for confirmation" in words(response)


def test_a_waiting_mark_is_asked_for_again_until_it_is_enough(alices, wang_fang):
    box = alices.get("/records/Condition/wf-asthma/versions/1/mark?look=1", headers=PARTIAL).content.decode()
    assert "look=2" in box
    last = alices.get("/records/Condition/wf-asthma/versions/1/mark?look=30", headers=PARTIAL).content.decode()
    assert "hx-get" not in last
    assert "Look again" in last


def test_every_page_of_a_record_leaves_an_audit_row(alices, alice, wang_fang):
    before = AccessEvent.objects.filter(actor_id=alice.pk, resource_id="wf-asthma").count()
    alices.get("/records/Condition/wf-asthma/")
    alices.get("/records/Condition/wf-asthma/versions/1/record.json")
    alices.get("/records/Condition/wf-asthma/versions/1/evidence.json")
    after = AccessEvent.objects.filter(actor_id=alice.pk, resource_id="wf-asthma")
    assert after.count() >= before + 4
    assert {event.purpose for event in after} == {"TREAT"}


def test_what_a_record_refers_to_is_named_by_one_search_as_far_as_it_may_be_seen(alices, alice, wang_fang):
    store(
        {"resourceType": "Patient", "id": "stranger", "name": [{"text": "Somebody Else"}]},
        {
            "resourceType": "Condition",
            "id": "hidden",
            "subject": {"reference": "Patient/stranger"},
            "code": {"text": "Gout of a stranger"},
        },
        {"resourceType": "Practitioner", "id": "who", "name": [{"text": "Dr Zhao"}]},
        {"resourceType": "Organization", "id": "who", "name": "An organisation of the same id"},
        {"resourceType": "Organization", "id": "lab", "name": "Central laboratory"},
        {
            "resourceType": "Observation",
            "id": "with-references",
            "status": "final",
            "code": {"text": "Sodium"},
            "subject": {"reference": "Patient/wang-fang"},
            "performer": [{"reference": "Practitioner/who"}, {"reference": "Organization/lab"}],
            "focus": [{"reference": "Condition/hidden"}],
        },
    )
    before = AccessEvent.objects.filter(actor_id=alice.pk, interaction__startswith="search").count()
    said = words(alices.get("/records/Observation/with-references/"))
    assert "Dr Zhao" in said
    assert "Central laboratory" in said
    assert "Gout of a stranger" not in said
    assert "An organisation of the same id" not in said
    searches = AccessEvent.objects.filter(actor_id=alice.pk, interaction__startswith="search").order_by("id")[before:]
    assert len({event.query for event in searches}) == 1
    # One row for what belongs to no patient, one for the patient that the record is about.
    assert len(searches) == 2


# Who must not


def addresses_about_wang_fang():
    record = "/records/Observation/wf-potassium/"
    return [
        "/patients/wang-fang/",
        "/patients/wang-fang/timeline",
        "/patients/wang-fang/?kind=results",
        record,
        f"{record}versions/1/",
        f"{record}versions/1/mark",
        f"{record}versions/1/record.json",
        f"{record}versions/1/evidence.json",
        "/records/Patient/wang-fang/",
    ]


def test_mallory_gets_the_same_answer_as_for_what_does_not_exist(mallorys, wang_fang):
    for address in addresses_about_wang_fang():
        response = mallorys.get(address)
        missing = mallorys.get(address.replace("wang-fang", "nobody").replace("wf-potassium", "nothing"))
        assert response.status_code == missing.status_code == 404, address
        number = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
        assert number.sub("", words(response)) == number.sub("", words(missing))
        assert "王芳" not in response.content.decode()


def test_mallory_finds_nobody(mallorys, wang_fang):
    for typed in ("", "王芳", "A-1001", "1980-03-05"):
        found = words(mallorys.post("/", {"text": typed}, headers=PARTIAL))
        assert "王芳" not in found
        assert "No patient" in found


def test_nobody_sees_anything_without_signing_in(wang_fang):
    for address in ["/", "/me/", *addresses_about_wang_fang()]:
        response = Client().get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/account/login/")


def test_a_part_of_a_page_asked_for_after_the_session_ended_leads_to_the_sign_in(wang_fang):
    response = Client().post("/", {"text": "Wang"}, headers=PARTIAL)
    assert response.status_code == 204
    assert response["HX-Redirect"].startswith("/account/login/")


@pytest.mark.parametrize(
    "address",
    [
        "/records/Nonsense/x/",
        "/records/MedicinalProduct/x/",
        "/records/patient/x/",
        "/records/Patient/..%2f/",
        "/records/Patient/x/versions/0/",
        "/records/Patient/x/versions/99999999999999999999/",
        "/patients/%00/",
        "/patients/" + "x" * 65 + "/",
    ],
)
def test_addresses_that_cannot_be_are_not_found(alices, address):
    assert alices.get(address).status_code == 404


def test_pages_about_patients_are_not_kept_by_browsers(alices, wang_fang):
    for address in ("/", "/patients/wang-fang/", "/records/Observation/wf-potassium/versions/1/record.json"):
        assert "no-store" in alices.get(address)["Cache-Control"]


# Hostile content


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.sources: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links |= {value or "" for name, value in attrs if name in {"href", "action", "formaction"}}
        self.sources |= {value or "" for name, value in attrs if name == "src"}


def test_hostile_content_is_text_wherever_it_is_shown(alices, treated):
    treated(*patients.hostile())
    for address in (
        "/",
        "/patients/hostile/",
        "/records/Patient/hostile/",
        "/records/Condition/hostile-condition/",
        "/records/Observation/hostile-observation/",
    ):
        page = alices.get(address)
        html = page.content.decode()
        assert page.status_code == 200
        reader = Elements()
        reader.feed(html)
        assert "img" not in reader.tags
        assert all(source.startswith("/static/") for source in reader.sources)
        assert all(link.startswith(("/", "#", "?")) or link == "" for link in reader.links)
        assert not [name for name in reader.attributes if name.startswith("on") or name == "style"]
        assert "\u202e" not in html
        assert "{{ 7*7 }}" in html or address == "/records/Observation/hostile-observation/"
        assert len(html) < 1_500_000
        policy = page["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_hostile_content_comes_out_of_its_file_unchanged(alices, treated):
    treated(*patients.hostile())
    content = alices.get("/records/Patient/hostile/versions/1/record.json").content
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM records_current WHERE id = 'hostile'")
        assert hashlib.sha256(content).digest() == hashlib.sha256(bytes(cursor.fetchone()[0])).digest()
    assert "\u202e".encode() in content


def test_no_page_of_a_clinician_says_how_the_proof_is_made(alices, wang_fang):
    """Words of the machinery are for its operators."""
    for address in ("/", "/patients/wang-fang/", "/records/Observation/wf-potassium/", "/me/"):
        said = words(alices.get(address)).lower()
        for word in ("chain", "block", "hash", "anchor", "merkle", "wallet", "gas", "ledger"):
            assert not re.search(rf"\b{word}", said), (address, word)
