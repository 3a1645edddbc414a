"""The demonstration as somebody runs it: it starts, its story holds, it ends and leaves nothing, it keeps its data."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consortium.client import Node
from consortium.management.chainnode import ask_chain
from consortium.management.demo import chainscan, supervisor, walkthrough

CHECKOUT = Path(__file__).resolve().parent.parent
READY = 90.0
PATIENTS = 5

pytestmark = pytest.mark.chain


@dataclass
class Demo:
    """A demonstration in a process of its own. folder: where its demo.json is."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def description(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "demo.json").read_text())
        return found

    def end(self, sign: int) -> str:
        self.process.send_signal(sign)
        self.process.wait(40)
        return (self.folder / "out").read_text()


def start(folder: Path) -> Demo:
    folder.mkdir(exist_ok=True)
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--folder", str(folder), "--patients", str(PATIENTS)],
            cwd=CHECKOUT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=_clean_environment(),
        )  # fmt: skip
    deadline = time.monotonic() + READY
    while "What to do now" not in (folder / "out").read_text():
        assert process.poll() is None, (folder / "out").read_text()
        assert time.monotonic() < deadline, (folder / "out").read_text()
        time.sleep(0.1)
    return Demo(folder, process)


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "VAULT_", "CHAIN_"))}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    running = start(folder)
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGTERM)
    supervisor.reset(folder / "demo", folder)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_description_says_where_everything_is_and_how_to_get_in(demo):
    said = demo.description
    assert [node["kind"] for node in said["nodes"]] == ["hospital", "hospital"]
    for node in said["nodes"]:
        assert {"name", "kind", "url", "token_url", "client_id", "client_secret"} <= set(node)
        assert node["url"].startswith("http://localhost:")
    names = {node["name"] for node in said["nodes"]}
    roles = {person["role"] for person in said["people"]}
    assert roles >= {"clinician", "privacy_officer", "auditor", "node_administrator"}
    for person in said["people"]:
        assert {"role", "node", "username", "password", "totp_secret"} <= set(person)
        assert person["node"] in names
    assert {"alice", "bob", "carol", "mallory"} <= {person["username"] for person in said["people"]}
    assert set(said["chain"]["contracts"]) == {"members", "anchors"}
    assert Path(said["trust"]).is_file()
    assert all(alive(pid) for pid in said["pids"].values())
    assert (demo.folder / "demo.json").stat().st_mode & 0o077 == 0


def test_the_story_holds(demo):
    told: list[str] = []
    walkthrough.walk(demo.description, say=told.append)
    assert len(told) == len(walkthrough.STEPS) + 1


