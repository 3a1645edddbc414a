"""The token endpoint's rules: client credentials only, scopes within what the machine may have."""

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import BaseScopes
from oauth2_provider.views import TokenView

from consortium.members.models import Machine
from consortium.members.scopes import ScopeError, Scopes
from consortium.web.problems import Problem, answer
from consortium.web.throttling import admit_address


class MachineScopes(BaseScopes):  # type: ignore[misc] # untyped library
    """What a machine may have is a field of the machine; there is no list for everybody."""

    def get_all_scopes(self) -> dict[str, str]:
        return {}

    def get_available_scopes(self, application: Machine | None = None, *args: Any, **kwargs: Any) -> list[str]:
        return application.allowed_scopes.split() if application is not None else []

    def get_default_scopes(self, application: Machine | None = None, *args: Any, **kwargs: Any) -> list[str]:
        return self.get_available_scopes(application)


class MachineValidator(OAuth2Validator):  # type: ignore[misc] # untyped library
    def _load_application(self, client_id: str | None, request: Any) -> Machine | None:
        """None, which becomes invalid_client, also for what PostgreSQL would not take as text."""
        if client_id and "\x00" in client_id:
            return None
        found: Machine | None = super()._load_application(client_id, request)
        return found

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Machine, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether the machine may have what it asks for; False becomes invalid_scope."""
        try:
            wanted = Scopes.parse(" ".join(scopes))
            allowed = Scopes.parse(client.allowed_scopes)
        except ScopeError:
            return False
        return bool(wanted) and allowed.covers(wanted)


@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class Token(TokenView):  # type: ignore[misc] # untyped library
    """POST /o/token. Form parameters in the body; the client authenticates by HTTP Basic or in the body."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait = admit_address(request)
        if wait:
            return answer(
                request,
                Problem(
                    code="too-many-requests",
                    status=429,
                    title=_("Too many requests"),
                    detail=_("A token is good for many requests: keep it until it expires."),
                    retry_after=max(1, round(wait)),
                ),
            )
        if request.META.get("QUERY_STRING"):
            # A secret in an address would end up in the logs of every proxy on the way.
            return _refused("invalid_request", "Send the parameters in the body, not in the address.")
        resources = request.POST.getlist("resource")
        if any(not _is_ours(resource) for resource in resources):
            return _refused("invalid_target", f"Tokens from here are for {settings.NODE_URL}/fhir only.")
        response: HttpResponse = super().authorization_flow_token_response(request)
        if response.status_code == 401:
            # RFC 6749, section 5.2: the scheme that clients authenticate by. The library names Bearer.
            response.headers["WWW-Authenticate"] = f'Basic realm="{settings.NODE_URL}"'
        return response


def _is_ours(resource: str) -> bool:
    ours = f"{settings.NODE_URL}/fhir"
    return resource.rstrip("/") in {settings.NODE_URL, ours} or resource.startswith(f"{ours}/")


def _refused(error: str, description: str) -> HttpResponse:
    body = json.dumps({"error": error, "error_description": description})
    return HttpResponse(body, status=400, content_type="application/json")
