"""The story of the demonstration, told by HTTP alone. Every step checks what it claims, or ends the story."""

import base64
import hmac
import json
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from consortium.client import Node, NodeRefused, NotYetProved, Record
from consortium.management.demo import chainscan
from ledger.checkpoints import LogVerifier
from ledger.tiles import Tile, tree_root
from ledger.trust import parse_trust

PATIENCE = 60.0
"""Seconds within which a record's evidence must be complete."""


class StoryBroke(Exception):
    """A step did not hold."""


def walk(description: dict[str, Any], *, say: Callable[[str], object]) -> None:
    """Tell the story. `description` is var/demo.json.

    Raises:
        StoryBroke: at the first step that does not hold.
    """
    with Story(description) as story:
        for number, step in enumerate(STEPS, start=1):
            began = time.monotonic()
            try:
                told = step(story)
            except (NodeRefused, httpx.HTTPError, NotYetProved, StopIteration, KeyError) as error:
                raise StoryBroke(f"{number}. {_title(step)}: {type(error).__name__}: {error}") from error
            except StoryBroke as broke:
                raise StoryBroke(f"{number}. {_title(step)}: {broke}") from broke
            say(f"{number:>2}. {_title(step):<34} {told} ({time.monotonic() - began:.1f} s)")
        say("The story holds.")


@dataclass
class Story:
    """What the steps hand on to each other."""

    description: dict[str, Any]
    records: dict[str, Record] = field(default_factory=dict)
    evidence: bytes = b""
    patient: str = ""
    treated: str = ""
    """One of Alice's patients."""

    def __enter__(self) -> "Story":
        first = self.description["nodes"][0]
        self.name: str = first["name"]
        self.url: str = first["url"]
        self.node = Node(self.url, first["client_id"], first["client_secret"], token_url=first["token_url"])
        reader = first["readers"][0]
        self.reader = Node(self.url, reader["client_id"], reader["client_secret"], token_url=first["token_url"])
        self.number = uuid.uuid4().hex[:12]
        self.scratch = tempfile.TemporaryDirectory(prefix="xinglin-walk-")
        return self

    def __exit__(self, *_: object) -> None:
        self.node.close()
        self.reader.close()
        self.scratch.cleanup()

    def person(self, username: str) -> dict[str, str]:
        found: dict[str, str] = next(p for p in self.description["people"] if p["username"] == username)
        return found

    def file(self, name: str, content: bytes) -> Path:
        path = Path(self.scratch.name) / name
        path.write_bytes(content)
        return path


def hold(condition: bool, sentence: str) -> None:
    """The sentence is what went wrong."""
    if not condition:
        raise StoryBroke(sentence)


# --- the steps ------------------------------------------------------------------------------------


def ask_what_the_node_can_do(story: Story) -> str:
    stated = story.node.capabilities()
    hold(stated.get("fhirVersion") == "4.0.1", "it is not FHIR 4.0.1")
    types = len(stated["rest"][0]["resource"])
    hold(types >= 100, f"only {types} resource types")
    return f"FHIR {stated['fhirVersion']}, {types} resource types"


def be_refused_without_a_token(story: Story) -> str:
    answer = httpx.get(f"{story.url}/fhir/Patient", headers={"Accept": "application/fhir+json"})
    hold(answer.status_code == 401, f"status {answer.status_code} instead of 401")
    hold(answer.json()["resourceType"] == "OperationOutcome", "not an OperationOutcome")
    return "401, in words"


def store_a_patient_in_one_transaction(story: Story) -> str:
    sent = _chart(story.number)
    answer = story.node.transaction(sent)
    entries = answer["entry"]
    hold(len(entries) == 3, f"{len(entries)} answers for 3 entries")
    for entry in entries:
        hold(entry["response"]["status"].startswith("201"), f"{entry['response']['status']} instead of 201")
        kind, id, _, version = entry["response"]["location"].split("/")[-4:]
        story.records[kind] = story.node.read(kind, id, int(version))
    story.patient = story.records["Patient"].id
    return f"Patient/{story.patient} and two more"


