"""Signing in: the second factor, the lock-out, and the end of sessions."""

import time
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator as Stored
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from consortium.audit.models import AccessEvent
from consortium.members import services
from tests.consortium.conftest import PASSWORD, Authenticator, sign_in

pytestmark = pytest.mark.django_db

OPEN_PAGE = "/account/login/"
PERSONAL_PAGE = "/account/password/"


def test_a_person_without_a_second_factor_is_sent_to_enrol_one_wherever_they_go(client, alice):
    sign_in(client, "alice")
    response = client.get(PERSONAL_PAGE)
    assert response.status_code == 302
    assert response["Location"] == "/account/2fa/totp/activate/"
    assert client.get("/account/2fa/recovery-codes/").status_code == 302


def test_enrolling_a_second_factor_opens_the_pages(client, alice):
    sign_in(client, "alice")
    page = client.get("/account/2fa/totp/activate/")
    assert page.status_code == 200
    telephone = Authenticator(page.context["form"].secret)
    response = client.post("/account/2fa/totp/activate/", {"code": telephone.code()})
    assert response.status_code == 302
    assert client.get(PERSONAL_PAGE).status_code == 200


def test_a_wrong_code_at_enrolment_opens_nothing(client, alice):
    sign_in(client, "alice")
    telephone = Authenticator(client.get("/account/2fa/totp/activate/").context["form"].secret)
    assert client.post("/account/2fa/totp/activate/", {"code": telephone.wrong_code()}).status_code == 200
    assert client.get(PERSONAL_PAGE)["Location"] == "/account/2fa/totp/activate/"


def test_the_password_alone_does_not_sign_in_where_there_is_a_second_factor(client, alices_telephone):
    response = sign_in(client, "alice")
    assert response["Location"].startswith("/account/2fa/authenticate/")
    assert client.get(PERSONAL_PAGE)["Location"].startswith("/account/login/")


def test_password_and_code_sign_in(signed_in_alice):
    assert signed_in_alice.get(PERSONAL_PAGE).status_code == 200


def test_a_wrong_code_does_not_sign_in(client, alices_telephone):
    sign_in(client, "alice")
    response = client.post("/account/2fa/authenticate/", {"code": alices_telephone.wrong_code()})
    assert response.status_code == 200
    assert client.get(PERSONAL_PAGE).status_code == 302


def test_a_code_is_good_once(alices_telephone):
    code = alices_telephone.code()
    first, second = Client(), Client()
    for browser in (first, second):
        sign_in(browser, "alice")
    assert first.post("/account/2fa/authenticate/", {"code": code}).status_code == 302
    assert second.post("/account/2fa/authenticate/", {"code": code}).status_code == 200
    assert second.get(PERSONAL_PAGE).status_code == 302


def test_codes_cannot_be_guessed_for_long(client, alices_telephone):
    sign_in(client, "alice")
    for _ in range(5):
        client.post("/account/2fa/authenticate/", {"code": alices_telephone.wrong_code()})
    assert client.post("/account/2fa/authenticate/", {"code": alices_telephone.code()}).status_code == 200
    assert client.get(PERSONAL_PAGE).status_code == 302


def test_a_session_from_before_the_enrolment_does_not_profit_from_it(alice):
    mallory, owner = Client(), Client()
    sign_in(mallory, "alice")
    sign_in(owner, "alice")
    telephone = Authenticator(owner.get("/account/2fa/totp/activate/").context["form"].secret)
    owner.post("/account/2fa/totp/activate/", {"code": telephone.code()})
    assert mallory.get(PERSONAL_PAGE)["Location"].startswith("/account/login/")
    assert mallory.get("/account/2fa/")["Location"].startswith("/account/login/")
    assert owner.get(PERSONAL_PAGE).status_code == 200


def test_the_only_second_factor_cannot_be_removed(signed_in_alice, alices_telephone):
    page = signed_in_alice.post("/account/2fa/totp/deactivate/")
    assert Stored.objects.filter(type=Stored.Type.TOTP).count() == 1
    assert "your only second factor" in page.content.decode() or page.status_code == 302


def test_the_secret_of_a_second_factor_is_not_stored_as_it_is(alices_telephone):
    stored = Stored.objects.get(type=Stored.Type.TOTP)
    assert alices_telephone.secret not in str(stored.data)


def test_five_wrong_passwords_lock_the_name_from_that_address(client, alices_telephone):
    for _ in range(4):
        assert sign_in(client, "alice", "wrong").status_code == 200
    fifth = sign_in(client, "alice", "wrong")
    assert fifth.status_code == 429
    assert "locked for 15 minutes" in fifth.content.decode()
    assert fifth["Retry-After"] == "900"
    assert sign_in(client, "alice").status_code == 429


