"""Two kinds of doors: pages, with sessions, languages and forms, and APIs, with none of that.

`Door` is the first middleware and `Threshold` the last. A request for an API goes from the one straight to
the view behind the other, and pays for nothing in between; a request for a page passes everything. What
both need is done in `Door`: a number for the request, and the headers that keep browsers from guessing.
"""

import uuid
from collections.abc import Callable
from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation

from consortium.web.csp import API_POLICY

type_of_handler = Callable[[HttpRequest], HttpResponseBase]

API_PATHS = ("/fhir", "/log/", "/o/", "/api/", "/healthz", "/readyz", "/.well-known/")
HEALTH_PATHS = ("/healthz", "/readyz")
# RFC 9110, section 8.6.
_WITHOUT_LENGTH = frozenset({204, 304})
_PERMISSIONS = (
    "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
    "publickey-credentials-get=(self), publickey-credentials-create=(self)"
)


def is_api(request: HttpRequest) -> bool:
    """Whether this request is for a program and not for a person's browser."""
    return request.path_info.startswith(API_PATHS)


def request_id(request: HttpRequest) -> uuid.UUID:
    """The number in this request's audit rows, log lines and answer. Always ours, never the client's."""
    found: uuid.UUID | None = getattr(request, "request_id", None)
    if found is None:
        found = uuid.uuid4()
        request.request_id = found  # type: ignore[attr-defined]
    return found


class Threshold:
    """The last middleware: remembers the way to the view for the `Door` of the same chain."""

    ways: ClassVar[list[type_of_handler]] = []

    def __init__(self, get_response: type_of_handler) -> None:
        self.get_response = get_response
        self.ways.append(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)


class Door:
    """The first middleware."""

    def __init__(self, get_response: type_of_handler) -> None:
        self.pages = get_response
        # Django builds a chain from its last middleware to its first: this is our own chain's threshold.
        self.api = Threshold.ways.pop()
        self.tls_only: bool = settings.NODE_IS_SECURE

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        number = request.request_id = uuid.uuid4()  # type: ignore[attr-defined]
        respond = self._answer_program if is_api(request) else self._answer_person
        response = respond(request)
        response.headers["X-Request-ID"] = str(number)
        return response

    def _answer_person(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response = self.pages(request)
        finally:
            # A page's language must not stay with the thread that answers the next request.
            translation.deactivate()
        response.headers["Permissions-Policy"] = _PERMISSIONS
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    def _answer_program(self, request: HttpRequest) -> HttpResponseBase:
        if self.tls_only and not request.is_secure() and not request.path_info.startswith(HEALTH_PATHS):
            response: HttpResponseBase = _refuse_plain_http(request)
        else:
            response = self.api(request)
        headers = response.headers
        headers["Content-Security-Policy"] = API_POLICY
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers.setdefault("Cache-Control", "no-store")
        if self.tls_only:
            headers["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains"
        if isinstance(response, HttpResponse) and response.status_code not in _WITHOUT_LENGTH:
            headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _refuse_plain_http(request: HttpRequest) -> HttpResponse:
    """A redirect would teach a program to send its token in the clear first, every time."""
    from consortium.web.problems import Problem, answer

    return answer(
        request,
        Problem(
            code="tls-only",
            status=403,
            title="Plain HTTP is not answered here",
            detail=f"Use {settings.NODE_URL}, and get a new token or secret if you sent one in the clear.",
        ),
    )
