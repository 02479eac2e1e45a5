"""The safety net of ST-D2: once a minute the opportunities that changed are asked for, one REST query when there is nothing.

What was won, reached a trial stage, or was undone in between is found here even when no call came. The watermark is
Salesforce's own time and moves in the transaction that keeps what was found (I-03); ten minutes are read again for
transactions that commit late (I-05). Deals whose stage changed before this connection was watched are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, Q

from integrations.models import SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.states import NotConnected
from integrations.salesforce.client import Client
from integrations.salesforce.errors import InvalidField, SalesforceError
from integrations.salesforce.ids import to_18
from integrations.salesforce.rest import query_page
from integrations.salesforce.soql import compare, select
from integrations.salesforce.values import read_moment
from provisioning.automations import finding
from provisioning.connection import DOMAIN, is_set_up, is_working, settings_of
from provisioning.models import OfferVersion, Provision, ProvisioningSettings
from provisioning.provision import flags, warm
from provisioning.provision.sorting import Found, Seen, Watch, sort_row

OVERLAP = timedelta(minutes=10)
EVERY = timedelta(seconds=45)  # a second poll within it is the same one delivered twice
MOST_PAGES = 500
IDS = 500
FIELDS = ("Id", "Name", "AccountId", "StageName", "IsWon", "IsClosed", "IsDeleted", "SystemModstamp", "CreatedDate")
STAGE_DATE = "LastStageChangeDate"


@dataclass
class Polled:
    """What a poll did. `calls` are Salesforce calls; `trouble` says why it could not ask, "" when it could."""

    calls: int = 0
    rows: int = 0
    opened: int = 0
    flagged: int = 0
    trouble: str = ""
    found: list[Found] = field(default_factory=list)


def poll(org: SalesforceOrg, *, now: datetime) -> Polled:
    """Look at the opportunities of a connection that changed since the last look."""
    selling_since = _selling_since()
    if selling_since is None:
        return Polled()
    settings = settings_of(org)
    if not org.is_connected or not is_working(org, settings) or not is_set_up(settings) or not _claim(settings, now):
        return Polled()
    settings.watching_since = max(settings.watching_since, selling_since)
    automations = finding.active_ones(org, now=now)
    if not automations and not Provision.objects.filter(org=org).exists():
        return Polled()
    if not budget.may_spend(org, calls=1, domain=DOMAIN, now=now):
        return _trouble(settings, Polled(), "Our share of the API allowance is used up; the poll waits.")
    done = Polled()
    try:
        _read(settings, Watch.of(settings, automations), warm.client_of(org), done, now=now)
    except (SalesforceError, NotConnected) as error:
        return _trouble(settings, done, str(error))
    return _trouble(settings, done, "")


def _selling_since() -> datetime | None:
    """When the first plan or add-on was published: before it there was nothing to provision; None while there is none."""
    return OfferVersion.objects.aggregate(first=Min("published_at"))["first"]


def _claim(settings: ProvisioningSettings, now: datetime) -> bool:
    rows = ProvisioningSettings.objects.filter(pk=settings.pk).filter(Q(polled_at=None) | Q(polled_at__lt=now - EVERY))
    return bool(rows.update(polled_at=now))


def _trouble(settings: ProvisioningSettings, done: Polled, sentence: str) -> Polled:
    done.trouble = sentence
    if settings.poll_trouble != sentence[:255]:
        ProvisioningSettings.objects.filter(pk=settings.pk).update(poll_trouble=sentence[:255])
    return done


def _read(settings: ProvisioningSettings, watch: Watch, client: Client, done: Polled, *, now: datetime) -> None:
    """All pages, each taken in with its watermark; the last one moves it to when Salesforce began to answer."""
    since = settings.polled_until or settings.watching_since
    dated, began, seen = _first_page(client, since - OVERLAP, done), None, set[str]()
    began = dated.began
    for _ in range(MOST_PAGES):
        page = dated.page
        rows = [_seen(row) for row in page.records]
        done.rows += len(rows)
        last = max((row.modified_at for row in rows), default=since)
        ends = not page.cursor
        _take(settings, watch, rows, done, until=max(since, began or last) if ends else max(since, last), now=now)
        if ends or page.cursor in seen or not budget.may_spend(settings.org, calls=1, domain=DOMAIN, now=now):
            return
        seen.add(page.cursor)
        dated, done.calls = query_page(client, cursor=page.cursor), done.calls + 1


def _first_page(client: Client, since: datetime, done: Polled) -> Any:
    """The first page; without the date of the stage where the user may not see it."""
    done.calls += 1
    try:
        return query_page(client, _query((*FIELDS, STAGE_DATE), since), all_rows=True)
    except InvalidField:
        done.calls += 1
        return query_page(client, _query(FIELDS, since), all_rows=True)


def _query(fields: Sequence[str], since: datetime) -> str:
    where = [compare("SystemModstamp", ">=", since)]
    return select("Opportunity", fields, where=where, order_by=["SystemModstamp", "Id"])


def _seen(row: Mapping[str, Any]) -> Seen:
    stage_at = row.get(STAGE_DATE) or row["CreatedDate"]
    return Seen(
        id=to_18(row["Id"]),
        name=row.get("Name") or "",
        account_id=row.get("AccountId") or "",
        stage=row.get("StageName") or "",
        is_won=bool(row["IsWon"]),
        is_closed=bool(row["IsClosed"]),
        is_deleted=bool(row["IsDeleted"]),
        modified_at=read_moment(row["SystemModstamp"]),
        stage_at=read_moment(stage_at),
    )


def _take(
    settings: ProvisioningSettings, watch: Watch, rows: Sequence[Seen], done: Polled, *, until: datetime, now: datetime
) -> None:
    """Keep what a page says and move the watermark, both or nothing."""
    known = _known(settings.org, [row.id for row in rows])
    found = [each for row in rows if (each := sort_row(row, known.get(row.id, {}), watch)) is not None]
    with transaction.atomic():
        _open([each for each in found if each.action == "open"], settings.org, done, now=now)
        again = [each.provision_id for each in found if each.action == "again"]
        if again:
            done.opened += flags.look_again(again, now=now)
        for each in found:
            if each.action in ("flag", "unflag", "lost_trial"):
                done.flagged += flags.follow(each, now=now)
        later = Q(polled_until=None) | Q(polled_until__lt=until)
        ProvisioningSettings.objects.filter(later, pk=settings.pk).update(polled_until=until)
    done.found += found


def _known(org: SalesforceOrg, ids: Sequence[str]) -> dict[str, dict[str, Provision]]:
    """The newest provision of each slot, by opportunity."""
    found: dict[str, dict[str, Provision]] = {}
    for start in range(0, len(ids), IDS):
        rows = Provision.objects.filter(org=org, opportunity_id__in=ids[start : start + IDS]).order_by("version")
        for each in rows.defer("facts", "intent"):
            found.setdefault(each.opportunity_id, {})[each.slot] = each
    return found


def _open(found: Sequence[Found], org: SalesforceOrg, done: Polled, *, now: datetime) -> None:
    """New provisions that wait for the worker; one that a call made in the same moment stays as it is."""
    made = [
        Provision(
            org=org, opportunity_id=each.row.id, slot=each.slot, kind=each.kind, source=Provision.Source.POLL, opened_at=now,
            name=each.row.name[:255], account_id=each.row.account_id, not_before=now,
        )
        for each in found
    ]  # fmt: skip
    Provision.objects.bulk_create(made, ignore_conflicts=True, batch_size=IDS)
    done.opened += len(made)
