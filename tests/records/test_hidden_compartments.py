"""Dr Alice sees her patient. Bob and Mallory do not, by any way: each answers as if there were no such patient."""

import json

import pytest

from records import proofs
from records.access import Gone, NotPermitted, NotVisible, everything, history, read, search
from records.access.grants import compartment_of, revoke_care_team
from tests.records.conftest import asking, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])


@pytest.fixture
def world(fhir, treats):
    """Zhang San, whom the ward treats, and Li Si, whom nobody here does; both in one hospital, with one doctor."""
    doctor = {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Sun"}]}
    fhir.put("Practitioner/doctor", doctor)
    for id, family in (("zhang", "Zhang"), ("li", "Li")):
        fhir.put(
            f"Patient/{id}",
            {
                "resourceType": "Patient",
                "id": id,
                "name": [{"family": family}],
                "generalPractitioner": [{"reference": "Practitioner/doctor"}],
            },
        )
        observation = {
            "resourceType": "Observation",
            "id": f"pulse-{id}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": f"Patient/{id}"},
            "performer": [{"reference": "Practitioner/doctor"}],
            "effectiveDateTime": "2024-03-09",
        }
        fhir.put(f"Observation/pulse-{id}", observation)
        fhir.put(f"Observation/pulse-{id}", {**observation, "status": "amended"})
    treats("zhang")


def found(asker, type, **params):
    page = search(asker, type, [(k.replace("__", ":"), v) for k, v in params.items()])
    return sorted(f"{r.type}/{r.id}" for r in (*page.records, *page.included)), page


def test_dr_alice_reads_her_patient(world, people):
    alice = asking(people["alice"])
    assert json.loads(read(alice, "Patient", "zhang").content)["name"] == [{"family": "Zhang"}]
    assert read(alice, "Observation", "pulse-zhang").version == 2
    assert read(alice, "Observation", "pulse-zhang", 1).version == 1
    assert len(history(alice, "Observation", "pulse-zhang").records) == 2
    assert {r.id for r in everything(alice, "zhang").records} == {"zhang", "pulse-zhang"}
    assert found(alice, "Observation", patient="zhang")[0] == ["Observation/pulse-zhang"]


@pytest.mark.parametrize("who", ["bob", "mallory"])
def test_who_does_not_treat_a_patient_finds_nothing_by_id(world, people, who):
    asker = asking(people[who])
    for type, id in (("Patient", "zhang"), ("Observation", "pulse-zhang")):
        with pytest.raises(NotVisible) as nobody:
            read(asker, type, "nobody")
        for attempt in (
            lambda type=type, id=id: read(asker, type, id),
            lambda type=type, id=id: read(asker, type, id, 1),
            lambda type=type, id=id: history(asker, type, id),
            lambda type=type, id=id: proofs.evidence(asker, type, id, 1),
        ):
            with pytest.raises(NotVisible) as refusal:
                attempt()
            assert str(refusal.value) == str(nobody.value)
    with pytest.raises(NotVisible):
        everything(asker, "zhang")


@pytest.mark.parametrize("who", ["bob", "mallory"])
def test_who_does_not_treat_a_patient_finds_nothing_by_searching(world, people, who):
    asker = asking(people[who])
    for type, params in (
        ("Patient", {}),
        ("Patient", {"family": "zhang"}),
        ("Patient", {"_id": "zhang"}),
        ("Patient", {"_has__Observation__patient__code": "8867-4"}),
        ("Observation", {"patient": "zhang"}),
        ("Observation", {"code": "8867-4"}),
        ("Observation", {"patient.family": "zhang"}),
        ("Observation", {"performer__Practitioner.family": "sun"}),
        ("Observation", {"_sort": "-date"}),
    ):
        names, page = found(asker, type, **params, _total="accurate")
        assert (names, page.total) == ([], 0), (type, params)


def test_totals_and_summaries_count_only_what_may_be_seen(world, people):
    alice = asking(people["alice"])
    assert found(alice, "Patient", _total="accurate")[1].total == 1
    assert found(alice, "Observation", _summary="count")[1].total == 1


def test_includes_and_chains_do_not_leave_the_compartment(world, people):
    alice = asking(people["alice"])
    names, _ = found(alice, "Practitioner", _id="doctor", _revinclude="Observation:performer")
    assert names == ["Observation/pulse-zhang", "Practitioner/doctor"]
    page = search(alice, "Practitioner", [("_has:Patient:general-practitioner:family", "li")])
    assert page.records == ()
    page = search(alice, "Practitioner", [("_has:Patient:general-practitioner:family", "zhang")])
    assert [r.id for r in page.records] == ["doctor"]


