"""What an evidence file proves, in words for anyone: nine questions, with answers and what they rest on.

The words are ours and translated; the verification and its codes are those of `ledger.evidence`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ledger.errors import LedgerRefusal
from ledger.evidence import ChainReader, EvidenceError, Outcome, Report, Status, verify_evidence
from ledger.trust import Trust
from records.portal import dates, labels
from records.portal.dates import Setting
from records.portal.text import line

Says = Callable[[Report, Setting], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One question with its answer; `word` and `icon` say how it came out, `css` only colours that."""

    number: int
    question: str
    answer: str
    rests_on: str
    word: str
    icon: str
    css: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check. `tone` is good, wait or bad; `code` is the stable code of a refusal, else ""."""

    tone: str
    icon: str
    title: str
    sentence: str
    code: str
    facts: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]


QUESTIONS: Final = (
    gettext_lazy("Can the file be read?"),
    gettext_lazy("Is it from a member of this consortium?"),
    gettext_lazy("Is it about the record at hand?"),
    gettext_lazy("Do record and seal fit together?"),
    gettext_lazy("Is the record in the member's log?"),
    gettext_lazy("Is there a confirmation by the consortium?"),
    gettext_lazy("Was this state of the log what was confirmed?"),
    gettext_lazy("Did the member sign this state of the log?"),
    gettext_lazy("Was the member's key valid then?"),
)
_REFUSED: Final = (
    gettext_lazy("The file is damaged or was changed, or it is not an evidence file. Ask for it again."),
    gettext_lazy("It is about a member or a consortium that this node does not know."),
    gettext_lazy(
        "The record is not the one that the evidence is about: one of the two files was changed, or belongs "
        "to another record."
    ),
    gettext_lazy("The seal in the file does not fit the record. The file was changed."),
    gettext_lazy("The record is not in the log that the file speaks of. The file was changed or forged."),
    gettext_lazy("The confirmation in the file is not one that the consortium knows. The file was changed or forged."),
    gettext_lazy("What was confirmed is something else. The file was changed or forged."),
    gettext_lazy("The member's signatures are missing or wrong. The file was changed or forged."),
    gettext_lazy("The member's key was not valid at that time. Do not rely on this evidence."),
)
_RESTS_ON: Final = (
    "",
    gettext_lazy("this node's list of members"),
    gettext_lazy("arithmetic on the record's bytes"),
    gettext_lazy("arithmetic on the file"),
    gettext_lazy("arithmetic on the file"),
    gettext_lazy("this node's knowledge of the consortium's history"),
    gettext_lazy("the confirmation above"),
    gettext_lazy("the member's keys in this node's list"),
    gettext_lazy("the member's keys in this node's list, and the confirmation above"),
)


def check(evidence: bytes, record: bytes | None, trust: Trust, chain: ChainReader | None, setting: Setting) -> Verdict:
    """Verifies the file and says what came of it. Refuses nothing: a refusal is a verdict."""
    try:
        report = verify_evidence(evidence, trust, record=record, rpc=chain)
    except EvidenceError as refused:
        return _refusal(refused, refused.step)
    except LedgerRefusal as refused:
        return _refusal(refused, 1)
    return _verdict(report, setting)


def confirmed_at(report: Report, setting: Setting) -> str:
    """When the consortium confirmed the log's state, by its own clock."""
    moment = datetime.fromtimestamp(report.header.timestamp, UTC)
    return dates.show_instant(moment, setting, zone_too=True)


def _verdict(report: Report, setting: Setting) -> Verdict:
    about = {"member": line(report.member.name), "when": confirmed_at(report, setting)}
    if report.outcome is not Outcome.PROVED:
        tone, icon, title = "wait", "help-circle", _("Not proved")
        sentence = _(
            "Nothing contradicts, but this node could not find out whether the consortium confirmed it. "
            "Try again later, or check the file on your own computer."
        )
    elif report.record_given:
        tone, icon, title = "good", "circle-check", _("Proved")
        sentence = _("Exactly this record was in the log of %(member)s at the latest on %(when)s.") % about
    else:
        tone, icon, title = "good", "circle-check", _("Proved, for a fingerprint")
        sentence = (
            _(
                "A record with this fingerprint was in the log of %(member)s at the latest on %(when)s. "
                "Choose the record's file as well to see whether it is the one you have."
            )
            % about
        )
    steps = tuple(
        Step(
            step.number,
            str(QUESTIONS[step.number - 1]),
            _answer(step.number, step.status, report, setting),
            str(_RESTS_ON[step.number - 1]) if step.status is Status.PROVED else "",
            *_how(step.status),
        )
        for step in report.steps
    )
    return Verdict(tone, icon, title, sentence, "", _facts(report, setting), steps)


def _facts(report: Report, setting: Setting) -> tuple[tuple[str, str], ...]:
    name = report.evidence.record
    kind = f"{labels.kind_of(name.type)} ({name.type}) {name.id}"
    claimed = "" if report.record_given else _(" – so says the file")
    return (
        (_("Record"), _("%(kind)s, version %(version)d") % {"kind": kind, "version": name.version} + claimed),
        (_("Member"), line(report.member.name)),
        (_("Confirmed"), confirmed_at(report, setting)),
        (
            _("Place in the log"),
            _("%(index)d of %(size)d") % {"index": report.leaf_index, "size": report.checkpoint.checkpoint.size},
        ),
        (_("Fingerprint"), name.sha256.hex()),
    )


def _answer(number: int, status: Status, report: Report, setting: Setting) -> str:
    member = line(report.member.name)
    if status is Status.NOT_GIVEN:
        return _("You gave no record, so only the fingerprint in the file was checked.")
    if number == 6 and status is Status.NOT_PROVED:
        return _("This node could not find out just now.")
    if status is Status.NOT_PROVED:
        return _("It would be so, if there is such a confirmation.")
    answers: dict[int, str] = {
        1: _("Yes: it is a whole evidence file of a known form."),
        2: _("Yes: it is about the log of %(member)s.") % {"member": member},
        3: _("Yes: the record's file is exactly the one that is meant."),
        4: _("Yes."),
        5: _("Yes: the log contained it when it was confirmed."),
        6: _("Yes: on %(when)s.") % {"when": confirmed_at(report, setting)},
        7: _("Yes: exactly this state of the log of %(member)s.") % {"member": member},
        8: _("Yes, with both of the signatures that are required."),
        9: _("Yes."),
    }
    return answers[number]


def _refusal(refused: LedgerRefusal, number: int) -> Verdict:
    passed = refused.steps if isinstance(refused, EvidenceError) else ()
    reason = str(_REFUSED[number - 1])
    steps = [Step(step.number, str(QUESTIONS[step.number - 1]), "", "", *_how(step.status)) for step in passed]
    steps.append(Step(number, str(QUESTIONS[number - 1]), reason, "", _("Does not match"), "circle-x", "mark-mismatch"))
    steps += [
        Step(later, str(QUESTIONS[later - 1]), "", "", _("Not checked"), "help-circle", "")
        for later in range(number + 1, len(QUESTIONS) + 1)
    ]
    return Verdict("bad", "circle-x", _("Does not match"), reason, refused.code, (), tuple(steps))


def _how(status: Status) -> tuple[str, str, str]:
    if status is Status.PROVED:
        return _("Proved"), "circle-check", "mark-verified"
    if status is Status.NOT_GIVEN:
        return _("Not given"), "info-circle", "mark-waiting"
    return _("Not proved"), "help-circle", "mark-waiting"
