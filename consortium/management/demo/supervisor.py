"""Starts the demonstration, keeps it running, and ends it without leaving anything behind.

What is kept below `var/demo`: the databases' password and log, the chain's state, every node's keys, and
`state.json` (ports, addresses, passwords). `var/demo.json` and `var/trust.json` are for others.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TextIO

from consortium.client import Node
from consortium.management import chainnode, postgres, processes
from consortium.management.demo import contracts, seeding
from consortium.management.demo.nodes import CHECKOUT, HospitalNode, end_group
from consortium.management.demo.plan import HOSPITALS, PATIENTS, Login, Member
from consortium.members.keys import create_missing_keys
from ledger.chain import Account

INTEGRATION = {"name": "integration engine", "scopes": "system/*.cruds"}
READER = {"name": "dashboard", "scopes": "system/*.rs"}
POLL = 0.3


class AlreadyRunning(RuntimeError):
    """Another demonstration runs in this checkout."""


@dataclass
class Child:
    """A process that is started again when it ends by itself."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    restarts: int = 0


@dataclass
class Supervisor:
    """One demonstration.

    folder: where everything of it is kept. shown: the folder of demo.json and trust.json.
    members: the hospitals. patients: how many each of them seeds; 0 for none.
    settings: PostgreSQL's, over the durable ones. environment: more settings for every node.
    """

    folder: Path
    shown: Path
    members: tuple[Member, ...] = HOSPITALS
    patients: int = PATIENTS
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    out: TextIO = sys.stdout
    children: dict[str, Child] = field(default_factory=dict)
    nodes: dict[str, HospitalNode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.state: dict[str, Any] = {}
        self.cluster = postgres.Cluster(self.folder / "postgresql", settings=self.settings)
        self.chain = chainnode.ChainNode(self.folder / "chain", chainnode.anvil_binary(CHECKOUT))

    # --- start ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Everything, up to the moment when people can sign in.

        Raises:
            DidNotStart: with what the failing part wrote last.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state = self._read_state()
        create_missing_keys(self._deployer_folder)
        for member in self.members:
            create_missing_keys(self._keys(member))
        self._choose_ports()
        # Children end with the thread that started them, so this thread starts them all.
        self._start_chain()
        pool = ThreadPoolExecutor(8)
        try:
            try:
                self._start_nodes(pool)
            except BaseException:
                # What the pool still does ends as soon as nobody answers it any more.
                self.stop()
                raise
        except BaseException:
            # Whoever ends the start does not wait for what it waits for: stop() takes that away.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()
        self.write_description()

    def _start_nodes(self, pool: ThreadPoolExecutor) -> None:
        ready = pool.submit(self._establish)
        self._prepare_databases()
        self.say("databases are ready")
        known = ready.result()
        self._write_state(contracts={"members": known.members.hex(), "anchors": known.anchors.hex()})
        self.say("the chain is ready, contracts are in place")
        furnishers = {member.key: self._furnisher(member) for member in self.members}
        for member in self.members:
            self._start_node(member)
        told = {key: pool.submit(furnisher.furnish) for key, furnisher in furnishers.items()}
        for key, secret in told.items():
            self._write_state(secrets={**self.state.get("secrets", {}), key: _flat(secret.result())})
        for member in self.members:
            node = self.nodes[member.key]
            node.wait_until_ready(self.children[f"{member.key} web"].process)
        self.say("the hospitals' nodes answer")
        self._seed(pool, furnishers)
        for furnisher in furnishers.values():
            furnisher.end()

    def _start_chain(self) -> None:
        self.chain.start()
        assert self.chain.process is not None
        self.children["chain"] = Child("chain", self._restart_chain, self.chain.process)

    def _establish(self) -> contracts.Places:
        kept = self.state.get("contracts")
        known = None
        if kept is not None:
            known = contracts.Places(bytes.fromhex(kept["members"]), bytes.fromhex(kept["anchors"]))
        founders = [contracts.Founder(m.hospital.name, m.origin, self._url(m), self._keys(m)) for m in self.members]
        deployer = Account(bytes.fromhex((self._deployer_folder / "evm.key").read_text().strip()))
        found = contracts.establish(self.chain, deployer=deployer, founders=founders, known=known)
        self.shown.mkdir(parents=True, exist_ok=True)
        contracts.write_trust_file(self.trust_path, node=self.chain, places=found, founders=founders)
        return found

    def _prepare_databases(self) -> None:
        self.cluster.start()
        assert self.cluster.process is not None
        self.children["postgresql"] = Child("postgresql", self._restart_postgres, self.cluster.process)
        wanted = {m.database for m in self.members} | {f"{m.database}_vault" for m in self.members}
        first = self.members[0]
        if wanted <= self.cluster.databases():
            # A later start: the code may be newer than the databases.
            for member in self.members:
                self._migrate(member.database)
            return
        for name in wanted | {"template_node", "template_vault"}:
            self.cluster.drop_database(name)
        self.cluster.create_database("template_node")
        self.cluster.create_database("template_vault")
        self._migrate("template_node", "template_vault")
        for member in self.members:
            self.cluster.create_database(member.database, template="template_node")
            self.cluster.create_database(f"{member.database}_vault", template="template_vault")
        self.say(f"databases of {len(self.members)} nodes are made, from {first.key}'s template")

    def _migrate(self, database: str, vault: str = "") -> None:
        program = "import django; django.setup(); from django.core.management import call_command as c;" + (
            "[c('migrate', database=d, verbosity=0, interactive=False) for d in ('default', 'vault')]"
        )
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "consortium.settings",
            "DATABASE_URL": self.cluster.url(database),
            "VAULT_DATABASE_URL": self.cluster.url(vault or f"{database}_vault"),
        }
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise processes.DidNotStart(f"The databases could not be migrated:\n{done.stderr[-3000:]}")

    def _start_node(self, member: Member) -> None:
        node = HospitalNode(member, self.folder / member.key, self._port(member), self._environment(member))
        self.nodes[member.key] = node
        for part, start in (("web", node.start_web), ("worker", node.start_worker)):
            name = f"{member.key} {part}"
            self.children[name] = Child(name, start, start())

    def _environment(self, member: Member) -> dict[str, str]:
        kept = self.state["contracts"]
        return {
            "NODE_NAME": member.hospital.name,
            "NODE_URL": self._url(member),
            "NODE_KEYS": str(self._keys(member)),
            "NODE_LOG_ORIGIN": member.origin,
            "COOKIE_NAME": f"xinglin-{member.key}",
            "DATABASE_URL": self.cluster.url(member.database),
            "VAULT_DATABASE_URL": self.cluster.url(f"{member.database}_vault"),
            "CHAIN_RPC_URL": self.chain.rpc,
            "CHAIN_MEMBERS_CONTRACT": f"0x{kept['members']}",
            "CHAIN_ANCHOR_CONTRACT": f"0x{kept['anchors']}",
            "TRUST_FILE": str(self.trust_path),
            **self.environment,
        }

    def _furnisher(self, member: Member) -> "Furnisher":
        node = HospitalNode(member, self.folder / member.key, self._port(member), self._environment(member))
        plan = {
            "organisations": [
                [other.key, other.hospital.name]
                for other in sorted(self.members, key=lambda other: other.key != member.key)
            ],
            "teams": list(member.teams),
            "people": [_as_plan(login) for login in member.logins],
            "machines": [INTEGRATION, READER],
            "secrets": self.state.get("secrets", {}).get(member.key, {}),
        }
        return Furnisher(node, plan)

    def _seed(self, pool: ThreadPoolExecutor, furnishers: Mapping[str, "Furnisher"]) -> None:
        if self.patients == 0 or self.state.get("seeded"):
            return
        until = date.fromisoformat(self.state.get("seeded_until") or datetime.now(UTC).date().isoformat())
        self._write_state(seeded_until=until.isoformat())

        def one(member: Member) -> int:
            node = self.nodes[member.key]
            secret = self.state["secrets"][member.key][INTEGRATION["name"]]
            with Node(node.url, secret["client_id"], secret["client_secret"]) as client:
                found = seeding.seed(client, member, patients=self.patients, until=until)
            furnishers[member.key].grant(found.patients)
            return found.resources

        begun = time.monotonic()
        jobs: list[Future[int]] = [pool.submit(one, member) for member in self.members]
        total = sum(job.result() for job in jobs)
        self._write_state(seeded=True)
        took = time.monotonic() - begun
        self.say(f"{total:,} records of {self.patients * len(self.members)} patients stored in {took:.0f} s")

    # --- while it runs ----------------------------------------------------------------------------

    def watch(self, ended: threading.Event) -> None:
        """Start again whatever ends by itself, until told to end."""
        while not ended.wait(POLL):
            self.mend()

    def mend(self) -> list[str]:
        """Start every child again that has ended; their names."""
        mended = []
        # The database first, then the chain: the others need them.
        order = sorted(self.children.values(), key=lambda c: (c.name != "postgresql", c.name != "chain"))
        for child in order:
            code = child.process.poll()
            if code is None:
                continue
            end_group(child.process)
            child.restarts += 1
            child.process = child.start()
            mended.append(child.name)
            self.say(f"{child.name} ended ({code}) and was started again")
        if mended:
            self.write_description()
        return mended

    def _restart_postgres(self) -> subprocess.Popen[bytes]:
        # Sessions of a killed server hold its memory until they notice, some tenths of a second later.
        deadline = time.monotonic() + 20
        while True:
            try:
                self.cluster.start()
                break
            except processes.DidNotStart:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        assert self.cluster.process is not None
        return self.cluster.process

    def _restart_chain(self) -> subprocess.Popen[bytes]:
        self.chain.start()
        self._establish()
        assert self.chain.process is not None
        return self.chain.process

    def stop(self) -> None:
        """End everything, in the order in which nothing is missed; harmless when nothing runs."""
        webs = [child for child in self.children.values() if child.name.endswith((" web", " worker"))]
        with ThreadPoolExecutor(max(1, len(webs))) as pool:
            list(pool.map(lambda child: processes.stop(child.process, grace=15), webs))
        with contextlib.suppress(FileNotFoundError):
            self.description_path.unlink()
        self.chain.stop()
        self.cluster.stop()
        self.children.clear()

    # --- what others read -------------------------------------------------------------------------

    @property
    def description_path(self) -> Path:
        return self.shown / "demo.json"

    @property
    def trust_path(self) -> Path:
        return self.shown / "trust.json"

    def description(self) -> dict[str, Any]:
        """What var/demo.json holds: where everything is, and how to get in."""
        kept = self.state["secrets"]
        nodes, people = [], []
        for member in self.members:
            node, secret = self.nodes[member.key], kept[member.key]
            nodes.append(
                {
                    "name": member.key,
                    "title": member.hospital.name,
                    "kind": "hospital",
                    "url": node.url,
                    "fhir_url": f"{node.url}/fhir",
                    "token_url": node.token_url,
                    **secret[INTEGRATION["name"]],
                    "readers": [secret[READER["name"]]],
                }
            )
            people += [
                {
                    "name": login.name,
                    "role": login.role,
                    "node": member.key,
                    "url": f"{node.url}/",
                    "username": login.username,
                    **secret[login.username],
                }
                for login in member.logins
            ]
        return {
            "format": "xinglin-demo/1",
            "nodes": nodes,
            "people": people,
            "chain": {
                "rpc": self.chain.rpc,
                "chain_id": chainnode.CHAIN_ID,
                "contracts": {name: f"0x{place}" for name, place in self.state["contracts"].items()},
            },
            "trust": str(self.trust_path),
            "pids": {"supervisor": os.getpid(), **{c.name: c.process.pid for c in self.children.values()}},
        }

    def write_description(self) -> None:
        _write_secret(self.description_path, self.description())

    def say(self, sentence: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {sentence}", file=self.out, flush=True)

    # --- what is kept -----------------------------------------------------------------------------

    @property
    def _deployer_folder(self) -> Path:
        return self.folder / "deployer"

    def _keys(self, member: Member) -> Path:
        return self.folder / member.key / "keys"

    def _port(self, member: Member) -> int:
        return int(self.state["ports"][member.key])

    def _url(self, member: Member) -> str:
        return f"http://localhost:{self._port(member)}"

    def _choose_ports(self) -> None:
        kept = self.state.get("ports", {})
        self.chain.port = int(kept.get("chain", 0))
        self.cluster.port = int(kept.get("postgresql", 0))
        ports = {}
        for member in self.members:
            port = int(kept.get(member.key, member.port))
            if not processes.port_is_free(port):
                other = processes.free_port()
                self.say(f"port {port} is taken: {member.key} answers at {other}")
                port = other
            ports[member.key] = port
        for name, server in (("chain", self.chain), ("postgresql", self.cluster)):
            if server.port == 0 or not processes.port_is_free(server.port):
                server.port = processes.free_port()
            ports[name] = server.port
        self._write_state(ports=ports)

    def _read_state(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def _write_state(self, **more: Any) -> None:
        self.state.update(more)
        _write_secret(self.folder / "state.json", self.state)


@dataclass
class Furnisher:
    """The child that makes people, teams and machines inside one node, and grants patients to teams."""

    node: HospitalNode
    plan: dict[str, Any]

    def __post_init__(self) -> None:
        log = (self.node.folder / "furnishing.log").open("w")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consortium.management.demo.furnishing"],
                env=self.node.complete_environment(),
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def furnish(self) -> dict[str, Any]:
        return self._ask(self.plan)

    def grant(self, patients: tuple[tuple[str, str], ...]) -> None:
        self._ask({"patients": patients})

    def end(self) -> None:
        with self.process as process:
            assert process.stdin is not None
            process.stdin.close()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            log = (self.node.folder / "furnishing.log").read_text()[-3000:]
            raise processes.DidNotStart(f"People of {self.node.member.key} could not be made:\n{log}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Held while a demonstration runs in this folder.

    Raises:
        AlreadyRunning: another process holds it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning("A demonstration runs in this checkout already: end it with Ctrl-C.") from None
        yield


def reset(folder: Path, shown: Path) -> None:
    """Forget a demonstration's data."""
    postgres.Cluster(folder / "postgresql").remove()
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("demo.json", "trust.json"):
        (shown / name).unlink(missing_ok=True)


def _as_plan(login: Login) -> dict[str, Any]:
    return {"username": login.username, "name": login.name, "role": login.role, "team": login.team}


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer["people"], **answer["machines"]}


def _write_secret(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file as a whole, readable by nobody else at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
    draft.replace(path)
