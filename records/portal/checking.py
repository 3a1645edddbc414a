"""The page on which anyone reads what an evidence file proves, without an account, within limits."""

import time
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from consortium.web import problems
from consortium.web.addresses import client_address
from consortium.web.throttling import Buckets
from ledger.errors import LedgerRefusal
from ledger.evidence.rpc import HttpChain
from ledger.trust import Trust, parse_trust
from records.portal import verdict
from records.portal.forms import LARGEST_CHECK, EvidenceForm
from records.portal.pages import setting_for

CHECKS: Final = Buckets(rate=0.5, burst=20)
"""A check costs milliseconds and a question to the chain: for each address 20, then one in two seconds."""
_PATIENCE: Final = 3.0


@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def check(request: HttpRequest) -> HttpResponse:
    """An empty form, or the verdict on the files that came with it.

    Nothing is kept and nothing changes, so a forged form does no harm; without the exemption, Django would read
    the whole body to look for a token, before its size was looked at.
    """
    if request.method == "GET":
        return render(request, "ledger/check.html", {"form": EvidenceForm()})
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_CHECK:
        size = LARGEST_CHECK // 1024**2
        detail = _("The files are larger than %(size)d MB together. They cannot be the right ones.") % {"size": size}
        return problems.answer(request, problems.Problem("too-large", 413, _("Too large"), detail))
    wait = CHECKS.admit(client_address(request), time.monotonic())
    if wait > 0:
        seconds = max(1, round(wait))
        detail = _("You have checked many files. Wait for %(seconds)d s and try again.") % {"seconds": seconds}
        problem = problems.Problem("too-many-checks", 429, _("One moment"), detail, retry_after=seconds)
        return problems.answer(request, problem)
    form = EvidenceForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, "ledger/check.html", {"form": form}, status=400)
    trust = own_trust()
    if trust is None:
        detail = _("This node has no list of members to check against. Check the file on your own computer.")
        return problems.answer(request, problems.Problem("no-trust", 503, _("Cannot be checked here"), detail))
    chain = HttpChain(settings.CHAIN_RPC_URL, timeout=_PATIENCE) if settings.CHAIN_RPC_URL else None
    files = form.cleaned_data
    said = verdict.check(files["evidence"], files["record"], trust, chain, setting_for(timezone.now()))
    return render(request, "ledger/check.html", {"form": EvidenceForm(), "verdict": said})


def own_trust() -> Trust | None:
    """The trust file that this node's operator provided; None without a usable one, which `manage.py doctor` reports."""
    try:
        return parse_trust(Path(settings.TRUST_FILE).read_bytes())
    except (OSError, LedgerRefusal):
        return None
