"""Where a request comes from, behind as many proxies as we run ourselves."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The caller's IP address.

    Each proxy of ours appends one entry to X-Forwarded-For, so with n of them the caller is the n-th from
    the end. What stands before it anybody may have written. With no proxies the header is not looked at.
    """
    proxies: int = settings.TRUSTED_PROXIES
    if proxies:
        entries = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(entries) >= proxies:
            try:
                return str(ipaddress.ip_address(entries[-proxies]))
            except ValueError:
                pass  # not an address: the proxy in front of us is the best that is known
    return str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104 (a value, not a place to listen)
