"""What the first read takes, before anybody starts it: records, API calls and minutes per object (FZ-D6).

Counted live, one call an object, and kept for ten minutes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache

from analytics.attributes.body import ACCOUNT, MapBody, as_json, fields_needed
from analytics.attributes.catalogue import SYNCED
from analytics.attributes.seeing import DOMAIN
from integrations.access import Refusal
from integrations.models import MirrorField, MirrorObject, SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce import rest, soql
from integrations.salesforce.errors import AuthError, LimitReached, SalesforceError, UpstreamUnavailable
from integrations.sync.mirror import planning

KEPT = 600  # seconds
CAMPAIGN_OBJECTS = ("Campaign", "CampaignMember", "Lead")
SERVICE_OBJECTS = ("Case",)
GROUPS = dict(SYNCED)


@dataclass(frozen=True, slots=True)
class Line:
    """One object: how many records Salesforce has (None: not countable), how many are still to be read, what that costs."""

    object: str
    group: str
    rows: int | None
    to_read: int
    calls: int
    seconds: int
    why: str = ""

    @property
    def minutes(self) -> int:
        """At least one when anything is to be read."""
        return -(-self.seconds // 60)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The whole first read. `left` is what our share of the API allowance still has, None before Salesforce named it."""

    lines: tuple[Line, ...]
    at: datetime
    left: int | None = None

    @property
    def rows(self) -> int:
        """Records to read."""
        return sum(each.to_read for each in self.lines)

    @property
    def calls(self) -> int:
        """API calls."""
        return sum(each.calls for each in self.lines)

    @property
    def minutes(self) -> int:
        """Of one worker, objects one after the other."""
        return -(-sum(each.seconds for each in self.lines) // 60)

    @property
    def fits(self) -> bool:
        """Whether our share of today's allowance is enough."""
        return self.left is None or self.calls <= self.left

    def by_group(self) -> list[tuple[str, list[Line]]]:
        """Lines by the four groups of data (FZ-09), those that have any."""
        found = [(label, [each for each in self.lines if each.group == group]) for group, label in SYNCED]
        return [(label, lines) for label, lines in found if lines]


def group_of(name: str, body: MapBody) -> str:
    """Which of the four groups an object belongs to (FZ-09 a-d)."""
    if name in CAMPAIGN_OBJECTS:
        return "campaigns"
    scores = {found.object for kind in ("nps", "csat", "ces") if (found := body.group(kind)) is not None}
    if name in SERVICE_OBJECTS or (name in scores and name not in (ACCOUNT, "Contact")):
        return "service"
    if name in (ACCOUNT, "Contact") or name.startswith((ACCOUNT, "Contact")):
        return "accounts"
    return "transactions"


def estimate(org: SalesforceOrg, body: MapBody, *, now: datetime, fresh: bool = False) -> Estimate:
    """Count what this map reads. `Refusal` when the connection is not connected or Salesforce cannot be asked at all."""
    key = _key(org, body)
    if not fresh and (known := cache.get(key)) is not None:
        return known
    mirrors = {each.name: each for each in MirrorObject.objects.filter(org=org)}
    lines = []
    try:
        with client_for(org, domain=DOMAIN) as client:
            assert isinstance(client, OrgClient)
            for name, fields in fields_needed(body).items():
                rows, why = _count(client, name)
                lines.append(_line(name, group_of(name, body), rows, mirrors.get(name), fields, why))
    except (AuthError, LimitReached, UpstreamUnavailable) as error:
        raise Refusal("cannot_count", f"Salesforce could not be asked: {error.message}") from error
    found = Estimate(tuple(lines), now, budget.allowance(org, now=now).remaining_for_us)
    cache.set(key, found, KEPT)
    return found


def known_estimate(org: SalesforceOrg, body: MapBody) -> Estimate | None:
    """The estimate of the last ten minutes, without a call."""
    return cache.get(_key(org, body))


def _count(client: OrgClient, name: str) -> tuple[int | None, str]:
    """Records of an object, and why they cannot be counted."""
    try:
        return rest.query_page(client, soql.count(name), all_rows=True).page.total, ""
    except (AuthError, LimitReached, UpstreamUnavailable):
        raise
    except SalesforceError as error:
        return None, f"Cannot be counted: {error.message}"


def _line(name: str, group: str, rows: int | None, mirror: MirrorObject | None, fields: tuple[str, ...], why: str) -> Line:
    """What is left to read: nothing of what the mirror has already with these fields."""
    total = rows or 0
    if mirror is None or mirror.watermark is None or mirror.state != MirrorObject.State.ACTIVE:
        return Line(name, group, rows, total, planning.calls_for(total), planning.seconds_for(total), why)
    have = set(MirrorField.objects.filter(object=mirror, state=MirrorField.State.ACTIVE).values_list("name", flat=True))
    if not set(fields) <= have:
        reason = "Read already; older values of new fields are fetched."
        return Line(name, group, rows, total, planning.calls_for(total), planning.seconds_for(total), why or reason)
    older = max(0, total - mirror.rows - mirror.deleted_rows) if mirror.reads_from is not None else 0
    if not older:
        return Line(name, group, rows, 0, 1, 0, why or "Read already; only changes follow.")
    since = f"Read already since {mirror.reads_from:%Y-%m-%d}." if mirror.reads_from is not None else ""
    return Line(name, group, rows, older, planning.calls_for(older), planning.seconds_for(older), why or since)


def _key(org: SalesforceOrg, body: MapBody) -> str:
    data: Mapping[str, Any] = as_json(body)
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
    return f"analytics-estimate:{org.pk}:{org.generation}:{digest}"
