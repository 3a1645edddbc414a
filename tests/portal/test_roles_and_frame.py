"""What those see who are not clinicians, and what every page has around it."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.test import Client

from consortium.audit.models import AccessEvent
from consortium.members import services
from consortium.members.models import Role
from consortium.web import assets
from tests.consortium.conftest import sign_in
from tests.portal.conftest import come_in, person
from tests.portal.test_patient_pages import PARTIAL, Elements, addresses_about_wang_fang, words

pytestmark = pytest.mark.django_db(databases=["default", "vault"])

TEMPLATES = Path(django_settings.BASE_DIR) / "templates"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.CLINICIAN])
def test_who_is_no_clinician_is_told_what_their_role_can_do_and_sees_no_patient(node, wang_fang, role):
    browser = come_in(person(node, "somebody", "Somebody Else", role))
    page = browser.get("/")
    assert page.status_code == 200
    assert str(role.label) in words(page)
    assert "王芳" not in words(page)
    for address in addresses_about_wang_fang():
        assert browser.get(address).status_code in {403, 404}, address
    assert "王芳" not in words(browser.post("/", {"text": "王芳"}, headers=PARTIAL))


def test_somebody_without_a_role_is_told_whom_to_ask(node):
    browser = come_in(person(node, "newcomer", "New Comer"))
    assert "You have no role on this node yet." in words(browser.get("/"))


def test_a_role_that_has_ended_opens_nothing_any_more(node, alice, alices, wang_fang):
    assert alices.get("/patients/wang-fang/").status_code == 200
    services.end_role(person=alice, role=Role.CLINICIAN, organisation=node)
    assert alices.get("/patients/wang-fang/").status_code in {403, 404}
    assert "王芳" not in words(alices.get("/"))


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.PRIVACY_OFFICER])
def test_auditors_and_privacy_officers_see_who_looked(node, alices, wang_fang, role):
    alices.get("/records/Condition/wf-asthma/")
    browser = come_in(person(node, "watcher", "Wat Cher", role))
    said = words(browser.get("/accesses/"))
    assert "Dr Alice" in said
    assert "Problem wf-asthma" in said
    assert "treatment" in said
    assert "Asthma" not in said
    of_one = words(browser.get("/accesses/?patient=wang-fang"))
    assert "Only accesses to records of patient wang-fang are listed." in of_one
    assert AccessEvent.objects.filter(interaction="search-type", query="patient=wang-fang").exists()


def test_the_list_of_accesses_continues_without_gap_or_repetition(node, alices, wang_fang):
    for _ in range(45):
        alices.get("/records/Condition/wf-asthma/versions/1/record.json")
    browser = come_in(person(node, "watcher", "Wat Cher", Role.AUDITOR))
    response, seen = browser.get("/accesses/?patient=wang-fang"), 0
    while True:
        html = response.content.decode()
        seen += html.count("read a version")
        more = re.search(r'hx-get="([^"]+)"', html)
        if more is None:
            break
        response = browser.get(more[1].replace("&amp;", "&"), headers=PARTIAL)
    assert seen == 45


def test_clinicians_do_not_see_who_looked(alices):
    assert alices.get("/accesses/").status_code == 403


def test_about_me_names_roles_and_care_teams(alices):
    said = words(alices.get("/me/"))
    assert "Dr Alice" in said
    assert "clinician" in said
    assert "Respiratory ward" in said
    assert "Asia/Shanghai (UTC+08:00)" in said


def test_the_language_is_chosen_on_any_page_and_kept(alices):
    response = alices.post("/language/", {"language": "zh-hans", "next": "/me/"})
    assert response["Location"] == "/me/"
    page = alices.get("/me/")
    assert '<html lang="zh-hans"' in page.content.decode()
    assert "照护团队" in words(page)


def test_the_error_page_needs_no_session_and_hides_nothing_that_helps():
    page = Client().get("/nonsense/")
    assert page.status_code == 404
    assert "There is nothing here" in words(page)
    assert re.search(r"not-found, [0-9a-f-]{36}", words(page))


# allauth's pages in our frame


def account_pages(browser):
    yield "/account/2fa/"
    yield "/account/password/"
    yield "/account/logout/"
    yield "/account/2fa/passkeys/"


def test_account_pages_are_in_the_frame_and_within_the_policy(alices):
    for address in account_pages(alices):
        page = alices.get(address)
        assert page.status_code == 200, address
        reader = Elements()
        reader.feed(page.content.decode())
        assert {"header", "main", "footer"} <= reader.tags
        assert not [name for name in reader.attributes if name.startswith("on") or name == "style"]
        assert all(source.startswith(("/static/", "data:image/svg+xml")) for source in reader.sources)


def test_enrolment_shows_the_key_and_a_picture_of_it(node):
    newcomer = person(node, "newcomer", "New Comer", Role.CLINICIAN)
    browser = Client()
    sign_in(browser, newcomer.username)
    page = browser.get("/", follow=True)
    assert page.redirect_chain[-1][0] == "/account/2fa/totp/activate/"
    assert page.context["form"].secret in words(page)
    assert b"data:image/svg+xml" in page.content


def test_a_wrong_password_is_said_and_not_repeated(node):
    person(node, "bob", "Bob", Role.CLINICIAN)
    page = sign_in(Client(), "bob", "wrong-secret-word")
    assert page.status_code == 200
    assert b"wrong-secret-word" not in page.content
    assert 'role="alert"' in page.content.decode()


def test_somebody_who_lost_their_telephone_makes_and_uses_recovery_codes(alices):
    alices.post("/account/2fa/recovery-codes/new/")
    page = alices.get("/account/2fa/")
    assert page.status_code == 200


# What is served


def test_every_icon_that_a_page_names_is_in_the_sprite():
    named = {
        name
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r'icon\.html" with name="([a-z-]+)"', path.read_text())
    }
    code = Path(django_settings.BASE_DIR) / "records" / "portal"
    for path in [*code.glob("*.py"), Path(django_settings.BASE_DIR) / "records" / "templatetags" / "portal.py"]:
        named |= set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', path.read_text())) & set(assets.ICONS)
    assert named == set(assets.ICONS)


def test_what_pages_refer_to_is_found_and_nothing_else_of_the_packages():
    referred = {
        name for path in TEMPLATES.rglob("*.html") for name in re.findall(r"{% static '([^']+)' %}", path.read_text())
    }
    assert referred
    for name in referred:
        assert finders.find(name), name
    for name in ("vendor/package.json", "@tabler/core/package.json", "axe-core/axe.js"):
        assert finders.find(name) is None
    with pytest.raises(SuspiciousFileOperation):
        finders.find("vendor/../../settings.py")


def test_assets_are_built_again_when_a_package_changes_and_not_otherwise(tmp_path):
    packages = tmp_path / "node_modules"
    for path in assets.FROM_NODE_MODULES.values():
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_text("a{}\n/*# sourceMappingURL=x.map */")
    for name in assets.ICONS:
        icon = packages / "@tabler/icons/icons/outline" / f"{name}.svg"
        icon.parent.mkdir(parents=True, exist_ok=True)
        icon.write_text("<svg a='b'><path d='M0 0'/></svg>")
    target = assets.ensure_built(packages, tmp_path / "assets")
    assert (target / "tabler.css").read_text() == "a{}"
    sprite = (target / "icons.svg").read_text()
    assert all(f'<symbol id="{name}"' in sprite for name in assets.ICONS)
    before = (target / "tabler.css").stat().st_mtime_ns
    assets.ensure_built(packages, tmp_path / "assets")
    assert (target / "tabler.css").stat().st_mtime_ns == before
    (packages / assets.FROM_NODE_MODULES["tabler.css"]).write_text("b{color:red}")
    assets.ensure_built(packages, tmp_path / "assets")
    assert (target / "tabler.css").read_text() == "b{color:red}"


def test_no_template_has_a_style_a_handler_or_a_script_of_its_own():
    for path in TEMPLATES.rglob("*.html"):
        text = re.sub(r"{%.*?%}|{{.*?}}", "", path.read_text())
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|https?://", text), path
        assert not re.search(r"<script(?![^>]*(?:src=|type=.application/json))", text), path
        assert "|safe" not in path.read_text()
        assert "autoescape off" not in path.read_text()
