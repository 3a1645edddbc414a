"""The cast at the records: a machine at the FHIR door; Dr Alice, Bob and Mallory, who come through the portal."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken

from consortium.members import services
from consortium.members.keys import create_missing_keys
from consortium.members.models import CareTeam, Machine, Organisation, Person, Role
from consortium.members.selectors import standing_of
from records import vault
from records.access import Asker, bearer
from records.access.grants import compartment_of, grant_care_team
from records.fhir.node import fhir_node

CHEAP = ["django.contrib.auth.hashers.MD5PasswordHasher", "consortium.members.machines.MachineSecretHasher"]
TABLES = (
    "records_current, records_history, records_reference, records_string, records_date, records_quantity,"
    " records_bundle, ledger_outbox, ledger_leaf, ledger_tile, ledger_state"
)


@pytest.fixture
def node(transactional_db, settings, tmp_path) -> Iterator[Organisation]:
    """A node with keys of its own, run by Hospital A, that holds nothing yet."""
    settings.PASSWORD_HASHERS = CHEAP
    settings.NODE_KEYS = tmp_path / "keys"
    settings.API_RATE = 1_000_000
    create_missing_keys(settings.NODE_KEYS)
    for cache in (vault.node_key, fhir_node):
        cache.cache_clear()
    bearer._remembered.clear()
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
    yield services.create_organisation(code="hospital-a", name="Hospital A", kind="hospital", runs_this_node=True)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {TABLES}")


@dataclass
class Fhir:
    """A client of the FHIR API with a bearer token."""

    token: str
    machine: Machine

    def send(
        self,
        method: str,
        address: str,
        body: Any = None,
        *,
        content_type: str = "application/fhir+json",
        **headers: str,
    ) -> HttpResponse:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer: HttpResponse = Client(raise_request_exception=False).generic(  # type: ignore[assignment]
            method,
            f"/fhir/{address}".rstrip("/") if not address.startswith("/") else address,
            data,
            content_type=content_type if data else "",
            headers={"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}},
        )
        return answer

    def get(self, address: str, **headers: str) -> HttpResponse:
        return self.send("GET", address, **headers)

    def post(self, address: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.send("POST", address, body, **headers)

    def put(self, address: str, body: Any, **headers: str) -> HttpResponse:
        return self.send("PUT", address, body, **headers)

    def delete(self, address: str, **headers: str) -> HttpResponse:
        return self.send("DELETE", address, **headers)

    def create(self, resource: dict[str, Any] | bytes) -> dict[str, Any]:
        kind = (json.loads(resource) if isinstance(resource, bytes) else resource)["resourceType"]
        response = self.post(kind, resource)
        assert response.status_code == 201, response.content
        return json.loads(response.content)

    def search(self, address: str, **headers: str) -> list[dict[str, Any]]:
        response = self.get(address, **headers)
        assert response.status_code == 200, response.content
        return [e["resource"] for e in json.loads(response.content).get("entry", [])]


@pytest.fixture
def machine_with(node) -> Callable[[str], Fhir]:
    """A machine's client with these scopes."""

    def make(scopes: str) -> Fhir:
        machine = services.create_machine(name=f"Engine {uuid.uuid4()}", organisation=node, scopes=scopes).machine
        token = uuid.uuid4().hex + uuid.uuid4().hex
        AccessToken.objects.create(
            token=token, application=machine, scope=str(scopes), expires=timezone.now() + timedelta(hours=1)
        )
        return Fhir(token, machine)

    return make


@pytest.fixture
def fhir(machine_with) -> Fhir:
    """A machine that may do everything."""
    return machine_with("system/*.cruds")


@pytest.fixture
def engine(fhir) -> Asker:
    """The same machine, at the store."""
    return bearer.machine_for(hashlib.sha256(fhir.token.encode()).hexdigest(), request_id=uuid.uuid4())


@pytest.fixture
def ward(node) -> CareTeam:
    return services.create_care_team(organisation=node, name="Ward")


@pytest.fixture
def people(node, ward) -> dict[str, Person]:
    """Dr Alice is of the ward; Bob works at the hospital, in no team; Mallory is of another team."""
    made = {}
    for username, name in (("alice", "Dr Alice"), ("bob", "Bob"), ("mallory", "Mallory")):
        person = services.create_person(username=username, name=name, password="correct horse battery staple")
        services.assign_role(person=person, role=Role.CLINICIAN, organisation=node)
        made[username] = person
    services.add_to_care_team(person=made["alice"], care_team=ward)
    elsewhere = services.create_care_team(organisation=node, name="Elsewhere")
    services.add_to_care_team(person=made["mallory"], care_team=elsewhere)
    return made


def asking(person: Person) -> Asker:
    """This person at the gate."""
    standing = standing_of(person.pk)
    return Asker(
        kind="person",
        actor_id=person.pk,
        label=person.name,
        organisation_id=standing.organisation_id,
        purpose="TREAT",
        request_id=uuid.uuid4(),
        roles=standing.roles,
        group_ids=standing.group_ids,
    )


@pytest.fixture
def treats(ward) -> Callable[[str], None]:
    """Lets the ward see a patient."""

    def grant(patient_id: str) -> None:
        grant_care_team(compartment=compartment_of(patient_id), care_team=ward)

    return grant


def rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """What the database itself says."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def issue(response: HttpResponse) -> dict[str, Any]:
    """The first issue of an OperationOutcome, which every refusal is."""
    outcome = json.loads(response.content)
    assert outcome["resourceType"] == "OperationOutcome"
    first: dict[str, Any] = outcome["issue"][0]
    return {**first, "code_of_ours": first["details"]["coding"][0]["code"]}
