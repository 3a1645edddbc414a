"""Headers, cookies, problems, health, and what logs do not say."""

import json
import logging
import uuid

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError, connections
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from django.utils import translation
from django.utils.translation import get_language
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from consortium import urls as node_urls
from consortium.web import addresses, logs, problems, throttling
from consortium.web.csp import API_POLICY, DIRECTIVES


def fail(request):
    raise ValueError("Zhang San, born 1961")


def missing(request):
    raise Http404


def forbidden(request):
    raise PermissionDenied


def suspicious(request):
    raise SuspiciousOperation("x")


def form(request):
    return HttpResponse("sent")


def language(request):
    return HttpResponse(get_language())


class Closed(APIView):
    def get(self, request):
        return Response({})


class Open(APIView):
    permission_classes = [AllowAny]

    def post(self, request):
        return Response(request.data)


VIEWS = [
    path(name, login_not_required(view), name=name)
    for name, view in (
        ("fail", fail),
        ("missing", missing),
        ("forbidden", forbidden),
        ("suspicious", suspicious),
        ("form", form),
        ("language", language),
        ("closed", Closed.as_view()),
        ("open", Open.as_view()),
    )
]
urlpatterns = [*node_urls.urlpatterns, path("page/", include(VIEWS)), path("api/", include(VIEWS))]
handler400, handler403 = node_urls.handler400, node_urls.handler403
handler404, handler500 = node_urls.handler404, node_urls.handler500

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.consortium.test_web")]


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.mark.parametrize(
    "address",
    [
        "/account/login/",
        "/page/missing",
        "/page/fail",
        "/page/forbidden",
        "/page/suspicious",
        "/nowhere",
        "/page/form",
    ],
)
def test_every_page_has_the_content_security_policy_that_starts_at_none(browser, address):
    response = browser.get(address)
    sent = dict(part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";"))
    assert sent == {name: " ".join(sources) for name, sources in DIRECTIVES.items()}
    assert sent["default-src"] == "'none'"
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("address", ["/healthz", "/api/missing", "/api/fail", "/fhir/nowhere", "/o/nowhere", "/log/x"])
def test_an_api_answers_with_a_policy_that_permits_nothing_and_sets_no_cookie(browser, address):
    response = browser.get(address)
    assert response["Content-Security-Policy"] == API_POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "no-store"
    assert not response.cookies
    assert "Vary" not in response or "Cookie" not in response["Vary"]


def test_an_api_answers_with_the_length_of_its_body(browser):
    response = browser.get("/healthz")
    assert response["Content-Length"] == str(len(response.content))


def test_a_public_node_answers_no_program_in_the_clear(settings):
    settings.NODE_IS_SECURE = True
    settings.SECURE_HSTS_SECONDS = 3600
    program = Client()
    refused = program.get("/api/missing")
    assert refused.status_code == 403
    assert refused.json()["code"] == "tls-only"
    assert "Location" not in refused
    answered = program.get("/api/missing", secure=True)
    assert answered.status_code == 404
    assert answered["Strict-Transport-Security"] == "max-age=3600; includeSubDomains"
    assert program.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("missing", 404, "not-found"),
        ("forbidden", 403, "forbidden"),
        ("suspicious", 400, "bad-request"),
        ("fail", 500, "failure"),
    ],
)
def test_programs_get_problem_details_and_people_a_page(browser, name, status, code):
    api = browser.get(f"/api/{name}")
    assert api.status_code == status
    assert api["Content-Type"] == "application/problem+json"
    body = api.json()
    assert body["code"] == code
    assert body["type"] == f"urn:xinglin:problem:{code}"
    assert body["status"] == status
    assert body["detail"]
    assert uuid.UUID(body["request_id"]) == uuid.UUID(api["X-Request-ID"])
    page = browser.get(f"/page/{name}")
    assert page.status_code == status
    assert page["Content-Type"].startswith("text/html")
    assert code in page.content.decode()


def test_a_page_answers_a_program_that_asks_for_json_in_json(browser):
    assert browser.get("/page/missing", headers={"Accept": "application/json"}).json()["code"] == "not-found"


def test_problem_pages_speak_chinese(browser):
    page = browser.get("/page/missing", headers={"Accept-Language": "zh-CN"})
    assert 'lang="zh-hans"' in page.content.decode()


def test_a_forged_form_is_refused_on_a_page_that_says_what_to_do(browser):
    response = browser.post("/page/form", {"x": "1"})
    assert response.status_code == 403
    assert "form-expired" in response.content.decode()
    assert browser.post("/page/form", {"x": "1"}, headers={"Origin": "https://mallory.example"}).status_code == 403


def test_a_view_that_names_no_permission_lets_nobody_in(browser, machine):
    response = browser.get("/api/closed")
    assert response.status_code == 401
    assert response.json()["code"] == "not-authenticated"
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("body", "type", "status", "code"),
    [
        (b"{", "application/json", 400, "unreadable-body"),
        (b"\xff", "application/json", 400, "unreadable-body"),
        (b"<x/>", "application/xml", 415, "unsupported-media-type"),
    ],
)
def test_unreadable_bodies_are_refused_with_a_code(browser, body, type, status, code):
    response = browser.post("/api/open", body, content_type=type)
    assert response.status_code == status
    assert response.json()["code"] == code