def test_mallory_sees_what_belongs_to_no_patient_and_no_more(world, people):
    mallory = asking(people["mallory"])
    names, _ = found(mallory, "Practitioner", _revinclude="Observation:performer")
    assert names == ["Practitioner/doctor"]
    assert {r.type for r in history(mallory).records} == {"Practitioner"}
    assert history(mallory, "Observation").records == ()
    assert {r.type for r in history(asking(people["alice"])).records} == {"Practitioner", "Patient", "Observation"}


def test_a_record_about_two_patients_takes_a_right_to_both(world, people, fhir, treats):
    both = {
        "resourceType": "RelatedPerson",
        "id": "aunt",
        "patient": {"reference": "Patient/zhang"},
    }
    fhir.put("RelatedPerson/aunt", both)
    group = {
        "resourceType": "List",
        "id": "both",
        "status": "current",
        "mode": "working",
        "subject": {"reference": "Patient/zhang"},
        "source": {"reference": "Patient/li"},
    }
    fhir.put("List/both", group)
    alice = asking(people["alice"])
    assert read(alice, "RelatedPerson", "aunt").id == "aunt"
    with pytest.raises(NotVisible):
        read(alice, "List", "both")
    treats("li")
    assert read(alice, "List", "both").id == "both"


def test_a_revocation_holds_from_its_acknowledgement(world, people, ward):
    alice = asking(people["alice"])
    read(alice, "Patient", "zhang")
    revoke_care_team(compartment=compartment_of("zhang"), care_team=ward)
    with pytest.raises(NotVisible):
        read(alice, "Patient", "zhang")
    assert found(alice, "Patient")[0] == []


def test_who_left_the_team_or_the_role_sees_nothing_although_the_asker_is_old(world, people, node, ward):
    from consortium.members import services
    from consortium.members.models import Role

    alice = asking(people["alice"])
    services.remove_from_care_team(person=people["alice"], care_team=ward)
    with pytest.raises(NotVisible):
        read(alice, "Patient", "zhang")
    services.add_to_care_team(person=people["alice"], care_team=ward)
    read(alice, "Patient", "zhang")
    services.end_role(person=people["alice"], role=Role.CLINICIAN, organisation=node)
    with pytest.raises(NotVisible):
        read(alice, "Patient", "zhang")


def test_other_roles_read_no_records(world, people, node):
    from consortium.members import services
    from consortium.members.models import Role

    for role in (Role.AUDITOR, Role.PRIVACY_OFFICER, Role.NODE_ADMINISTRATOR, Role.PHARMACIST, Role.RESEARCHER):
        person = services.create_person(username=role.value, name=role.value, password="correct horse battery")
        services.assign_role(person=person, role=role, organisation=node)
        with pytest.raises(NotPermitted):
            read(asking(person), "Patient", "zhang")
        with pytest.raises(NotPermitted):
            search(asking(person), "Practitioner", [])


def test_a_record_that_was_deleted_is_hidden_from_whom_it_was_hidden(world, people, fhir):
    fhir.delete("Observation/pulse-zhang")
    with pytest.raises(Gone):
        read(asking(people["alice"]), "Observation", "pulse-zhang")
    with pytest.raises(NotVisible):
        read(asking(people["mallory"]), "Observation", "pulse-zhang")


def test_a_record_that_moved_to_another_patient_takes_its_visibility_along(world, people, fhir):
    moved = json.loads(fhir.get("Observation/pulse-zhang").content)
    moved["subject"] = {"reference": "Patient/li"}
    fhir.put("Observation/pulse-zhang", moved)
    alice = asking(people["alice"])
    with pytest.raises(NotVisible):
        read(alice, "Observation", "pulse-zhang")
    assert read(alice, "Observation", "pulse-zhang", 1).version == 1
    assert {r.id for r in everything(alice, "zhang").records} == {"zhang"}


def test_a_cursor_of_one_person_opens_for_no_other(world, people, fhir):
    from records.fhir.search import SearchError

    for n in range(3):
        fhir.put(f"Organization/o{n}", {"resourceType": "Organization", "id": f"o{n}", "name": "Ward"})
    alice, mallory = asking(people["alice"]), asking(people["mallory"])
    cursor = search(alice, "Organization", [("_count", "1")]).next_cursor
    assert cursor is not None
    assert len(search(alice, "Organization", [("_count", "1")], cursor=cursor).records) == 1
    with pytest.raises(SearchError):
        search(mallory, "Organization", [("_count", "1")], cursor=cursor)


def test_a_hidden_record_leaves_the_same_row_as_one_that_is_not_there(world, people):
    mallory = asking(people["mallory"])
    for id in ("zhang", "nobody"):
        with pytest.raises(NotVisible):
            read(mallory, "Patient", id)
    hidden, absent = rows(
        "SELECT type, version, compartment, outcome, because FROM consortium_accessevent ORDER BY id DESC LIMIT 2"
    )
    assert hidden == absent
    assert hidden[1:] == (None, None, 4, "not-found")
