"""Who takes part in the demonstration."""

from dataclasses import dataclass

from consortium.management.seed import Hospital

PATIENTS = 24
"""For each hospital."""


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who signs in. team: the number of their care team at the hospital, None for nobody's."""

    username: str
    name: str
    role: str
    team: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One hospital and its node. key: short name, for folders, databases and addresses."""

    key: str
    hospital: Hospital
    port: int
    teams: tuple[str, ...]
    logins: tuple[Login, ...]

    @property
    def database(self) -> str:
        return self.key.replace("-", "_")

    @property
    def origin(self) -> str:
        """The name of its log."""
        return f"{self.key}.localhost/log"


HOSPITALS = (
    Member(
        key="hospital-a",
        hospital=Hospital(0, "Yunxi Hospital", "云溪医院", "hospital-a.example"),
        port=8101,
        teams=("内科 Internal medicine", "妇儿科 Women and children"),
        logins=(
            Login("alice", "Dr Alice Shen 沈爱丽", "clinician", 0),
            Login("bob", "Dr Bob Tang 唐博", "clinician", 1),
            Login("mallory", "Dr Mallory Qiu 邱茉莉", "clinician"),
            Login("officer", "Olive Fan 范澄", "privacy_officer"),
            Login("auditor", "Audrey Meng 孟瑞", "auditor"),
            Login("admin", "Adam Jiang 江安", "node_administrator"),
        ),
    ),
    Member(
        key="hospital-b",
        hospital=Hospital(1, "Qingshi Hospital", "青石医院", "hospital-b.example"),
        port=8102,
        teams=("全科 General practice",),
        logins=(
            Login("carol", "Dr Carol Bai 白可柔", "clinician", 0),
            Login("admin-b", "Ben Lu 陆本", "node_administrator"),
        ),
    ),
)


def team_of(member: Member, number: int) -> int:
    """Which team treats the patient of this number; children and mothers may have one of their own."""
    return 1 if len(member.teams) > 1 and number % 8 in (2, 3) else 0
