"""Logs that can be read by anybody who runs the node: no path, query, name, value or secret.

A path holds patients' ids and a query holds their names, so a request is logged by its route. The message
of an exception may hold what a person typed or a row's values, so only its type and the places in the code
are written.
"""

import logging
import traceback
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest


def route_of(request: HttpRequest) -> str:
    """The route's pattern, such as `fhir/<type>/<id>`; a dash for an address that we do not serve."""
    match = getattr(request, "resolver_match", None)
    return match.route if match is not None else "-"


class RoutesOnly(logging.Filter):
    """Rewrites what Django says about a request, which would name its path."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            status = getattr(record, "status_code", "")
            record.msg, record.args = "%s %s %s", (request.method, route_of(request), status)
            record.request_id = str(getattr(request, "request_id", ""))
        return True


class LineFormatter(logging.Formatter):
    """One line a record: time, level, logger, request, message. Tracebacks without messages, unless DEBUG."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        number = getattr(record, "request_id", "-")
        line = f"{at} {record.levelname} {record.name} {number} {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + "\n".join(describe(record.exc_info[1]))
        return line


def describe(error: BaseException) -> list[str]:
    """Types and places of an exception and its causes, the newest first."""
    if settings.DEBUG:
        return [line.rstrip("\n") for line in traceback.format_exception(error)]
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        kind = f"{type(current).__module__}.{type(current).__qualname__}"
        sqlstate = getattr(current, "sqlstate", None)
        lines.append(f"  {kind}{f' (SQLSTATE {sqlstate})' if sqlstate else ''}")
        lines += [
            f"    {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)[-12:]
        ]
        current = current.__cause__ or current.__context__
    return lines
