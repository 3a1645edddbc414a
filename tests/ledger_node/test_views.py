"""The published log: what anybody may read without signing in, and that a stranger can verify it all from there."""

from __future__ import annotations

import pytest
from django.test import Client
from django.test.utils import override_settings
from django.urls import include, path

from ledger import log, proofs
from ledger.checkpoints import LogVerifier
from ledger.commitments import Kind, leaf_data
from ledger.tiles import Tile, decode_bundle, tree_root
from tests.ledger_node.world import ORIGIN, grow, new_signer, write

pytestmark = pytest.mark.django_db(transaction=True)

urlpatterns = [path("log/", include("ledger.urls"))]


@pytest.fixture
def stranger():
    with override_settings(ROOT_URLCONF=__name__):
        yield Client()


def test_the_checkpoint_is_the_signed_note_as_it_was_signed(stranger):
    assert stranger.get("/log/checkpoint").status_code == 404
    signer = new_signer()
    grow(300)
    signed = log.sign_checkpoint(signer)
    answer = stranger.get("/log/checkpoint")
    assert (answer.status_code, answer.content) == (200, signed.note)
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Cache-Control"] == "public, max-age=2"
    assert LogVerifier(ORIGIN, signer.public).verify(answer.content).checkpoint.size == 300
    assert not answer.cookies


def test_a_stranger_rebuilds_the_root_from_tiles_and_entries(stranger):
    commitments = write(600)
    log.sequence()
    head = log.head()

    def read(tile: Tile) -> bytes:
        answer = stranger.get(f"/log/{tile.path}")
        assert answer.status_code == 200
        return answer.content

    assert tree_root(head.size, read) == head.root
    entries = [
        entry
        for bundle in (Tile(-1, 0), Tile(-1, 1), Tile(-1, 2, 88))
        for entry in decode_bundle(read(bundle), bundle.width)
    ]
    assert entries == [leaf_data(Kind.RECORD, commitment) for commitment in commitments]
    assert proofs.root_of([proofs.leaf_hash(entry) for entry in entries]) == head.root


def test_a_partial_tile_is_answered_from_the_wider_one_that_it_became(stranger):
    grow(5)
    narrow = stranger.get("/log/tile/0/000.p/5").content
    grow(300)
    assert stranger.get("/log/tile/0/000.p/5").content == narrow
    assert stranger.get("/log/tile/0/000").content[: 5 * 32] == narrow
    assert stranger.get("/log/tile/entries/000.p/5").status_code == 200
    assert stranger.get("/log/tile/1/000.p/1").status_code == 200


def test_tiles_may_be_kept_forever_and_are_not_sent_twice(stranger):
    grow(300)
    for name in ("tile/0/000", "tile/0/001.p/44", "tile/entries/000"):
        answer = stranger.get(f"/log/{name}")
        assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer["Content-Type"] == "application/octet-stream"
        again = stranger.get(f"/log/{name}", headers={"If-None-Match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again["Cache-Control"] == answer["Cache-Control"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("tile/0/002", "tile_beyond"),
        ("tile/0/001", "tile_beyond"),
        ("tile/0/001.p/45", "tile_beyond"),
        ("tile/1/000.p/2", "tile_beyond"),
        ("tile/entries/001.p/45", "tile_beyond"),
        ("tile/63/000", "tile_beyond"),
        ("tile/0/x999/x999/x999/x999/x999/999", "tile_beyond"),
        ("tile/0/18446744073709551616", "tile_path"),
        ("tile/0/0", "tile_path"),
        ("tile/64/000", "tile_path"),
        ("tile/-1/000", "tile_path"),
        ("tile/0/000.p/0", "tile_path"),
        ("tile/0/000.p/256", "tile_path"),
        ("tile/0/../0/000", "tile_path"),
        ("tile/0/%00", "tile_path"),
    ],
)
def test_a_tile_that_is_not_there_is_a_problem_with_a_code(stranger, name, code):
    grow(300)
    answer = stranger.get(f"/log/{name}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["code"] == code


def test_the_log_is_only_read(stranger):
    for method in ("post", "put", "delete", "patch"):
        assert getattr(stranger, method)("/log/checkpoint").status_code == 405
    grow(1)
    assert stranger.head("/log/tile/0/000.p/1").status_code == 200
