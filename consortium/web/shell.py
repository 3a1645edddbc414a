"""What every page's frame needs to know."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from consortium.web.doors import request_id


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context for base templates: the node's name, the languages on offer, the request's number."""
    return {
        "node_name": settings.NODE_NAME,
        "languages": settings.LANGUAGES,
        "request_id": request_id(request),
        "password_reset_by_mail": bool(settings.EMAIL_URL),
    }
