"""Reading a request's body within limits, plain or gzip."""

import zlib
from typing import Final

from django.http import HttpRequest

from records.fhir.jsontext import LIMITS
from records.fhir.outcome import FhirRefusal, refuse

_CHUNK: Final = 256 * 1024


def read_body(request: HttpRequest) -> bytes:
    """The whole body, unpacked. Raises FhirRefusal 413 beyond the limit, packed or unpacked, and 415 for other codings."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip"):
        raise refuse("content-encoding", "Send the body plain or packed with gzip.", status=415, code="not-supported")
    declared = request.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > LIMITS.body:
        raise too_large()
    data = _read(request)
    return data if coding in ("identity", "") else unpack(data)


def _read(request: HttpRequest) -> bytes:
    parts, size = [], 0
    while chunk := request.read(_CHUNK):
        size += len(chunk)
        if size > LIMITS.body:
            raise too_large()
        parts.append(chunk)
    return b"".join(parts)


def unpack(data: bytes) -> bytes:
    """gzip, one member or several, up to the limit of a body: a bomb is never unpacked further than that."""
    parts, size = [], 0
    while data:
        reader = zlib.decompressobj(wbits=31)
        try:
            part = reader.decompress(data, LIMITS.body - size + 1)
        except zlib.error:
            raise refuse("gzip-damaged", "The body is not whole gzip data: pack it again.", code="structure") from None
        size += len(part)
        if size > LIMITS.body:
            raise too_large()
        if not reader.eof:
            raise refuse("gzip-damaged", "The gzip data ends too early: send all of it.", code="structure")
        parts.append(part)
        data = reader.unused_data
    return b"".join(parts)


def too_large() -> FhirRefusal:
    return refuse(
        "body-too-large",
        f"This node takes bodies of up to {LIMITS.body} bytes, unpacked: send it in parts.",
        status=413,
        code="too-long",
    )
