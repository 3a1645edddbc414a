"""The light client against a node that answers from memory; tests/test_demo.py has it against a real one."""

import json
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from consortium.client import Node, NodeRefused, NotYetProved

URL = "https://hospital.example"


def node(answer: Callable[[httpx.Request], httpx.Response]) -> Node:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/o/token":
            return httpx.Response(200, json={"access_token": "abc", "expires_in": 900, "token_type": "Bearer"})
        return answer(request)

    return Node(URL, "client", "secret", transport=httpx.MockTransport(handle))


def outcome(code: str, sentence: str) -> dict[str, object]:
    details = {"coding": [{"system": "https://xinglin.example/codes", "code": code}]}
    issue = {"severity": "error", "code": "processing", "details": details, "diagnostics": sentence}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def test_a_token_is_asked_for_once_and_sent_with_every_request():
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, request.headers.get("Authorization")))
        if request.url.path == "/o/token":
            return httpx.Response(200, json={"access_token": "abc", "expires_in": 900})
        return httpx.Response(200, content=b"{}", headers={"ETag": 'W/"1"'})

    with Node(URL, "client", "secret", transport=httpx.MockTransport(handle)) as client:
        client.read("Patient", "1")
        client.read("Patient", "2")
    assert [path for path, _ in seen] == ["/o/token", "/fhir/Patient/1", "/fhir/Patient/2"]
    assert seen[0][1].startswith("Basic ")
    assert seen[1][1] == seen[2][1] == "Bearer abc"


def test_a_token_near_its_end_is_replaced():
    asked = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/o/token":
            asked.append(1)
            return httpx.Response(200, json={"access_token": "abc", "expires_in": 1})
        return httpx.Response(200, content=b"{}", headers={"ETag": 'W/"1"'})

    with Node(URL, "client", "secret", transport=httpx.MockTransport(handle)) as client:
        client.token()
        client._token_ends = 0.0
        client.token()
    assert len(asked) == 2


def test_a_record_keeps_the_bytes_and_the_version_that_the_node_sent():
    body = b'{"resourceType": "Observation",  "valueQuantity": {"value": 1.00}}'
    with node(lambda request: httpx.Response(200, content=body, headers={"ETag": 'W/"7"'})) as client:
        record = client.read("Observation", "1")
    assert record.content == body
    assert record.version == 7


def test_a_search_follows_the_next_links_and_leaves_out_what_was_included():
    def page(ids: list[tuple[str, str]], following: str) -> dict[str, object]:
        entries = [{"resource": {"id": id}, "search": {"mode": mode}} for id, mode in ids]
        links = [{"relation": "next", "url": following}] if following else []
        return {"resourceType": "Bundle", "link": links, "entry": entries}

    def handle(request: httpx.Request) -> httpx.Response:
        if b"cursor" in request.url.query:
            return httpx.Response(200, json=page([("3", "match")], ""))
        assert request.url.params["patient"] == "1"
        following = f"{URL}/fhir/Observation?cursor=x"
        return httpx.Response(200, json=page([("1", "match"), ("2", "match"), ("p", "include")], following))

    with node(handle) as client:
        assert [found["id"] for found in client.search("Observation", patient="1")] == ["1", "2", "3"]


def test_a_next_link_to_another_host_is_not_followed_with_the_token():
    elsewhere = {"link": [{"relation": "next", "url": "https://mallory.example/fhir/Observation"}], "entry": []}
    with (
        node(lambda request: httpx.Response(200, json=elsewhere)) as client,
        pytest.raises(ValueError, match="not sent"),
    ):
        list(client.search("Observation"))


def test_a_next_link_to_a_host_whose_name_begins_like_the_nodes_is_not_followed_either():
    elsewhere = {"link": [{"relation": "next", "url": f"{URL}.mallory.example/fhir/Observation"}], "entry": []}
    with (
        node(lambda request: httpx.Response(200, json=elsewhere)) as client,
        pytest.raises(ValueError, match="not sent"),
    ):
        list(client.search("Observation"))


def test_an_operation_outcome_becomes_its_code_and_its_sentence():
    refused = httpx.Response(404, json=outcome("not-found", "There is no such record, or you may not see it."))
    with node(lambda request: refused) as client, pytest.raises(NodeRefused, match="There is no such record") as caught:
        client.read("Patient", "1")
    assert caught.value.status == 404
    assert caught.value.code == "not-found"


def test_a_problem_document_becomes_its_code_and_its_sentence():
    problem = {"code": "too-many-requests", "title": "Too many", "detail": "Wait a second."}
    with node(lambda request: httpx.Response(429, json=problem)) as client, pytest.raises(NodeRefused) as caught:
        client.read("Patient", "1")
    assert caught.value.code == "too-many-requests"


def test_an_answer_that_is_no_json_is_a_refusal_too():
    with (
        node(lambda request: httpx.Response(502, text="<html>bad gateway")) as client,
        pytest.raises(NodeRefused) as caught,
    ):
        client.read("Patient", "1")
    assert caught.value.status == 502


def test_a_refused_token_says_why():
    refused = {"error": "invalid_client", "error_description": "Unknown client."}
    transport = httpx.MockTransport(lambda request: httpx.Response(401, json=refused))
    with (
        Node(URL, "client", "wrong", transport=transport) as client,
        pytest.raises(NodeRefused, match="Unknown client"),
    ):
        client.token()


def test_evidence_that_is_not_complete_says_what_it_waits_for():
    waiting = outcome("waiting_for_chain", "It is in the log, and waits for the chain.")
    answer = httpx.Response(202, json=waiting, headers={"Retry-After": "2"})
    with node(lambda request: answer) as client, pytest.raises(NotYetProved, match="waits for the chain") as caught:
        client.evidence("Observation", "1", 1)
    assert caught.value.retry_after == 2.0


def test_evidence_is_asked_for_again_until_it_is_complete():
    answers = iter([202, 202, 200])

    def handle(request: httpx.Request) -> httpx.Response:
        status = next(answers)
        body = b"proof" if status == 200 else json.dumps(outcome("waiting_for_log", "wait")).encode()
        return httpx.Response(status, content=body, headers={"Retry-After": "0"})

    with node(handle) as client:
        assert client.evidence("Observation", "1", 1, wait=5) == b"proof"


def test_a_transaction_given_as_bytes_is_sent_as_it_is():
    sent = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(200, json={"resourceType": "Bundle", "entry": []})

    with node(handle) as client:
        client.transaction(b'{"resourceType" :"Bundle"}')
    assert sent == [b'{"resourceType" :"Bundle"}']


def test_the_client_needs_neither_django_nor_web3():
    program = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'django', 'web3', 'rest_framework', 'psycopg'}: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import consortium.client\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
