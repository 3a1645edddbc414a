"""The log as tiles of 256 hashes, in the layout of C2SP tlog-tiles.

A tile at level l holds hashes of perfect subtrees of 256**l leaves; tile n at that level begins with subtree
256 * n. Full tiles have 8,192 bytes and never change; the last tile of a level may be partial. A *tile
reader* is a callable `Tile -> bytes` that returns exactly `tile.width * 32` bytes; it may answer a partial
tile from a wider one it has, cut to width.

Source: C2SP tlog-tiles, "Merkle Tree", "Partial Tiles", "Log entries".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import LedgerRefusal
from ledger.proofs import EMPTY_ROOT, HASH_BYTES, NodeReader, node_hash, root_of

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_LEVEL = 63
ENTRIES = -1  # the level number under which an entry bundle is addressed

_PATH = re.compile(
    r"tile/(?P<level>0|[1-9][0-9]?|entries)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TileError(LedgerRefusal):
    """A tile, a bundle or a path of one is not valid."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a tile is: level (0 are leaf hashes, ENTRIES an entry bundle), index in it, and its width."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The resource's path below the log's prefix, e.g. `tile/0/x001/x234/067.p/5`."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        return f"tile/{level}/{number}" + (f".p/{self.width}" if self.width < TILE_WIDTH else "")


TileReader = Callable[[Tile], bytes]


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append gives: the new size and root, and every tile that is new or wider than before."""

    size: int
    root: bytes
    tiles: tuple[tuple[Tile, bytes], ...]


def parse_path(path: str) -> Tile:
    """The tile that a path below the log's prefix names; any but the canonical spelling is refused."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileError("tile_path", "A tile's path is tile/<level>/<index>, or with .p/<width> at its end.")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("/", "").replace("x", ""))
    tile = Tile(level, index, int(match["width"] or TILE_WIDTH))
    if level > MAX_LEVEL or index >= 1 << 64 or tile.path != path:
        raise TileError("tile_path", "Write a tile's path without needless zeros; widths go to 255.")
    return tile


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes tile `index` of this level has in a log of `size` leaves: 0 to 256."""
    hashes = size >> (TILE_HEIGHT * max(level, 0))
    return max(0, min(TILE_WIDTH, hashes - (index << TILE_HEIGHT)))


def append_leaves(size: int, read: TileReader, leaf_hashes: Sequence[bytes]) -> Appended:
    """Append leaf hashes to a log of `size` leaves, of which only the partial tiles at the edge are read."""
    new_size = size + len(leaf_hashes)
    written: dict[Tile, bytes] = {}
    level, old_count = 0, size
    fresh: Sequence[bytes] = leaf_hashes
    while fresh:
        index, width = divmod(old_count, TILE_WIDTH)
        begun = _read(read, Tile(level, index, width)) if width else b""
        data = begun + b"".join(fresh)
        above: list[bytes] = []
        span = TILE_WIDTH * HASH_BYTES
        for offset in range(0, len(data), span):
            piece = data[offset : offset + span]
            hashes = len(piece) // HASH_BYTES
            written[Tile(level, index, hashes)] = piece
            if hashes == TILE_WIDTH:
                above.append(_full_tile_root(piece))
            index += 1
        fresh = above
        level += 1
        old_count >>= TILE_HEIGHT

    def read_after(tile: Tile) -> bytes:
        return written[tile] if tile in written else _read(read, tile)

    return Appended(new_size, tree_root(new_size, read_after), tuple(written.items()))


def tree_root(size: int, read: TileReader) -> bytes:
    """Root of a log of `size` leaves, from the partial tiles at its right edge."""
    root: bytes | None = None
    level, count = 0, size
    while count:
        index, width = divmod(count, TILE_WIDTH)
        if width:
            hashes = split_tile(_read(read, Tile(level, index, width)))
            # Perfect blocks of falling size make up the width; the edge joins them from the smallest up.
            while width:
                block = width & -width
                left = root_of(hashes[width - block : width])
                root = left if root is None else node_hash(left, root)
                width -= block
        level += 1
        count >>= TILE_HEIGHT
    return EMPTY_ROOT if root is None else root


def node_reader(size: int, read: TileReader) -> NodeReader:
    """A node reader for `ledger.proofs` over the tiles of a log of `size` leaves; each tile is read once."""
    seen: dict[tuple[int, int], list[bytes]] = {}

    def node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile_index, offset = divmod(first, TILE_WIDTH)
        key = (tile_level, tile_index)
        hashes = seen.get(key)
        if hashes is None:
            width = tile_width(tile_level, tile_index, size)
            hashes = seen[key] = split_tile(_read(read, Tile(tile_level, tile_index, width))) if width else []
        block = hashes[offset : offset + (1 << height)]
        if len(block) != 1 << height:
            raise TileError("tile_missing", f"Node {index} of level {level} is not complete at size {size}.")
        return root_of(block)

    return node


def split_tile(data: bytes) -> list[bytes]:
    """The hashes of a tile."""
    if len(data) % HASH_BYTES or not 0 < len(data) <= TILE_WIDTH * HASH_BYTES:
        raise TileError("tile_length", "A tile has 1 to 256 hashes of 32 bytes.")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry (leaf data) behind its length in two big-endian bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > 0xFFFF:
            raise TileError("bundle_entry", "An entry of a bundle has at most 65,535 bytes.")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle; anything missing or left over is refused."""
    entries = list(_entries(data))
    if len(entries) != width:
        raise TileError("bundle_length", f"The bundle has {len(entries)} entries where {width} belong.")
    return entries


def _entries(data: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(data):
        start = offset + 2
        offset = start + int.from_bytes(data[offset:start], "big")
        if start > len(data) or offset > len(data):
            raise TileError("bundle_length", "The bundle ends within an entry.")
        yield data[start:offset]


def _read(read: TileReader, tile: Tile) -> bytes:
    data = read(tile)
    if len(data) != tile.width * HASH_BYTES:
        raise TileError("tile_length", f"{tile.path} has {len(data)} bytes where {tile.width * 32} belong.")
    return data


def _full_tile_root(data: bytes) -> bytes:
    """Root of a full tile; in one flat loop, for this is half of the work of appending."""
    row = data
    while len(row) > HASH_BYTES:
        row = b"".join([sha256(b"\x01" + row[i : i + 64]).digest() for i in range(0, len(row), 64)])
    return row
