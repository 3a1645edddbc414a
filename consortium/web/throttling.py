"""How often one caller may ask: a bucket for each caller in each process, held in memory.

A shared counter would cost a write for every read. A node with n processes lets a caller have up to n times
the rate, which is what it can serve.
"""

import threading
import time
from collections import OrderedDict
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from consortium.web.addresses import client_address

MOST_CALLERS = 10_000


class Buckets:
    """Token buckets. `rate` is tokens for each second, `burst` the most that a caller can have saved."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, caller: str, now: float) -> float:
        """0 when the caller may go on; otherwise seconds to wait. `now` is of a clock that never goes back.

        A bucket is stored as the moment at which it is full again, so an absent one is full.
        """
        with self._lock:
            full_at = max(self._full_at.get(caller, now), now) + 1 / self.rate
            wait = full_at - now - self.burst / self.rate
            if wait > 0:
                return wait
            self._full_at[caller] = full_at
            self._full_at.move_to_end(caller)
            if len(self._full_at) > MOST_CALLERS:
                self._full_at.popitem(last=False)
            return 0.0


KNOWN = Buckets(rate=settings.API_RATE, burst=2 * settings.API_RATE)
UNKNOWN = Buckets(rate=settings.API_ANONYMOUS_RATE, burst=4 * settings.API_ANONYMOUS_RATE)


def admit_machine(machine_id: int) -> float:
    """0, or the seconds that this machine has to wait."""
    return KNOWN.admit(f"m{machine_id}", time.monotonic())


def admit_address(request: HttpRequest) -> float:
    """0, or the seconds that a caller whom we do not know has to wait."""
    return UNKNOWN.admit(client_address(request), time.monotonic())


class CallerThrottle(BaseThrottle):
    """The same for views of Django REST framework."""

    _wait = 0.0

    def allow_request(self, request: Request, view: Any) -> bool:
        machine = getattr(request.user, "machine_id", None)
        self._wait = admit_machine(machine) if machine is not None else admit_address(request._request)
        return self._wait == 0

    def wait(self) -> float | None:
        return self._wait
