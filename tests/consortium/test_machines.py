"""The token endpoint, and what a token is good for."""

import base64
import hashlib
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken

from consortium.members import services
from consortium.members.bearer import machine_of
from consortium.members.models import Machine
from consortium.members.scopes import ScopeError
from consortium.web.problems import ProblemError

pytestmark = pytest.mark.django_db


def ask(client: Client, made: services.NewMachine, *, secret: str | None = None, **parameters):
    credentials = f"{made.machine.client_id}:{secret or made.client_secret}".encode()
    return client.post(
        "/o/token",
        {"grant_type": "client_credentials", **parameters},
        headers={"Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
    )


def request_with(token: str):
    return RequestFactory().get("/fhir/Patient", headers={"Authorization": f"Bearer {token}"})


def test_a_machine_gets_a_token_and_is_known_by_it(client, machine):
    answer = ask(client, machine, scope="system/Observation.rs")
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    assert body["scope"] == "system/Observation.rs"
    assert "refresh_token" not in body
    caller = machine_of(request_with(body["access_token"]))
    assert caller.machine_id == machine.machine.pk
    assert caller.label == "Interface engine"
    assert caller.scopes.permits("Observation", "r")
    assert not caller.scopes.permits("Patient", "r")


def test_without_a_scope_a_token_has_all_that_the_machine_may_have(client, machine):
    caller = machine_of(request_with(ask(client, machine).json()["access_token"]))
    assert str(caller.scopes) == "system/*.rs system/Observation.c"


def test_credentials_in_the_body_do_as_well(client, machine):
    answer = client.post(
        "/o/token",
        {
            "grant_type": "client_credentials",
            "client_id": machine.machine.client_id,
            "client_secret": machine.client_secret,
        },
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "scope",
    [
        "system/Patient.c",
        "system/*.c",
        "system/Observation.crs system/Patient.d",
        "system/Observation.read",
        "openid",
        "user/*.rs",
        "read write",
        "system/Observation.rs?code=x",
    ],
)
def test_a_scope_that_the_machine_may_not_have_is_refused(client, machine, scope):
    answer = ask(client, machine, scope=scope)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_scope"
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", "implicit", "nonsense", ""])
def test_other_grants_are_refused(client, machine, alice, grant):
    answer = ask(client, machine, grant_type=grant, username="alice", password="x", code="x", refresh_token="x")
    assert answer.status_code in {400, 401}
    assert answer.json()["error"] in {"unsupported_grant_type", "invalid_request"}
    assert not AccessToken.objects.exists()


def test_a_wrong_secret_is_refused(client, machine):
    answer = ask(client, machine, secret="wrong")
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer["WWW-Authenticate"].startswith("Basic")


def test_hostile_credentials_are_refused_without_a_failure(client, machine):
    for credentials in (b"\xff\xfe", b"no colon", b"a\x00b:c", b":", "杏:林".encode(), b"x" * 100_000):
        answer = client.post(
            "/o/token",
            {"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
        )
        assert 400 <= answer.status_code < 500, credentials[:10]
    for body in (
        b"\x00",
        b"grant_type=client_credentials&client_id=%00&client_secret=%00",
        b"%zz=%ff",
        b"{}",
    ):
        answer = client.post("/o/token", body, content_type="application/x-www-form-urlencoded")
        assert 400 <= answer.status_code < 500, body


def test_a_secret_in_the_address_is_refused(client, machine):
    answer = client.post(
        f"/o/token?client_id={machine.machine.client_id}&client_secret={machine.client_secret}",
        {"grant_type": "client_credentials"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


def test_a_token_for_somebody_else_is_not_given(client, machine):
    assert ask(client, machine, resource="https://other.example/fhir").json()["error"] == "invalid_target"
    assert ask(client, machine, resource="http://localhost:8000/fhir").status_code == 200


def test_neither_tokens_nor_secrets_are_stored(client, machine):
    token = ask(client, machine).json()["access_token"]
    stored = AccessToken.objects.get()
    assert stored.token == ""
    assert stored.token_checksum == hashlib.sha256(token.encode()).hexdigest()
    assert not RefreshToken.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT machine::text FROM consortium_machine AS machine")
        assert machine.client_secret not in cursor.fetchone()[0]
    assert machine.client_secret not in repr(machine)


def test_an_expired_token_is_refused(client, machine):
    token = ask(client, machine).json()["access_token"]
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ProblemError) as refusal:
        machine_of(request_with(token))
    assert refusal.value.problem.code == "token-refused"
    assert 'error="invalid_token"' in str(refusal.value.problem.challenge)


def test_a_deactivated_machine_is_refused_at_once_and_gets_no_token(client, machine):
    token = ask(client, machine).json()["access_token"]
    services.deactivate_machine(machine=machine.machine)
    with pytest.raises(ProblemError):
        machine_of(request_with(token))
    assert ask(client, machine).status_code == 401


def test_a_machine_switched_off_in_the_database_is_refused_with_its_old_token(client, machine):
    token = ask(client, machine).json()["access_token"]
    Machine.objects.update(is_active=False)
    with pytest.raises(ProblemError):
        machine_of(request_with(token))


def test_a_renewed_secret_voids_the_old_one_and_its_tokens(client, machine):
    token = ask(client, machine).json()["access_token"]
    renewed = services.renew_machine_secret(machine=machine.machine)
    assert ask(client, machine).status_code == 401
    assert ask(client, renewed).status_code == 200
    with pytest.raises(ProblemError):
        machine_of(request_with(token))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "not-authenticated"),
        ("", "not-authenticated"),
        ("Bearer", "token-refused"),
        ("Bearer ", "token-refused"),
        ("Bearer short", "token-refused"),
        ("Bearer unknown-unknown-unknown", "token-refused"),
        ("Bearer two tokens-tokens-tokens", "token-refused"),
        ("Basic YWxpY2U6eA==", "token-refused"),
        ("Bearer " + "x" * 10_000, "token-refused"),
        ("Bearer tok\x00en-tok\x00en-tok\x00en", "token-refused"),
    ],
)
def test_a_header_without_a_good_token_is_refused(db, header, code):
    request = RequestFactory().get("/fhir/Patient", **({"HTTP_AUTHORIZATION": header} if header else {}))
    with pytest.raises(ProblemError) as refusal:
        machine_of(request)
    assert refusal.value.problem.code == code
    assert refusal.value.problem.status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/o/",
        "/o/applications/",
        "/o/authorize/",
        "/o/revoke_token/",
        "/o/introspect/",
        "/o/register/",
        "/o/device/",
    ],
)
def test_nothing_else_is_under_o(client, db, path):
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404


def test_the_token_endpoint_takes_posts_only(client, db):
    assert client.get("/o/token").status_code == 405


def test_strangers_are_slowed_down(client, machine, monkeypatch):
    from consortium.web import throttling

    monkeypatch.setattr(throttling, "UNKNOWN", throttling.Buckets(rate=1, burst=3))
    answers = [ask(client, machine, secret="wrong") for _ in range(5)]
    assert [a.status_code for a in answers] == [401, 401, 401, 429, 429]
    assert int(answers[-1]["Retry-After"]) >= 1
    assert answers[-1].json()["code"] == "too-many-requests"


def test_a_machine_is_made_with_scopes_that_can_be_read(hospital_a):
    with pytest.raises(ScopeError):
        services.create_machine(name="x", organisation=hospital_a, scopes="everything")
