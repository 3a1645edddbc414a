"""Asking a chain node by JSON-RPC for the little that a verification needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ledger.evidence.verification import ChainUnreachable

TIMEOUT_SECONDS = 10.0


class HttpChain:
    """A chain node at an http(s) address that the verifier chose to trust."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self.timeout = timeout

    @property
    def name(self) -> str:
        return self.url

    def chain_id(self) -> int:
        answer = self._ask("eth_chainId")
        try:
            return int(answer, 16)
        except (TypeError, ValueError):
            raise ChainUnreachable(f"{self.url} gave no chain id.") from None

    def block_hash(self, number: int) -> bytes | None:
        block = self._ask("eth_getBlockByNumber", hex(number), False)
        if block is None:
            return None
        try:
            digest = bytes.fromhex(block["hash"].removeprefix("0x"))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ChainUnreachable(f"{self.url} gave no hash of block {number}.") from None
        if len(digest) != 32:
            raise ChainUnreachable(f"{self.url} gave no hash of block {number}.")
        return digest

    def _ask(self, method: str, *parameters: object) -> Any:
        # Imported here so that an offline verification needs no HTTP library.
        import httpx

        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        try:
            with httpx.Client(timeout=self.timeout, trust_env=not _is_loopback(self.url)) as client:
                answer = client.post(self.url, json=question)
            answer.raise_for_status()
            body = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failed:
            raise ChainUnreachable(f"{self.url} did not answer: {failed}") from failed
        if not isinstance(body, dict) or "result" not in body:
            raise ChainUnreachable(f"{self.url} did not answer {method}.")
        return body["result"]


def _is_loopback(url: str) -> bool:
    """Whether the address is this machine's own: then no proxy of the environment belongs in between."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
