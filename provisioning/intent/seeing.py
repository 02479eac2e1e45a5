"""Which fields of which objects the integration user can read now.

A describe is kept for an hour, but not trusted when it lacks something that we look for: what an administrator has just made
counts within seconds.
"""

import time
from collections.abc import Iterable
from typing import Any

from django.core.cache import cache

from integrations.models import SalesforceOrg
from integrations.salesforce.client import Client
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.salesforce.errors import InvalidType, NoAccess, NotFound, Refused
from integrations.salesforce.soql import select
from integrations.sync.mirror import describing

ASKED_AGAIN = 5  # seconds between two looks for something that was missing
ABSENT_AGAIN = 300  # seconds for which an object that is not there is not asked for
HELD = 20.0  # seconds for which a process looks at nothing but its own memory: the shared cache costs a query each
MOST_HELD = 1_000
QUOTE, QUOTE_LINE = "SBQQ__Quote__c", "SBQQ__QuoteLine__c"
_held: dict[str, tuple[float, Any]] = {}


def recall(key: str) -> tuple[bool, Any]:
    """Whether this process remembers something, and what."""
    until, value = _held.get(key, (0.0, None))
    return until > time.monotonic(), value


def hold(key: str, value: Any, seconds: float = HELD) -> Any:
    """Remember something in this process for a moment; gives it back."""
    if len(_held) >= MOST_HELD:
        _held.clear()
    _held[key] = (time.monotonic() + seconds, value)
    return value


class Sight:
    """The objects of one org as the connected user sees them, for one reading."""

    def __init__(self, org: SalesforceOrg, client: Client) -> None:
        self.org, self.client = org, client
        self._known: dict[str, ObjectInfo | None] = {}

    def object(self, name: str) -> ObjectInfo | None:
        """The object, None when it is not there or not visible."""
        if name not in self._known:
            known, info = recall(self._key("object", name))
            if not known:
                info = hold(self._key("object", name), None if cache.get(self._key("absent", name)) else self._ask(name))
            self._known[name] = info
        return self._known[name]

    def field(self, object_: str, name: str) -> FieldInfo | None:
        """A field, None when it is not there or not visible."""
        info = self.object(object_) if name else None
        return info.field(name) if info is not None else None

    def readable(self, object_: str, names: Iterable[str]) -> list[str]:
        """Those of the fields that can be read, as Salesforce spells them."""
        found = [field.name for name in names if (field := self.field(object_, name)) is not None]
        return list(dict.fromkeys(found))

    def look_for(self, object_: str, names: Iterable[str]) -> None:
        """Ask Salesforce again when one of these fields is missing in what is remembered (at most each five seconds)."""
        info = self.object(object_)
        if info is not None and any(name and info.field(name) is None for name in names):
            self._again(object_, ASKED_AGAIN)

    def has_quotes(self) -> bool:
        """Whether the org has CPQ's quotes, which hang below opportunities.

        A package may have come since the last describe, and a deal whose quote is not seen would be read wrongly without a
        word: so one small query asks each time.
        """
        if not self._quotes_known() and self._quotes_answer():
            for name in ("Opportunity", QUOTE, QUOTE_LINE):
                self._known[name] = self._ask(name, fresh=True)
        return self._quotes_known() and self.object(QUOTE) is not None and self.object(QUOTE_LINE) is not None

    def forget(self) -> None:
        """Salesforce contradicted what is remembered: ask anew for everything used in this reading (R-057)."""
        for name in self._known:
            describing.forget_description(self.org, name)
            cache.delete(self._key("absent", name))
            _held.pop(self._key("object", name), None)
        self._known.clear()

    def _quotes_known(self) -> bool:
        info = self.object("Opportunity")
        return info is not None and any(each.object == QUOTE for each in info.child_relationships)

    def _quotes_answer(self) -> bool:
        try:
            self.client.query_all(select(QUOTE, ["Id"], limit=1))
        except Refused:
            return False
        return True

    def _again(self, object_: str, seconds: int) -> None:
        key = self._key(f"again{seconds}", object_)
        if recall(key)[0]:
            return
        hold(key, None, seconds)
        if cache.add(self._key("again", object_), 1, seconds):
            self._known[object_] = hold(self._key("object", object_), self._ask(object_, fresh=True))

    def _ask(self, name: str, *, fresh: bool = False) -> ObjectInfo | None:
        try:
            return describing.describe_object(self.org, self.client, name, fresh=fresh)
        except (NotFound, InvalidType, NoAccess):
            cache.set(self._key("absent", name), 1, ABSENT_AGAIN)
            return None

    def _key(self, what: str, name: str) -> str:
        org = self.org
        return f"provisioning:{what}:{org.pk}:{org.created_at.timestamp():.6f}:{org.generation}:{name.lower()}"
