"""Every address of the node. The only place that knows all rooms, and so where their ports are wired."""

from allauth.account import views as account
from allauth.mfa.base import views as second_factor
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularJSONAPIView

from consortium.members.oauth import Token
from consortium.web import health
from consortium.web.problems import render_with
from records.fhir.rest.responses import problem_response

handler400 = "consortium.web.problems.unreadable"
handler403 = "consortium.web.problems.permission_denied"
handler404 = "consortium.web.problems.page_not_found"
handler500 = "consortium.web.problems.server_error"

# Of allauth, what people need here and nothing else: nobody signs up, and mail addresses are not for
# signing in.
account_patterns: list[URLPattern | URLResolver] = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/", account.password_change, name="account_change_password"),
    path("2fa/", second_factor.index, name="mfa_index"),
    path("2fa/authenticate/", second_factor.authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", second_factor.reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", totp.activate_totp, name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", recovery_codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/new/", recovery_codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path(
        "2fa/recovery-codes/download/",
        recovery_codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("2fa/passkeys/", passkeys.list_webauthn, name="mfa_list_webauthn"),
    path("2fa/passkeys/add/", passkeys.add_webauthn, name="mfa_add_webauthn"),
    path("2fa/passkeys/login/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("2fa/passkeys/reauthenticate/", passkeys.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("2fa/passkeys/<int:pk>/remove/", passkeys.remove_webauthn, name="mfa_remove_webauthn"),
    path("2fa/passkeys/<int:pk>/edit/", passkeys.edit_webauthn, name="mfa_edit_webauthn"),
]

# FHIR's clients read OperationOutcome, also where no view of FHIR's was reached.
render_with("/fhir", problem_response)

if settings.EMAIL_URL:
    account_patterns += [
        path("password/reset/", account.password_reset, name="account_reset_password"),
        path("password/reset/sent/", account.password_reset_done, name="account_reset_password_done"),
        re_path(
            r"^password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
            account.password_reset_from_key,
            name="account_reset_password_from_key",
        ),
        path(
            "password/reset/done/",
            account.password_reset_from_key_done,
            name="account_reset_password_from_key_done",
        ),
    ]

urlpatterns: list[URLPattern | URLResolver] = [
    path("log/", include("ledger.urls")),
    path("healthz", health.live, name="live"),
    path("readyz", health.ready, name="ready"),
    path("o/token", Token.as_view(), name="token"),
    path("api/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("account/", include(account_patterns)),
    path("", include("records.urls")),
    path("", include("records.portal.urls")),
]
