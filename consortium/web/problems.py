"""Refusals and failures, told in one way: RFC 9457 problem details for programs, a page for people.

Every problem has a stable `code` and a sentence that says what to do. An API with a format of its own (FHIR
has OperationOutcome) is given a renderer for its paths; `consortium.urls` wires it.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.template import loader
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from consortium.web.doors import is_api, request_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal or failure. `code` never changes, whatever the words and the language.

    `members` are extension members of the JSON form; `challenge` goes into WWW-Authenticate; `retry_after`
    is in seconds.
    """

    code: str
    status: int
    title: str
    detail: str
    retry_after: int | None = None
    challenge: str | None = None
    members: Mapping[str, object] = field(default_factory=dict)


class ProblemError(Exception):
    """Raised where a view cannot go on; whoever handles errors renders its problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


Renderer = Callable[[HttpRequest, Problem], HttpResponse]
_renderers: dict[str, Renderer] = {}


def render_with(prefix: str, renderer: Renderer) -> None:
    """Problems of paths that begin with `prefix` are rendered by `renderer` from now on."""
    _renderers[prefix] = renderer


def answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The problem as the caller can read it."""
    for prefix, renderer in _renderers.items():
        if request.path_info.startswith(prefix):
            response = renderer(request, problem)
            break
    else:
        response = as_json(request, problem) if is_api(request) or _wants_json(request) else as_page(request, problem)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.challenge:
        response.headers["WWW-Authenticate"] = problem.challenge
    return response


def as_json(request: HttpRequest, problem: Problem) -> HttpResponse:
    body = {
        "type": f"urn:xinglin:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": str(request_id(request)),
        **problem.members,
    }
    return HttpResponse(
        json.dumps(body, ensure_ascii=False), status=problem.status, content_type="application/problem+json"
    )


def as_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """A page that needs no database, no session and no context processor, for those may be what failed."""
    content = loader.get_template("problem.html").render({"problem": problem, "request_id": request_id(request)})
    return HttpResponse(content, status=problem.status)


def _wants_json(request: HttpRequest) -> bool:
    accept = request.headers.get("Accept", "")
    return "json" in accept and "text/html" not in accept


# Problems that can happen at any door. Functions, because their words follow the request's language.


def not_found() -> Problem:
    return Problem(
        "not-found",
        404,
        _("There is nothing here"),
        _("The address is wrong, or you may not see what is here. Go back, or start from the first page."),
    )


def forbidden() -> Problem:
    return Problem(
        "forbidden",
        403,
        _("You may not do this"),
        _("Your role does not permit this. Ask the node's administrator if you need it for your work."),
    )


def bad_request() -> Problem:
    return Problem(
        "bad-request",
        400,
        _("The request cannot be read"),
        _("Something in the request is malformed. Start again."),
    )


def failure() -> Problem:
    return Problem(
        "failure",
        500,
        _("Something failed on our side"),
        _("Nothing was changed. Try again; if it fails again, tell the administrator the number below."),
    )


def forgery() -> Problem:
    return Problem(
        "form-expired",
        403,
        _("The form has expired"),
        _("The page was open for too long, or cookies are switched off. Load the page and send it again."),
    )


# Django's error views (consortium.urls) and CSRF_FAILURE_VIEW.


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, not_found())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, forbidden())


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, bad_request())


def server_error(request: HttpRequest) -> HttpResponse:
    return answer(request, failure())


def forged_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(request, forgery())


# Django REST framework


_CODES = {
    exceptions.NotAuthenticated: "not-authenticated",
    exceptions.AuthenticationFailed: "token-refused",
    exceptions.PermissionDenied: "forbidden",
    exceptions.NotFound: "not-found",
    exceptions.MethodNotAllowed: "method-not-allowed",
    exceptions.NotAcceptable: "not-acceptable",
    exceptions.UnsupportedMediaType: "unsupported-media-type",
    exceptions.ParseError: "unreadable-body",
    exceptions.Throttled: "too-many-requests",
    exceptions.ValidationError: "invalid",
}


def problem_of(error: Exception) -> Problem | None:
    """The problem that an exception stands for; None for one that is a failure of ours."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, Http404):
        return not_found()
    if isinstance(error, PermissionDenied):
        return forbidden()
    if isinstance(error, RawPostDataException):
        return bad_request()
    if not isinstance(error, exceptions.APIException):
        return None
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "refused")
    problem = Problem(code, error.status_code, HTTPStatus(error.status_code).phrase, "")
    if isinstance(error, exceptions.ValidationError):
        detail = _("Correct the members that “errors” names, and send the request again.")
        return replace(problem, detail=detail, members={"errors": error.detail})
    if isinstance(error, exceptions.Throttled):
        wait = max(1, math.ceil(getattr(error, "wait", None) or 1))
        detail = _("Too many requests. Wait for %(wait)d s and try again.") % {"wait": wait}
        return replace(problem, detail=detail, retry_after=wait)
    return replace(problem, detail=str(error.detail), challenge=getattr(error, "auth_header", None))


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """EXCEPTION_HANDLER of Django REST framework."""
    problem = problem_of(error)
    if problem is None:
        return None
    request = context["request"]._request
    return answer(request, problem)  # type: ignore[return-value] # DRF passes on any HttpResponse
