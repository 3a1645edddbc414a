"""The log as tiles: appended piece by piece it is the tree that it would be at once."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import proofs, tiles
from ledger.tiles import ENTRIES, Tile, TileError


def leaf(number):
    return sha256(number.to_bytes(8, "big")).digest()


class Shelf:
    """Tiles in memory; knows only what was written."""

    def __init__(self):
        self.tiles = {}
        self.read = []

    def __call__(self, tile):
        self.read.append(tile)
        return self.tiles[tile]


def grow(sizes):
    shelf, size, root = Shelf(), 0, proofs.EMPTY_ROOT
    for count in sizes:
        appended = tiles.append_leaves(size, shelf, [leaf(size + i) for i in range(count)])
        shelf.tiles.update(appended.tiles)
        size, root = appended.size, appended.root
    return shelf, size, root


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=8))
def test_however_leaves_arrive_root_and_proofs_are_those_of_the_whole(sizes):
    shelf, size, root = grow(sizes)
    leaves = [leaf(i) for i in range(size)]
    assert size == sum(sizes)
    assert root == proofs.root_of(leaves) == tiles.tree_root(size, shelf)
    if size:
        node = tiles.node_reader(size, shelf)
        assert proofs.tree_root(size, node) == root
        for index in {0, size // 2, size - 1}:
            proof = proofs.prove_inclusion(index, size, node)
            assert proof == proofs.prove_inclusion(index, size, proofs.reader_of(leaves))
            proofs.verify_inclusion(index, size, leaves[index], proof, root)
        first = max(1, size // 3)
        proof = proofs.prove_consistency(first, size, node)
        proofs.verify_consistency(first, size, proofs.root_of(leaves[:first]), root, proof)


def test_past_the_second_level_tiles_are_where_the_standard_puts_them():
    shelf, size, root = grow([70_000])
    # The example of C2SP tlog-tiles.
    level0 = {t for t in shelf.tiles if t.level == 0}
    assert sum(t.width == 256 for t in level0) == 273
    assert {t.width for t in level0 if t.index == 273} == {112}
    assert {(t.index, t.width) for t in shelf.tiles if t.level == 1} == {(0, 256), (1, 17)}
    assert {(t.index, t.width) for t in shelf.tiles if t.level == 2} == {(0, 1)}
    for tile, data in shelf.tiles.items():
        assert len(data) == tile.width * 32
        assert tiles.tile_width(tile.level, tile.index, size) == tile.width
    span = 256**2
    assert shelf.tiles[Tile(2, 0, 1)] == proofs.root_of([leaf(i) for i in range(span)])
    assert tiles.tree_root(size, shelf) == root


def test_an_append_reads_only_the_partial_tiles_at_the_edge():
    shelf, size, _ = grow([70_000])
    shelf.read.clear()
    tiles.append_leaves(size, shelf, [leaf(1)] * 5)
    assert set(shelf.read) <= {Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)}


def test_an_append_of_nothing_changes_nothing():
    shelf, size, root = grow([300])
    appended = tiles.append_leaves(size, shelf, [])
    assert (appended.size, appended.root, appended.tiles) == (size, root, ())


def test_a_tile_of_another_length_than_its_width_is_refused():
    with pytest.raises(TileError) as caught:
        tiles.append_leaves(5, lambda tile: bytes(32), [bytes(32)])
    assert caught.value.code == "tile_length"


def test_a_node_beyond_the_log_is_refused():
    shelf, size, _ = grow([5])
    with pytest.raises(TileError):
        tiles.node_reader(size, shelf)(0, 5)
    with pytest.raises(TileError):
        tiles.node_reader(size, shelf)(3, 0)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(1, 1234067), "tile/1/x001/x234/067"),
        (Tile(63, 999, 1), "tile/63/999.p/1"),
        (Tile(0, 1000, 255), "tile/0/x001/000.p/255"),
        (Tile(ENTRIES, 1234067, 5), "tile/entries/x001/x234/067.p/5"),
    ],
)
def test_paths_are_those_of_the_standard_and_read_back(tile, path):
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@given(st.integers(0, 63), st.integers(0, 2**64 - 1), st.integers(1, 256))
def test_every_path_reads_back(level, index, width):
    assert tiles.parse_path(Tile(level, index, width).path) == Tile(level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000", "tile/64/000", "tile/0/00", "tile/0/0000", "tile/0/001/000", "tile/0/x000/001",
        "tile/0/x001/x000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/999",
        "tile/0/000/", "/tile/0/000", "tile/0/000\n", "tile/-1/000", "tile/0/../000", "tile/0/٠٠٠",
        "tile/0/" + "x999/" * 6 + "999", "tile/0/" + "x999/" * 9000 + "999", "tile/checkpoint", "",
    ],
)  # fmt: skip
def test_any_other_spelling_of_a_path_is_refused(path):
    with pytest.raises(TileError):
        tiles.parse_path(path)


@given(st.lists(st.binary(max_size=80), max_size=256))
def test_entry_bundles_read_back(entries):
    assert tiles.decode_bundle(tiles.encode_bundle(entries), len(entries)) == entries


def test_a_bundle_that_is_cut_or_padded_is_refused():
    whole = tiles.encode_bundle([b"one", b"two"])
    pick = random.Random(1)
    for bad in (whole[:-1], whole + b"\0", whole + b"\0\0", whole[: pick.randrange(1, 5)], b"\0"):
        with pytest.raises(TileError):
            tiles.decode_bundle(bad, 2)
