"""What a node must not be started with, found before it starts."""

import re
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from consortium.members.keys import KeyRefusal, load_keys


@register(Tags.security)
def cookie_name(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", settings.COOKIE_NAME):
        return []
    return [
        Error(
            "COOKIE_NAME is not the name of a cookie.",
            hint="Use letters, digits, - and _, at most 40 of them.",
            id="consortium.E001",
        )
    ]


@register(Tags.security)
def development_mode(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    if not settings.DEBUG or settings.NODE_IS_LOOPBACK:
        return []
    return [
        Error(
            "DEBUG is on for a node that others can reach: error pages would show patients' data.",
            hint="Set DEBUG=false.",
            id="consortium.E002",
        )
    ]


@register(Tags.security, deploy=True)
def keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.SECRET_KEY_IS_EPHEMERAL:
        found.append(
            Warning(
                "There is no django-secret.key, so this process made up a secret for itself.",
                hint="Run manage.py node_keys, or set NODE_KEYS to the folder that holds the keys.",
                id="consortium.W001",
            )
        )
    try:
        load_keys(settings.NODE_KEYS)
    except KeyRefusal as refusal:
        found.append(Error(str(refusal), id="consortium.E003"))
    return found
