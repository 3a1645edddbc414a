"""Every access leaves its row: a permitted one with the read, a refusal by itself, and all of them as AuditEvents."""

import json

import pytest
from django.db import transaction

from records.access import NotVisible, read, search
from tests.records.conftest import asking, issue, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

ZHANG = {"resourceType": "Patient", "id": "zhang", "name": [{"family": "Zhang"}]}


def events():
    return rows(
        "SELECT interaction, resource_id, version, outcome, because, matches FROM consortium_accessevent ORDER BY id"
    )


@pytest.fixture
def zhang(fhir):
    fhir.put("Patient/zhang", ZHANG)
    return fhir


def test_each_interaction_leaves_one_row(zhang):
    zhang.get("Patient/zhang")
    zhang.get("Patient/zhang/_history/1")
    zhang.get("Patient?family=zhang")
    zhang.get("Patient/zhang/_history")
    zhang.delete("Patient/zhang")
    assert events() == [
        ("update", "zhang", 1, 0, None, None),
        ("read", "zhang", 1, 0, None, None),
        ("vread", "zhang", 1, 0, None, None),
        ("search-type", None, None, 0, None, 1),
        ("history-instance", "zhang", None, 0, None, 1),
        ("delete", "zhang", 2, 0, None, None),
    ]


def test_refusals_leave_a_row_of_their_own(zhang, machine_with):
    narrow = machine_with("system/Observation.rs")
    narrow.get("Patient/zhang")
    narrow.get("Patient?family=zhang")
    zhang.get("Patient/nobody")
    zhang.get("Patient?dragon=1")
    zhang.put("Patient/zhang", ZHANG, If_Match='W/"7"')
    assert [(e[0], e[3], e[4]) for e in events()[1:]] == [
        ("read", 4, "not-permitted"),
        ("search-type", 4, "not-permitted"),
        ("read", 4, "not-found"),
        ("search-type", 4, "search-parameter-unknown"),
        ("update", 4, "version-conflict"),
    ]


def test_a_search_leaves_a_row_for_each_patient_that_was_shown(zhang):
    zhang.put("Patient/li", {**ZHANG, "id": "li"})
    zhang.get("Patient")
    last = rows("SELECT compartment, matches, request_id FROM consortium_accessevent WHERE interaction = 'search-type'")
    assert len(last) == 2
    assert {r[1] for r in last} == {1}
    assert len({r[2] for r in last}) == 1


def test_the_row_is_committed_with_the_read_and_not_without_it(zhang, people, treats):
    """Within a transaction of the caller's that is rolled back nothing was read, and there is no row."""
    treats("zhang")
    before = len(events())
    with transaction.atomic():
        read(asking(people["alice"]), "Patient", "zhang")
        assert len(events()) == before + 1
        transaction.set_rollback(True)
    assert len(events()) == before
    read(asking(people["alice"]), "Patient", "zhang")
    search(asking(people["alice"]), "Patient", [])
    assert len(events()) == before + 2


def test_a_failed_commit_gives_nothing_away(zhang, people, treats, monkeypatch):
    """The row cannot be written, so the record is not handed on."""
    from django.db import DatabaseError, connection

    treats("zhang")
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE consortium_accessevent ADD CONSTRAINT nothing CHECK (interaction <> 'read') NOT VALID"
        )
    try:
        with pytest.raises(DatabaseError):
            read(asking(people["alice"]), "Patient", "zhang")
        assert zhang.get("Patient/zhang").status_code == 500
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE consortium_accessevent DROP CONSTRAINT nothing")
    assert zhang.get("Patient/zhang").status_code == 200


def test_a_commit_that_fails_at_its_very_end_gives_nothing_away_either(zhang, people, treats):
    """The statement has answered, the bytes are in this process; the transaction then fails to commit."""
    from django.db import DatabaseError, connection

    treats("zhang")
    alice = asking(people["alice"])
    read(alice, "Patient", "zhang")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;"
            " CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON consortium_accessevent"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    try:
        before = len(events())
        for attempt in (lambda: read(alice, "Patient", "zhang"), lambda: search(alice, "Patient", [])):
            with pytest.raises(DatabaseError):
                attempt()
        response = zhang.get("Patient/zhang")
        assert response.status_code >= 500
        assert b"zhang" not in response.content
        assert len(events()) == before
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON consortium_accessevent; DROP FUNCTION refuse()")
    assert read(alice, "Patient", "zhang").version == 1


def test_rows_are_read_as_audit_events(zhang, people):
    mallory = asking(people["mallory"])
    with pytest.raises(NotVisible):
        read(mallory, "Patient", "zhang")
    found = zhang.search("AuditEvent?date=ge2020")
    assert [e["action"] for e in found] == ["R", "U"]
    refused, created = found
    assert refused["outcome"] == "4"
    assert refused["outcomeDesc"] == "not-found"
    assert refused["agent"][0]["who"]["display"] == "Mallory"
    assert created["entity"][0]["what"]["reference"] == "Patient/zhang"
    one = json.loads(zhang.get(f"AuditEvent/{created['id']}").content)
    assert one == created
    assert zhang.search(f"AuditEvent?_id={created['id']}") == [created]


def test_audit_events_are_valid_fhir(zhang):
    from records.fhir import validation

    zhang.get("Patient?family=zhang")
    for event in zhang.search("AuditEvent"):
        assert [i for i in validation.validate(json.dumps(event).encode()) if i.refuses] == []


def test_audit_events_are_found_by_patient_agent_and_date_and_paged(zhang):
    for _ in range(5):
        zhang.get("Patient/zhang")
    zhang.get("Practitioner/nobody")
    assert len(zhang.search("AuditEvent?patient=zhang")) == 6
    agent = zhang.search("AuditEvent")[0]["agent"][0]["who"]["identifier"]
    assert len(zhang.search(f"AuditEvent?agent={agent['system']}|{agent['value']}&_count=3")) == 3
    assert zhang.search("AuditEvent?date=lt2020") == []
    assert zhang.search("AuditEvent?patient=nobody") == []
    seen, address = [], "AuditEvent?patient=zhang&_count=4"
    while address:
        page = json.loads(zhang.get(address).content)
        seen += [e["resource"]["id"] for e in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        address = following[0].partition("/fhir/")[2] if following else ""
    assert len(seen) == len(set(seen)) >= 6


def test_audit_events_cannot_be_written(zhang):
    event = zhang.search("AuditEvent")[0]
    for response in (
        zhang.post("AuditEvent", event),
        zhang.put(f"AuditEvent/{event['id']}", event),
        zhang.delete(f"AuditEvent/{event['id']}"),
    ):
        assert response.status_code == 405
    assert zhang.get(f"AuditEvent?_id={event['id']}").status_code == 200


def test_audit_events_are_for_auditors_and_machines_with_that_scope(zhang, people, node, machine_with):
    from consortium.members import services
    from consortium.members.models import Role
    from records.access import NotPermitted
    from records.access.trail import trail

    assert issue(machine_with("system/Patient.rs").get("AuditEvent"))["code"] == "forbidden"
    assert machine_with("system/AuditEvent.rs").get("AuditEvent").status_code == 200
    with pytest.raises(NotPermitted):
        trail(asking(people["alice"]), query="")
    officer = services.create_person(username="olga", name="Olga", password="correct horse battery staple")
    services.assign_role(person=officer, role=Role.PRIVACY_OFFICER, organisation=node)
    assert trail(asking(officer), query="").events
