"""A limit for programs that ask and count at every step of their users: far above the one of the rest of the API (S-096).

Counted in each process by itself, because a shared count would cost more than the question. What is answered from memory in
front of Django is not counted at all.
"""

import threading
import time
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from integrations.api.access import PerKeyThrottle

MINUTE = 60
MOST_CALLERS = 10_000


class EntitlementThrottle(BaseThrottle):
    """So many calls a minute for each key, person or address and process; `ENTITLEMENT_RATE`."""

    _lock = threading.Lock()
    _counts: dict[str, tuple[int, int]] = {}

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count the call; False when there were too many in this minute."""
        caller = PerKeyThrottle().get_cache_key(request, view)
        minute = int(time.time()) // MINUTE
        with self._lock:
            since, count = self._counts.get(caller, (minute, 0))
            count = count + 1 if since == minute else 1
            if len(self._counts) >= MOST_CALLERS:
                self._counts.clear()
            self._counts[caller] = (minute, count)
        return count <= settings.ENTITLEMENT_RATE

    def wait(self) -> float:
        """Seconds until the next minute."""
        return MINUTE - time.time() % MINUTE
