"""The one list: every source asked, in order, for one person; and what the worker counts for everybody."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from django.utils import timezone

from project.needs_person import (
    analytics,
    billing,
    configuration,
    connections,
    customers,
    four_way,
    key_results,
    keys,
    mirror,
    operations,
    outbox,
    product,
    provisioning,
)
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Heading, Need, from_plain, grouped, in_order, to_plain
from project.needs_person.telling import read_alerts

log = structlog.get_logger(__name__)
PARTS = (
    connections, operations, provisioning, outbox, mirror, customers, key_results, product, billing, analytics, four_way,
    configuration, keys,
)  # fmt: skip
SOURCES: tuple[Source, ...] = tuple(source for part in PARTS for source in part.SOURCES)
KEPT, KEPT_SECONDS = "needs_person:2", 24 * 3600
OLD = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the worker found, when, and which sources could not be asked."""

    at: datetime
    needs: tuple[Need, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass
class Listing:
    """The list of one person. `counted_at`: when the worker last counted what a page does not; None before the first time."""

    needs: list[Need]
    counted_at: datetime | None = None
    failed: list[str] = field(default_factory=list)
    is_old: bool = False

    @property
    def headings(self) -> list[Heading]:
        """The same under headings."""
        return grouped(self.needs)


def read_needs(asker: Asker) -> Listing:
    """Everything that this person can act on, the most urgent first. A fixed number of statements; a source that cannot be
    asked is named, the others are shown."""
    found, failed = _ask((each for each in SOURCES if not each.kept), asker)
    counted = kept_count()
    if counted is not None and asker.may_somewhere:
        found += counted.needs
        failed += counted.failed
    found += read_alerts(asker, found)
    seen = in_order(each for each in found if asker.may(each.role, each.domain))
    at = counted.at if counted is not None else None
    return Listing(seen, at, failed, at is None or asker.now - at > OLD)


def count_needs(*, now: datetime, at_once: bool = False) -> int:
    """Ask the sources that count large tables or the lake, and keep their answers. Returns how many needs there are."""
    found, failed = _ask((each for each in SOURCES if each.kept), Asker(None, now, at_once))
    cache.set(KEPT, {"at": now.isoformat(), "needs": [to_plain(each) for each in found], "failed": failed}, KEPT_SECONDS)
    return len(found)


def kept_count() -> Counted | None:
    """What the worker kept; None when there is nothing, or when another release kept it in another shape."""
    kept = cache.get(KEPT)
    try:
        return kept and Counted(
            datetime.fromisoformat(kept["at"]), tuple(from_plain(each) for each in kept["needs"]), tuple(kept["failed"])
        )
    except (KeyError, TypeError, ValueError):
        return None


def run_count() -> int:
    """What the timetable calls."""
    return count_needs(now=timezone.now())


def _ask(sources: Iterable[Source], asker: Asker) -> tuple[list[Need], list[str]]:
    found: list[Need] = []
    failed: list[str] = []
    for source in sources:
        try:
            found += source.read(asker)
        except Exception:
            log.exception("what needs a person could not be asked", source=source.name)
            failed.append(source.name)
    return found, failed
