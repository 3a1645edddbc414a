"""One hospital's processes: its web server and its worker, with an environment of their own."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consortium.management import processes
from consortium.management.demo.plan import Member

CHECKOUT = Path(__file__).resolve().parents[3]
# What a node inherits from whoever started the demonstration; everything else is set here.
INHERITED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "VIRTUAL_ENV",
    "XINGLIN_DEFINITIONS",
    "SSL_CERT_FILE",
)


@dataclass
class HospitalNode:
    """A node of the demonstration.

    environment: the settings of docs/settings.md, as strings.
    workers, threads: of the web server.
    """

    member: Member
    folder: Path
    port: int
    environment: Mapping[str, str]
    workers: int = 2
    threads: int = 4

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def token_url(self) -> str:
        return f"{self.url}/o/token"

    def complete_environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {
            **kept,
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "consortium.settings",
            **self.environment,
        }

    def start_web(self) -> subprocess.Popen[bytes]:
        """The web server; the demonstration waits with `wait_until_ready`."""
        granian = Path(sys.executable).parent / "granian"
        return processes.spawn(
            [
                granian, "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(self.port),
                "--http", "1", "--workers", str(self.workers), "--blocking-threads", str(self.threads),
                "--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "10",
                "--no-ws", "--log-level", "warning", "consortium.wsgi:application",
            ],
            log=self.folder / "web.log",
            environment=self.complete_environment(),
            folder=CHECKOUT,
        )  # fmt: skip

    def start_worker(self) -> subprocess.Popen[bytes]:
        return processes.spawn(
            [sys.executable, CHECKOUT / "manage.py", "worker"],
            log=self.folder / "worker.log",
            environment=self.complete_environment(),
            folder=CHECKOUT,
        )

    def wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
        """Until the web server says that it can serve."""
        log = self.folder / "web.log"
        processes.wait_until(self.is_ready, process=process, log=log, seconds=seconds, what=f"{self.member.key}'s web")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310 - our own address
                return int(answer.status) == 200
        except (OSError, urllib.error.URLError):
            return False

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end; CalledProcessError, with its output, when it fails."""
        return subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
            env=self.complete_environment(),
            cwd=CHECKOUT,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill whatever a dead server's session still holds, so that its port is free."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