def read_back_the_very_bytes(story: Story) -> str:
    stored = story.records["Observation"].content
    hold(b'"value" :  1.00' in stored, "1.00 was written anew")
    hold(b"2026-01-05T08:30:00.120+08:00" in stored, "a time was written anew")
    hold(f'"Patient/{story.patient}"'.encode() in stored, "the reference was not resolved")
    hold("陈 walkthrough".encode() in story.records["Patient"].content, "a name was written anew")
    once_more = story.node.read("Observation", story.records["Observation"].id)
    hold(once_more.content == stored, "two reads differ")
    return f"{len(stored)} bytes, 1.00 is still 1.00"


def store_it_again_without_effect(story: Story) -> str:
    criteria = f"identifier=https://walkthrough.example/patients|{story.number}"
    again = story.node.create("Patient", _patient(story.number), if_none_exist=criteria)
    hold(again.id == story.patient, "a second patient was made")
    return "the conditional create found the first"


def search_for_it(story: Story) -> str:
    code = "http://loinc.org|2339-0"
    by_patient = list(story.node.search("Observation", patient=story.patient, code=code))
    hold([o["id"] for o in by_patient] == [story.records["Observation"].id], "not found by patient and code")
    chained = list(story.node.search("Observation", {"patient.identifier": story.number}))
    hold(len(chained) == 1, "not found by the patient's identifier")
    try:
        list(story.node.search("Observation", {"no-such-parameter": "1"}))
    except NodeRefused as refused:
        hold(refused.status == 400, f"status {refused.status} instead of 400")
    else:
        raise StoryBroke("an unknown parameter was taken")
    return "by code, and by the patient's identifier"


def wait_for_its_evidence(story: Story) -> str:
    record = story.records["Observation"]
    began = time.monotonic()
    try:
        story.evidence = story.node.evidence(record.type, record.id, record.version)
        first = "complete at once"
    except NotYetProved as waiting:
        first = f"“{waiting.waiting}”"
        story.evidence = story.node.evidence(record.type, record.id, record.version, wait=PATIENCE)
    return f"{first} Complete after {time.monotonic() - began:.1f} s"


def verify_it_trusting_nobody(story: Story) -> str:
    record = story.records["Observation"].content
    code, said = _verify(story, story.evidence, record)
    hold(code == 0, f"exit code {code}: {said}")
    return said.splitlines()[-1]


def be_refused_with_a_changed_record(story: Story) -> str:
    record = story.records["Observation"].content
    code, _ = _verify(story, story.evidence, record.replace(b"1.00", b"1.01"))
    hold(code == 1, f"a changed record gives exit code {code} instead of 1")
    middle = len(story.evidence) // 2
    flipped = story.evidence[:middle] + bytes([story.evidence[middle] ^ 1]) + story.evidence[middle + 1 :]
    code, _ = _verify(story, flipped, record)
    hold(code == 1, f"changed evidence gives exit code {code} instead of 1")
    return "one byte of either is enough"


def prove_nothing_without_a_chain(story: Story) -> str:
    trust = json.loads(Path(story.description["trust"]).read_bytes())
    blind = json.dumps({**trust, "rpc": None}).encode()
    code, _ = _verify(story, story.evidence, story.records["Observation"].content, blind)
    hold(code == 2, f"exit code {code} instead of 2")
    return "without a trusted header the answer is “not proved”"


def read_the_log_from_outside(story: Story) -> str:
    trust = parse_trust(Path(story.description["trust"]).read_bytes())
    title = story.description["nodes"][0]["title"]
    member = next(member for member in trust.members if member.name == title)
    verifier = LogVerifier(member.origin, member.keys[0].key)
    note = httpx.get(f"{story.url}/log/checkpoint")
    hold(note.status_code == 200, f"status {note.status_code} for the checkpoint")
    head = verifier.verify(note.content).checkpoint

    with httpx.Client() as client:

        def read(tile: Tile) -> bytes:
            answer = client.get(f"{story.url}/log/{tile.path}")
            hold(answer.status_code == 200, f"status {answer.status_code} for {tile.path}")
            return answer.content

        hold(tree_root(head.size, read) == head.root, "the tiles are not those of the signed head")
    return f"{head.size} leaves; both signatures and every tile fit"


