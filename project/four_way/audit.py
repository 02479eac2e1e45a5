"""The audit as pages and API read it: computed each night and on request, kept until the next computation."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import uuid4

from django.core.cache import cache
from django.utils import timezone

from integrations.models import Customer
from project.four_way import known, trend
from project.four_way.gathering import find_all
from project.four_way.positions import LABELS, Finding, Kind, Severity, Total, total_by_kind

KEY, STAMP = "four_way:2", "four_way:2:stamp"  # another number when the shape of a finding changes
KEPT = 26 * 3600  # seconds: a little more than the way to the next night
SEVERITIES = {Severity.HIGH: "High", Severity.MEDIUM: "Medium", Severity.LOW: "Low"}


@dataclass(frozen=True)
class Audit:
    """All findings of one comparison; `stamp` tells it from others."""

    at: datetime
    findings: Sequence[Finding]
    stamp: str = ""

    @cached_property
    def by_customer(self) -> dict[int | None, list[Finding]]:
        """The same by customer."""
        found: defaultdict[int | None, list[Finding]] = defaultdict(list)
        for each in self.findings:
            found[each.customer].append(each)
        return found


_remembered: dict[str, Audit] = {}
"""The one that this process read last: unpacking ten thousand findings for every page would cost a third of a second."""


def read_audit(*, now: datetime) -> Audit:
    """The latest comparison; made now when none is kept."""
    return _kept() or compute_audit(now=now)


def compute_audit(*, now: datetime) -> Audit:
    """Compare everything at `now` (UTC) and keep the result."""
    made = Audit(now, find_all(now=now), uuid4().hex)
    cache.set(KEY, made, KEPT)
    cache.set(STAMP, made.stamp, KEPT)
    return made


def kept_audit() -> Audit | None:
    """The latest comparison; None while none is kept. Nothing is computed."""
    return _kept()


def _kept() -> Audit | None:
    """The kept comparison, without customers that were erased since."""
    stamp = cache.get(STAMP)
    kept = _remembered.get(stamp) if stamp else None
    if kept is None:
        kept = cache.get(KEY) if stamp else None
        if not isinstance(kept, Audit):
            return None
        _remembered.clear()
        _remembered[kept.stamp] = kept
    gone = set(Customer.objects.filter(erased_at__gte=kept.at).values_list("pk", flat=True))
    if not gone:
        return kept
    return Audit(kept.at, [each for each in kept.findings if each.customer not in gone], kept.stamp)


def run_nightly() -> int:
    """What the timetable calls: how many findings there are."""
    now = timezone.now()
    found = compute_audit(now=now).findings
    trend.keep_night(found, now=now)
    return len(found)


def narrow(
    findings: Iterable[Finding], *, kind: str = "", severity: str = "", text: str = "", customer: str = ""
) -> list[Finding]:
    """Those of a kind, severity, customer number and with a text in customer, subject or sentence; empty = any."""
    word = text.strip().casefold()
    return [
        each for each in findings
        if (not kind or each.kind == kind) and (not severity or each.severity == severity)
        and (not customer or str(each.customer) == customer)
        and (not word or word in f"{each.customer_name}\n{each.subject}\n{each.sentence}".casefold())
    ]  # fmt: skip


def findings_of(customer: int) -> list[Finding]:
    """What the kept comparison says of one customer and nobody has explained; nothing while none is kept."""
    kept = _kept()
    return known.split(kept.by_customer.get(customer, [])).open if kept else []


__all__ = [
    "LABELS", "SEVERITIES", "Audit", "Finding", "Kind", "Severity", "Total", "compute_audit", "findings_of", "narrow",
    "read_audit", "run_nightly", "total_by_kind",
]  # fmt: skip
