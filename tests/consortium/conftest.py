"""The cast: Dr Alice treats the patient, Bob works at the same hospital, Carol at another, Mallory must not."""

import base64
import time
from dataclasses import dataclass

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from consortium.members import services
from consortium.members.models import Organisation, Person, Role

PASSWORD = "correct horse battery staple"
CHEAP = ["django.contrib.auth.hashers.MD5PasswordHasher", "consortium.members.machines.MachineSecretHasher"]


@pytest.fixture(autouse=True)
def _cheap_passwords(settings):
    """Scrypt takes a tenth of a second by design; what it protects is not under test here."""
    settings.PASSWORD_HASHERS = CHEAP


@pytest.fixture
def hospital_a(db) -> Organisation:
    return services.create_organisation(code="hospital-a", name="Hospital A", kind="hospital", runs_this_node=True)


@pytest.fixture
def hospital_b(db) -> Organisation:
    return services.create_organisation(code="hospital-b", name="Hospital B", kind="hospital")


@pytest.fixture
def alice(hospital_a) -> Person:
    person = services.create_person(username="alice", name="Dr Alice", password=PASSWORD)
    services.assign_role(person=person, role=Role.CLINICIAN, organisation=hospital_a)
    return person


@dataclass
class Authenticator:
    """What a person's telephone does."""

    secret: str
    ahead: int = 0

    def code(self) -> str:
        """A code that was not given out yet and is still good: this one's step and the next are accepted."""
        counter = int(time.time()) // 30 + self.ahead
        self.ahead += 1
        return format_hotp_value(hotp_value(self.secret, counter))

    def wrong_code(self) -> str:
        good = {format_hotp_value(hotp_value(self.secret, int(time.time()) // 30 + n)) for n in range(-2, 3)}
        return next(c for c in ("000000", "111111", "222222", "333333", "444444", "555555") if c not in good)


def new_secret() -> str:
    return base64.b32encode(b"0123456789abcdefghij").decode()


@pytest.fixture
def alices_telephone(alice) -> Authenticator:
    return Authenticator(services.enrol_totp(person=alice, secret=new_secret()))


def sign_in(client: Client, username: str, password: str = PASSWORD, **extra):
    return client.post("/account/login/", {"login": username, "password": password}, **extra)


@pytest.fixture
def signed_in_alice(client, alices_telephone) -> Client:
    sign_in(client, "alice")
    response = client.post("/account/2fa/authenticate/", {"code": alices_telephone.code()})
    assert response.status_code == 302, response.content
    return client


@pytest.fixture
def machine(hospital_a) -> services.NewMachine:
    return services.create_machine(
        name="Interface engine", organisation=hospital_a, scopes="system/*.rs system/Observation.c"
    )