def test_a_wrong_method_is_refused_with_a_code(browser):
    response = browser.delete("/api/open")
    assert response.status_code == 405
    assert response.json()["code"] == "method-not-allowed"


def test_a_bad_token_is_refused_by_framework_views_too(browser):
    response = browser.get("/api/closed", headers={"Authorization": "Bearer unknown-unknown-unknown"})
    assert response.status_code == 401
    assert response.json()["code"] == "token-refused"


def test_a_room_can_render_the_problems_of_its_own_paths(browser, monkeypatch):
    monkeypatch.setattr(problems, "_renderers", {})
    problems.render_with(
        "/log", lambda request, problem: HttpResponse(f"in its own way: {problem.code}", status=problem.status)
    )
    assert browser.get("/log/nowhere").content == b"in its own way: not-found"
    assert browser.get("/api/missing").json()["code"] == "not-found"


def test_a_page_in_chinese_does_not_leave_its_language_to_the_next_request(browser):
    assert browser.get("/page/language", headers={"Accept-Language": "zh-CN"}).content == b"zh-hans"
    assert translation.get_language() == "en"
    assert browser.get("/api/language", headers={"Accept-Language": "zh-CN"}).content == b"en"


def test_every_request_has_a_number_of_ours(browser):
    given = str(uuid.uuid4())
    answers = [browser.get("/healthz", headers={"X-Request-ID": given}) for _ in range(2)]
    numbers = {a["X-Request-ID"] for a in answers}
    assert len(numbers) == 2
    assert given not in numbers


def test_cookies_are_this_nodes_own_and_out_of_reach_of_scripts_and_other_sites(browser, client, alice):
    from tests.consortium.conftest import sign_in

    csrf = browser.get("/account/login/").cookies[django_settings.CSRF_COOKIE_NAME]
    assert csrf["httponly"]
    assert csrf["samesite"] == "Strict"
    session = sign_in(client, "alice").cookies[django_settings.SESSION_COOKIE_NAME]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert session["domain"] == ""
    for name in (
        django_settings.CSRF_COOKIE_NAME,
        django_settings.SESSION_COOKIE_NAME,
        django_settings.LANGUAGE_COOKIE_NAME,
    ):
        assert name.startswith(django_settings.COOKIE_NAME)


def test_the_language_can_be_chosen_by_anybody(browser):
    login = browser.get("/account/login/")
    token = login.context["csrf_token"] if login.context else ""
    response = browser.post(
        "/language/",
        {"language": "zh-hans", "next": "/account/login/", "csrfmiddlewaretoken": str(token)},
    )
    assert response.status_code == 302
    assert browser.get("/page/language").content == b"zh-hans"


def test_health_is_told_to_anybody(browser):
    assert browser.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db(databases=["default", "vault"])
def test_readiness_asks_both_databases(browser, monkeypatch, caplog):
    assert browser.get("/readyz").json() == {"status": "ok"}

    def down():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connections["vault"], "cursor", down)
    with caplog.at_level(logging.CRITICAL):
        response = browser.get("/readyz")
    assert response.status_code == 503
    assert response.json()["code"] == "database-unreachable"
    assert response["Retry-After"] == "5"


def test_the_openapi_description_names_the_json_doors(browser):
    response = browser.get("/api/schema")
    assert response.status_code == 200
    paths = json.loads(response.content)["paths"]
    assert {"/o/token", "/healthz", "/readyz"} <= set(paths)


def test_logs_name_routes_and_types_but_no_path_value_or_message(browser, caplog):
    caplog.set_level(logging.ERROR, logger="django.request")
    browser.get("/page/fail?name=Zhang")
    record = next(r for r in caplog.records if r.name == "django.request")
    logs.RoutesOnly().filter(record)
    line = logs.LineFormatter().format(record)
    assert "GET page/fail 500" in line
    assert "ValueError" in line
    assert "in fail" in line or "fail" in line
    assert "Zhang" not in line
    assert "1961" not in line


def test_an_address_is_taken_from_our_own_proxies_entry_and_from_no_other(settings):
    request = RequestFactory().get(
        "/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.2"}
    )
    assert addresses.client_address(request) == "10.0.0.1"
    settings.TRUSTED_PROXIES = 1
    assert addresses.client_address(request) == "198.51.100.2"
    settings.TRUSTED_PROXIES = 3
    assert addresses.client_address(request) == "10.0.0.1"


def test_a_view_of_the_framework_slows_strangers_down(browser, monkeypatch):
    monkeypatch.setattr(throttling, "UNKNOWN", throttling.Buckets(rate=1, burst=2))
    answers = [browser.post("/api/open", b"{}", content_type="application/json") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[-1].json()["code"] == "too-many-requests"
    assert int(answers[-1]["Retry-After"]) >= 1


def test_a_bucket_lets_a_burst_pass_and_then_the_rate():
    buckets = throttling.Buckets(rate=10, burst=5)
    assert [buckets.admit("m1", 100.0) == 0 for _ in range(6)] == [True] * 5 + [False]
    assert buckets.admit("m2", 100.0) == 0
    assert buckets.admit("m1", 100.05) > 0
    assert buckets.admit("m1", 100.11) == 0
