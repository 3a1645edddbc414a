"""The page on which anyone reads what an evidence file proves."""

import random

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from consortium.web.throttling import Buckets
from ledger.evidence import ChainUnreachable
from ledger.trust import write_trust
from records.portal import checking, verdict
from records.portal.forms import LARGEST_CHECK
from tests.ledger.conftest import NAME, RECORD, Scene, signer
from tests.portal.test_patient_pages import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def trusting(node, settings, scene, monkeypatch) -> Scene:
    """The node of these tests has the scene's trust file, which lists the block; it asks no chain."""
    settings.CHAIN_RPC_URL = ""
    settings.TRUST_FILE.write_bytes(write_trust(scene.trust()))
    monkeypatch.setattr(checking, "CHECKS", Buckets(rate=1000, burst=1000))
    return scene


def send(evidence: bytes | None, record: bytes | None = None, client: Client | None = None):
    files = {}
    if evidence is not None:
        files["evidence"] = SimpleUploadedFile("evidence.json", evidence, "application/json")
    if record is not None:
        files["record"] = SimpleUploadedFile("record.json", record, "application/json")
    return (client or Client(enforce_csrf_checks=True)).post("/check/", files)


def test_anyone_may_check_without_an_account(trusting):
    assert Client().get("/check/").status_code == 200
    said = words(send(trusting.evidence(), RECORD))
    assert "Proved Exactly this record was in the log" in said
    assert NAME in said


def test_each_step_is_numbered_and_says_what_it_rests_on(trusting):
    said = words(send(trusting.evidence(), RECORD))
    places = [said.index(f"{n}. {question}") for n, question in enumerate(verdict.QUESTIONS, 1)]
    assert places == sorted(places)
    assert said.count("Proved") == 10
    assert "This rests on: this node's list of members" in said


def test_without_the_record_only_a_fingerprint_is_proved_and_the_page_says_so(trusting):
    said = words(send(trusting.evidence()))
    assert "Proved, for a fingerprint" in said
    assert "Not given" in said
    assert "– so says the file" in said


@pytest.mark.parametrize("content", [None, b"not JSON", b'{"format": "xinglin-trust/2"}', b"{}"])
def test_without_a_usable_trust_file_the_page_says_where_to_check_instead(trusting, settings, content):
    settings.TRUST_FILE.unlink()
    if content is not None:
        settings.TRUST_FILE.write_bytes(content)
    answer = send(trusting.evidence(), RECORD)
    assert answer.status_code == 503
    assert "Check the file on your own computer" in words(answer)


def test_another_record_does_not_match(trusting):
    said = words(send(trusting.evidence(), RECORD.replace(b"1.30", b"1.31")))
    assert "Does not match" in said
    assert "one of the two files was changed" in said
    assert "record_bytes" in said
    assert said.count("Not checked") == 6


def test_where_nobody_vouches_for_the_block_it_is_not_proved(trusting, settings):
    settings.TRUST_FILE.write_bytes(write_trust(trusting.trust(listed=False)))
    said = words(send(trusting.evidence(), RECORD))
    assert "Not proved Nothing contradicts" in said
    assert "Exactly this record" not in said


def test_a_chain_that_does_not_answer_refutes_nothing(scene, setting):
    class Silent:
        name = "a chain node"

        def chain_id(self) -> int:
            raise ChainUnreachable("it is silent")

        def block_hash(self, number: int) -> bytes:
            raise ChainUnreachable("it is silent")

    said = verdict.check(scene.evidence(), RECORD, scene.trust(listed=False), Silent(), setting)
    assert (said.tone, said.title) == ("wait", "Not proved")


def test_a_file_forged_whole_is_refused(trusting):
    forged = Scene(signer=signer(666))
    said = words(send(forged.evidence(), RECORD))
    assert "Does not match" in said
    assert "Proved Exactly" not in said


def test_whatever_is_changed_in_the_file_nothing_is_proved(trusting, setting):
    chance = random.Random(11)
    whole = trusting.evidence()
    for _ in range(60):
        place = chance.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        said = verdict.check(bytes(changed), RECORD, trusting.trust(), None, setting)
        assert said.tone == "bad", place


@pytest.mark.parametrize(
    "junk", [b"{}", b"[]", b"\x00\xff", b"[" * 100_000, b"<script>alert(1)</script>", b"x" * 5_000_000, b""]
)
def test_whatever_is_sent_gets_an_answer(trusting, junk):
    response = send(junk)
    assert response.status_code in {200, 400}
    assert b"<script>alert" not in response.content
    assert "Proved" not in words(response)


def test_no_file_at_all_is_asked_for(trusting):
    response = send(None)
    assert response.status_code == 400
    assert "Choose an evidence file." in words(response)


def test_a_body_that_is_too_large_is_refused_unread(trusting):
    body = b"--x\r\n"
    response = Client().post(
        "/check/",
        data=body,
        content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH=str(LARGEST_CHECK + 1),
    )
    assert response.status_code == 413
    assert "too-large" in words(response)


def test_one_address_may_not_check_for_ever(trusting, monkeypatch):
    monkeypatch.setattr(checking, "CHECKS", Buckets(rate=0.01, burst=3))
    codes = [send(b"{}").status_code for _ in range(5)]
    assert codes[:3] == [200, 200, 200]
    assert codes[-1] == 429


def test_a_node_without_a_list_of_members_says_so(node):
    response = send(b"{}")
    assert response.status_code == 503
    assert "no-trust" in words(response)


def test_the_page_speaks_chinese(trusting):
    browser = Client(headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    said = words(send(trusting.evidence(), RECORD, browser))
    assert "已证明" in said
    assert "它来自本联盟的成员吗？" in said
    assert "Proved" not in said
