"""The patients go in as any hospital's system would send them: FHIR transactions by HTTP, with a token."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from consortium.client import Node
from consortium.management.demo.plan import Member, team_of
from consortium.management.seed import transactions


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many resources one hospital's patients have, and which team each patient (by id) belongs to."""

    resources: int
    patients: tuple[tuple[str, str], ...]


def seed(
    node: Node,
    member: Member,
    *,
    patients: int,
    until: date,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Seeded:
    """Store every patient who is not there yet. A chart is one transaction: there whole, or not at all."""
    resources = 0
    found: list[tuple[str, str]] = []
    charts = transactions(member.hospital, patients=patients, until=until)
    for number, chart in enumerate(charts):
        identifier = f"{chart.number_system}|{chart.record_number}"
        known = next(node.search("Patient", identifier=identifier), None)
        if known is None:
            answer = node.transaction(chart.content)
            resources += sum(entry["response"]["status"].startswith("201") for entry in answer["entry"])
            patient = next(
                entry["response"]["location"].split("Patient/")[1].split("/")[0]
                for entry in answer["entry"]
                if "Patient/" in entry["response"]["location"]
            )
        else:
            patient = str(known["id"])
        found.append((patient, member.teams[team_of(member, number)]))
        told(number + 1, patients)
    return Seeded(resources, tuple(found))
