"""What the FHIR door says when it refuses, and how it says it: issues, refusals, OperationOutcome."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Severity = Literal["fatal", "error", "warning", "information"]

REFUSAL_SYSTEM: Final = "urn:xinglin:fhir:refusal"
"""The code system of `Issue.details_code` in an OperationOutcome."""

_REFUSING: Final = frozenset({"fatal", "error"})


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `code` is FHIR's issue type, `details_code` our stable code, `expression` a FHIRPath to
    the place (`Patient.name[0].given[1]`), `diagnostics` a sentence that says what to do.
    """

    severity: Severity
    code: str
    details_code: str
    expression: str | None
    diagnostics: str

    @property
    def refuses(self) -> bool:
        """Whether this finding alone keeps a resource out."""
        return self.severity in _REFUSING

    def inside(self, place: str) -> "Issue":
        """The same finding, as seen from a document that holds the resource at `place`
        (`Bundle.entry[3].resource`).
        """
        if self.expression is None:
            return Issue(self.severity, self.code, self.details_code, place, self.diagnostics)
        root, separator, rest = self.expression.partition(".")
        index = root.partition("[")[1:]
        return Issue(
            self.severity,
            self.code,
            self.details_code,
            place + "".join(index) + separator + rest,
            self.diagnostics,
        )


def shown(text: str, *, limit: int = 60) -> str:
    """What a sender wrote, fit to be shown back: quoted, printable and short."""
    return repr(text if len(text) <= limit else text[:limit] + "...")


class FhirRefusal(Exception):
    """A request that the FHIR door answers with an OperationOutcome. `code` is the first issue's stable
    code, `status` HTTP's.
    """

    def __init__(self, issues: Issue | Sequence[Issue], *, status: int = 422) -> None:
        self.issues: tuple[Issue, ...] = (issues,) if isinstance(issues, Issue) else tuple(issues)
        if not self.issues:
            raise ValueError("a refusal names at least one issue")
        self.status = status
        self.code = next((i for i in self.issues if i.refuses), self.issues[0]).details_code
        super().__init__(f"{self.code}: {self.issues[0].diagnostics}")


def refuse(
    details_code: str,
    diagnostics: str,
    *,
    status: int = 400,
    code: str = "invalid",
    expression: str | None = None,
) -> FhirRefusal:
    """A refusal for one reason, ready to raise."""
    return FhirRefusal(Issue("error", code, details_code, expression, diagnostics), status=status)


def raise_for(issues: Iterable[Issue], *, status: int = 422) -> None:
    """Raise a FhirRefusal when any of `issues` keeps the resource out; warnings go along with it."""
    found = tuple(issues)
    if any(i.refuses for i in found):
        raise FhirRefusal(found, status=status)


def operation_outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """The OperationOutcome that reports `issues`; none at all is reported as one of severity information,
    as R4 asks.
    """
    return {
        "resourceType": "OperationOutcome",
        "issue": [_issue(i) for i in issues]
        or [{"severity": "information", "code": "informational", "diagnostics": "No issues were found."}],
    }


def render(issues: Sequence[Issue]) -> bytes:
    """`operation_outcome` as JSON in UTF-8."""
    return json.dumps(operation_outcome(issues), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _issue(issue: Issue) -> dict[str, Any]:
    result: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"coding": [{"system": REFUSAL_SYSTEM, "code": issue.details_code}]},
        "diagnostics": issue.diagnostics,
    }
    if issue.expression is not None:
        result["expression"] = [issue.expression]
    return result