def test_spelling_the_name_differently_does_not_give_more_attempts(client, alice):
    for name in ("alice", "Alice", "ALICE", " alice "):
        sign_in(client, name, "wrong")
    assert sign_in(client, "aLiCe", "wrong").status_code == 429


def test_the_lock_holds_for_one_name_and_one_address(client, alice, hospital_a):
    services.create_person(username="bob", name="Bob", password=PASSWORD)
    for _ in range(5):
        sign_in(client, "alice", "wrong")
    assert sign_in(client, "bob").status_code == 302
    assert sign_in(Client(REMOTE_ADDR="192.0.2.7"), "alice").status_code == 302


def test_a_name_that_nobody_has_is_locked_alike(client, db):
    for _ in range(4):
        assert sign_in(client, "nobody", "wrong").status_code == 200
    assert sign_in(client, "nobody", "wrong").status_code == 429


def test_the_right_password_forgets_wrong_ones(client, alice):
    for _ in range(4):
        sign_in(client, "alice", "wrong")
    assert sign_in(client, "alice").status_code == 302
    client.post("/account/logout/")
    assert sign_in(client, "alice", "wrong").status_code == 200


def test_nobody_signs_up(client, db):
    assert client.get("/account/signup/").status_code == 404
    assert client.get("/account/password/reset/").status_code == 404


def test_signing_in_and_out_and_failing_leave_audit_rows_that_name_no_guess(client, alices_telephone, alice):
    sign_in(client, "alice", "hunter2")
    sign_in(client, "alice")
    client.post("/account/2fa/authenticate/", {"code": alices_telephone.code()})
    client.post("/account/logout/")
    rows = list(AccessEvent.objects.order_by("id").values_list("interaction", "outcome", "actor_id", "because"))
    assert rows == [
        ("sign-in", 4, None, "wrong-password"),
        ("sign-in", 0, alice.pk, None),
        ("sign-out", 0, alice.pk, None),
    ]


def test_a_session_ends_after_its_longest_time_however_busy(signed_in_alice, settings):
    session = signed_in_alice.session
    records = session["account_authentication_methods"]
    for record in records:
        record["at"] = time.time() - settings.SESSION_LONGEST.total_seconds() - 1
    session["account_authentication_methods"] = records
    session.save()
    assert signed_in_alice.get(PERSONAL_PAGE)["Location"].startswith("/account/login/")


def test_an_idle_session_expires(signed_in_alice, settings):
    cookie = signed_in_alice.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["max-age"] == ""  # it ends with the browser, too
    assert signed_in_alice.session.get_expiry_age() <= 30 * 60
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert signed_in_alice.get(PERSONAL_PAGE)["Location"].startswith("/account/login/")


def test_a_session_in_use_is_renewed_once_a_minute_and_not_for_every_page(signed_in_alice):
    signed_in_alice.get(PERSONAL_PAGE)
    expires = Session.objects.get().expire_date
    signed_in_alice.get(PERSONAL_PAGE)
    assert Session.objects.get().expire_date == expires
    session = signed_in_alice.session
    session["seen-at"] -= 61
    session.save()
    Session.objects.update(expire_date=timezone.now() + timedelta(minutes=1))
    signed_in_alice.get(PERSONAL_PAGE)
    assert Session.objects.get().expire_date > timezone.now() + timedelta(minutes=29)


@pytest.mark.parametrize("service", [services.end_sessions, services.reset_second_factor, services.deactivate_person])
def test_sessions_end_at_once_when_an_operator_ends_them(signed_in_alice, alice, service):
    service(person=alice)
    assert signed_in_alice.get(PERSONAL_PAGE)["Location"].startswith("/account/login/")


def test_a_deactivated_person_cannot_sign_in(client, alices_telephone, alice):
    services.deactivate_person(person=alice)
    assert "authenticate" not in sign_in(client, "alice").get("Location", "")
    assert client.get(PERSONAL_PAGE)["Location"].startswith("/account/login/")


def test_a_part_of_a_page_asks_the_browser_to_sign_in_as_a_whole(client, db):
    response = client.get(
        PERSONAL_PAGE,
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/patients/"},
    )
    assert response.status_code == 204
    assert response["HX-Redirect"].startswith("/account/login/?next=")


def test_logging_out_needs_a_form(signed_in_alice):
    signed_in_alice.get("/account/logout/")
    assert signed_in_alice.get(PERSONAL_PAGE).status_code == 200
    signed_in_alice.post("/account/logout/")
    assert signed_in_alice.get(PERSONAL_PAGE).status_code == 302


def test_a_next_address_on_another_host_is_not_followed(client, alices_telephone):
    client.post(
        "/account/login/?next=https://mallory.example/",
        {"login": "alice", "password": PASSWORD, "next": "https://mallory.example/"},
    )
    response = client.post("/account/2fa/authenticate/", {"code": alices_telephone.code()})
    assert response["Location"] == "/"
