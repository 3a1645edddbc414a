"""Which patients there are, and whose journeys they took."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from consortium.management.seed import codes, journeys
from consortium.management.seed.chart import Chart, Staff
from consortium.management.seed.people import GIVEN, SURNAMES, Human, draw_birthday, draw_human

Journey = Callable[[Chart, date], None]
YEARS = 10
# Kinds of patients: youngest and oldest in years, sex (empty: any), what happened to them.
KINDS: tuple[tuple[int, int, str, tuple[Journey, ...]], ...] = (
    (52, 78, "", (journeys.hypertension, journeys.old_age)),
    (45, 74, "", (journeys.diabetes, journeys.infections)),
    (1, 9, "", (journeys.childhood,)),
    (27, 39, "female", (journeys.pregnancy, journeys.infections)),
    (9, 45, "", (journeys.asthma, journeys.infections)),
    (19, 60, "", (journeys.healthy, journeys.infections)),
    (58, 82, "", (journeys.hypertension, journeys.diabetes, journeys.old_age)),
    (30, 66, "female", (journeys.thyroid, journeys.infections)),
)
# Every fourth patient is known to the other hospital as well, under the same health card.
SHARED_EVERY = 4


@dataclass(frozen=True)
class Hospital:
    """number: 0 or 1, its town and its series of record numbers. host: names its identifier systems."""

    number: int
    name: str
    chinese: str
    host: str


@dataclass(frozen=True)
class Transaction:
    """One patient's chart as the bytes of a FHIR transaction, with what a reader of a log wants to know."""

    name: str
    record_number: str
    number_system: str
    resources: int
    content: bytes


def transactions(hospital: Hospital, *, patients: int, until: date, seed: int = 1) -> Iterator[Transaction]:
    """The charts of a hospital, smallest number first. The same arguments give the same bytes."""
    house, doctors = _staff(hospital, seed)
    system = f"https://{hospital.host}/patients"
    for number in range(patients):
        shared = number % SHARED_EVERY == 0
        person = Random(f"{seed}/person/{number if shared else f'{hospital.number}/{number}'}")  # noqa: S311
        youngest, oldest, sex, journey = KINDS[number % len(KINDS)]
        born = draw_birthday(person, until=until, youngest=youngest, oldest=oldest)
        human = draw_human(person, sex=sex or person.choice(("female", "male")), born=born, city=hospital.number)
        card = f"XL{person.randint(10**9, 10**10 - 1)}"
        told = Random(f"{seed}/chart/{hospital.number}/{number}")  # noqa: S311 - no secret is made here
        record_number = f"{hospital.number + 1}{100_000 + number * 37}"
        chart = Chart(told, human, record_number, system, card, house, doctors, until)
        first = max(human.born + timedelta(days=2), until - timedelta(days=round(YEARS * 365.25)))
        _allergies(chart, human, number, first)
        for step in journey:
            step(chart, first)
        if journey[0] is journeys.healthy:
            chart.no_known_medication(first + timedelta(days=200))
        yield Transaction(human.text, record_number, system, len(chart.entries), chart.to_bytes())


def _allergies(chart: Chart, human: Human, number: int, first: date) -> None:
    """A third each: a known allergy, nobody knows of one and says so, and nobody has asked."""
    day = first + timedelta(days=chart.rng.randint(20, 90))
    if number % 3 == 0:
        chart.allergy(codes.ALLERGIES[number // 3 % len(codes.ALLERGIES)], day)
        if human.years(chart.until) > 60:
            chart.allergy(codes.ALLERGIES[(number // 3 + 2) % len(codes.ALLERGIES)], day)
    elif number % 3 == 1:
        chart.no_known_allergy(day)


def _staff(hospital: Hospital, seed: int) -> tuple[Staff, tuple[Staff, ...]]:
    body = {"active": True, "name": hospital.name, "alias": [hospital.chinese]}
    house = Staff("Organization", f"https://{hospital.host}/organizations", "hospital", hospital.name, body)
    rng = Random(f"{seed}/staff/{hospital.number}")  # noqa: S311 - no secret is made here
    doctors = []
    for number in range(6):
        sex = rng.choice(("female", "male"))
        (family, family_sound), (given, given_sound) = rng.choice(SURNAMES), rng.choice(GIVEN[sex])
        name = {"use": "official", "text": f"{family}{given}", "family": family, "given": [given]}
        sound = {
            "use": "usual",
            "text": f"{given_sound} {family_sound}",
            "family": family_sound,
            "given": [given_sound],
        }
        person = {"active": True, "name": [name, sound], "gender": sex}
        value = f"D{hospital.number + 1}{number + 1:03d}"
        doctors.append(Staff("Practitioner", f"https://{hospital.host}/staff", value, f"{family}{given} 医师", person))
    return house, tuple(doctors)
