"""What of the ground floor waits for a person: each question a fixed number of statements, whatever the size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from django.db.models import Count, F, Max, Min, Q, QuerySet
from django_q.models import Schedule

from integrations.access import Person
from integrations.mirror_pages import STALE_AFTER
from integrations.models import (
    AlertDelivery,
    ApiKey,
    Drift,
    Entity,
    HumanEdit,
    MirrorObject,
    OutboxRow,
    OutboxTarget,
    RecordLink,
    Run,
    SalesforceOrg,
    WorkerHeartbeat,
)
from integrations.models import (
    Mapping as FieldMapping,
)
from integrations.sync.matching.queries import count_records

State = SalesforceOrg.State
STUCK = (OutboxRow.State.PARKED, OutboxRow.State.CONFLICT, OutboxRow.State.UNFIT)
BAD_ENDS = (Run.State.FAILED, Run.State.INTERRUPTED)
KEY_NOTICE = timedelta(days=14)
CERTIFICATE_NOTICE = timedelta(days=30)
LATE = timedelta(minutes=10)
QUEUED_LONG = timedelta(minutes=15)
LISTED = 50


def connections(*with_settings: str) -> list[SalesforceOrg]:
    """Every connection that is not gone; settings that domains keep of it are read along where they are named."""
    orgs = SalesforceOrg.objects.exclude(state=State.DISCONNECTED).order_by("name")
    return list(orgs.select_related(*with_settings) if with_settings else orgs)


def certificate_ends(org: SalesforceOrg) -> datetime | None:
    """When the certificate of a JWT sign-in ends (UTC); None where there is none or it cannot be read."""
    if org.login_method != SalesforceOrg.LoginMethod.JWT or not org.certificate:
        return None
    try:
        return x509.load_pem_x509_certificate(org.certificate.encode()).not_valid_after_utc
    except ValueError:
        return None


def ending_keys(*, owner: Person | None, now: datetime) -> QuerySet[ApiKey]:
    """API keys that end within two weeks; with `owner` only theirs. What has ended already is nobody's need any more."""
    keys = ApiKey.objects.filter(revoked=False, expiry_date__gt=now, expiry_date__lte=now + KEY_NOTICE)
    return (keys if owner is None else keys.filter(owner=owner)).order_by("expiry_date")


def outbox_targets() -> list[OutboxTarget]:
    """What is written to, with the connections; there are a few of each."""
    return list(OutboxTarget.objects.select_related("org"))


def stuck_rows(targets: Iterable[OutboxTarget]) -> list[dict[str, Any]]:
    """Rows of the outbox that only a person can cure, by target, state and code, the most first.

    Grouped in the order of their index, and named afterwards: joined and grouped, every row would be sorted by all names.
    """
    known = {each.pk: each for each in targets}
    rows = OutboxRow.objects.filter(state__in=STUCK).order_by()
    groups = [
        each | {"kind": target.kind, "object": target.object, "org": target.org_id, "connection": target.org.name}
        for each in rows.values("target", "state", "code").annotate(n=Count("pk"), since=Min("first_failed_at"))
        if (target := known.get(each["target"])) is not None
    ]
    return sorted(groups, key=lambda each: (-each["n"], each["target"], each["code"]))[:LISTED]


def open_edits() -> list[dict[str, Any]]:
    """Values of ours that people changed in Salesforce and nobody decided about, by connection."""
    rows = HumanEdit.objects.filter(decision=HumanEdit.Decision.OPEN).order_by()
    return list(rows.values(connection=F("target__org__name")).annotate(n=Count("pk"), since=Min("seen_at")))


def paused_targets(targets: Iterable[OutboxTarget]) -> list[OutboxTarget]:
    """Those that stopped by themselves, with the reason."""
    return [each for each in targets if each.state == OutboxTarget.State.PAUSED and each.reason][:LISTED]


def open_drifts() -> list[dict[str, Any]]:
    """Changes of shape in Salesforce that nobody settled, by mirrored object."""
    rows = Drift.objects.filter(settled_at=None).exclude(kind__in=(Drift.Kind.FIELD_BACK, Drift.Kind.OBJECT_BACK)).order_by()
    return list(
        rows.values("object", name=F("object__name"), connection=F("object__org__name"))
        .annotate(n=Count("pk"), since=Min("seen_at"))
        .order_by("since")[:LISTED]
    )


def unread_objects(*, now: datetime) -> list[MirrorObject]:
    """Mirrored objects that cannot be read, or whose daily read did not come through; of connected orgs."""
    lost = Q(state__in=(MirrorObject.State.NO_ACCESS, MirrorObject.State.GONE))
    stale = Q(state=MirrorObject.State.ACTIVE, read_at__lt=now - STALE_AFTER)
    return list(MirrorObject.objects.filter(lost | stale, org__state=State.CONNECTED).select_related("org")[:LISTED])


