"""API keys that this process has seen work, so that a check needs no hashing and no query (S-076).

Only digests are kept. A key enters after the usual way has accepted it once; four times a second the database is asked whether
the known ones are still good, so that a revoked, expired or narrowed key stops within a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2s

from django.utils import timezone

from integrations.models import ApiKey

MOST_KEYS = 10_000
NOTE_USE = 60.0
"""Seconds between two notes that a key was used."""


@dataclass(slots=True)
class KnownKey:
    """A key that works: until when, and the scopes it has."""

    id: str
    scopes: frozenset[str]
    expires: float
    noted: float = 0.0
    used: bool = False


class KnownKeys:
    """The keys of one process, by the digest of the header that presented them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.by_digest: dict[bytes, KnownKey] = {}

    def allows(self, header: str, scope: str, now: float | None = None) -> bool:
        """Whether this `Authorization` header is known to allow `scope` at `now` (seconds since 1970; else by the clock)."""
        key = self.by_digest.get(blake2s(header.encode("latin-1", "replace")).digest())
        if key is None or scope not in key.scopes or (self.clock() if now is None else now) >= key.expires:
            return False
        key.used = True
        return True

    def learn(self, header: str, key: ApiKey) -> None:
        """A key that the usual way has just accepted."""
        if len(self.by_digest) >= MOST_KEYS:
            self.by_digest.clear()
        digest = blake2s(header.encode("latin-1", "replace")).digest()
        self.by_digest[digest] = KnownKey(key.pk, frozenset(key.scopes), _instant(key.expiry_date), noted=self.clock())

    def look(self) -> None:
        """Ask which known keys still work, take over changed scopes, and note which were used."""
        if not self.by_digest:
            return
        known = {key.id for key in self.by_digest.values()}
        rows = ApiKey.objects.filter(pk__in=known, revoked=False, bound=False, owner__is_active=True)
        facts = rows.values_list("pk", "scopes", "expiry_date")
        good = {pk: (frozenset(scopes), _instant(expires)) for pk, scopes, expires in facts}
        for digest, key in list(self.by_digest.items()):
            if key.id not in good:
                self.by_digest.pop(digest, None)
                continue
            key.scopes, key.expires = good[key.id]
        self._note_use()

    def _note_use(self) -> None:
        now = self.clock()
        due = [key for key in self.by_digest.values() if key.used and now - key.noted > NOTE_USE]
        for key in due:
            key.used, key.noted = False, now
        if due:
            ApiKey.objects.filter(pk__in={key.id for key in due}).update(last_used_at=timezone.now())


def _instant(moment: datetime | None) -> float:
    return moment.timestamp() if moment else float("inf")
