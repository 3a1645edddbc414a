"""One node, by HTTP."""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from ledger.evidence import Report, verify_evidence
from ledger.evidence.rpc import HttpChain
from ledger.trust import parse_trust

FHIR = "application/fhir+json"
EARLY = 30.0
"""Seconds before its end at which a token is replaced."""

Parameters = Mapping[str, str | int | Sequence[str | int]]


class NodeRefused(Exception):
    """The node answered with a refusal. `status` is HTTP's, `code` stable, the message what to do."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(f"{sentence} [{status} {code}]")
        self.status = status
        self.code = code


class NotYetProved(Exception):
    """The record is stored; its evidence is not complete yet, and waits for what the message says."""

    def __init__(self, waiting: str, retry_after: float) -> None:
        super().__init__(waiting)
        self.waiting = waiting
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Record:
    """One version of one resource. `content` are the stored bytes, on which evidence rests."""

    type: str
    id: str
    version: int
    content: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.content)
        return found


class Node:
    """A node that this program may ask, as one registered client.

    url: the node's address, without /fhir.
    scopes: ask for these SMART scopes; all that the client was given when empty.
    Safe to share between threads. Close it, or use it in a `with` block.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        *,
        token_url: str = "",
        scopes: str = "",
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.token_url = token_url or f"{self.url}/o/token"
        self.scopes = scopes
        self._credentials = (client_id, client_secret)
        self._http = httpx.Client(timeout=timeout, transport=transport, headers={"Accept": FHIR})
        self._token = ""
        self._token_ends = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def token(self) -> str:
        """A bearer token with some life left in it."""
        with self._lock:
            if time.monotonic() >= self._token_ends:
                form = {"grant_type": "client_credentials", **({"scope": self.scopes} if self.scopes else {})}
                answer = self._http.post(
                    self.token_url, data=form, auth=self._credentials, headers={"Accept": "application/json"}
                )
                if answer.status_code != 200:
                    raise _refusal(answer)
                body = answer.json()
                self._token = body["access_token"]
                self._token_ends = time.monotonic() + max(1.0, float(body["expires_in"]) - EARLY)
            return self._token

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        parameters: Parameters | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request below /fhir with a token. `path` may be a whole address of this node."""
        address = path if path.startswith(self.url + "/") else f"{self.url}/fhir/{path.lstrip('/')}"
        if path.startswith(("http:", "https:")) and not path.startswith(self.url + "/"):
            raise ValueError(f"{path} is not an address of {self.url}; the token is not sent there.")
        sent = {"Authorization": f"Bearer {self.token()}", **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", FHIR)
        answer = self._http.request(method, address, content=content, params=parameters, headers=sent)
        if answer.status_code >= 400:
            raise _refusal(answer)
        return answer

    def capabilities(self) -> dict[str, Any]:
        """The node's CapabilityStatement."""
        answer = self._http.get(f"{self.url}/fhir/metadata")
        if answer.status_code != 200:
            raise _refusal(answer)
        found: dict[str, Any] = answer.json()
        return found

    def read(self, type: str, id: str, version: int | None = None) -> Record:
        """The record now, or one version of it."""
        path = f"{type}/{id}" if version is None else f"{type}/{id}/_history/{version}"
        answer = self.request("GET", path)
        return Record(type, id, _version(answer), answer.content)

    def create(self, type: str, content: bytes, *, if_none_exist: str = "") -> Record:
        """Store a new record (or find the one that `if_none_exist` names), and read back what was stored."""
        condition = {"If-None-Exist": if_none_exist} if if_none_exist else {}
        answer = self.request("POST", type, content=content, headers={"Prefer": "return=representation", **condition})
        return Record(type, str(answer.json()["id"]), _version(answer), answer.content)

    def search(self, type: str, parameters: Parameters | None = None, **more: str | int) -> Iterator[dict[str, Any]]:
        """Every match, page by page; what was included beside the matches is left out."""
        for page in self.pages(type, {**(parameters or {}), **more}):
            for entry in page.get("entry", ()):
                if entry.get("search", {}).get("mode", "match") == "match":
                    yield entry["resource"]

    def pages(self, type: str, parameters: Parameters) -> Iterator[dict[str, Any]]:
        """The searchset bundles, following their next links."""
        page: dict[str, Any] = self.request("GET", type, parameters=parameters).json()
        while True:
            yield page
            following = [link["url"] for link in page.get("link", ()) if link["relation"] == "next"]
            if not following:
                return
            page = self.request("GET", following[0]).json()

    def transaction(self, bundle: bytes | Mapping[str, Any]) -> dict[str, Any]:
        """Send a transaction or batch bundle; bytes are sent as they are."""
        content = bundle if isinstance(bundle, bytes) else json.dumps(bundle, ensure_ascii=False).encode()
        found: dict[str, Any] = self.request("POST", "", content=content).json()
        return found

    def evidence(self, type: str, id: str, version: int, *, wait: float = 0.0) -> bytes:
        """The evidence file of one version, asked for again until it is complete or `wait` seconds went by.

        Raises:
            NotYetProved: it still waits for its anchor.
        """
        deadline = time.monotonic() + wait
        while True:
            answer = self.request(
                "GET", f"{type}/{id}/_history/{version}/$evidence", headers={"Accept": "application/json"}
            )
            if answer.status_code == 200:
                return answer.content
            retry_after = float(answer.headers.get("Retry-After", "2"))
            if time.monotonic() + min(retry_after, 1.0) > deadline:
                raise NotYetProved(_sentence(answer)[1], retry_after)
            time.sleep(min(retry_after, 1.0))


def verify(evidence: bytes, *, trust: bytes, record: bytes | None = None, rpc: str | None = None) -> Report:
    """Verify evidence against a trust file, and a chain node where one is named.

    Raises:
        LedgerRefusal: the evidence is refused; its code says at which step.
    """
    trusted = parse_trust(trust)
    address = rpc or trusted.rpc
    return verify_evidence(evidence, trusted, record=record, rpc=HttpChain(address) if address else None)


def _version(answer: httpx.Response) -> int:
    found = re.fullmatch(r'(?:W/)?"(\d+)"', answer.headers.get("ETag", ""))
    return int(found[1]) if found else int(answer.json()["meta"]["versionId"])


def _sentence(answer: httpx.Response) -> tuple[str, str]:
    """(code, sentence) of an OperationOutcome or a problem document."""
    try:
        body = answer.json()
    except ValueError:
        return "unreadable", answer.text[:200] or answer.reason_phrase
    if isinstance(body, dict) and body.get("resourceType") == "OperationOutcome":
        issue = body["issue"][0]
        codings = issue.get("details", {}).get("coding", [])
        code = codings[0]["code"] if codings else issue["code"]
        return code, issue.get("diagnostics") or issue.get("details", {}).get("text") or issue["code"]
    if isinstance(body, dict):
        code = body.get("code") or body.get("error") or "refused"
        return str(code), str(body.get("detail") or body.get("error_description") or body.get("title") or code)
    return "unreadable", answer.text[:200]


def _refusal(answer: httpx.Response) -> NodeRefused:
    return NodeRefused(answer.status_code, *_sentence(answer))