def sign_in_as_alice(story: Story) -> str:
    with _browser(story) as browser:
        _sign_in(browser, story.person("alice"))
        link = re.search(r'href="/patients/([A-Za-z0-9.-]+)/"', browser.get("/").text)
        if link is None:
            raise StoryBroke("her first page links no patient")
        story.treated = link[1]
        page = browser.get(f"/patients/{story.treated}/")
        hold(page.status_code == 200, f"status {page.status_code} for her patient")
        name = story.node.read("Patient", story.treated).json()["name"][0]["text"]
        hold(name in page.text, f"{name} is not on the page")
        policy = page.headers.get("content-security-policy", "")
        hold("default-src 'none'" in policy, "the page has no strict content security policy")
    return f"password, one-time code; she sees {name}"


def keep_mallory_out(story: Story) -> str:
    with _browser(story) as browser:
        _sign_in(browser, story.person("mallory"))
        seen = browser.get(f"/patients/{story.treated}/")
        absent = browser.get("/patients/no-such-patient/")
        codes = {seen.status_code, absent.status_code}
        hold(codes == {404}, f"status {seen.status_code} and {absent.status_code}")
        hold(len(seen.text) == len(absent.text), "her page differs from that of nobody")
    return "404, as for a patient who does not exist"


def keep_a_reader_from_writing(story: Story) -> str:
    try:
        story.reader.create("Patient", _patient(story.number))
    except NodeRefused as refused:
        hold(refused.status == 403, f"status {refused.status} instead of 403")
        return "403, in words"
    raise StoryBroke("a client with reading scopes has written")


def look_who_has_looked(story: Story) -> str:
    seen = list(story.node.search("AuditEvent", {"patient": story.patient}))
    hold(len(seen) >= 3, f"only {len(seen)} access events for the patient")
    hold({event["resourceType"] for event in seen} == {"AuditEvent"}, "they are not AuditEvents")
    return f"{len(seen)} access events for that one patient"


def scan_the_whole_chain(story: Story) -> str:
    contents = [record.content for record in story.records.values()]
    for number, found in enumerate(story.node.search("Patient", _count=50)):
        if number >= 30:
            break
        for kind in ("Patient", "Condition", "AllergyIntolerance"):
            parameters = {"_id": found["id"]} if kind == "Patient" else {"patient": found["id"]}
            ids = [resource["id"] for resource in story.node.search(kind, parameters)]
            contents += [story.node.read(kind, id).content for id in ids]
    public = [text for node in story.description["nodes"] for text in (node["title"], node["url"])]
    needles = chainscan.needles_of(contents, public=public)
    data = list(chainscan.chain_data(story.description["chain"]["rpc"]))
    hits = chainscan.scan(data, needles)
    hold(not hits, f"{hits[0].what} is in {hits[0].where}" if hits else "")
    planted = next(needle for needle in needles if needle.what.startswith("SHA-256 of the bytes"))
    hold(bool(chainscan.scan([("a copy", b"\x07" * 5 + planted.data)], needles)), "the scan is blind")
    size = sum(len(content) for _, content in data)
    return f"{size:,} bytes of chain, {len(needles):,} things looked for, none there"


STEPS: tuple[Callable[[Story], str], ...] = (
    ask_what_the_node_can_do,
    be_refused_without_a_token,
    store_a_patient_in_one_transaction,
    read_back_the_very_bytes,
    store_it_again_without_effect,
    search_for_it,
    wait_for_its_evidence,
    verify_it_trusting_nobody,
    be_refused_with_a_changed_record,
    prove_nothing_without_a_chain,
    read_the_log_from_outside,
    sign_in_as_alice,
    keep_mallory_out,
    keep_a_reader_from_writing,
    look_who_has_looked,
    scan_the_whole_chain,
)


