"""Reads the whole chain as somebody would who knows every record, and looks for anything that says so.

What is looked for: identifiers, names, codes and ids as text, and every digest that a careless design would have put
there: of the stored bytes, of ids and identifiers, hashed without a salt. Leaves of the log itself are not on the
chain; commitments are, in the end, below anchored roots, and without their salts they match nothing here.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b, md5, sha1, sha3_256, sha256, sha512
from typing import Any

from consortium.management.chainnode import ask_chain
from ledger.commitments import Kind
from ledger.proofs import leaf_hash
from ledger.trie import keccak256

WINDOW = 6
"""Bytes by which a needle is found first; shorter texts are looked for as whole words."""
# Members whose text names a person or says something about one. Organisations are members, and are public.
TELLING = frozenset(
    {"family", "given", "text", "value", "birthDate", "line", "postalCode", "lotNumber", "title", "id", "data"}
)
# Codes of the standard itself (`active`, `final`) and units are words that any text may have.
COMMON_SYSTEMS = ("http://terminology.hl7.org/", "http://unitsofmeasure.org", "urn:ietf:bcp:47")
PUBLIC_TYPES = frozenset({"Organization"})
# Too common to tell anything: they would be found in any text.
COMMON_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Needle:
    """Bytes that must not be found, and what they are, in words."""

    data: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that must not be on a chain: what, and where."""

    what: str
    where: str


def chain_data(rpc: str) -> Iterator[tuple[str, bytes]]:
    """Everything that the chain publishes: blocks' extra data, transactions, receipts' logs, contracts' code."""
    height = int(ask_chain(rpc, "eth_blockNumber", [()])[0], 16)
    step = 200
    for first in range(0, height + 1, step):
        numbers = [hex(number) for number in range(first, min(first + step, height + 1))]
        blocks = ask_chain(rpc, "eth_getBlockByNumber", [(number, True) for number in numbers])
        receipts = ask_chain(rpc, "eth_getBlockReceipts", [(number,) for number in numbers])
        for block, found in zip(blocks, receipts, strict=True):
            place = f"block {int(block['number'], 16)}"
            yield f"{place}, extra data", _bytes(block["extraData"])
            for transaction in block["transactions"]:
                yield f"{place}, transaction {transaction['hash']}", _bytes(transaction["input"])
            for receipt in found:
                if receipt.get("contractAddress"):
                    (code,) = ask_chain(rpc, "eth_getCode", [(receipt["contractAddress"], "latest")])
                    yield f"code of {receipt['contractAddress']}", _bytes(code)
                for event in receipt["logs"]:
                    joined = b"".join(_bytes(topic) for topic in event["topics"]) + _bytes(event["data"])
                    yield f"{place}, event of {receipt['transactionHash']}", joined


def needles_of(contents: Iterable[bytes], *, public: Iterable[str] = ()) -> set[Needle]:
    """What to look for when these records' stored bytes are known. `public`: texts that the register shows anyway."""
    shown = frozenset(public)
    found: set[Needle] = set()
    for content in contents:
        resource = json.loads(content)
        name = f"{resource['resourceType']}/{resource['id']}"
        found.update(_digests(content, f"the bytes of {name}"))
        found.update(_digests(name.encode(), f"the id of {name}"))
        found.update(_digests(str(resource["id"]).encode(), f"the id of {name}"))
        if resource["resourceType"] in PUBLIC_TYPES:
            continue
        for member, text in _texts(resource):
            if text in shown or len(text) < COMMON_LENGTH:
                continue
            found.add(Needle(text.encode(), f"the {member} “{text[:40]}” of {name}"))
            if member in {"value", "family"} and len(text) > COMMON_LENGTH:
                found.update(_digests(text.encode(), f"the {member} of {name}"))
    return found


def scan(data: Iterable[tuple[str, bytes]], needles: Iterable[Needle]) -> list[Hit]:
    """Every needle that is found anywhere in the data."""
    long: dict[bytes, list[Needle]] = {}
    short: list[Needle] = []
    for needle in needles:
        if len(needle.data) >= WINDOW:
            long.setdefault(needle.data[:WINDOW], []).append(needle)
        else:
            short.append(needle)
    words = {needle.data: needle for needle in short}
    hits: set[Hit] = set()
    for where, content in data:
        for start in range(len(content) - WINDOW + 1):
            for needle in long.get(content[start : start + WINDOW], ()):
                if content.startswith(needle.data, start):
                    hits.add(Hit(needle.what, where))
        for word in _words(content):
            if word in words:
                hits.add(Hit(words[word].what, where))
    return sorted(hits, key=lambda hit: (hit.where, hit.what))


def _digests(data: bytes, what: str) -> Iterator[Needle]:
    """What `data` looks like after every hash that needs no secret."""
    once = sha256(data).digest()
    yield Needle(once, f"SHA-256 of {what}")
    yield Needle(sha256(once).digest(), f"double SHA-256 of {what}")
    yield Needle(keccak256(data), f"Keccak-256 of {what}")
    yield Needle(sha3_256(data).digest(), f"SHA3-256 of {what}")
    yield Needle(sha512(data).digest()[:32], f"SHA-512 of {what}")
    yield Needle(blake2b(data, digest_size=32).digest(), f"BLAKE2b of {what}")
    yield Needle(blake2b(data, digest_size=8).digest(), f"64-bit BLAKE2b of {what}")
    yield Needle(sha1(data, usedforsecurity=False).digest(), f"SHA-1 of {what}")
    yield Needle(md5(data, usedforsecurity=False).digest(), f"MD5 of {what}")
    yield Needle(leaf_hash(data), f"unsalted leaf of {what}")
    yield Needle(leaf_hash(bytes((1, Kind.RECORD)) + once), f"unsalted leaf of {what}")


def _texts(value: Any, member: str = "") -> Iterator[tuple[str, str]]:
    """(member, text) of every telling string below a value."""
    if isinstance(value, dict):
        system = value.get("system", "")
        if system and "code" in value and not system.startswith(COMMON_SYSTEMS):
            yield "code", value["code"]
        for name, inner in value.items():
            if name != "meta":
                yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, member)
    elif isinstance(value, str) and member in TELLING:
        yield member, value


def _words(content: bytes) -> Iterator[bytes]:
    """Runs of printable ASCII of four letters or more, cut at what is neither letter nor digit."""
    run = bytearray()
    for byte in content + b"\x00":
        if 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte in b"-.":
            run.append(byte)
            continue
        if len(run) >= COMMON_LENGTH:
            yield bytes(run)
        run.clear()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
