"""Second factors: TOTP, passkeys and recovery codes, on top of allauth."""

import base64
import secrets
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from consortium.members.models import Person
from consortium.members.selectors import SECOND_FACTORS

# Set in a session in which a second factor was enrolled, which proved possession of it.
ENROLLED_HERE = "second-factor-enrolled"
_FORM = "v1:"


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc] # untyped library
    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": _(
            "This is your only second factor. Add another one first, then remove this one."
        ),
    }

    def encrypt(self, text: str) -> str:
        """Seals a TOTP secret with a key outside the database: a copy of that opens no account."""
        nonce = secrets.token_bytes(12)
        sealed = AESGCM(_sealing_key(settings.SECRET_KEY)).encrypt(nonce, text.encode(), _FORM.encode())
        return _FORM + base64.b64encode(nonce + sealed).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        sealed = base64.b64decode(encrypted_text.removeprefix(_FORM))
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            try:
                return AESGCM(_sealing_key(secret)).decrypt(sealed[:12], sealed[12:], _FORM.encode()).decode()
            except InvalidTag:
                continue
        raise ImproperlyConfigured(
            "A second factor was sealed with another django-secret.key: restore that, or reset the factor "
            "with manage.py person reset-second-factor."
        )

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        if authenticator.type not in SECOND_FACTORS:
            return True
        return bool(
            Authenticator.objects.filter(user_id=authenticator.user_id, type__in=SECOND_FACTORS)
            .exclude(pk=authenticator.pk)
            .exists()
        )

    def _get_site_name(self) -> str:
        return str(settings.MFA_TOTP_ISSUER)

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        if settings.EMAIL_URL:
            super().send_notification_mail(*args, **kwargs)


def _sealing_key(secret: str | bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"xinglin/v1/second-factor").derive(
        secret.encode() if isinstance(secret, str) else secret
    )


class _CodeOnce:
    """A one-time code is good once.

    The library remembers a used code for one period, but accepts it for as many more as clocks may differ.
    """

    user: Person
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        period = 30 * (2 * settings.MFA_TOTP_TOLERANCE + 2)
        normalised = "".join(code.split())
        if not cache.add(f"one-time-code:{self.user.pk}:{normalised}", "used", timeout=period):
            raise ValidationError(_("This code was used already. Wait for the next one."), code="code-used")
        return code


class OneTimeCodeForm(_CodeOnce, AuthenticateForm):  # type: ignore[misc] # untyped library
    pass


class OneTimeCodeAgainForm(_CodeOnce, ReauthenticateForm):  # type: ignore[misc] # untyped library
    pass


class EnrolTotpForm(ActivateTOTPForm):  # type: ignore[misc] # untyped library
    def clean_code(self) -> str:
        code: str = super().clean_code()
        _mark_enrolled(context.request)
        return code


class EnrolPasskeyForm(AddWebAuthnForm):  # type: ignore[misc] # untyped library
    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        _mark_enrolled(context.request)
        return cleaned


def _mark_enrolled(request: HttpRequest) -> None:
    request.session[ENROLLED_HERE] = True
