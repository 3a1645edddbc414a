"""A load generator that needs nothing installed: keep-alive connections on raw sockets, in one thread.

It shares the machine with the server that it measures, so it does as little as it can: one `send` a request, and of
the answer it reads the status and where it ends.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured. rate: answers a second; p50 and p99 in milliseconds; statuses: how many of each."""

    rate: float
    p50: float
    p99: float
    count: int
    statuses: Mapping[int, int]


class Unexpected(RuntimeError):
    """The server answered otherwise than with the status that was asked for."""


@dataclass
class _Connection:
    socket: socket.socket
    requests: Iterator[bytes]
    began: float = 0.0
    buffer: bytearray = field(default_factory=bytearray)
    wanted: int = -1
    """Length of the whole answer, -1 until its head is there."""

    def send(self) -> None:
        self.buffer.clear()
        self.wanted = -1
        self.began = time.perf_counter()
        self.socket.sendall(next(self.requests))

    def receive(self) -> int:
        """The status once the answer is whole, else 0."""
        data = self.socket.recv(262_144)
        if not data:
            raise Unexpected("The server closed a connection that was to be kept.")
        self.buffer += data
        if self.wanted < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return 0
            head = bytes(self.buffer[:end]).lower()
            at = head.find(b"content-length:")
            if at >= 0:
                self.wanted = end + 4 + int(head[at + 15 :].split(b"\r", 1)[0])
        whole = len(self.buffer) >= self.wanted if self.wanted >= 0 else self.buffer.endswith(b"\r\n0\r\n\r\n")
        return int(self.buffer[9:12]) if whole else 0


def request(path: str, *, host: str, token: str = "", accept: str = "application/fhir+json") -> bytes:
    """The bytes of a GET."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n{authorization}\r\n".encode()


def drive(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 8,
    seconds: float = 6.0,
    warm: float = 2.0,
    expected: int = 200,
) -> Load:
    """Keep every connection busy for `warm` and then for `seconds`; what is answered in the latter counts.

    Raises:
        Unexpected: an answer of another status than `expected`.
    """
    selector = selectors.DefaultSelector()
    pool = []
    for number in range(connections):
        connected = socket.create_connection(("127.0.0.1", port), timeout=30)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shifted = requests[number * len(requests) // connections :]
        own = _Connection(connected, cycle([*shifted, *requests]))
        selector.register(connected, selectors.EVENT_READ, own)
        pool.append(own)
    times: list[float] = []
    statuses: dict[int, int] = {}
    starts = time.perf_counter() + warm
    ends = starts + seconds
    try:
        for own in pool:
            own.send()
        while (now := time.perf_counter()) < ends:
            for key, _ in selector.select(timeout=1.0):
                own = key.data
                status = own.receive()
                if not status:
                    continue
                if status != expected:
                    raise Unexpected(f"Status {status}: {bytes(own.buffer[-300:])!r}")
                now = time.perf_counter()
                if now >= starts:
                    times.append(now - own.began)
                    statuses[status] = statuses.get(status, 0) + 1
                own.send()
    finally:
        selector.close()
        for own in pool:
            own.socket.close()
    times.sort()
    if not times:
        raise Unexpected("Nothing was answered.")
    return Load(
        rate=len(times) / seconds,
        p50=times[len(times) // 2] * 1000,
        p99=times[int(len(times) * 0.99)] * 1000,
        count=len(times),
        statuses=statuses,
    )
