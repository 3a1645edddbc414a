"""Signing in: who may come in, when they are locked out, when they must sign in again."""

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from consortium.audit import events
from consortium.members.models import Person
from consortium.members.secondfactor import ENROLLED_HERE
from consortium.members.selectors import has_second_factor, standing_of
from consortium.web.addresses import client_address
from consortium.web.doors import is_api, request_id, type_of_handler
from consortium.web.problems import Problem, answer

# A person without a second factor can reach these and nothing else.
ENROLMENT = frozenset(
    {
        "account_logout",
        "account_reauthenticate",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_index",
        "set_language",
    }
)
_SEEN = "seen-at"
# How often a page renews the session: once a minute instead of a write for every page.
_RENEW_SECONDS = 60


class SignedInPeople:
    """Every page is for people who have signed in with a second factor, unless its view says
    `login_not_required`.
    """

    def __init__(self, get_response: type_of_handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """
        1. APIs have their own rules.
        2. A session that has lasted too long ends, wherever its owner is; one in use is renewed.
        3. Open pages are open.
        4. Everybody else signs in.
        5. A session that has not shown a second factor goes no further than enrolling one; where there is
           one already, enrolled elsewhere, it must be shown.
        """
        if is_api(request):
            return None
        person = request.user
        if person.is_authenticated:
            now = time.time()
            records = get_authentication_records(request, person)
            if _began(records) + settings.SESSION_LONGEST.total_seconds() < now:
                logout(request)
                messages.info(request, _("You signed in long ago. Sign in again."))
                return _to_sign_in(request)
            if now - request.session.get(_SEEN, 0) > _RENEW_SECONDS:
                request.session[_SEEN] = int(now)
        if not getattr(view, "login_required", True):
            return None
        if not person.is_authenticated:
            return _to_sign_in(request)
        shown = any(record.get("method") == "mfa" for record in records)
        if shown or request.session.get(ENROLLED_HERE):
            return None
        if has_second_factor(person):
            logout(request)
            return _to_sign_in(request)
        match = request.resolver_match
        if match is not None and match.view_name in ENROLMENT:
            return None
        return _redirect(request, reverse("mfa_activate_totp"))


def _began(records: list[dict[str, Any]]) -> float:
    """When the session was signed in, in seconds since 1970; 0, long over, for one that does not say so."""
    return min((float(record["at"]) for record in records if "at" in record), default=0.0)


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    # A part of a page that htmx fetched is no place to come back to.
    back = request.headers.get("HX-Current-URL") if _is_partial(request) else request.get_full_path()
    if request.method not in {"GET", "HEAD"} or not back:
        back = settings.LOGIN_REDIRECT_URL
    return _redirect(request, redirect_to_login(back).url)


def _redirect(request: HttpRequest, url: str) -> HttpResponseBase:
    if _is_partial(request):
        # htmx would put what a redirect leads to into the middle of the page.
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def _is_partial(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # untyped library
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People are made by the node's administrator."""
        return False

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Whether a change to how one signs in asks once more who is there: not just after signing in."""
        request = context.request
        newest = max((r["at"] for r in get_authentication_records(request, request.user)), default=0.0)
        return bool(time.time() - newest > settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leaves counting wrong passwords to axes, which counts for one person from one address."""

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        locked = getattr(request, "axes_locked_out", False)
        events.write(
            events.sign_in_event(
                interaction="sign-in",
                request_id=request_id(request),
                person_id=None,
                refused_because="locked-out" if locked else "wrong-password",
            )
        )

    def login(self, request: HttpRequest, user: Person) -> None:
        super().login(request, user)
        _write_event(request, "sign-in", user)

    def logout(self, request: HttpRequest) -> None:
        person = request.user
        super().logout(request)
        if isinstance(person, Person):
            _write_event(request, "sign-out", person)

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        if settings.EMAIL_URL:
            super().send_notification_mail(*args, **kwargs)


def _write_event(request: HttpRequest, interaction: str, person: Person) -> None:
    events.write(
        events.sign_in_event(
            interaction=interaction,
            request_id=request_id(request),
            person_id=person.pk,
            organisation_id=standing_of(person.pk).organisation_id,
        )
    )


def display_name(person: Person) -> str:
    return person.get_full_name()


def attempted_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name that a failed attempt counts for. Sign-in ignores case, so counting must too."""
    given = (credentials or {}).get("username") or ""
    return str(given).strip().casefold()[:255]


def locked_out(request: HttpRequest, original_response: Any, credentials: Any) -> HttpResponse:
    """What axes answers to the attempt that locks, and to every one until the time is over."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    return answer(
        request,
        Problem(
            code="locked-out",
            status=429,
            title=_("Too many wrong passwords"),
            detail=_(
                "Signing in with this name from here is locked for %(minutes)d minutes. Wait and try again. "
                "If you have forgotten the password, ask the node's administrator."
            )
            % {"minutes": minutes},
            retry_after=minutes * 60,
        ),
    )
