"""The ground that every other test stands on."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
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
