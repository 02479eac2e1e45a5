"""Everything older than the first year, by itself: a backfill a year and object, the newest year of all objects first (FZ-D6).

The windows do not overlap and follow one another without a gap, so that no record is read for nothing and none is left out;
records that are here already are not written again (the mirror keeps one version of each).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q

from analytics.attributes.needs import DOMAIN
from analytics.models import AnalyticsSettings
from integrations.models import Backfill, MirrorObject, SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce import soql
from integrations.salesforce.errors import AuthError, LimitReached, SalesforceError, UpstreamUnavailable
from integrations.salesforce.values import read_moment
from integrations.sync.mirror import planning
from integrations.sync.mirror.objects import settings_of

State = Backfill.State
WAITING = (State.QUEUED, State.RUNNING, State.PAUSED)
A_YEAR = 12  # months
MOST_YEARS = 15
QUEUED = {"state": State.QUEUED, "sentence": "Older records for analytics."}


def windows_back(reads_from: datetime, oldest: datetime | None) -> list[tuple[datetime | None, datetime]]:
    """Windows from `reads_from` back to everything, a year each, newest first; the last one is open.

    `oldest` is when the oldest record was touched last; None when there is nothing older.
    """
    if oldest is None or oldest >= reads_from:
        return [(None, reads_from)]
    found: list[tuple[datetime | None, datetime]] = []
    until = reads_from
    while len(found) < MOST_YEARS:
        since = planning.months_before(until, A_YEAR)
        if since <= oldest:
            break
        found.append((since, until))
        until = since
    return [*found, (None, until)]


def open_backfills(org: SalesforceOrg) -> list[Backfill]:
    """Backfills of whole records of this connection's objects that wait, run or are paused, for analytics or anybody."""
    found = Backfill.objects.filter(object__org=org, state__in=WAITING).select_related("object").order_by("id")
    return [each for each in found if DOMAIN in each.object.needed_by]


def ask_for_older(org: SalesforceOrg, *, now: datetime) -> list[Backfill]:
    """Queue what is still missing of the past; nothing for objects that have everything, or whose backfill waits already.

    One call an object, for its oldest record. The newest year of all objects comes before the year before it. An object whose
    backfill a person cancelled since the start is left alone, and so is one whose first read was limited to some months.
    """
    planned: list[tuple[MirrorObject, list[tuple[datetime | None, datetime]]]] = []
    behind = _behind(org)
    if not behind:
        return []
    with client_for(org, domain=DOMAIN) as client:
        assert isinstance(client, OrgClient)
        for mirror in behind:
            assert mirror.reads_from is not None
            oldest, is_known = _oldest(client, mirror)
            if oldest is None and is_known:
                MirrorObject.objects.filter(pk=mirror.pk).update(reads_from=None)  # there is nothing older: it has everything
            else:
                planned.append((mirror, windows_back(mirror.reads_from, oldest)))
    made = [
        Backfill(object=mirror, since=windows[turn][0], until=windows[turn][1], requested_at=now, **QUEUED)
        for turn in range(max((len(windows) for _, windows in planned), default=0))
        for mirror, windows in planned
        if turn < len(windows)
    ]
    for each in made:  # one by one: their ids say which comes first
        each.save()
    return made


def _behind(org: SalesforceOrg) -> Sequence[MirrorObject]:
    """Objects that were read from some day on, and whose past nobody reads yet or has refused."""
    active = MirrorObject.objects.filter(org=org, state=MirrorObject.State.ACTIVE, watermark__isnull=False)
    if settings_of(org).first_months:
        return []
    wanted = active.exclude(reads_from=None).exclude(first_months__gt=0).order_by("name")
    found = [each for each in wanted if DOMAIN in each.needed_by and each.watermark_field]
    refused = Q(state=State.CANCELLED)
    started = AnalyticsSettings.objects.filter(org=org).values_list("started_at", flat=True).first()
    if started is not None:
        refused &= Q(finished_at__gte=started)
    whole = Backfill.objects.filter(refused | Q(state__in=WAITING), object__in=found, only_fields=[])
    settled = set(whole.values_list("object", flat=True))
    return [each for each in found if each.pk not in settled]


def _oldest(client: OrgClient, mirror: MirrorObject) -> tuple[datetime | None, bool]:
    """When the record that nobody has touched for the longest time was changed (None: nothing is older), and whether Salesforce
    could say."""
    field = mirror.watermark_field
    where = planning.conditions(field, (None, mirror.reads_from))
    query = soql.select(mirror.name, [field], where=where, order_by=[field], limit=1)
    try:
        rows = client.query_all(query, all_rows=True)
    except (AuthError, LimitReached, UpstreamUnavailable):
        raise
    except SalesforceError:
        return None, False  # it cannot be asked so: one window brings everything
    return (read_moment(rows[0][field]) if rows else None), True


def are_done(backfills: Iterable[Backfill]) -> bool:
    """Whether none of these has anything left to do."""
    return all(each.state in (State.DONE, State.CANCELLED) for each in backfills)
