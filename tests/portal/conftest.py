"""The cast at a portal: Dr Alice treats the patients, Mallory works at the same node and must not see them."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client

from consortium.members import services
from consortium.members.keys import create_missing_keys
from consortium.members.models import CareTeam, Organisation, Person, Role
from consortium.members.scopes import Scopes
from records import vault
from records.access.asker import Asker
from records.access.grants import compartment_of, grant_care_team
from records.fhir import jsontext
from records.fhir.node import fhir_node
from records.fhir.stamps import instant_now
from records.fhir.store import Put, Remove, write_records
from records.portal.dates import Setting
from tests.consortium.conftest import CHEAP, PASSWORD, Authenticator, new_secret, sign_in
from tests.portal import patients
from tests.portal.patients import Resource

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def setting() -> Setting:
    return Setting(NOW, ZoneInfo("Asia/Shanghai"), "Asia/Shanghai", "en")


@pytest.fixture
def node(db, settings, tmp_path) -> Organisation:
    """A node with keys of its own, run by Hospital A."""
    settings.PASSWORD_HASHERS = CHEAP
    settings.NODE_KEYS = tmp_path / "keys"
    settings.TRUST_FILE = tmp_path / "trust.json"
    create_missing_keys(settings.NODE_KEYS)
    vault.node_key.cache_clear()
    return services.create_organisation(code="hospital-a", name="Hospital A", kind="hospital", runs_this_node=True)


def person(node: Organisation, username: str, name: str, *roles: Role) -> Person:
    made = services.create_person(username=username, name=name, password=PASSWORD)
    for role in roles:
        services.assign_role(person=made, role=role, organisation=node)
    return made


@pytest.fixture
def ward(node) -> CareTeam:
    return services.create_care_team(organisation=node, name="Respiratory ward")


@pytest.fixture
def alice(node, ward) -> Person:
    made = person(node, "alice", "Dr Alice", Role.CLINICIAN)
    services.add_to_care_team(person=made, care_team=ward)
    return made


@pytest.fixture
def mallory(node) -> Person:
    """A clinician whom no care team of these patients has."""
    made = person(node, "mallory", "Mallory", Role.CLINICIAN)
    team = services.create_care_team(organisation=node, name="Elsewhere")
    services.add_to_care_team(person=made, care_team=team)
    return made


def come_in(who: Person) -> Client:
    """A browser in which this person has signed in, with both steps."""
    telephone = Authenticator(services.enrol_totp(person=who, secret=new_secret()))
    browser = Client()
    sign_in(browser, who.username)
    assert browser.post("/account/2fa/authenticate/", {"code": telephone.code()}).status_code == 302
    return browser


@pytest.fixture
def alices(alice) -> Client:
    return come_in(alice)


@pytest.fixture
def mallorys(mallory) -> Client:
    return come_in(mallory)


def _engine() -> Asker:
    return Asker(
        kind="machine",
        actor_id=1,
        label="Interface engine",
        organisation_id=None,
        purpose="TREAT",
        request_id=uuid.uuid4(),
        scopes=Scopes.parse("system/*.cruds"),
    )


def store(*resources: Resource) -> None:
    """Writes resources as the hospital's interface engine would, each in its next version."""
    with transaction.atomic():
        write_records(
            writer=_engine(),
            changes=[
                Put(one["resourceType"], one["id"], jsontext.parse(json.dumps(one, ensure_ascii=False).encode()))
                for one in resources
            ],
            at=instant_now(),
            node=fhir_node(),
        )


def remove(type: str, id: str) -> None:
    """Deletes a record as the hospital's interface engine would."""
    with transaction.atomic():
        write_records(writer=_engine(), changes=[Remove(type, id)], at=instant_now(), node=fhir_node())


@pytest.fixture
def treated(ward, db) -> Callable[..., None]:
    """Stores resources and lets the ward see the patients among them."""

    def treat(*resources: Resource) -> None:
        store(*resources)
        for one in resources:
            if one["resourceType"] == "Patient":
                grant_care_team(compartment=compartment_of(one["id"]), care_team=ward)

    return treat


@pytest.fixture
def wang_fang(treated) -> str:
    treated(*patients.wang_fang())
    return "wang-fang"
