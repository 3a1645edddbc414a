"""Invariants 6 and 7 on the node: reads and revocations do not pass each other."""

import threading
import time

import pytest
from django.db import connection, connections, transaction

from consortium.members.models import Role
from consortium.members.services import deactivate_person, end_role, remove_from_care_team
from ledger.locks import LockClass, lock_for_transaction
from records.access import NotVisible, read, search
from records.access.grants import compartment_of, revoke_care_team
from tests.records.conftest import asking

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])


@pytest.fixture
def zhang(fhir, treats):
    fhir.put("Patient/zhang", {"resourceType": "Patient", "id": "zhang", "name": [{"family": "Zhang"}]})
    treats("zhang")


class Thread(threading.Thread):
    """Runs `work` on connections of its own and keeps what came of it."""

    def __init__(self, work):
        super().__init__()
        self.work, self.result = work, None

    def run(self):
        try:
            self.result = self.work()
        except Exception as error:  # noqa: BLE001 - handed to the test
            self.result = error
        finally:
            connections.close_all()


@pytest.mark.parametrize(
    "attempt",
    [lambda asker: read(asker, "Patient", "zhang"), lambda asker: search(asker, "Patient", []).records],
    ids=["read", "search"],
)
def test_a_read_that_begins_during_a_revocation_waits_and_finds_nothing(zhang, people, ward, attempt):
    alice = asking(people["alice"])
    attempt(alice)
    compartment = compartment_of("zhang")
    with transaction.atomic():
        lock_for_transaction(LockClass.PATIENT, compartment.pk)
        lock_for_transaction(LockClass.NODE)
        reader = Thread(lambda: attempt(alice))
        reader.start()
        reader.join(0.3)
        assert reader.is_alive(), "the read waits for the revocation to be decided"
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM records_compartmentgroupobjectpermission")
    reader.join(5)
    assert reader.result == () or isinstance(reader.result, NotVisible)


def test_a_revocation_waits_for_the_reads_that_began_before_it(zhang, people, ward):
    """A read holds its lock until it has committed: the acknowledgement comes after every release."""
    alice = asking(people["alice"])
    compartment = compartment_of("zhang")
    with transaction.atomic():
        read(alice, "Patient", "zhang")
        revoker = Thread(lambda: revoke_care_team(compartment=compartment, care_team=ward))
        revoker.start()
        revoker.join(0.3)
        assert revoker.is_alive()
    revoker.join(5)
    assert revoker.result is None
    assert not revoker.is_alive()
    with pytest.raises(NotVisible):
        read(alice, "Patient", "zhang")


def test_nothing_is_released_after_the_acknowledgement_however_many_read(zhang, people, ward):
    alice, compartment = asking(people["alice"]), compartment_of("zhang")
    acknowledged = threading.Event()
    late = []

    def keep_reading():
        while True:
            began_after = acknowledged.is_set()
            try:
                read(alice, "Patient", "zhang")
                if began_after:
                    late.append(time.monotonic())
            except NotVisible:
                return

    readers = [Thread(keep_reading) for _ in range(6)]
    for reader in readers:
        reader.start()
    time.sleep(0.3)
    revoke_care_team(compartment=compartment, care_team=ward)
    acknowledged.set()
    for reader in readers:
        reader.join(10)
        assert not reader.is_alive()
        assert reader.result is None
    assert late == []


WITHDRAWALS = {
    "role": lambda person, team: end_role(person=person, role=Role.CLINICIAN, organisation=team.organisation),
    "team": lambda person, team: remove_from_care_team(person=person, care_team=team),
    "person": lambda person, team: deactivate_person(person=person),
}


@pytest.mark.parametrize("withdraw", WITHDRAWALS.values(), ids=WITHDRAWALS)
def test_who_loses_their_standing_gets_nothing_after_the_acknowledgement(zhang, people, ward, withdraw):
    alice = asking(people["alice"])
    with transaction.atomic():
        read(alice, "Patient", "zhang")
        withdrawer = Thread(lambda: withdraw(people["alice"], ward))
        withdrawer.start()
        withdrawer.join(0.3)
        assert withdrawer.is_alive(), "it waits for the read that began before it"
    withdrawer.join(5)
    assert withdrawer.result is None
    with pytest.raises(NotVisible):
        read(alice, "Patient", "zhang")
