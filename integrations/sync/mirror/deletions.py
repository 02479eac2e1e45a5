"""Records that Salesforce has deleted: found by its list of deletions where a read of changes cannot see them (R-046).

A read of changes asks with queryAll, so a record in the recycle bin arrives like any change, with IsDeleted. That does not
show what left the bin again before we looked, nor anything of objects without that field; Salesforce's list of deletions
(`getDeleted`, 15 days, 600,000 ids an answer) does. What even that list cannot say, the comparison of ids will: `Removals`
says whether one is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.reading import newest
from integrations.models import MirrorObject
from integrations.salesforce import rest
from integrations.salesforce.client import Client
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import SalesforceError, TooLarge
from integrations.sync.mirror import fetching
from integrations.sync.mirror.planning import newer
from integrations.sync.mirror.tables import KEY, REMOVED
from integrations.sync.runs import Recorder

KEPT_DAYS = timedelta(days=15)
MARGIN = timedelta(minutes=30)  # between our idea of the oldest deletion that is listed and Salesforce's
SHORTEST = timedelta(minutes=1)  # a window that Salesforce takes; it ignores seconds
OVERLAP = timedelta(minutes=10)  # deletions that were committed late, as changes are (I-05)
MOST_SPLITS = 64
MOST_CHECKED = fetching.MOST
UNLISTED = frozenset(("INVALID_REPLICATION_DATE", "INVALID_TYPE", "INVALID_TYPE_FOR_OPERATION", "NOT_FOUND"))
"""Salesforce does not take the window, or lists no deletions of the object: the ids must be compared."""

Window = tuple[datetime, datetime]


# --- deciding (pure) -----------------------------------------------------------------------------------------------------


def window_of(*, covered: datetime | None, server_now: datetime) -> tuple[Window | None, bool]:
    """What to ask for, and whether deletions may be missing before it. None: nothing (yet), or less than a minute."""
    if covered is None:
        return None, True
    oldest = server_now - KEPT_DAYS + MARGIN
    start = max(covered - OVERLAP, oldest).replace(second=0, microsecond=0)
    end = server_now.replace(second=0, microsecond=0)
    return ((start, end) if end - start >= SHORTEST else None), covered < oldest


def halves(window: Window) -> list[Window]:
    """The window in two parts of whole minutes; [] when it is too short to be cut."""
    start, end = window
    minutes = int((end - start) / SHORTEST)
    if minutes < 2:
        return []
    middle = start + SHORTEST * (minutes // 2)
    return [(start, middle), (middle, end)]


# --- asking --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Removals:
    """What Salesforce's list of deletions said. `complete` is False when only a comparison of all ids can tell the rest."""

    ids: tuple[str, ...]
    covered_until: datetime | None
    complete: bool


def list_removals(client: Client, mirror: MirrorObject, info: ObjectInfo, *, server_now: datetime) -> Removals:
    """The ids deleted since the last time, in one call; in more when there are over 600,000 (EXCEEDED_ID_LIMIT)."""
    if not info.replicateable:
        return Removals((), None, complete=False)
    window, gap = window_of(covered=mirror.deleted_watermark, server_now=server_now)
    if window is None:
        return Removals((), server_now if mirror.deleted_watermark is None else None, complete=not gap)
    ids: dict[str, None] = {}
    covered, todo, complete = window[0], [window], not gap
    for _ in range(MOST_SPLITS):
        if not todo:
            break
        part = todo.pop(0)
        try:
            found = rest.read_deleted(client, mirror.name, start=part[0], end=part[1])
        except TooLarge:
            pieces = halves(part)
            if not pieces:
                return Removals(tuple(ids), covered, complete=False)
            todo = pieces + todo
            continue
        except SalesforceError as error:
            if error.code not in UNLISTED:
                raise
            return Removals(tuple(ids), None, complete=False)
        ids |= dict.fromkeys(found.ids)
        covered = max(covered, min(found.covered_until, part[1]))
        if found.available_since is not None and found.available_since > part[0]:
            complete = False  # the org cannot list our whole window any more: purged, or its list was cut
    return Removals(tuple(ids), covered, complete=complete and not todo)


def mark_removed(
    recorder: Recorder, client: Client, mirror: MirrorObject, info: ObjectInfo, *, server_now: datetime, now: datetime
) -> bool:
    """Mark what the list of deletions names, after a look at each such record; whether that was all there is to know.

    A record that is in the bin comes in with its last values and its master; one that was restored meanwhile stays live; one
    that is nowhere is marked with the values that we had. The instant until which deletions are known moves with the marks.
    """
    removals = list_removals(client, mirror, info, server_now=server_now)
    live = live_among(mirror, removals.ids)
    if len(live) > MOST_CHECKED:
        return False
    if live:
        found = fetching.fetch_records(recorder, client, mirror, info, live, now=now)
        fetching.bury_records(recorder, mirror, [each for each in live if each not in found.found], now=now)
    until = newer(mirror.deleted_watermark, removals.covered_until)
    recorder.save(also=lambda: _keep(mirror, until))
    mirror.deleted_watermark = until
    return removals.complete


def needs_list(mirror: MirrorObject, info: ObjectInfo) -> bool:
    """Whether a read of changes alone would not see deletions: no field says so, or nothing can be filtered by."""
    return info.field(REMOVED) is None or not mirror.watermark_field


def live_among(mirror: MirrorObject, ids: Sequence[str]) -> list[str]:
    """Those of the ids that the mirror holds as live records."""
    if not ids:
        return []
    import pyarrow as pa

    with open_engine() as engine:
        engine.bind("present", newest(fetching.table_of(mirror), columns=[KEY]))
        engine.bind("listed", pa.table({KEY: pa.array(ids, pa.string())}))
        key = quote_name(KEY)
        sql = f"SELECT {key} FROM present WHERE {key} IN (SELECT {key} FROM listed) ORDER BY {key}"  # noqa: S608
        return [row[0] for row in engine.rows(sql)]


def _keep(mirror: MirrorObject, until: datetime | None) -> None:
    if until is not None:
        MirrorObject.objects.filter(pk=mirror.pk).update(deleted_watermark=until)
