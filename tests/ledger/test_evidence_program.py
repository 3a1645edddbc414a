"""`python -m ledger.evidence verify`: its exit codes, its words, and that it runs without Django and web3."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import time
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ledger import proofs
from ledger.commitments import commit, leaf_data
from ledger.evidence import ANCHORED_TOPIC, ChainUnreachable, build_evidence
from ledger.evidence.__main__ import main
from ledger.evidence.rpc import HttpChain
from ledger.receipts import decode_header, encode_header, prove_receipt
from ledger.trie import keccak256
from ledger.trust import write_trust

CHECKOUT = Path(__file__).resolve().parents[2]

WITHOUT_DJANGO = """
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"django", "web3", "rest_framework", "eth_account", "psycopg"}:
            raise ModuleNotFoundError(f"blocked: {name}")

sys.meta_path.insert(0, Blocked())
sys.argv = ["evidence", *sys.argv[1:]]
runpy.run_module("ledger.evidence", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def files(scene, tmp_path):
    """The scene as files: evidence, trust with and without the block, record."""
    paths = {
        "evidence": scene.evidence(),
        "trust": write_trust(scene.trust()),
        "unlisted": write_trust(scene.trust(listed=False)),
        "record": scene.record,
    }
    for name, data in paths.items():
        (tmp_path / name).write_bytes(data)
    return {name: str(tmp_path / name) for name in paths}


@pytest.fixture
def chain_node(scene):
    """A chain node that knows the scene's block, over HTTP."""
    blocks = {"0x0": scene.trust().genesis, hex(scene.number): keccak256(scene.header())}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result: object
            if question["method"] == "eth_chainId":
                result = hex(31337)
            else:
                digest = blocks.get(question["params"][0])
                result = digest and {"hash": "0x" + digest.hex()}
            body = json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(capsys, *arguments):
    code = main(["verify", *arguments])
    return code, capsys.readouterr().out


def test_it_runs_with_django_and_web3_out_of_reach(files):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DJANGO, "verify", files["evidence"], "--trust", files["trust"],
         "--record", files["record"]],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    assert "PROVED: these bytes, Observation/alice-1 version 2," in done.stdout


def test_offline_it_does_not_even_load_an_http_library(files):
    program = (
        "import sys, ledger.evidence.__main__ as m; "
        f"m.main(['verify', {files['evidence']!r}, '--trust', {files['trust']!r}]); "
        "print(sorted({'httpx', 'django', 'web3', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.endswith("[]\n")


def test_proved_is_exit_code_0_and_every_step_is_numbered_with_its_trust(files, capsys):
    code, out = run(capsys, files["evidence"], "--trust", files["trust"], "--record", files["record"])
    assert code == 0
    lines = out.splitlines()
    assert [line[:4] for line in lines[:-1:2]] == [f"{n}/9 " for n in range(1, 10)]
    assert all(line.strip().startswith("Trust: ") for line in lines[1:-1:2])
    assert lines[-1].startswith("PROVED: these bytes, Observation/alice-1 version 2, were in the log of 杏林 ")


def test_without_the_record_it_is_0_and_speaks_of_the_digest_only(scene, files, capsys):
    code, out = run(capsys, files["evidence"], "--trust", files["trust"])
    assert code == 0
    assert "3/9  Record     not given" in out
    assert f"PROVED: a record with SHA-256 {sha256(scene.record).hexdigest()} was" in out


def test_refused_is_exit_code_1_with_step_and_code(files, capsys):
    record = Path(files["record"])
    record.write_bytes(record.read_bytes() + b" ")
    code, out = run(capsys, files["evidence"], "--trust", files["trust"], "--record", files["record"])
    assert code == 1
    assert "REFUSED (step 3, record_bytes)" in out


def test_without_a_trusted_header_or_a_chain_node_it_is_exit_code_2(files, capsys):
    code, out = run(capsys, files["evidence"], "--trust", files["unlisted"], "--record", files["record"])
    assert code == 2
    assert "6/9  Block      not proved" in out
    assert "NOT PROVED" in out


def test_a_chain_node_named_on_the_command_line_or_in_the_trust_file_vouches(files, scene, chain_node, capsys):
    arguments = [files["evidence"], "--record", files["record"]]
    assert run(capsys, *arguments, "--trust", files["unlisted"], "--rpc", chain_node)[0] == 0
    named = dataclasses.replace(scene.trust(listed=False), rpc=chain_node)
    Path(files["trust"]).write_bytes(write_trust(named))
    code, out = run(capsys, *arguments, "--trust", files["trust"])
    assert code == 0
    assert f"Trust: the chain node {chain_node}." in out


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "no address", "http://[", "ftp://127.0.0.1/"])
def test_a_chain_node_that_does_not_answer_is_exit_code_2(files, capsys, address):
    code, out = run(capsys, files["evidence"], "--trust", files["unlisted"], "--rpc", address)
    assert code == 2
    assert "did not answer" in out


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"error":{}}',
        b'{"result":7}',
        b'{"result":"0x"}',
        b'{"result":{"hash":"0x00"}}',
    ],
    ids=str,
)
def test_a_chain_node_that_answers_nonsense_vouches_for_nothing(answer, monkeypatch):
    import httpx

    monkeypatch.setattr(
        httpx.Client,
        "post",
        lambda self, url, json: httpx.Response(200, content=answer, request=httpx.Request("POST", url)),
    )
    node = HttpChain("http://127.0.0.1:1")
    with pytest.raises(ChainUnreachable):
        node.chain_id()
    with pytest.raises(ChainUnreachable):
        node.block_hash(5)


