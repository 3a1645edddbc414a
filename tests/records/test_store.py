"""Invariant 1, durable and logged together; and what a write leaves in the tables."""

import json

import pytest
from django.db import transaction

from ledger import log
from records import vault
from records.access.unit import write_unit
from records.fhir import jsontext
from records.fhir.node import fhir_node
from records.fhir.outcome import FhirRefusal
from records.fhir.stamps import instant_now, new_id
from records.fhir.store import Put, Remove, write_records
from tests.records.conftest import rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])


def document(type, **members):
    return jsontext.parse(json.dumps({"resourceType": type, **members}).encode())


def write(engine, *changes):
    return write_unit(lambda: write_records(writer=engine, changes=changes, at=instant_now(), node=fhir_node()))


def test_each_version_has_its_leaf_and_the_leaf_its_version(engine):
    write(engine, Put("Patient", "a", document("Patient")))
    write(engine, Put("Patient", "a", document("Patient", gender="male")))
    write(engine, Remove("Patient", "a"))
    assert rows("SELECT kind FROM ledger_outbox ORDER BY id") == [(1,), (1,), (2,)]
    assert log.sequence() == 3
    assert log.head().size == 3
    assert rows("SELECT count(*) FROM ledger_outbox") == [(0,)]


def test_a_write_that_is_rolled_back_leaves_neither_record_nor_leaf_nor_row(engine):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write_records(
            writer=engine, changes=[Put("Patient", "a", document("Patient"))], at=instant_now(), node=fhir_node()
        )
        raise ZeroDivisionError
    for table in ("records_current", "ledger_outbox", "consortium_accessevent", "records_compartment"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert list(vault.existing_keys(["a"])) == ["a"], "the key came first; without its record it does no harm"


def test_a_write_outside_a_transaction_is_refused(engine):
    with pytest.raises(RuntimeError):
        write_records(writer=engine, changes=[], at=instant_now(), node=fhir_node())


def test_many_records_are_written_like_one(engine):
    """By COPY instead of by statements: the rows are the same."""
    few = write(engine, Put("Patient", "one", document("Patient", name=[{"family": "Zhang"}])))
    many = write(
        engine,
        *(Put("Patient", f"p{n}", document("Patient", name=[{"family": "Zhang"}])) for n in range(50)),
        *(Put("Organization", new_id(), document("Organization", name="Ward"), new=True) for _ in range(50)),
    )
    assert [w.outcome for w in (*few, *many)] == ["created"] * 101
    shapes = rows(
        "SELECT DISTINCT array_length(tokens, 1), sort_date, labels, codes,"
        " (SELECT count(*) FROM records_string s WHERE s.source = rid)"
        " FROM records_current WHERE compartment <> 0"
    )
    assert len(shapes) == 1
    assert rows("SELECT count(*) FROM ledger_outbox") == [(101,)]
    assert rows("SELECT count(*) FROM consortium_accessevent") == [(101,)]


def test_a_version_is_in_the_current_table_or_in_the_history_never_in_both(engine):
    for n in range(5):
        write(engine, *(Put("Patient", f"p{i}", document("Patient", active=bool(n % 2))) for i in range(20)))
    both = rows("SELECT count(*) FROM records_current JOIN records_history USING (rid, version)")
    versions = rows(
        "SELECT id, array_agg(version ORDER BY version) FROM (SELECT id, version FROM records_current"
        " UNION ALL SELECT id, version FROM records_history) v GROUP BY id"
    )
    assert both == [(0,)]
    assert {tuple(v) for _, v in versions} == {(1, 2, 3, 4, 5)}


def test_index_rows_are_those_of_the_newest_version(engine, fhir):
    write(engine, Put("Patient", "a", document("Patient", name=[{"family": "Zhang"}], birthDate="1980-01-01")))
    write(engine, Put("Patient", "a", document("Patient", name=[{"family": "Li"}])))
    assert fhir.search("Patient?family=zhang") == []
    assert len(fhir.search("Patient?family=li")) == 1
    assert fhir.search("Patient?birthdate=1980") == []
    write(engine, Remove("Patient", "a"))
    for table in ("records_string", "records_date", "records_reference", "records_quantity"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_the_time_of_a_version_is_after_that_of_the_one_before(engine):
    at = instant_now()
    for _ in range(5):
        with transaction.atomic():
            (written,) = write_records(
                writer=engine, changes=[Put("Patient", "a", document("Patient"))], at=at, node=fhir_node()
            )
    times = [t for (t,) in rows("SELECT stored_at FROM records_history ORDER BY version")]
    assert sorted(set(times)) == times
    assert written.stored_at > times[-1]


def test_one_request_writes_a_record_once(engine):
    with pytest.raises(FhirRefusal, match="resource-twice"):
        write(engine, Put("Patient", "a", document("Patient")), Remove("Patient", "a"))


def test_bytes_that_are_stored_already_are_left_alone_when_asked(engine):
    first = write(engine, Put("Patient", "a", document("Patient"), skip_unchanged=True))
    second = write(engine, Put("Patient", "a", document("Patient"), skip_unchanged=True))
    third = write(engine, Put("Patient", "a", document("Patient", gender="male"), skip_unchanged=True))
    assert [w[0].outcome for w in (first, second, third)] == ["created", "unchanged", "updated"]
    assert rows("SELECT count(*) FROM ledger_outbox") == [(2,)]


def test_a_person_writes_only_for_patients_of_a_team_with_that_right(engine, people, ward):
    from records.access import NotVisible
    from records.access.grants import compartment_of, grant_care_team
    from tests.records.conftest import asking

    write(engine, Put("Patient", "a", document("Patient")))
    pulse = document("Observation", status="final", code={"text": "x"}, subject={"reference": "Patient/a"})
    for grant in (False, True):
        if grant:
            grant_care_team(compartment=compartment_of("a"), care_team=ward, write=False)
        with pytest.raises(NotVisible):
            write(asking(people["alice"]), Put("Observation", "o", pulse))
    grant_care_team(compartment=compartment_of("a"), care_team=ward, write=True)
    write(asking(people["alice"]), Put("Observation", "o", pulse))
    with pytest.raises(NotVisible):
        write(asking(people["mallory"]), Remove("Observation", "o"))
    with pytest.raises(NotVisible):
        write(asking(people["alice"]), Put("Organization", "x", document("Organization", name="Ward")))


def test_keys_are_in_the_vault_and_nowhere_in_the_records_database(engine):
    write(engine, Put("Patient", "a", document("Patient")))
    key = vault.existing_keys(["a"])["a"]
    assert len(key) == vault.KEY_LENGTH
    assert rows("SELECT count(*) FROM pg_class WHERE relname = 'vault_patientkey'") == [(0,)]


def test_an_erased_patients_key_is_never_made_again(engine):
    from django.db import connections

    write(engine, Put("Patient", "a", document("Patient")))
    with connections["vault"].cursor() as cursor:
        cursor.execute("UPDATE vault_patientkey SET key = NULL, destroyed_at = now()")
    with pytest.raises(vault.VaultRefusal, match="erased"):
        write(engine, Put("Patient", "a", document("Patient", gender="male")))
    assert rows("SELECT version FROM records_current") == [(1,)]


def test_maintenance_flushes_the_index_and_can_build_it_anew(engine, fhir, capsys):
    from django.core.management import call_command

    write(engine, *(Put("Patient", f"p{n}", document("Patient", active=True)) for n in range(30)))
    call_command("maintain_records")
    call_command("maintain_records", "--reindex")
    assert capsys.readouterr().out.count("history: 0 months made") == 2
    assert len(fhir.search("Patient?active=true&_count=100")) == 30


def test_the_months_of_the_history_are_made_ahead(node):
    from datetime import UTC, datetime

    from records.partitions import make_history_months

    later = datetime(2047, 11, 5, tzinfo=UTC)
    assert make_history_months(now=later, ahead=2) == [
        "records_history_2047_11",
        "records_history_2047_12",
        "records_history_2048_01",
    ]
    assert make_history_months(now=later, ahead=2) == []