def test_the_story_breaks_with_an_exit_code_where_something_is_wrong(demo, tmp_path):
    description = demo.description
    description["nodes"][0]["client_secret"] = "wrong"
    (tmp_path / "demo.json").write_text(json.dumps(description))
    command = [sys.executable, "manage.py", "demo", "--walkthrough", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "The story breaks here: 3." in done.stderr


def test_the_scan_of_the_whole_chain_finds_the_digest_that_is_planted(demo):
    said = demo.description
    first = said["nodes"][0]
    with Node(first["url"], first["client_id"], first["client_secret"]) as node:
        patient = next(node.search("Patient", _count=1))
        content = node.read("Patient", patient["id"]).content
    needles = chainscan.needles_of([content], public=[n["title"] for n in said["nodes"]])
    rpc = said["chain"]["rpc"]
    assert chainscan.scan(chainscan.chain_data(rpc), needles) == []
    (digest,) = (n.data for n in needles if n.what == f"SHA-256 of the bytes of Patient/{patient['id']}")
    sender = "0x" + "57" * 20
    _rpc(rpc, "anvil_setBalance", sender, hex(10**18))
    _rpc(rpc, "anvil_impersonateAccount", sender)
    planted = _rpc(rpc, "eth_sendTransaction", {"from": sender, "to": sender, "data": "0x07" + digest.hex()})
    deadline = time.monotonic() + 20
    while _rpc(rpc, "eth_getTransactionReceipt", planted) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (hit,) = chainscan.scan(chainscan.chain_data(rpc), needles)
    assert hit.what == f"SHA-256 of the bytes of Patient/{patient['id']}"
    assert planted in hit.where


def test_the_doctor_finds_both_nodes_well(demo):
    for node in demo.description["nodes"]:
        done = _manage(demo, node["name"], "doctor", "--json")
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0, done.stdout
        assert {finding["state"] for finding in found} == {"ok"}


def test_the_doctor_says_what_to_do_when_the_chain_is_away(demo):
    done = _manage(demo, "hospital-a", "doctor", "--json", CHAIN_RPC_URL="http://127.0.0.1:9")
    found = {json.loads(line)["name"]: json.loads(line) for line in done.stdout.splitlines()}
    assert done.returncode == 1
    assert found["chain"]["state"] == "failed"
    assert found["database"]["state"] == "ok"


def test_the_doctor_says_what_to_do_when_the_database_is_away(demo):
    done = _manage(demo, "hospital-a", "doctor", "--json", DATABASE_URL="postgresql://nobody:x@127.0.0.1:9/none")
    found = {json.loads(line)["name"]: json.loads(line) for line in done.stdout.splitlines()}
    assert done.returncode == 1
    assert found["database"]["state"] == found["migrations"]["state"] == "failed"
    assert "DATABASE_URL" in found["database"]["sentence"]
    assert found["vault"]["state"] == "ok"


def test_a_second_demonstration_in_the_same_folder_is_refused(demo):
    command = [sys.executable, "manage.py", "demo", "--folder", str(demo.folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "runs in this checkout already" in done.stderr


def test_ctrl_c_leaves_nothing_running_and_the_next_start_has_the_same_people_and_patients(demo):
    before = demo.description
    counts = [_count(node) for node in before["nodes"]]
    said = demo.end(signal.SIGINT)
    assert "Nothing is left running" in said
    assert not [pid for pid in before["pids"].values() if alive(pid)]
    assert not (demo.folder / "demo.json").exists()
    again = start(demo.folder)
    try:
        after = again.description
        assert after["people"] == before["people"]
        assert after["chain"]["contracts"] == before["chain"]["contracts"]
        assert [_count(node) for node in after["nodes"]] == counts
        assert "patients stored" not in (demo.folder / "out").read_text()
    finally:
        again.end(signal.SIGTERM)
    assert not [pid for pid in after["pids"].values() if alive(pid)]


def test_a_demonstration_that_is_ended_while_it_starts_leaves_nothing_running(tmp_path):
    mark = str(tmp_path / "demo")
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", "--folder", str(tmp_path)],
            cwd=CHECKOUT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, env=_clean_environment(),
        )  # fmt: skip
    deadline = time.monotonic() + READY
    while "contracts are in place" not in (tmp_path / "out").read_text():
        assert time.monotonic() < deadline, (tmp_path / "out").read_text()
        time.sleep(0.05)
    process.terminate()
    process.wait(40)
    deadline = time.monotonic() + 10
    while (left := _processes_of(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    supervisor.reset(tmp_path / "demo", tmp_path)
    assert left == []


def _processes_of(mark: str) -> list[str]:
    """Command lines of processes that have the folder in their arguments or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if mark.encode() in words:
            found.append(words[:200].decode(errors="replace"))
    return found


def test_a_killed_demonstration_leaves_nothing_running_either(demo):
    running = start(demo.folder)
    pids = running.description["pids"]
    running.process.kill()
    running.process.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [name for name, pid in pids.items() if alive(pid)]


def _count(node: dict[str, Any]) -> int:
    with Node(node["url"], node["client_id"], node["client_secret"]) as client:
        page = next(client.pages("Observation", {"_summary": "count"}))
    return int(page["total"])


def _rpc(address: str, method: str, *parameters: Any) -> Any:
    return ask_chain(address, method, [parameters])[0]


def _manage(demo: Demo, name: str, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """A management command in the environment of a running node, as its worker has it."""
    pid = demo.description["pids"][f"{name} worker"]
    pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    environment = dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT, env={**environment, **changed}, capture_output=True, text=True, check=False,
    )  # fmt: skip
