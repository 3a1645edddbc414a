"""manage.py import_fhir: lines and bundles, plain and packed, bad ones reported, everything safe to repeat."""

import gzip
import json

import pytest
from django.core.management import CommandError, call_command

from tests.records.conftest import rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])


def line(type, id, **members):
    return json.dumps({"resourceType": type, "id": id, **members}).encode()


def run(*paths, processes=1):
    call_command("import_fhir", *map(str, paths), "--processes", str(processes), "--quiet")


def stored():
    return sorted(rows("SELECT id, version FROM records_current"))


@pytest.fixture
def lines(tmp_path):
    file = tmp_path / "records.ndjson"
    file.write_bytes(b"\n".join(line("Patient", f"p{n}", active=True) for n in range(600)) + b"\n")
    return file


def test_lines_are_stored_under_their_own_ids_and_a_second_time_left_alone(node, lines, capsys):
    run(lines)
    assert len(stored()) == 600
    before = rows("SELECT count(*) FROM ledger_outbox")
    run(lines)
    assert rows("SELECT count(*) FROM ledger_outbox") == before == [(600,)]
    assert (
        capsys.readouterr().out.splitlines()[-1] == "1 files: 0 created, 0 updated, 600 unchanged, 0 deleted, 0 refused"
    )


def test_changed_lines_become_the_next_version(node, lines):
    run(lines)
    lines.write_bytes(lines.read_bytes().replace(b'"p7", "active": true', b'"p7", "active": false'))
    run(lines)
    assert [v for v in stored() if v[1] != 1] == [("p7", 2)]


def test_packed_files_are_read_like_plain_ones(node, tmp_path):
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(line("Patient", "a") + b"\n" + line("Patient", "b")))
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": json.loads(line("Patient", "c"))}]}
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(json.dumps(bundle).encode()))
    (tmp_path / "c.json").write_bytes(line("Patient", "d"))
    (tmp_path / "notes.txt").write_bytes(b"not ours")
    run(tmp_path)
    assert [id for id, _ in stored()] == ["a", "b", "c", "d"]


def test_bad_lines_are_reported_by_number_and_do_not_stop_the_rest(node, tmp_path, capsys):
    file = tmp_path / "mixed.ndjson"
    bad = [
        b"{not json",
        line("Patient", "bad", gender="banana"),
        b'{"resourceType":"Patient"}',
        line("Dragon", "d"),
        b'{"resourceType":"Patient","id":"x","id":"y"}',
        b"\xff\xfe",
    ]
    file.write_bytes(b"\n".join([line("Patient", "first"), b"", *bad, line("Patient", "last")]))
    with pytest.raises(CommandError) as error:
        run(file)
    assert error.value.returncode == 1
    assert [id for id, _ in stored()] == ["first", "last"]
    told = capsys.readouterr().err
    for number, code in (
        (3, "json-syntax"),
        (4, "code-not-in-value-set"),
        (5, "id-missing"),
        (6, "unknown-type"),
        (7, "duplicate-member"),
        (8, "not-utf8"),
    ):
        assert f"{file}:{number}: {code}" in told


def test_the_same_record_twice_in_one_file_keeps_its_order(node, tmp_path):
    file = tmp_path / "twice.ndjson"
    file.write_bytes(b"\n".join(line("Patient", "a", active=bool(n)) for n in (0, 1, 0)) + b"\n")
    run(file)
    assert stored() == [("a", 3)]


def test_damaged_files_are_reported_and_do_not_stop_the_rest(node, tmp_path, capsys):
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(line("Patient", "a") * 50)[:-10])
    (tmp_path / "b.json").write_bytes(b'{"resourceType":"Bundle","type":"transaction","entry":[')
    (tmp_path / "c.ndjson").write_bytes(line("Patient", "c"))
    with pytest.raises(CommandError):
        run(tmp_path)
    assert [id for id, _ in stored()] == ["c"]
    told = capsys.readouterr().err
    assert "a.ndjson.gz: source-unreadable" in told
    assert "b.json: json-syntax" in told


def test_a_bad_entry_of_a_batch_is_reported_and_a_transaction_is_refused_whole(node, tmp_path, capsys):
    def bundle(kind):
        entries = [
            {"resource": {"resourceType": "Patient", "gender": gender}, "request": {"method": "POST", "url": "Patient"}}
            for gender in ("male", "banana")
        ]
        return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()

    (tmp_path / "batch.json").write_bytes(bundle("batch"))
    (tmp_path / "transaction.json").write_bytes(bundle("transaction"))
    with pytest.raises(CommandError):
        run(tmp_path)
    assert rows("SELECT count(*) FROM records_current") == [(1,)]
    told = capsys.readouterr().err
    assert "batch.json entry 1: code-not-in-value-set" in told
    assert "transaction.json: code-not-in-value-set" in told


def test_what_is_not_there_is_said(node, tmp_path):
    with pytest.raises(CommandError, match="neither a file nor a folder"):
        run(tmp_path / "nothing.json")
    with pytest.raises(CommandError, match=r"no \.json"):
        run(tmp_path)


def test_several_processes_store_the_same(node, lines, settings, monkeypatch):
    monkeypatch.setenv("NODE_KEYS", str(settings.NODE_KEYS))
    run(lines, processes=2)
    assert len(stored()) == 600
    run(lines, processes=2)
    assert {v for _, v in stored()} == {1}
