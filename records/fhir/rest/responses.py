"""Answers and refusals as HTTP."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse

from consortium.web.doors import request_id
from consortium.web.problems import Problem
from records.access.errors import Gone, NotAuthenticated
from records.fhir.answers import Answer
from records.fhir.node import fhir_node
from records.fhir.outcome import Issue, render
from records.fhir.rest.negotiation import CONTENT_TYPE, Preferences, http_date
from records.fhir.rest.refusals import issues_of

_STATUS_TYPES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    429: "throttled",
}


def respond(answer: Answer, *, preferences: Preferences | None = None, body: bool = True) -> HttpResponse:
    """The answer as an HTTP response. With `preferences` it is the answer of a write, whose body they choose."""
    content = answer.body if body else b""
    if preferences is not None and preferences.returned == "minimal":
        content = b""
    elif preferences is not None and preferences.returned == "OperationOutcome":
        content = render(answer.issues or (_done(answer),))
    response = HttpResponse(content, status=answer.status)
    response.headers["Content-Length"] = str(len(content))
    if content or answer.status == 200:
        response.headers["Content-Type"] = answer.content_type or CONTENT_TYPE
    else:
        del response.headers["Content-Type"]
    if answer.etag is not None:
        response.headers["ETag"] = answer.etag
    if answer.stored_at is not None:
        response.headers["Last-Modified"] = http_date(answer.stored_at)
    if answer.location is not None:
        response.headers["Location" if answer.status == 201 else "Content-Location"] = (
            f"{fhir_node().base_url}/{answer.location}"
        )
    if answer.retry_after is not None:
        response.headers["Retry-After"] = str(answer.retry_after)
    return response


def _done(answer: Answer) -> Issue:
    words = {201: "The resource was created.", 204: "The resource was deleted."}
    return Issue("information", "informational", "done", None, words.get(answer.status, "The resource was stored."))


def refusal_response(error: Exception) -> HttpResponse | None:
    """A refusal as an OperationOutcome; None for a failure of ours."""
    found = issues_of(error)
    if found is None:
        return None
    status, issues = found
    response = outcome_response(issues, status=status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(getattr(error, "retry_after", 1))
    if isinstance(error, NotAuthenticated):
        response.headers["WWW-Authenticate"] = f'Bearer realm="{fhir_node().base_url}"'
    if isinstance(error, Gone):
        response.headers["ETag"] = f'W/"{error.version}"'
    return response


def outcome_response(issues: Sequence[Issue], *, status: int) -> HttpResponse:
    return HttpResponse(render(issues), status=status, content_type=CONTENT_TYPE)


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """A problem of the front door (no such address, a failure) as FHIR's clients read it."""
    kind = _STATUS_TYPES.get(problem.status, "exception" if problem.status >= 500 else "processing")
    severity: str = "fatal" if problem.status >= 500 else "error"
    sentence = f"{problem.title}. {problem.detail}" if problem.detail else problem.title
    if problem.status >= 500:
        sentence += f" Request {request_id(request)}."
    return outcome_response([Issue(severity, kind, problem.code, None, sentence)], status=problem.status)  # type: ignore[arg-type]
