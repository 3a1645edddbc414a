"""The portal in a real browser: signing in, finding a patient, a record, its evidence, and what that proves."""

import json
import re

import pytest
from playwright.sync_api import expect

from consortium.client import Node

pytestmark = pytest.mark.browser

TITLES = {"en": "Find a patient", "zh-hans": "查找患者"}
PROVED = {"en": "Proved", "zh-hans": "已证明"}
REFUSED = {"en": "Does not match", "zh-hans": "不一致"}


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_clinician_finds_a_patient_opens_a_record_and_proves_it(visit, sign_in, tmp_path, language, width):
    with visit(width=width) as alice:
        page = alice.page
        sign_in(alice, "alice", anew=width == 1280)
        if language != "en":
            alice.speak(language)
        expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[language])
        expect(page.locator("html")).to_have_attribute("lang", language)
        alice.check_accessibility()
        alice.check_fits()

        # Finding: by the beginning of a name, while typing, by keyboard alone.
        name = page.locator(".results .name").first.inner_text()
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            page.locator("#patient-search").press_sequentially(name, delay=20)
        expect(page.locator(".results .name").first).to_have_text(name)
        alice.check_accessibility()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/patients/*/")
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.locator(".timeline-list .mark-verified").first).to_be_visible()
        alice.check_accessibility()
        alice.check_fits()

        # The timeline goes on without losing one's place.
        before = page.locator(".timeline-list .title").count()
        page.locator(".timeline-list li.more a").click()
        page.wait_for_function("n => document.querySelectorAll('.timeline-list .title').length > n", arg=before)
        assert page.evaluate("document.activeElement.classList.contains('title')")
        alice.check_accessibility()

        # One record.
        page.locator(".timeline-list a.title").first.click()
        page.wait_for_url("**/records/*/*/")
        expect(page.locator(".patient-banner")).to_contain_text(name)
        expect(page.locator("#mark-box .mark-verified")).to_be_visible()
        page.locator("summary", has_text="JSON").click()
        stored = page.locator("pre.json").inner_text()
        alice.check_accessibility()
        alice.check_fits()
        with page.expect_download() as download:
            page.locator('a[href$="evidence.json"]').click()
        evidence = tmp_path / "evidence.json"
        download.value.save_as(evidence)
        with page.expect_download() as download:
            page.locator('a[href$="record.json"]').click()
        record = tmp_path / "record.json"
        download.value.save_as(record)
        assert record.read_text() == stored

        # What it proves.
        page.locator("main a[href='/check/']").click()
        alice.check_accessibility()
        page.set_input_files("#id_evidence", evidence)
        page.set_input_files("#id_record", record)
        page.locator("main button[type=submit]").click()
        expect(page.locator("#verdict-title")).to_have_text(PROVED[language])
        expect(page.locator(".steps-list .mark-verified")).to_have_count(9)
        alice.check_accessibility()
        alice.check_fits()

        # And what it does not.
        other = json.loads(record.read_text())
        other["status"] = "entered-in-error"
        record.write_text(json.dumps(other))
        page.set_input_files("#id_evidence", evidence)
        page.set_input_files("#id_record", record)
        page.locator("main button[type=submit]").click()
        expect(page.locator("#verdict-title")).to_have_text(REFUSED[language])
        alice.check_accessibility()


@pytest.mark.parametrize("width", [1280, 360])
def test_every_other_page_is_accessible_and_fits(visit, sign_in, width):
    with visit(width=width) as alice:
        for path in ("/account/login/", "/check/", "/nonsense/"):
            alice.go(path)
            alice.check_accessibility()
            alice.check_fits()
        sign_in(alice, "alice")
        for path in ("/me/", "/account/2fa/", "/account/2fa/passkeys/", "/account/password/", "/account/logout/"):
            alice.go(path)
            alice.check_accessibility()
            alice.check_fits()
        alice.go("/")
        alice.page.locator(".top details summary").click()
        alice.check_accessibility()
        alice.page.keyboard.press("Escape")
        assert alice.page.locator(".top details").get_attribute("open") is None
        alice.page.fill("#patient-search", "zzzz")
        expect(alice.page.locator("#results .notice")).to_be_visible()
        alice.check_accessibility()


def test_auditors_see_who_looked_and_administrators_what_they_can_do(visit, sign_in):
    for username in ("auditor", "admin"):
        with visit() as somebody:
            sign_in(somebody, username)
            expect(somebody.page.locator("#patient-search")).to_have_count(0)
            somebody.check_accessibility()
            if username == "auditor":
                somebody.go("/accesses/")
                expect(somebody.page.locator(".access-list li").first).to_be_visible()
                somebody.check_accessibility()