# --- what the steps use ---------------------------------------------------------------------------


def one_time_code(secret: str, at: float | None = None) -> str:
    """RFC 6238 with SHA-1, six digits, thirty seconds; `secret` in base 32."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = int((time.time() if at is None else at) // 30)
    digest = hmac.digest(key, counter.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


def _title(step: Callable[[Story], str]) -> str:
    return step.__name__.replace("_", " ").capitalize()


def _patient(number: str) -> bytes:
    return (
        '{"resourceType": "Patient",\n  "identifier": [{"system": "https://walkthrough.example/patients", '
        f'"value": "{number}"}}],\n  "name": [{{"text": "陈 walkthrough", "family": "陈"}}],\n'
        '  "gender": "female", "birthDate": "1980-02-29"}'
    ).encode()


def _chart(number: str) -> bytes:
    """Three entries with white space, digits and a time that a re-serialising server would not keep."""
    patient, visit, result = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    encounter = (
        '{"resourceType":"Encounter","status":"finished","class":{"system":'
        '"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},'
        f'"subject":{{"reference":"{patient}"}}}}'
    )
    observation = (
        '{ "resourceType" : "Observation", "status":"final",\n"code":{"coding":[{"system":"http://loinc.org",'
        '"code":"2339-0","display":"Glucose [Mass/volume] in Blood"}]},'
        f'"subject":{{"reference":"{patient}"}},"encounter":{{"reference":"{visit}"}},'
        '"effectiveDateTime":"2026-01-05T08:30:00.120+08:00",\t'
        '"valueQuantity":{"value" :  1.00,"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}}'
    )
    entries = (
        (patient, _patient(number).decode(), "Patient"),
        (visit, encounter, "Encounter"),
        (result, observation, "Observation"),
    )
    return (
        '{"resourceType":"Bundle","type":"transaction","entry":['
        + ",".join(
            f'{{"fullUrl":"{link}","resource":{body},"request":{{"method":"POST","url":"{kind}"}}}}'
            for link, body, kind in entries
        )
        + "]}"
    ).encode()


def _verify(story: Story, evidence: bytes, record: bytes, trust: bytes | None = None) -> tuple[int, str]:
    """Exit code and output of the verifier, run as anybody would."""
    trusted = story.description["trust"] if trust is None else str(story.file("trust.json", trust))
    done = subprocess.run(
        [
            sys.executable, "-m", "ledger.evidence", "verify", str(story.file("evidence.json", evidence)),
            "--trust", trusted, "--record", str(story.file("record.json", record)),
        ],
        capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _browser(story: Story) -> httpx.Client:
    return httpx.Client(base_url=story.url, follow_redirects=True, timeout=30, headers={"Accept": "text/html"})


def _sign_in(browser: httpx.Client, person: dict[str, str]) -> None:
    form = browser.get("/account/login/")
    answer = _post(browser, form, {"login": person["username"], "password": person["password"]})
    hold("authenticate" in str(answer.url), f"{person['username']} was not asked for a one-time code")
    done = _post(browser, answer, {"code": one_time_code(person["totp_secret"])})
    if "authenticate" in str(done.url):  # the code of this half minute has been used already
        time.sleep(30 - time.time() % 30 + 0.5)
        done = _post(browser, done, {"code": one_time_code(person["totp_secret"])})
    hold(done.status_code == 200 and "/account/" not in str(done.url), f"{person['username']} could not sign in")


def _post(browser: httpx.Client, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    if token is None:
        raise StoryBroke(f"no form at {page.url}")
    sent = {**fields, "csrfmiddlewaretoken": token[1]}
    return browser.post(page.url, data=sent, headers={"Referer": str(page.url)})
