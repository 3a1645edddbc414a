"""What the doctor looks at: each thing that a node needs, well or not, and what to do in one sentence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import cache
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from consortium.management.loops import HEARTBEAT
from consortium.members.keys import KeyRefusal, NodeKeys, load_keys
from ledger import log
from ledger.anchoring import status
from ledger.chain import Account, Chain, Reverted
from ledger.errors import LedgerRefusal
from ledger.trust import Trust, member_id, parse_trust
from records.fhir import definitions

FLOOR = 15
"""The oldest PostgreSQL that will do."""
HEARTBEAT_AGE = timedelta(seconds=30)
DATABASE_DRIFT = timedelta(seconds=2)
CHAIN_DRIFT = timedelta(seconds=60)
LEAST_BALANCE = 10**16
"""Wei; some hundred anchors on a chain that asks a price for gas."""


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, its state, and a sentence that says what to do when it is not well."""

    name: str
    state: State
    sentence: str


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which they should be mended."""
    for check in (keys, database, vault, migrations, definition_tables, static_files, trust_file, clock, worker):
        yield _protected(check)
    try:
        yield from chain()
    except LedgerRefusal as refused:
        yield Finding("chain", State.FAILED, refused.sentence)
    except (DatabaseError, KeyRefusal):
        yield Finding("chain", State.FAILED, "Not looked at: mend the database and the keys first.")


def keys() -> Finding:
    load_keys(settings.NODE_KEYS)
    if settings.SECRET_KEY_IS_EPHEMERAL:
        return Finding("keys", State.FAILED, "There is no django-secret.key: run manage.py node_keys.")
    return Finding("keys", State.OK, "All key files are there and closed to others.")


def database() -> Finding:
    version = _version("default")
    if version // 10_000 < FLOOR:
        sentence = f"PostgreSQL {version // 10_000} is too old: point DATABASE_URL at version {FLOOR} or later."
        return Finding("database", State.FAILED, sentence)
    return Finding("database", State.OK, f"PostgreSQL {version // 10_000}.{version % 10_000} answers.")


def vault() -> Finding:
    _version("vault")
    if _place("default") == _place("vault"):
        sentence = "The vault is the records' own database: point VAULT_DATABASE_URL at another one."
        return Finding("vault", State.FAILED, sentence)
    if settings.NODE_IS_SECURE and _place("default")[:2] == _place("vault")[:2]:
        sentence = "Vault and records are on one server, so one back-up may hold both: give the vault its own."
        return Finding("vault", State.WARNING, sentence)
    return Finding("vault", State.OK, "The vault answers and is a database of its own.")


def migrations() -> Finding:
    for alias in ("default", "vault"):
        executor = MigrationExecutor(connections[alias])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            option = "" if alias == "default" else f" --database {alias}"
            sentence = f"{len(plan)} migrations wait: run manage.py migrate{option}."
            return Finding("migrations", State.FAILED, sentence)
    return Finding("migrations", State.OK, "All migrations are applied, in both databases.")


def definition_tables() -> Finding:
    try:
        count = len(definitions.search_parameters())
    except (definitions.DefinitionsError, OSError) as error:
        sentence = f"The definitions of FHIR are not there ({error}): run python -m records.fhir.definitions build."
        return Finding("definitions", State.FAILED, sentence)
    return Finding("definitions", State.OK, f"The definitions of FHIR R4 are compiled, {count} search parameters.")


def static_files() -> Finding:
    if settings.STATIC_COLLECTED:
        try:
            staticfiles_storage.url("vendor/tabler.css")
        except ValueError:
            sentence = "The collected files for browsers are not complete: run manage.py collectstatic."
            return Finding("static files", State.FAILED, sentence)
    elif finders.find("vendor/tabler.css") is None:
        sentence = "The files for browsers are not there: run make setup-node."
        return Finding("static files", State.FAILED, sentence)
    return Finding("static files", State.OK, "The files for browsers are there.")


def trust_file() -> Finding:
    """The file that the page for checking evidence brings as its own knowledge; whether its chain is this one is asked
    with the chain."""
    name = "trust file"
    try:
        trust = _read_trust()
    except FileNotFoundError:
        sentence = (
            f"There is no {settings.TRUST_FILE}, so nobody can check evidence on this node's page: get the trust file from "
            "the consortium and put it there, or set TRUST_FILE."
        )
        return Finding(name, State.WARNING, sentence)
    except OSError as error:
        sentence = f"{settings.TRUST_FILE} cannot be read ({error.strerror}): let this node's account read it."
        return Finding(name, State.FAILED, sentence)
    except LedgerRefusal as refused:
        sentence = f"{settings.TRUST_FILE} cannot be used: {refused.sentence} Get it from the consortium again."
        return Finding(name, State.FAILED, sentence)
    if settings.CHAIN_ANCHOR_CONTRACT and trust.contract != _address(settings.CHAIN_ANCHOR_CONTRACT):
        sentence = (
            f"The trust file is about the contract 0x{trust.contract.hex()}, and CHAIN_ANCHOR_CONTRACT is another: get the "
            "consortium's trust file, or set the contract that it names."
        )
        return Finding(name, State.FAILED, sentence)
    return Finding(name, State.OK, f"The trust file lists {len(trust.members)} members.")


def clock() -> Finding:
    before = timezone.now()
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    after = timezone.now()
    there: datetime = row[0] if row else before
    drift = max(before - there, there - after, timedelta(0))
    if drift > DATABASE_DRIFT:
        sentence = f"This machine's clock and the database's are {drift.total_seconds():.1f} s apart: use NTP."
        return Finding("clock", State.FAILED, sentence)
    return Finding("clock", State.OK, "This machine's clock agrees with the database's.")


def worker() -> Finding:
    beat = cache.get(HEARTBEAT)
    if beat is None:
        return Finding("worker", State.FAILED, "No worker has run yet: start manage.py worker.")
    age = timezone.now() - datetime.fromisoformat(beat)
    if age > HEARTBEAT_AGE:
        sentence = f"The worker was last seen {age.total_seconds():.0f} s ago: start manage.py worker."
        return Finding("worker", State.FAILED, sentence)
    return Finding("worker", State.OK, "The worker runs.")


def chain() -> Iterator[Finding]:
    """The chain node, the contracts, this node's account and key there, and the log against the chain."""
    node_keys: NodeKeys = load_keys(settings.NODE_KEYS)
    adapter = Chain(settings.CHAIN_RPC_URL)
    chain_id, genesis = adapter.identify()
    latest = adapter.block()
    yield Finding("chain", State.OK, f"Chain {chain_id} answers, at block {latest.number}.")

    yield from _trusted_chain(chain_id, genesis)

    drift = abs(timezone.now().timestamp() - latest.timestamp)
    if drift > CHAIN_DRIFT.total_seconds():
        sentence = f"The newest block is {drift:.0f} s from this machine's clock: is the chain making blocks?"
        yield Finding("chain clock", State.WARNING, sentence)
    else:
        yield Finding("chain clock", State.OK, "The newest block is recent.")

    if not settings.CHAIN_ANCHOR_CONTRACT or not settings.CHAIN_MEMBERS_CONTRACT:
        sentence = "Set CHAIN_ANCHOR_CONTRACT and CHAIN_MEMBERS_CONTRACT to the consortium's contracts."
        yield Finding("contract", State.FAILED, sentence)
        return
    contract = _address(settings.CHAIN_ANCHOR_CONTRACT)
    member = member_id(settings.NODE_NAME)
    held = adapter.contract_head(contract, member)
    yield Finding("contract", State.OK, f"The contract holds this node's log up to leaf {held.size}.")

    yield _registration(adapter, node_keys, member)

    head = log.head()
    if held.size > head.size:
        sentence = f"The chain holds {held.size} leaves and the log has {head.size}: restore a newer back-up."
        yield Finding("log", State.FAILED, sentence)
    elif log.root_at(held.size) != held.root:
        sentence = "The log is not the one that the chain holds: restore the database, or nothing is anchored."
        yield Finding("log", State.FAILED, sentence)
    else:
        yield Finding("log", State.OK, f"The log of {head.size} leaves agrees with the chain.")

    doing = status()
    state = {"ok": State.OK, "warning": State.WARNING}.get(doing.level, State.FAILED)
    yield Finding("anchoring", state, doing.sentence)