def test_files_that_cannot_be_read_and_a_broken_trust_file_are_exit_code_1(files, tmp_path, capsys):
    missing = str(tmp_path / "missing")
    assert run(capsys, missing, "--trust", files["trust"])[0] == 1
    assert run(capsys, files["evidence"], "--trust", missing)[0] == 1
    assert run(capsys, files["evidence"], "--trust", files["trust"], "--record", missing)[0] == 1
    code, out = run(capsys, files["evidence"], "--trust", files["record"])
    assert code == 1
    assert "REFUSED (trust_format)" in out or "REFUSED (form_" in out


def test_a_wrong_command_line_is_not_taken_for_not_proved(files, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["verify", files["evidence"]])
    assert caught.value.code == 64
    assert "--trust" in capsys.readouterr().err


def test_programs_get_the_same_as_json(files, capsys):
    code, out = run(capsys, files["evidence"], "--trust", files["trust"], "--json")
    answer = json.loads(out)
    assert (code, answer["exit_code"], answer["outcome"]) == (0, 0, "proved")
    assert [step["status"] for step in answer["steps"]].count("proved") == 8
    assert answer["record"]["given"] is False
    assert answer["block"]["number"] == 1200
    Path(files["evidence"]).write_bytes(b"{}")
    code, out = run(capsys, files["evidence"], "--trust", files["trust"], "--json")
    answer = json.loads(out)
    assert (code, answer["outcome"]) == (1, "refused")
    assert answer["refusal"] == {
        "code": "form_missing", "sentence": "The evidence lacks the member 'format'.", "step": 1,
    }  # fmt: skip


@pytest.mark.chain
def test_evidence_of_an_event_on_a_real_chain_node_is_proved(scene, chain, tmp_path, capsys):
    leaves = [proofs.leaf_hash(bytes([number])) for number in range(5)]
    leaves[3] = proofs.leaf_hash(leaf_data(scene.kind, commit(scene.kind, scene.salt, scene.record)))
    root = proofs.root_of(leaves)
    # A constructor that emits Anchored: its data is copied from behind the code.
    event = (5).to_bytes(32, "big") + root + scene.signer.public.digest
    code = bytes.fromhex("606060556000397f") + scene.member + b"\x7f" + ANCHORED_TOPIC
    code += bytes.fromhex("60606000a260006000f3")
    code = code.ljust(0x55, b"\x00")
    sent = chain.call(
        "eth_sendTransaction",
        {"from": chain.call("eth_accounts")[0], "data": "0x" + (code + event).hex(), "gas": "0x30d40"},
    )
    deadline = time.monotonic() + 20
    while (receipt := chain.call("eth_getTransactionReceipt", sent)) is None:
        assert time.monotonic() < deadline, "the chain node mines nothing"
        time.sleep(0.1)
    block = chain.call("eth_getBlockByNumber", receipt["blockNumber"], False)
    header = encode_header(block)
    receipts = chain.call("eth_getBlockReceipts", receipt["blockNumber"])
    index = int(receipt["transactionIndex"], 16)
    proof = prove_receipt(receipts, index, decode_header(header).receipts_root)
    contract = bytes.fromhex(receipt["contractAddress"][2:])
    evidence = build_evidence(
        kind=scene.kind,
        type=scene.type,
        id=scene.id,
        version=scene.version,
        digest=sha256(scene.record).digest(),
        salt=scene.salt,
        leaf_index=3,
        audit_path=proofs.prove_inclusion(3, 5, proofs.reader_of(leaves)),
        checkpoint=scene.signer.sign(5, root),
        chain_id=int(chain.call("eth_chainId"), 16),
        contract=contract,
        member=scene.member,
        header=header,
        receipt_index=index,
        receipt_nodes=proof.nodes,
        log_index=0,
    )
    genesis = bytes.fromhex(chain.call("eth_getBlockByNumber", "0x0", False)["hash"][2:])
    trust = dataclasses.replace(
        scene.trust(listed=False, valid_from=0),
        chain_id=int(chain.call("eth_chainId"), 16), genesis=genesis, contract=contract,
    )  # fmt: skip
    for name, data in (("evidence", evidence), ("trust", write_trust(trust)), ("record", scene.record)):
        (tmp_path / name).write_bytes(data)
    arguments = [
        str(tmp_path / "evidence"),
        "--trust",
        str(tmp_path / "trust"),
        "--record",
        str(tmp_path / "record"),
    ]
    assert run(capsys, *arguments)[0] == 2
    assert run(capsys, *arguments, "--rpc", chain.rpc)[0] == 0
    (tmp_path / "trust").write_bytes(write_trust(dataclasses.replace(trust, genesis=bytes(32))))
    assert run(capsys, *arguments, "--rpc", chain.rpc)[0] == 1
