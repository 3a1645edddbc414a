"""RLP, tries, receipts: canonical, checked against another implementation and a real chain node."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import rlp
from ledger.receipts import (
    ReceiptError,
    decode_header,
    decode_receipt,
    encode_header,
    encode_receipt,
    prove_receipt,
    verify_receipt,
)
from ledger.rlp import RlpError
from ledger.trie import EMPTY_TRIE_ROOT, Trie, TrieError, keccak256, verify_proof

items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=6), max_leaves=40)
mappings = st.dictionaries(
    st.binary(min_size=1, max_size=5), st.binary(min_size=1, max_size=60), min_size=1, max_size=60
)


# RLP


@pytest.mark.parametrize(
    ("item", "encoded"),
    [
        (b"dog", "83646f67"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        (b"", "80"),
        ([], "c0"),
        (b"\x00", "00"),
        (b"\x0f", "0f"),
        (b"\x04\x00", "820400"),
        ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
        (b"x" * 56, "b838" + "78" * 56),
    ],
)
def test_rlp_is_that_of_the_yellow_paper(item, encoded):
    assert rlp.encode(item).hex() == encoded
    assert rlp.decode(bytes.fromhex(encoded)) == item


@given(items)
def test_rlp_reads_back(item):
    assert rlp.decode(rlp.encode(item)) == item


@given(st.binary(max_size=80))
def test_whatever_is_decoded_is_encoded_to_the_same_bytes(data):
    try:
        item = rlp.decode(data)
    except RlpError:
        return
    assert rlp.encode(item) == data


@pytest.mark.parametrize(
    "bad",
    [
        "", "8100", "817f", "b800", "b837" + "00" * 55, "b90038" + "00" * 56, "83646f", "83646f6700",
        "c883636174", "c0c0", "f800", "b8", "bf" + "ff" * 8, "ff" + "ff" * 8, "f90000", "c281", "c10081",
        "c1" * 200 + "c0",
    ],
)  # fmt: skip
def test_rlp_that_is_not_canonical_is_refused(bad):
    with pytest.raises(RlpError):
        rlp.decode(bytes.fromhex(bad))


def test_deep_rlp_is_refused_before_it_can_exhaust_the_stack():
    data = b"\xc0"
    for _ in range(2000):
        data = rlp.encode([b""])[:0] + rlp._prefix(0xC0, len(data)) + data
    with pytest.raises(RlpError) as caught:
        rlp.decode(data)
    assert caught.value.code == "rlp_depth"


def test_numbers_have_no_leading_zeros():
    assert [rlp.encode_integer(n) for n in (0, 1, 255, 256)] == [b"", b"\x01", b"\xff", b"\x01\x00"]
    with pytest.raises(RlpError):
        rlp.as_integer(b"\x00")
    with pytest.raises(RlpError):
        rlp.as_integer(b"\x01" * 9, 8)
    with pytest.raises(RlpError):
        rlp.encode_integer(-1)


# Tries


@given(mappings)
def test_every_value_of_a_trie_is_proved_and_the_root_is_another_implementations(mapping):
    from trie.hexary import HexaryTrie

    other = HexaryTrie({})
    for key, value in mapping.items():
        other[key] = value
    built = Trie(mapping)
    assert built.root == other.root_hash
    for key, value in mapping.items():
        assert verify_proof(built.root, key, built.prove(key)) == value


@given(mappings, st.data())
def test_a_changed_proof_or_an_absent_key_is_refused(mapping, data):
    built = Trie(mapping)
    key = data.draw(st.sampled_from(sorted(mapping)))
    proof = built.prove(key)
    place = data.draw(st.integers(0, len(proof) - 1))
    offset = data.draw(st.integers(0, len(proof[place]) - 1))
    changed = bytearray(proof[place])
    changed[offset] ^= data.draw(st.integers(1, 255))
    for bad in (
        [*proof[:place], bytes(changed), *proof[place + 1 :]],
        proof[:place] + proof[place + 1 :],
        [*proof, proof[-1]],
        [],
    ):
        with pytest.raises(TrieError):
            verify_proof(built.root, key, bad)
    absent = data.draw(st.binary(max_size=6).filter(lambda k: k not in mapping))
    with pytest.raises((TrieError, RlpError)):
        verify_proof(built.root, absent, proof)


def test_the_empty_trie_has_its_known_root_and_proves_nothing():
    assert EMPTY_TRIE_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert Trie({}).root == EMPTY_TRIE_ROOT
    with pytest.raises(TrieError):
        verify_proof(EMPTY_TRIE_ROOT, b"k", [b"\x80"])
    with pytest.raises(TrieError):
        Trie({b"k": b""})


def test_keccak_is_ethereums():
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


# Receipts and headers


def log(data="0x1234", topics=1):
    return {"address": "0x" + "11" * 20, "topics": ["0x" + "22" * 32] * topics, "data": data}


def receipt(**changes):
    made = {
        "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0xe678", "logsBloom": "0x" + "00" * 256,
        "logs": [log()],
    }  # fmt: skip
    return {**made, **changes}


@pytest.mark.parametrize("count", [1, 2, 16, 17, 129, 300])
def test_every_receipt_of_a_block_is_proved_and_only_at_its_own_index(count):
    receipts = [receipt(type=hex(i % 5), cumulativeGasUsed=hex(i + 1)) for i in range(count)]
    root = Trie({rlp.encode(rlp.encode_integer(i)): encode_receipt(r) for i, r in enumerate(receipts)}).root
    for index in {0, count // 2, count - 1}:
        proof = prove_receipt(receipts, index, root)
        assert verify_receipt(root, proof).cumulative_gas == index + 1
        assert verify_receipt(root, proof).type == index % 5
    with pytest.raises(ReceiptError) as caught:
        prove_receipt(receipts[:-1], 0, root)
    assert caught.value.code in ("receipts_root", "receipt_index")


def test_receipts_read_back_from_raw_json_and_from_what_web3_makes_of_it():
    from hexbytes import HexBytes

    raw = receipt()
    cooked = receipt(
        type=2, status=1, cumulativeGasUsed=0xE678, logsBloom=HexBytes(bytes(256)),
        logs=[{"address": "0x" + "11" * 20, "topics": [HexBytes("22" * 32)], "data": HexBytes("1234")}],
    )  # fmt: skip
    assert encode_receipt(raw) == encode_receipt(cooked)
    decoded = decode_receipt(encode_receipt(raw))
    assert (decoded.type, decoded.succeeded, decoded.cumulative_gas) == (2, True, 0xE678)
    assert (decoded.logs[0].address, decoded.logs[0].data) == (b"\x11" * 20, b"\x12\x34")
    assert not decode_receipt(encode_receipt(receipt(status="0x0"))).succeeded


@pytest.mark.parametrize(
    "changes",
    [{"type": "0x5"}, {"type": "0x7e"}, {"status": None}, {"status": "0x2"}, {"logs": [log(topics=5)]},
     {"logsBloom": "0x00"}, {"logs": [{**log(), "address": "0x11"}]}, {"cumulativeGasUsed": "many"},
     {"logsBloom": "zz"}],
    ids=str,
)  # fmt: skip
def test_a_receipt_of_another_form_is_refused(changes):
    with pytest.raises((ReceiptError, RlpError)):
        decode_receipt(encode_receipt(receipt(**changes)))


@pytest.mark.parametrize("bad", [b"", b"\x00\xc0", b"\x02", b"\x02\xc0", b"\x05\xc0", b"\xc0", b"\x80", b"\xbf"])
def test_bytes_that_are_no_receipt_are_refused(bad):
    with pytest.raises((ReceiptError, RlpError)):
        decode_receipt(bad)


def test_a_header_whose_fields_do_not_make_its_hash_is_refused(scene):
    encoded = scene.header()
    assert decode_header(encoded).hash == keccak256(encoded)
    with pytest.raises(RlpError):
        decode_header(encoded + b"\x00")
    with pytest.raises(ReceiptError):
        decode_header(rlp.encode([b""] * 14))
    with pytest.raises(RlpError):
        decode_header(b"")


@pytest.mark.chain
def test_headers_and_receipts_of_a_real_chain_node_are_proved(chain):
    account, other = chain.call("eth_accounts")[:2]
    # Constructors that emit an event, as transactions of every type the node takes.
    emit = "0x7f" + "ab" * 32 + "60005260aa60206000a160006000f3"
    price = {"gasPrice": hex(3 * 10**9)}
    hashes = [
        chain.call("eth_sendTransaction", {"from": sender, "data": emit, "gas": "0x30d40", **more})
        for sender in (account, other)
        for more in (price, {**price, "accessList": []}, {})
    ]
    deadline = time.monotonic() + 20
    while any(chain.call("eth_getTransactionReceipt", h) is None for h in hashes):
        assert time.monotonic() < deadline, "the chain node mines nothing"
        time.sleep(0.1)
    kinds = set()
    for number in {int(chain.call("eth_getTransactionReceipt", h)["blockNumber"], 16) for h in hashes}:
        block = chain.call("eth_getBlockByNumber", hex(number), False)
        header = decode_header(encode_header(block))
        assert header.number == number
        assert header.hash.hex() == block["hash"][2:]
        assert header.timestamp == int(block["timestamp"], 16)
        receipts = chain.call("eth_getBlockReceipts", hex(number))
        for index, made in enumerate(receipts):
            proved = verify_receipt(header.receipts_root, prove_receipt(receipts, index, header.receipts_root))
            kinds.add(proved.type)
            assert proved.succeeded
            assert len(proved.logs) == len(made["logs"])
        with pytest.raises(ReceiptError):
            encode_header({**block, "timestamp": hex(header.timestamp + 1)})
    assert kinds >= {0, 1, 2}
