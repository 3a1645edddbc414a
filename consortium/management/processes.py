"""Child processes that end with the one who started them."""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


class DidNotStart(RuntimeError):
    """A child process ended, or stayed silent for too long, before it was ready."""


@dataclass(frozen=True)
class Account:
    """The operating system's account that a child runs as."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """`nobody` when we are root (PostgreSQL refuses to run as root), otherwise None: stay who we are."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1, connections in TIME_WAIT apart."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _end_with_parent(sign: int) -> Callable[[], None] | None:
    """On Linux the kernel sends `sign` to the child when the thread that started it ends, however it does."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, sign)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)

    return prepare


def spawn(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    account: Account | None = None,
    end_signal: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that a terminal's Ctrl-C reaches its parent only.

    Its output is appended to `log`.

    `end_signal` is what it gets when this process dies without stopping it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [os.fspath(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
            preexec_fn=_end_with_parent(end_signal),
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )


def stop(process: subprocess.Popen[bytes], *, sign: int = signal.SIGTERM, grace: float = 10.0) -> None:
    """Ask the child to end, wait `grace` seconds, then kill its whole session. Harmless when it has ended."""
    if process.poll() is None:
        process.send_signal(sign)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    try:  # whatever the child itself started
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def wait_until(
    ready: Callable[[], bool], *, process: subprocess.Popen[bytes], log: Path, seconds: float, what: str
) -> None:
    """Poll `ready` until it is true.

    Raises:
        DidNotStart: the process ended first, or `seconds` went by; with the log's last lines.
    """
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not ready():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""
            how = f"ended with {process.returncode}" if ended else f"was not ready after {seconds:.0f} s"
            raise DidNotStart(f"{what} {how}. The end of its log ({log}):\n{tail}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
