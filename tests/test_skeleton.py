"""The ground that every other test stands on."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from consortium.management import chainnode, postgres, processes

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.mark.django_db
def test_the_private_database_answers_with_the_floor_version_or_later():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        assert cursor.fetchone()[0] >= 150000


def test_a_wrong_password_is_refused_although_the_caller_is_local(cluster):
    wrong = cluster.url("postgres").replace(cluster.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)


def test_the_data_folder_is_closed_to_others_and_nobody_else_can_reach_the_password(cluster):
    assert cluster.data.stat().st_mode & 0o077 == 0
    assert (cluster.folder / "password").stat().st_mode & 0o077 == 0


def test_the_cluster_listens_on_loopback_only(cluster):
    with cluster.connect() as session:
        assert session.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert session.execute("SHOW unix_socket_directories").fetchone() == ("",)


def test_the_demonstration_is_durable():
    assert (
        postgres.SETTINGS["fsync"]
        == postgres.SETTINGS["synchronous_commit"]
        == postgres.SETTINGS["full_page_writes"]
        == "on"
    )


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_killed_owner_leaves_no_server_behind_and_the_next_start_finds_its_data(session_folder):
    folder = session_folder / "owner"
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from consortium.management.postgres import Cluster, THROWN_AWAY
        cluster = Cluster(Path({str(folder)!r}), settings=THROWN_AWAY)
        cluster.start()
        cluster.create_database("kept")
        print(cluster.process.pid, flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=CHECKOUT) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        owner.send_signal(signal.SIGKILL)
    again = postgres.Cluster(folder, settings=postgres.THROWN_AWAY)
    again.start()
    try:
        assert not _alive(pid)
        assert "kept" in again.databases()
    finally:
        again.remove()
    assert not again.data.exists()


def test_a_stale_pid_file_that_names_a_stranger_stops_nobody(session_folder):
    server = postgres.Cluster(session_folder / "stranger", settings=postgres.THROWN_AWAY)
    server.start()
    server.stop()
    with subprocess.Popen(["sleep", "30"]) as stranger:
        (server.data / "postmaster.pid").write_text(f"{stranger.pid}\n{server.data}\n")
        server.start()
        try:
            assert stranger.poll() is None
        finally:
            server.remove()
            stranger.kill()


@pytest.mark.chain
def test_the_chain_node_makes_a_block_each_second(chain):
    assert int(chain.call("eth_chainId"), 16) == chainnode.CHAIN_ID
    before = int(chain.call("eth_blockNumber"), 16)
    time.sleep(1.5)
    assert int(chain.call("eth_blockNumber"), 16) > before


@pytest.mark.chain
def test_a_chain_that_is_started_again_keeps_its_first_block_and_what_came_after(session_folder):
    node = chainnode.ChainNode(session_folder / "again", chainnode.anvil_binary(CHECKOUT))
    seen = []
    for _ in range(5):
        with node:
            node.call("anvil_mine", "0x1")
            seen.append([node.call("eth_getBlockByNumber", hex(number), False)["hash"] for number in (0, 1)])
    assert all(pair == seen[0] for pair in seen)


@pytest.mark.chain
def test_a_chain_whose_state_file_was_cut_short_starts_anew(session_folder):
    node = chainnode.ChainNode(session_folder / "cut", chainnode.anvil_binary(CHECKOUT))
    with node:
        node.call("anvil_mine", "0x5")
    assert node.state.exists()
    node.state.write_bytes(node.state.read_bytes()[:-10])
    with node:
        assert int(node.call("eth_blockNumber"), 16) < 5


def test_a_child_that_ends_early_says_why(tmp_path):
    log = tmp_path / "log"
    child = processes.spawn(["sh", "-c", "echo the reason; exit 3"], log=log)
    with pytest.raises(processes.DidNotStart, match=r"ended with 3(.|\n)*the reason"):
        processes.wait_until(lambda: False, process=child, log=log, seconds=5, what="It")


def test_the_management_script_knows_its_settings():
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "consortium.settings"


@pytest.mark.skipif(os.geteuid() != 0, reason="AS AN ORDINARY USER the data is in the folder itself: nothing to forget")
def test_data_whose_folder_was_deleted_is_removed_at_the_next_start_of_any_cluster(session_folder):
    deleted = postgres.Cluster(session_folder / "deleted", settings=postgres.THROWN_AWAY)
    deleted.start()
    shutil.rmtree(session_folder / "deleted")
    other = postgres.Cluster(session_folder / "other", settings=postgres.THROWN_AWAY)
    other.start()
    try:
        assert not deleted.data.exists()
    finally:
        other.remove()
        deleted.stop()


# Words that no SQL of another room uses: the tables of records and what hangs on them.
_TABLES = re.compile(r"\brecords_(?:current|history|reference|string|date|quantity|compartment)\w*", re.IGNORECASE)
_MAY_NAME_TABLES = {
    "records/access/": "the gate",
    "records/migrations/": "makes them",
    "records/fhir/rows.py": "the writer's statements",
    "records/fhir/search/": "the search compiler, which takes its rows from a permitted relation",
    "records/partitions.py": "makes the months to come",
    "records/management/commands/maintain_records.py": "tidies an index",
    "records/management/commands/import_fhir.py": "statistics and an index after an import",
}


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for room in ("consortium", "ledger", "records", "traceability"):
        for path in sorted((CHECKOUT / room).rglob("*.py")):
            yield path.relative_to(CHECKOUT).as_posix(), ast.parse(path.read_bytes())


def _texts(module: ast.Module) -> Iterator[str]:
    """The string literals of a module without its docstrings, which may speak of anything."""
    said = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def test_no_sql_outside_the_gate_names_a_table_of_records():
    named = {path for path, module in _sources() if any(_TABLES.search(text) for text in _texts(module))}
    used = {path: [place for place in _MAY_NAME_TABLES if path.startswith(place)] for path in named}
    assert [path for path, places in used.items() if not places] == []
    assert {place for places in used.values() for place in places} == set(_MAY_NAME_TABLES), "an exception is unused"


def test_pages_and_the_rest_door_have_no_database_connection():
    doors = ("records/portal/", "records/templatetags/", "records/fhir/rest/", "traceability/")
    for path, module in _sources():
        if not path.startswith(doors):
            continue
        taken = {
            f"{node.module}.{alias.name}"
            for node in ast.walk(module)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        } | {alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names}
        forbidden = {"django.db", "django.db.connection", "django.db.connections", "psycopg.connect"}
        assert not taken & forbidden, f"{path} reaches the database past the gate"


def test_what_is_placed_within_consortium_is_placed_among_the_rooms():
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    among, within = (
        [part.strip() for layer in contract["layers"] for part in re.split("[:|]", layer)]
        for contract in contracts
        if contract["type"] == "layers"
    )
    assert {part.removeprefix("consortium.") for part in among if part.startswith("consortium.")} == set(within)


def test_what_is_new_among_the_records_is_barred_from_their_rows_unless_it_is_named_as_their_keeper():
    """The contract lists who is barred; whoever is in no list would be free."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (barred,) = (one["source_modules"] for one in contracts if one["name"] == "Reads of records pass the gate")
    keepers = {"access", "fhir", "migrations", "models", "partitions", "proofs", "vault"}
    children = {
        path.stem
        for path in (CHECKOUT / "records").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert children - keepers - {"__init__"} == {
        name.split(".")[1] for name in barred if name.startswith("records.") and not name.startswith("records.fhir")
    }
