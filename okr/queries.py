"""What pages and API read about objectives, key results, links and seats: a fixed number of queries, however long the list."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Concat, Lower, NullIf

from integrations.models import SalesforceOrg
from integrations.orgs.states import refusal_of
from integrations.sorting import order_of, sort_rows
from okr.models import Activity, CheckIn, KeyResult, License, Objective, Reading, ReportLink
from okr.progress import Node, Part, RollUp, progress_of, roll_up

Status = ReportLink.Status
QUIET = (Status.FRESH, Status.NOT_READ, Status.FROZEN)
AT_ONCE = 200  # objectives of an export that are in memory together
PARAMETERS = 10_000  # ids in one statement


# Columns by which lists can be sorted; `?sort=` names them.
OBJECTIVE_COLUMNS: dict[str, Any] = {
    "title": "title", "owner": Lower("owner__username"), "department": "department__name", "period": "period__starts_on",
}  # fmt: skip
KEY_RESULT_COLUMNS: dict[str, Callable[[KeyResult], Any]] = {
    "key_result": lambda each: each.title.casefold(),
    "owner": lambda each: (each.owner.get_full_name() or each.owner.get_username()).casefold(),
    "progress": lambda each: progress_of(start=each.start, target=each.target, current=each.current),
    "now": lambda each: each.current,
    "target": lambda each: each.target,
    "status": lambda each: state_of(each) or None,
}
SEAT_COLUMNS: dict[str, Any] = {
    "person": Lower(Coalesce(NullIf(Concat("user__first_name", "user__last_name"), Value("")), "user__username")),
    "links": "links", "used": "last_used_at", "assigned": "granted_at",
}  # fmt: skip
ORDERS = (
    ("", "Title"), ("-progress", "Most progress"), ("progress", "Least progress"), ("owner", "Owner"),
    ("department", "Department"), ("-period", "Latest period"), ("period", "Earliest period"),
)  # fmt: skip


@dataclass
class ObjectiveRow:
    """An objective with its key results and its progress (None while nothing below it has a value)."""

    objective: Objective
    key_results: list[KeyResult] = field(default_factory=list)
    progress: Decimal | None = None
    unknown: int = 0
    others: int = 0  # key results that are not listed, because they are of another connection or of none


# --- Objectives ------------------------------------------------------------------------------------------------------


def find_objectives(
    *, q: str = "", owner: Any = None, department: Any = None, period: Any = None, status: str = "", attention: bool = False,
    org: SalesforceOrg | None = None,
) -> QuerySet[Objective]:  # fmt: skip
    """Objectives by title; text, owner and status also find those whose key results match. Archived ones only on request.

    `status`: a confidence word, or stale (a link does not deliver), linked, manual, archived. `org`: only objectives with key
    results that are read from that connection.
    """
    found = Objective.objects.select_related("owner", "department", "period", "parent").order_by("title", "pk")
    found = found.filter(archived_at__isnull=status != "archived")
    if q:
        found = found.filter(Q(title__icontains=q) | _having(title__icontains=q))
    if owner:
        found = found.filter(Q(owner=owner) | _having(owner=owner))
    if department:
        found = found.filter(department=department)
    if period:
        found = found.filter(period=period)
    conditions = {"stale": broken_link(), "linked": Q(link__isnull=False), "manual": Q(link__isnull=True)}
    if status in KeyResult.Confidence.values:
        found = found.filter(_having(confidence=status))
    elif status in conditions:
        found = found.filter(_having(conditions[status]))
    if attention:
        found = found.filter(_having(needs_attention()))
    if org is not None:
        found = found.filter(_having(link__org=org))
    return found


def in_order(objectives: QuerySet[Objective], order: str) -> Sequence[Objective] | QuerySet[Objective]:
    """The objectives in one of `ORDERS`. Progress is computed, so that order reads the ids and numbers of all of them."""
    if order.removeprefix("-") != "progress":
        return objectives.order_by(*order_of(order, OBJECTIVE_COLUMNS, usual=["title", "pk"]))
    listed = list(objectives)
    shares = progress_below([each.pk for each in listed])
    keys = {"progress": lambda each: shares[each.pk].progress if each.pk in shares else None}
    return sort_rows(listed, order, keys)


def rows_of(objectives: Iterable[Objective], *, sort: str = "", org: SalesforceOrg | None = None) -> list[ObjectiveRow]:
    """The objectives with key results, links and rolled-up progress; three queries however many there are.

    `sort` (a name of `KEY_RESULT_COLUMNS`) orders the key results within each objective; with `org` only those read from that
    connection are listed, while the progress stays that of all.
    """
    rows = {objective.pk: ObjectiveRow(objective) for objective in objectives}
    key_results = (
        KeyResult.objects.filter(objective__in=rows).select_related("owner", "link__org").order_by("objective_id", "pk")
    )
    for key_result in key_results:
        row = rows[key_result.objective_id]  # pyright: ignore[reportAttributeAccessIssue]
        link = link_of(key_result)
        if org is not None and (link is None or link.org_id != org.pk):
            row.others += 1
            continue
        key_result.objective = row.objective
        show_connection(link)
        row.key_results.append(key_result)
    for pk, rolled in progress_below(list(rows)).items():
        rows[pk].progress, rows[pk].unknown = rolled.progress, rolled.unknown
    if sort:
        for row in rows.values():
            row.key_results = sort_rows(row.key_results, sort, KEY_RESULT_COLUMNS)
    return list(rows.values())


def all_rows(
    objectives: Sequence[Objective] | QuerySet[Objective], *, sort: str = "", org: SalesforceOrg | None = None
) -> Iterator[ObjectiveRow]:
    """Every row of a list of any length, a part at a time."""
    part: list[Objective] = []
    for objective in objectives.iterator(AT_ONCE) if isinstance(objectives, QuerySet) else objectives:
        part.append(objective)
        if len(part) == AT_ONCE:
            yield from rows_of(part, sort=sort, org=org)
            part = []
    yield from rows_of(part, sort=sort, org=org)


def progress_below(wanted: Sequence[int]) -> dict[int, RollUp]:
    """Rolled-up progress of the objectives `wanted`, with all that hangs below them; archived children do not count."""
    if not wanted:
        return {}
    children: dict[int | None, list[int]] = {}
    weights: dict[int, int] = {}
    for pk, parent, weight in Objective.objects.filter(archived_at=None).values_list("pk", "parent_id", "weight"):
        weights[pk] = weight
        children.setdefault(parent, []).append(pk)
    needed, waiting = set(), list(wanted)
    while waiting:
        current = waiting.pop()
        if current not in needed:
            needed.add(current)
            waiting += children.get(current, [])
    parts: dict[int, list[Part]] = {}
    for objective, weight, start, target, value in _numbers(needed):
        parts.setdefault(objective, []).append(Part(weight, progress_of(start=start, target=target, current=value)))
    rolled = roll_up({pk: Node(parts.get(pk, []), children.get(pk, []), weights.get(pk, 1)) for pk in needed})
    return {pk: rolled[pk] for pk in wanted if pk in rolled}


# --- Key results -------------------------------------------------------------------------------------------------------


def find_key_results(
    *, q: str = "", owner: Any = None, objective: Any = None, department: Any = None, period: Any = None, status: str = ""
) -> QuerySet[KeyResult]:
    """Key results of objectives that are not archived, with owner, objective and link selected along."""
    found = KeyResult.objects.filter(objective__archived_at=None).select_related(
        "owner", "objective__department", "objective__period", "link__org", "link__linked_by"
    )
    if q:
        found = found.filter(Q(title__icontains=q) | Q(objective__title__icontains=q))
    wanted = {"owner": owner, "objective": objective, "objective__department": department, "objective__period": period}
    found = found.filter(**{name: value for name, value in wanted.items() if value})
    if status == "stale":
        found = found.filter(broken_link())
    elif status in {"linked", "manual"}:
        found = found.filter(link__isnull=status == "manual")
    elif status in KeyResult.Confidence.values:
        found = found.filter(confidence=status)
    elif status in Status.values:
        found = found.filter(link__status=status)
    return found.order_by("objective__title", "pk")


def key_result(pk: int) -> KeyResult:
    """One key result with all that its page names; KeyResult.DoesNotExist otherwise."""
    rows = KeyResult.objects.select_related(
        "objective__department", "objective__period", "objective__owner", "owner", "link__org", "link__linked_by"
    )
    found = rows.get(pk=pk)
    show_connection(link_of(found))
    return found


def readings_of(key_result: KeyResult, *, since: datetime | None = None) -> QuerySet[Reading]:
    """History, newest first, with the run and its connection."""
    found = Reading.objects.filter(key_result=key_result).select_related("run__org")
    return found.filter(at__gte=since) if since else found


def check_ins_of(key_result: KeyResult) -> QuerySet[CheckIn]:
    """What people said, newest first."""
    return CheckIn.objects.filter(key_result=key_result).select_related("author")


def activity_of(key_result: KeyResult) -> QuerySet[Activity]:
    """The story, newest first."""
    return Activity.objects.filter(key_result=key_result).select_related("actor")


def state_of(key_result: KeyResult) -> str:
    """The one word that matters most: a broken source, else reached, else what its people say; "" for nothing to say."""
    link = link_of(key_result)
    if link is not None and link.status not in QUIET:
        return link.status
    share = progress_of(start=key_result.start, target=key_result.target, current=key_result.current)
    if share is not None and share >= 1:
        return "done"
    return key_result.confidence or ("not_started" if share is None else "")


# --- What needs somebody -------------------------------------------------------------------------------------------------


def broken_link() -> Q:
    """Key results whose report does not deliver now; a connection that is down counts at once, not at the next pass."""
    down = ~Q(link__org__state=SalesforceOrg.State.CONNECTED) & ~Q(link__status=Status.FROZEN)
    return Q(link__isnull=False) & (~Q(link__status__in=QUIET) | down)


def needs_attention() -> Q:
    """Key results with a broken link, or that their people call at risk or off track."""
    return broken_link() | Q(confidence__in=(KeyResult.Confidence.AT_RISK, KeyResult.Confidence.OFF_TRACK))


def stale_links(user: Any = None) -> QuerySet[ReportLink]:
    """Links that do not deliver, longest first; with `user` only those of their key results or objectives, or made by them."""
    found = ReportLink.objects.filter(key_result__in=KeyResult.objects.filter(broken_link(), objective__archived_at=None))
    if user is not None:
        found = found.filter(Q(key_result__owner=user) | Q(key_result__objective__owner=user) | Q(linked_by=user))
    return found.select_related("key_result__objective", "key_result__owner", "org").order_by("status_since", "pk")


def link_counts(org: SalesforceOrg | None = None) -> dict[str, int]:
    """How many links there are in each status; one query."""
    links = ReportLink.objects.filter(org=org) if org else ReportLink.objects.all()
    return dict(links.order_by().values_list("status").annotate(n=Count("pk")).values_list("status", "n"))


def link_of(key_result: KeyResult) -> ReportLink | None:
    """The link, or None."""
    return getattr(key_result, "link", None)


def show_connection(link: ReportLink | None) -> ReportLink | None:
    """On this object only: while its connection is down a link says so, whatever the last pass wrote (I-21)."""
    if link is not None and link.status != Status.FROZEN and not link.org.is_connected:
        link.status, link.status_reason, link.status_since = (
            Status.CONNECTION,
            refusal_of(link.org).message,
            link.org.state_since,
        )
    return link


# --- Licenses ------------------------------------------------------------------------------------------------------------


def seats_held(org: SalesforceOrg, *, q: str = "", sort: str = "") -> QuerySet[License]:
    """Seats of active people with how many key results they linked and their departments; two queries with the departments."""
    links = (
        ReportLink.objects.filter(org=org, linked_by=OuterRef("user")).order_by().values("linked_by").annotate(n=Count("pk"))
    )
    held = License.objects.filter(org=org, user__is_active=True).select_related("user", "granted_by", "org")
    if q:
        named = Q(user__username__icontains=q) | Q(user__first_name__icontains=q) | Q(user__last_name__icontains=q)
        held = held.filter(named | Q(user__email__icontains=q))
    held = held.annotate(links=Coalesce(Subquery(links.values("n"), output_field=IntegerField()), Value(0)))
    usual = ["user__first_name", "user__last_name", "user__username"]
    return held.prefetch_related("user__departments").order_by(*order_of(sort, SEAT_COLUMNS, usual=usual))


def takers_of(link: ReportLink) -> QuerySet[License]:
    """Seats of active people who can take a link over when its creator has left or lost the license (R-220)."""
    return License.objects.filter(org=link.org_id, user__is_active=True).select_related("user").order_by("user__username")


def connections_with_seats() -> QuerySet[SalesforceOrg]:
    """Connections with `seats_used` (active people only); one query."""
    used = Count("licenses", filter=Q(licenses__user__is_active=True), distinct=True)
    return SalesforceOrg.objects.annotate(seats_used=used, seats_free=F("seats") - used).order_by("name")


# --- Inside ----------------------------------------------------------------------------------------------------------


def _having(*conditions: Q, **named: Any) -> Exists:
    return Exists(KeyResult.objects.filter(*conditions, **named, objective=OuterRef("pk")))


def _numbers(needed: set[int]) -> Iterator[tuple[int, int, Decimal, Decimal, Decimal | None]]:
    """Weight, start, target and value of the key results of those objectives."""
    ids = sorted(needed)
    for start in range(0, len(ids), PARAMETERS):
        rows = KeyResult.objects.filter(objective__in=ids[start : start + PARAMETERS])
        yield from rows.values_list("objective_id", "weight", "start", "target", "current")


def links_in_need() -> list[dict[str, Any]]:
    """Links that do not deliver, by connection and status, with how many and since when; one query."""
    broken = ReportLink.objects.filter(key_result__in=KeyResult.objects.filter(broken_link(), objective__archived_at=None))
    groups = broken.order_by().values("org", "status", connection=F("org__name"), state=F("org__state"))
    return list(groups.annotate(n=Count("pk"), since=Min("status_since"), one=Min("key_result")).order_by("-n"))


def full_pools() -> list[SalesforceOrg]:
    """Connections whose seats are all held (`seats_used`, `seats_free`); one query."""
    return list(connections_with_seats().filter(seats__gt=0, seats_free__lte=0, okr_enabled=True).exclude(state="disconnected"))