def test_mallory_finds_nobody_and_no_address_helps(visit, sign_in):
    with visit() as alice:
        sign_in(alice, "alice")
        path = alice.page.locator(".results a").first.get_attribute("href")
    with visit() as mallory:
        sign_in(mallory, "mallory")
        expect(mallory.page.locator(".results a")).to_have_count(0)
        assert path is not None
        answer = mallory.page.goto(mallory.url.rstrip("/") + path)
        assert answer is not None
        assert answer.status == 404


def test_a_record_that_waits_is_verified_without_loading_the_page_again(visit, sign_in, demo):
    """A record stored just now: the mark changes by itself when the consortium has confirmed it."""
    node = demo.description["nodes"][0]
    with visit() as alice:
        sign_in(alice, "alice")
        found = re.search(r"/patients/([^/]+)/", alice.page.locator(".results a").first.get_attribute("href") or "")
        assert found is not None
        with Node(node["url"], node["client_id"], node["client_secret"]) as engine:
            stored = engine.create(
                "Observation",
                json.dumps(
                    {
                        "resourceType": "Observation",
                        "status": "final",
                        "code": {"text": "Pulse"},
                        "subject": {"reference": f"Patient/{found[1]}"},
                        "effectiveDateTime": "2026-01-01T08:00:00+08:00",
                        "valueQuantity": {"value": 71, "unit": "/min"},
                    }
                ).encode(),
            )
        alice.go(f"/records/Observation/{stored.id}/")
        expect(alice.page.locator("#mark-box .mark")).to_be_visible()
        expect(alice.page.locator("#mark-box .mark-verified")).to_be_visible(timeout=30_000)
        assert alice.page.locator('a[href$="evidence.json"]').count() == 1
        alice.check_accessibility()


def test_without_scripts_a_patient_is_found_and_evidence_checked(visit, sign_in, tmp_path):
    with visit(scripts=False) as alice:
        page = alice.page
        sign_in(alice, "alice")
        name = page.locator(".results .name").first.inner_text()
        page.fill("#patient-search", name)
        page.keyboard.press("Enter")
        expect(page.locator(".results .name").first).to_have_text(name)
        page.locator(".results a").first.click()
        page.locator(".timeline-list li.more a").click()
        page.locator(".timeline-list a.title").first.click()
        expect(page.locator("#mark-box .mark")).to_be_visible()
        with page.expect_download() as download:
            page.locator('a[href$="evidence.json"]').click()
        evidence = tmp_path / "evidence.json"
        download.value.save_as(evidence)
        alice.go("/check/")
        page.set_input_files("#id_evidence", evidence)
        page.locator("main button[type=submit]").click()
        expect(page.locator("#verdict-title")).to_have_text("Proved, for a fingerprint")


def test_a_file_dropped_on_the_page_is_the_one_that_is_checked(visit, tmp_path):
    with visit() as somebody:
        somebody.go("/check/")
        somebody.page.evaluate(
            """() => {
              const carried = new DataTransfer()
              carried.items.add(new File(['{}'], 'dropped.json', {type: 'application/json'}))
              document.querySelector('.drop').dispatchEvent(
                new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}))
            }"""
        )
        assert somebody.page.evaluate("document.querySelector('#id_evidence').files[0].name") == "dropped.json"
        somebody.page.locator("main button[type=submit]").click()
        expect(somebody.page.locator("#verdict-title")).to_have_text("Does not match")


def test_the_keyboard_reaches_the_content_first_and_everything_shows_its_focus(visit, sign_in):
    with visit() as alice:
        sign_in(alice, "alice")
        alice.go("/me/")
        alice.page.keyboard.press("Tab")
        assert alice.page.evaluate("document.activeElement.className") == "skip-link"
        alice.page.keyboard.press("Enter")
        assert alice.page.evaluate("location.hash") == "#main"
        alice.go("/me/")
        for _ in range(8):
            alice.page.keyboard.press("Tab")
            outline = alice.page.evaluate(
                "(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)"
                "(getComputedStyle(document.activeElement))"
            )
            assert outline, alice.page.evaluate("document.activeElement.outerHTML")


def test_a_printed_record_has_the_patient_and_the_content_and_no_buttons(visit, sign_in):
    with visit() as alice:
        sign_in(alice, "alice")
        alice.page.locator(".results a").first.click()
        alice.page.locator(".timeline-list a.title").first.click()
        alice.page.wait_for_url("**/records/*/*/")
        alice.page.emulate_media(media="print")
        expect(alice.page.locator(".patient-banner")).to_be_visible()
        expect(alice.page.locator("#content-title")).to_be_visible()
        for hidden in (".top-bar", "[data-print]", 'a[href$="evidence.json"]'):
            expect(alice.page.locator(hidden).first).to_be_hidden()
