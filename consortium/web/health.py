"""Whether the process is alive, and whether it can serve."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from consortium.web.problems import Problem, answer

log = logging.getLogger(__name__)


@login_not_required
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """The process answers. A failure is a reason to start it again."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Records and vault can be reached. A failure is a reason to send requests elsewhere for now."""
    for alias in ("default", "vault"):
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchone()
        except DatabaseError:
            log.exception("The database %s does not answer.", alias)
            return answer(
                request,
                Problem(
                    code="database-unreachable",
                    status=503,
                    title="A database does not answer",
                    detail=f"The node cannot reach its database “{alias}”. Run manage.py doctor on the node.",
                    retry_after=5,
                ),
            )
    return JsonResponse({"status": "ok"})
