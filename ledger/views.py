"""The log as anybody may read it, in the layout of C2SP tlog-tiles: commitments and hashes, nothing personal.

Plain views without session or sign-in. A full tile and a partial one of a stated width never change, so they
may be kept forever; the checkpoint is fresh for as long as the cadence of anchoring.
"""

from __future__ import annotations

from hashlib import sha256

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ledger import log
from ledger.anchoring.reading import CADENCE_SECONDS
from ledger.tiles import ENTRIES, TileError, encode_bundle, parse_path, tile_width

FOREVER = "public, max-age=31536000, immutable"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"


@login_not_required
@require_safe
def show_checkpoint(request: HttpRequest) -> HttpResponseBase:
    """The newest signed checkpoint."""
    signed = log.latest_checkpoint()
    if signed is None:
        return _problem("no_checkpoint", _("The log has no signed checkpoint yet. Ask again in some seconds."))
    return _answer(request, signed.note, TEXT, f"public, max-age={CADENCE_SECONDS}")


@login_not_required
@require_safe
def show_tile(request: HttpRequest, path: str) -> HttpResponseBase:
    """A tile or an entry bundle, full or partial, by its path below `tile/`."""
    try:
        tile = parse_path(f"tile/{path}")
    except TileError:
        return _problem("tile_path", _("This is not the path of a tile. C2SP tlog-tiles says how to write one."))
    if tile_width(tile.level, tile.index, log.head().size) < tile.width:
        return _problem("tile_beyond", _("The log is not that long. Read the checkpoint for its size."))
    entries = tile.level == ENTRIES
    data = encode_bundle(log.read_entries(tile.index, tile.width)) if entries else log.read_tile(tile)
    return _answer(request, data, BYTES, FOREVER)


def _answer(request: HttpRequest, data: bytes, content_type: str, cache: str) -> HttpResponseBase:
    response = HttpResponse(data, content_type=content_type)
    response["ETag"] = f'"{sha256(data).hexdigest()[:32]}"'
    response["Cache-Control"] = cache
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


def _problem(code: str, sentence: str) -> HttpResponse:
    response = JsonResponse(
        {"type": "about:blank", "title": _("Not found"), "status": 404, "code": code, "detail": sentence},
        status=404,
        content_type="application/problem+json",
    )
    response["Cache-Control"] = "no-store"
    return response
