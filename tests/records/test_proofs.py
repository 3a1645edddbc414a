"""Marks and evidence: what the log says about records."""

import json
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command

from ledger import log
from ledger.evidence.verification import Outcome, verify_evidence
from ledger.trust import Member, MemberKey, Trust, TrustedHeader
from records import proofs
from records.access import read
from records.access.reads import read_version
from tests.ledger_node.world import NAME, ORIGIN, manual, new_signer, settle_world
from tests.records.conftest import asking, issue, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

ZHANG = {"resourceType": "Patient", "id": "zhang", "name": [{"family": "Zhang"}]}


@pytest.fixture
def zhang(fhir, treats):
    fhir.put("Patient/zhang", ZHANG)
    fhir.put("Practitioner/sun", {"resourceType": "Practitioner", "id": "sun"})
    treats("zhang")
    return fhir


def listed(alice):
    return [read(alice, "Patient", "zhang"), read(alice, "Practitioner", "sun")]


def test_what_waits_for_its_leaf_or_its_anchor_is_waiting(zhang, people):
    alice = asking(people["alice"])
    assert set(proofs.marks(listed(alice)).values()) == {proofs.WAITING}
    log.sequence()
    assert set(proofs.marks(listed(alice)).values()) == {proofs.WAITING}
    assert proofs.marks([]) == {}


def test_bytes_that_were_changed_in_the_database_do_not_match(zhang, people):
    log.sequence()
    alice = asking(people["alice"])
    rows(
        "UPDATE records_current SET content = replace(convert_from(content, 'UTF8'), 'Zhang', 'Zhong')::bytea RETURNING 1"
    )
    marks = proofs.marks(listed(alice))
    assert marks["Patient", "zhang", 1] is proofs.MISMATCH
    assert marks["Practitioner", "sun", 1] is proofs.WAITING
    with pytest.raises(proofs.RecordMismatch):
        proofs.evidence(alice, "Patient", "zhang", 1)
    response = zhang.get("Patient/zhang/_history/1/$evidence")
    assert (response.status_code, issue(response)["code_of_ours"]) == (409, "record-does-not-match")


def test_a_version_put_in_place_of_another_does_not_match(zhang, people):
    """The bytes are of a real version, but not of this one."""
    zhang.put("Patient/zhang", {**ZHANG, "gender": "male"})
    log.sequence()
    first, second = (read(asking(people["alice"]), "Patient", "zhang", v) for v in (1, 2))
    forged = replace(second, content=first.content)
    assert proofs.marks([forged])["Patient", "zhang", 2] is proofs.MISMATCH


def test_evidence_before_its_time_says_what_is_missing(zhang):
    response = zhang.get("Patient/zhang/_history/1/$evidence")
    assert response.status_code == 202
    assert int(response["Retry-After"]) > 0
    assert issue(response)["code_of_ours"] == "waiting_for_log"
    log.sequence()
    response = zhang.get("Patient/zhang/_history/1/$evidence")
    assert response.status_code == 202
    assert issue(response)["code_of_ours"] != "waiting_for_log"


def test_evidence_is_an_access_with_its_own_row(zhang, machine_with):
    zhang.get("Patient/zhang/_history/1/$evidence")
    assert rows("SELECT interaction, resource_id, version FROM consortium_accessevent ORDER BY id DESC LIMIT 1") == [
        ("evidence", "zhang", 1)
    ]
    assert zhang.get("Patient/zhang/_history/9/$evidence").status_code == 404
    assert machine_with("system/Observation.r").get("Patient/zhang/_history/1/$evidence").status_code == 403


def test_export_evidence_says_what_is_missing_with_an_exit_code_of_its_own(zhang):
    with pytest.raises(CommandError, match="waiting_for_log") as error:
        call_command("export_evidence", "Patient/zhang")
    assert error.value.returncode == 3
    for name in ("Patient/nobody", "Patient/zhang/_history/9"):
        with pytest.raises(CommandError, match="There is no Patient"):
            call_command("export_evidence", name)
    with pytest.raises(CommandError, match="Name the record"):
        call_command("export_evidence", "zhang")


@pytest.mark.chain
def test_evidence_of_a_record_and_of_a_deletion_verifies_without_this_node(zhang, people, chain, engine, tmp_path):
    from consortium.management import chainnode

    assert isinstance(chain, chainnode.ChainNode)
    manual(chain)
    signer = new_signer()
    world = settle_world(chain, signer)
    zhang.delete("Practitioner/sun")
    log.sequence()
    world.settle()
    alice = asking(people["alice"])
    assert proofs.marks([read(alice, "Patient", "zhang")])["Patient", "zhang", 1] is proofs.VERIFIED
    for type, id, version in (("Patient", "zhang", 1), ("Practitioner", "sun", 2)):
        response = zhang.get(f"{type}/{id}/_history/{version}/$evidence")
        assert response.status_code == 200, response.content
        assert response["Content-Type"] == "application/json"
        record = proofs.proved_bytes(read_version(engine, type, id, version, interaction="vread"))
        trust = trust_in(world, signer, response.content)
        report = verify_evidence(response.content, trust, record=record)
        assert report.outcome is Outcome.PROVED
    assert json.loads(record)["format"] == "xinglin-deletion/1"
    call_command("export_evidence", "Patient/zhang", "-o", str(tmp_path / "zhang.json"))
    exported = (tmp_path / "zhang.json").read_bytes()
    report = verify_evidence(
        exported, trust_in(world, signer, exported), record=(tmp_path / "zhang.record.json").read_bytes()
    )
    assert report.outcome is Outcome.PROVED


def trust_in(world, signer, evidence):
    """What a verifier who knows this chain brings along."""
    from ledger.evidence import parse_evidence
    from ledger.trie import keccak256
    from ledger.trust import member_id

    header = parse_evidence(evidence).anchor.header
    block = world.node.call("eth_getBlockByHash", "0x" + keccak256(header).hex(), False)
    genesis = world.node.call("eth_getBlockByNumber", "0x0", False)
    return Trust(
        chain_id=int(world.node.call("eth_chainId"), 16),
        genesis=bytes.fromhex(genesis["hash"][2:]),
        contract=world.contracts.anchors,
        members=(Member(member_id(NAME), NAME, ORIGIN, (MemberKey(signer.public, 0),)),),
        headers=(TrustedHeader(int(block["number"], 16), keccak256(header)),),
    )
