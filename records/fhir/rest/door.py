"""The view of the FHIR API: HTTP in, one call, HTTP out."""

import logging
from typing import Any, Final
from urllib.parse import parse_qsl

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from consortium.web.problems import failure
from consortium.web.throttling import admit_address, admit_machine
from records.access import Asker, NotAuthenticated
from records.access.requests import machine_of_request
from records.fhir import jsontext
from records.fhir.node import fhir_node
from records.fhir.outcome import FhirRefusal, refuse
from records.fhir.rest.body import read_body
from records.fhir.rest.calls import Call, MethodNotAllowed, Params, Route
from records.fhir.rest.capability import capability_statement
from records.fhir.rest.negotiation import CONTENT_TYPE, check_acceptable, check_media_type, preferences
from records.fhir.rest.responses import problem_response, refusal_response, respond
from records.fhir.rest.routes import ROUTER

log = logging.getLogger(__name__)

_WRITES: Final = frozenset({"create", "update", "conditional-update", "delete", "conditional-delete"})
_MOST_PARAMETERS: Final = 256


class MachineBearer(BaseAuthentication):
    """OAuth 2 bearer tokens of machines, and nothing else: no session opens this door."""

    def authenticate(self, request: Request) -> tuple[Any, str | None]:
        return machine_of_request(request._request), None

    def authenticate_header(self, request: Request) -> str:
        return f'Bearer realm="{fhir_node().base_url}"'


class KnownMachine(BasePermission):
    """What a machine may do is decided where it is done; here it only has to be one."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, Asker)


@method_decorator(login_not_required, name="dispatch")
class FhirDoor(APIView):
    """Everything below /fhir. Which interaction it is says `records.fhir.rest.routes`."""

    authentication_classes = (MachineBearer,)
    permission_classes = (KnownMachine,)
    throttle_classes = ()
    schema = None
    http_method_names = ["get", "head", "post", "put", "delete", "patch", "options"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        http = request._request
        asked = http.GET.get("_format") if "_format" in http.META.get("QUERY_STRING", "") else None
        check_acceptable(http.META.get("HTTP_ACCEPT"), asked)
        asker = self._asker(request)
        wait = admit_machine(asker.actor_id)
        if wait:
            raise TooMany(wait)

    def _asker(self, request: Request) -> Asker:
        try:
            asker: Asker = request.user  # type: ignore[assignment]
            return asker
        except NotAuthenticated:
            wait = admit_address(request._request)
            if wait:
                raise TooMany(wait) from None
            raise

    def get(self, request: Request, address: str = "") -> HttpResponse:
        route, arguments = ROUTER.find("GET", address)
        return self._answer(request, route, arguments, body=True)

    def head(self, request: Request, address: str = "") -> HttpResponse:
        route, arguments = ROUTER.find("GET", address)
        return self._answer(request, route, arguments, body=False)

    def write(self, request: Request, address: str = "") -> HttpResponse:
        route, arguments = ROUTER.find(str(request.method), address)
        return self._answer(request, route, arguments, body=True)

    post = put = delete = patch = write

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        raise MethodNotAllowed(("DELETE", "GET", "HEAD", "POST", "PUT"))

    def _answer(self, request: Request, route: Route, arguments: dict[str, str], *, body: bool) -> HttpResponse:
        http = request._request
        params = _params(http.META.get("QUERY_STRING", ""))
        document = None
        if route.takes == "resource":
            check_media_type(http.META.get("CONTENT_TYPE"))
            document = jsontext.parse(read_body(http))
        elif route.takes == "form":
            params = [*params, *_form(http)]
        headers = http.META
        call = Call(
            asker=request.user,  # type: ignore[arg-type]
            method=str(request.method),
            params=params,
            document=document,
            if_match=headers.get("HTTP_IF_MATCH"),
            if_none_match=headers.get("HTTP_IF_NONE_MATCH"),
            if_modified_since=headers.get("HTTP_IF_MODIFIED_SINCE"),
            if_none_exist=headers.get("HTTP_IF_NONE_EXIST"),
            preferences=preferences(headers.get("HTTP_PREFER")),
        )
        answer = route.handler(call, **arguments)
        return respond(answer, preferences=call.preferences if route.code in _WRITES else None, body=body)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        response = refusal_response(exc)
        if response is None:
            log.exception("The FHIR door failed.", exc_info=exc)
            return problem_response(self.request._request, failure())
        if response.status_code == 405:
            response.headers["Allow"] = ", ".join(exc.allowed if isinstance(exc, MethodNotAllowed) else ("GET", "HEAD"))
        return response

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        return response


@login_not_required
def metadata(request: HttpRequest) -> HttpResponseBase:
    """GET /fhir/metadata, for everybody."""
    try:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(("GET", "HEAD"))
        check_acceptable(request.headers.get("Accept"), request.GET.get("_format"))
        wait = admit_address(request)
        if wait:
            raise TooMany(wait)
    except FhirRefusal as refusal:
        response = refusal_response(refusal)
        assert response is not None, "a FhirRefusal has a response"
        return response
    response = HttpResponse(capability_statement(ROUTER), content_type=CONTENT_TYPE)
    response.headers["Cache-Control"] = "public, max-age=60"
    return response


def _params(query: str) -> Params:
    if not query:
        return ()
    try:
        return parse_qsl(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise refuse("too-many-parameters", f"Send at most {_MOST_PARAMETERS} parameters.", code="too-costly") from None


def _form(http: HttpRequest) -> Params:
    media = (http.META.get("CONTENT_TYPE") or "").split(";")[0].strip().lower()
    if media not in ("application/x-www-form-urlencoded", ""):
        raise refuse(
            "unsupported-media-type",
            "Send search parameters as application/x-www-form-urlencoded.",
            status=415,
            code="not-supported",
        )
    return _params(read_body(http).decode("utf-8", "surrogateescape"))


class TooMany(FhirRefusal):
    """The caller asks more often than one caller may."""

    def __init__(self, wait: float) -> None:
        super().__init__(
            refuse("too-many-requests", "Too many requests: wait before the next.", code="throttled").issues, status=429
        )
        self.retry_after = max(1, round(wait))