def broken_mappings() -> list[FieldMapping]:
    """Mappings that were paused by a change in Salesforce, or that leave fields out because of one."""
    rows = FieldMapping.objects.filter(Q(paused_by_drift=True) | ~Q(set_aside=[])).select_related("org")
    return list(rows.order_by("org__name", "entity"))


@dataclass(frozen=True, slots=True)
class Unlinked:
    """Customers without a record in one connection; `of` all."""

    org: SalesforceOrg
    rows: int
    of: int


def unlinked_customers() -> list[Unlinked]:
    """How many customers have no link in each connection that is mapped. Statements: three and one."""
    orgs = SalesforceOrg.objects.filter(
        mappings__entity=Entity.CUSTOMER, mappings__state=FieldMapping.State.ACTIVE, product_enabled=True
    ).exclude(state__in=(State.NEW, State.DISCONNECTED))
    known = {org.pk: org for org in orgs}
    if not known:
        return []
    total = count_records(Entity.CUSTOMER)
    links = RecordLink.objects.filter(org__in=known, entity=Entity.CUSTOMER).order_by()
    linked = dict(links.values_list("org").annotate(n=Count("id")).values_list("org", "n"))
    found = [Unlinked(org, max(0, total - linked.get(pk, 0)), total) for pk, org in known.items()]
    return [each for each in found if each.rows]


def suspended_links() -> list[dict[str, Any]]:
    """Links to records that were deleted in Salesforce, by connection and entity."""
    rows = RecordLink.objects.filter(state=RecordLink.State.SUSPENDED).order_by()
    return list(rows.values("entity", connection=F("org__name")).annotate(n=Count("pk"), since=Min("linked_at")))


def contested_records() -> list[dict[str, Any]]:
    """Salesforce records that several of ours are linked to without a chosen winner, by connection."""
    links = RecordLink.objects.filter(state=RecordLink.State.ACTIVE).order_by()
    groups = links.values("org__name", "entity", "salesforce_id").annotate(n=Count("id"), won=Count("id", filter=Q(wins=True)))
    counts: dict[str, int] = {}
    for name in groups.filter(n__gt=1, won=0).values_list("org__name", flat=True).iterator(5_000):
        counts[name] = counts.get(name, 0) + 1
    return [{"connection": name, "n": n} for name, n in sorted(counts.items())]


def newest_runs() -> list[Run]:
    """The latest run of each job and connection."""
    newest = Run.objects.order_by().values("job", "org").annotate(newest=Max("id")).values("newest")
    return list(Run.objects.filter(pk__in=newest).select_related("org").defer("checkpoint"))


def failed_now(runs: Sequence[Run]) -> list[Run]:
    """Those that ended badly: of `newest_runs`, nothing newer has made them good. Dead connections tell their own story."""
    return [each for each in runs if each.state in BAD_ENDS and (each.org is None or each.org.is_connected)]


def waiting_long(runs: Sequence[Run], *, now: datetime) -> list[Run]:
    """Runs that should have begun by now."""
    queued = [each for each in runs if each.state == Run.State.QUEUED]
    return [each for each in queued if now - max(each.queued_at, each.not_before or each.queued_at) > QUEUED_LONG]


def schedules() -> Mapping[str, datetime]:
    """When the queue starts each line of the timetable next (UTC), by its name there."""
    return dict(Schedule.objects.exclude(name=None).values_list("name", "next_run"))


def late_slots(times: Mapping[str, datetime], *, now: datetime) -> list[tuple[str, datetime]]:
    """Lines of the timetable whose time went by and that nobody started."""
    return sorted(((name, at) for name, at in times.items() if at and now - at > LATE), key=lambda each: each[1])


def last_beat() -> datetime | None:
    """When a worker was last alive."""
    return WorkerHeartbeat.objects.aggregate(last=Max("beat_at"))["last"]


def failed_deliveries(*, now: datetime) -> list[dict[str, Any]]:
    """Alert channels whose messages were given up in the last day, with none delivered since."""
    rows = AlertDelivery.objects.filter(created_at__gt=now - timedelta(days=1), channel__is_active=True).order_by()
    failed, sent = (Q(state=AlertDelivery.State.FAILED), Q(state=AlertDelivery.State.SENT))
    found = rows.values(name=F("channel__name")).annotate(
        n=Count("pk", filter=failed), since=Min("created_at", filter=failed), last=Max("created_at", filter=failed),
        well=Max("created_at", filter=sent),
    )  # fmt: skip
    return [each for each in found if each["n"] and (each["well"] is None or each["well"] < each["last"])]
