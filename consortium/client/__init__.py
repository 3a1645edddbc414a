"""The light client: a member's node from Python, without Django.

from consortium.client import Node

node = Node("https://hospital.example", client_id="...", client_secret="...")
for observation in node.search("Observation", patient="123", code="http://loinc.org|4548-4"):
    print(observation["valueQuantity"])
record = node.read("Observation", "42")
proof = node.evidence("Observation", "42", record.version)
report = verify(proof, trust=Path("trust.json").read_bytes(), record=record.content)
"""

from consortium.client.node import Node, NodeRefused, NotYetProved, Record, verify

__all__ = ["Node", "NodeRefused", "NotYetProved", "Record", "verify"]