def _trusted_chain(chain_id: int, genesis: bytes) -> Iterator[Finding]:
    """Whether the trust file is about the chain that answers. A file that cannot be used was reported as itself."""
    try:
        trust = _read_trust()
    except (OSError, LedgerRefusal):
        return
    if (trust.chain_id, trust.genesis) == (chain_id, genesis):
        yield Finding("trusted chain", State.OK, "The trust file is about this chain.")
        return
    sentence = (
        f"The trust file is about chain {trust.chain_id} with block 0 0x{trust.genesis.hex()}, and chain {chain_id} with block "
        f"0 0x{genesis.hex()} answers: get the consortium's trust file, or point CHAIN_RPC_URL at its chain."
    )
    yield Finding("trusted chain", State.FAILED, sentence)


def _read_trust() -> Trust:
    return parse_trust(Path(settings.TRUST_FILE).read_bytes())


def _address(written: str) -> bytes:
    return bytes.fromhex(written.removeprefix("0x"))


def _registration(adapter: Chain, node_keys: NodeKeys, member: bytes) -> Finding:
    account = Account(node_keys.evm)
    register = _address(settings.CHAIN_MEMBERS_CONTRACT)
    address = "0x" + account.address.hex()
    try:
        found, digest = adapter.read("Members", register, "author", account.address)
    except Reverted:
        sentence = f"The register knows no active member with the account {address}: have this node admitted."
        return Finding("register", State.FAILED, sentence)
    if bytes(found) != member:
        sentence = f"The register has another member for the account {address}: NODE_NAME must be the name there."
        return Finding("register", State.FAILED, sentence)
    if bytes(digest) != node_keys.log_signer(settings.NODE_LOG_ORIGIN).public.digest:
        sentence = "The register has another log key for this node: register this one, or restore that one."
        return Finding("register", State.FAILED, sentence)
    if adapter.balance(account.address) < LEAST_BALANCE:
        return Finding("register", State.WARNING, f"The account {address} is almost empty: fund it.")
    return Finding("register", State.OK, f"{settings.NODE_NAME} is registered with this account and log key.")


def _protected(check: Callable[[], Finding]) -> Finding:
    name = check.__name__.replace("_", " ")
    try:
        return check()
    except DatabaseError as error:
        first = str(error).strip().splitlines()[0]
        sentence = f"A database does not answer ({first}): start it, and see DATABASE_URL and VAULT_DATABASE_URL."
        return Finding(name, State.FAILED, sentence)
    except KeyRefusal as refused:
        return Finding(name, State.FAILED, str(refused))


def _version(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _place(alias: str) -> tuple[str, str, str]:
    """Host, port and name of a database."""
    found = connections[alias].settings_dict
    host = urlsplit(f"//{found['HOST']}").hostname or "localhost"
    return host, str(found["PORT"] or 5432), str(found["NAME"])
