"""A development chain of our own: Anvil, from the npm package's native binary, in interval mode.

Not automine: under a backlog Anvil stalls at some thousands of blocks and grows to gigabytes. Its state goes
to a file every two seconds, so a kill rolls the chain back; the anchorer finds out and writes again.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from consortium.management import processes

CHAIN_ID = 20250
GAS_LIMIT = 300_000_000


def anvil_binary(checkout: Path) -> Path:
    """The native binary: XINGLIN_ANVIL, the one that npm installed for this platform, or one on the PATH.

    Raises:
        DidNotStart: there is none.
    """
    named = os.environ.get("XINGLIN_ANVIL")
    system, machine = platform.system().lower(), platform.machine().lower()
    kind = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine, machine)
    packaged = checkout / "node_modules" / "@foundry-rs" / f"anvil-{system}-{kind}" / "bin" / "anvil"
    on_path = shutil.which("anvil")
    for candidate in (named, packaged, on_path):
        if candidate and Path(candidate).exists():
            return Path(candidate).resolve()
    raise processes.DidNotStart(
        f"No chain node for {system} on {kind}: run `make setup-node`, put Foundry's `anvil` on the PATH, "
        "or set CHAIN_RPC_URL to an EVM chain."
    )


def ask_chain(rpc: str, method: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """The results of many calls of one JSON-RPC method in one request, each given by its parameters.

    Raises:
        RuntimeError: the chain node refused one of them.
        OSError: it does not answer.
    """
    body = [{"jsonrpc": "2.0", "id": n, "method": method, "params": list(one)} for n, one in enumerate(calls)]
    request = urllib.request.Request(  # noqa: S310 - the address is the operator's own
        rpc, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        answers = sorted(json.load(response), key=lambda answer: int(answer["id"]))
    for answer in answers:
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
    return [answer["result"] for answer in answers]


@dataclass
class ChainNode:
    """One Anvil.

    folder: for its log and, with `keep`, its state.
    keep: the state survives a stop, and most of it a kill.
    """

    folder: Path
    binary: Path
    port: int = 0
    keep: bool = True
    extra: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def rpc(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "anvil.log"

    @property
    def state(self) -> Path:
        return self.folder / "anvil-state.json"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.port == 0 or not processes.port_is_free(self.port):
            self.port = processes.free_port()
        arguments: list[str | Path] = [
            self.binary, "--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(CHAIN_ID),
            "--accounts", "10", "--block-time", "1", "--gas-limit", str(GAS_LIMIT), "--silent", *self.extra,
        ]  # fmt: skip
        if self.keep:
            self._mend_state()
            arguments += ["--state", self.state, "--state-interval", "2"]
        # Anvil keeps a cache below HOME; an account without one must not stop it.
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}
        self.process = processes.spawn(
            arguments, log=self.log, folder=self.folder, environment=environment, end_signal=signal.SIGINT
        )
        processes.wait_until(self._answers, process=self.process, log=self.log, seconds=30, what="The chain node")

    def stop(self) -> None:
        """Ends it; with `keep`, it writes its state first."""
        if self.process is not None:
            processes.stop(self.process, sign=signal.SIGINT, grace=15)
            self.process = None

    def call(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC call; errors are raised as RuntimeError."""
        return ask_chain(self.rpc, method, [parameters])[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            return bool(self.call("eth_chainId"))
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def _mend_state(self) -> None:
        """Make the kept state one that Anvil can go on from.

        A kill can leave half a dump, from which it does not start: the outboxes write the chain again. And it adds a
        first block of its own at every start, keeps them all, and picks any of them at the next: only the oldest is
        the one that the chain grew from.
        """
        try:
            kept = json.loads(self.state.read_bytes())
        except FileNotFoundError:
            return
        except ValueError:
            self.state.rename(self.state.with_suffix(".damaged"))
            return
        blocks = kept.get("blocks") or []
        first = [block for block in blocks if int(block["header"]["number"], 16) == 0]
        if len(first) > 1:
            genesis = min(first, key=lambda block: int(block["header"]["timestamp"], 16))
            kept["blocks"] = [genesis, *(block for block in blocks if block not in first)]
            draft = self.state.with_suffix(".draft")
            draft.write_text(json.dumps(kept))
            draft.replace(self.state)
