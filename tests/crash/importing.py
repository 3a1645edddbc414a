"""An import that goes on whatever is killed under it, and remembers everything that was acknowledged."""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from consortium.client import Node, NodeRefused

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One version that the node said it had stored. marker: text that its bytes must hold; deleted: it has none."""

    type: str
    id: str
    version: int
    marker: str
    deleted: bool = False


@dataclass
class Importer:
    """One client: transactions, updates and deletions, one after another."""

    url: str
    client_id: str
    client_secret: str
    seed: int
    ended: threading.Event
    acknowledged: list[Acknowledged] = field(default_factory=list)
    failures: int = 0
    refusals: list[str] = field(default_factory=list)

    def run(self) -> None:
        rng = Random(self.seed)
        with Node(self.url, self.client_id, self.client_secret, timeout=PATIENCE) as node:
            while not self.ended.is_set():
                try:
                    self._one(node, rng)
                except NodeRefused as refused:
                    # While the database starts the node says so, with 503; anything else is its fault.
                    if refused.status not in (500, 502, 503, 504):
                        self.refusals.append(str(refused))
                    self._wait()
                except httpx.HTTPError:
                    self._wait()

    def _wait(self) -> None:
        self.failures += 1
        time.sleep(0.1)

    def _one(self, node: Node, rng: Random) -> None:
        kind = rng.random()
        mine = [a for a in self.acknowledged[-40:] if a.type == "Observation" and not a.deleted]
        if kind < 0.2 and mine:
            self._update(node, rng.choice(mine))
        elif kind < 0.3 and mine:
            self._delete(node, rng.choice(mine))
        else:
            self._transaction(node, rng)

    def _transaction(self, node: Node, rng: Random) -> None:
        patient = f"urn:uuid:{uuid.uuid4()}"
        marker = uuid.uuid4().hex
        entries = [_entry(patient, _patient(marker), "Patient")]
        entries += [
            _entry(f"urn:uuid:{uuid.uuid4()}", _observation(patient, marker, number), "Observation")
            for number in range(rng.randint(1, 8))
        ]
        answer = node.transaction({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        for entry in answer["entry"]:
            type, id, _, version = entry["response"]["location"].split("/")[-4:]
            self.acknowledged.append(Acknowledged(type, id, int(version), marker))

    def _update(self, node: Node, known: Acknowledged) -> None:
        marker = uuid.uuid4().hex
        body = {**_observation("", marker, 1), "id": known.id}
        del body["subject"]
        answer = node.request("PUT", f"Observation/{known.id}", content=json.dumps(body).encode())
        self.acknowledged.append(Acknowledged("Observation", known.id, _version(answer), marker))

    def _delete(self, node: Node, known: Acknowledged) -> None:
        answer = node.request("DELETE", f"Observation/{known.id}")
        if "ETag" in answer.headers:
            self.acknowledged.append(Acknowledged("Observation", known.id, _version(answer), "", deleted=True))


def _version(answer: httpx.Response) -> int:
    return int(answer.headers["ETag"].removeprefix("W/").strip('"'))


def _entry(link: str, resource: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"fullUrl": link, "resource": resource, "request": {"method": "POST", "url": kind}}


def _patient(marker: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "https://crash.example/patients", "value": marker}],
        "gender": "female",
    }


def _observation(patient: str, marker: str, number: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "identifier": [{"system": "https://crash.example/results", "value": f"{marker}-{number}"}],
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": patient},
        "valueQuantity": {"value": number, "system": "http://unitsofmeasure.org", "code": "/min"},
    }
