"""Which entries of the audit are asked for: the filters of the page, the export and the API, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from integrations.models import AuditEntry
from integrations.queries import id_in

SYSTEM = "system"
"""In the person filter: entries without a person."""
NAMES = ("q", "person", "kind", "object", "org", "since", "until")


@dataclass(frozen=True)
class Wanted:
    """The filters; an empty one narrows nothing. Days are whole days of `zone`, both included."""

    q: str = ""
    person: str = ""
    kind: str = ""
    object: str = ""
    org: int | None = None
    since: date | None = None
    until: date | None = None

    def told(self) -> dict[str, str]:
        """The filters in use, as text."""
        return {name: str(getattr(self, name)) for name in NAMES if getattr(self, name) not in ("", None)}


def read_wanted(query: Mapping[str, Any]) -> tuple[Wanted, dict[str, str]]:
    """The filters that `query` (the address) names, and what is wrong with it by parameter."""
    problems: dict[str, str] = {}
    texts = {name: str(query.get(name) or "").replace("\0", "").strip()[:200] for name in NAMES}
    days: dict[str, date | None] = {}
    for name in ("since", "until"):
        try:
            days[name] = date.fromisoformat(texts[name]) if texts[name] else None
        except ValueError:
            days[name] = None
            problems[name] = "A day is written YYYY-MM-DD, such as 2026-11-22."
    if days["since"] and days["until"] and days["since"] > days["until"]:
        problems["until"] = "The last day is before the first."
    org = id_in(texts["org"]) if texts["org"] else None
    if texts["org"] and org is None:
        problems["org"] = "This is not the number of a connection."
    plain = {name: texts[name] for name in ("q", "person", "kind", "object")}
    return Wanted(**plain, org=org, since=days["since"], until=days["until"]), problems


def find_entries(wanted: Wanted, *, zone: tzinfo) -> QuerySet[AuditEntry]:
    """Entries, newest first."""
    entries = AuditEntry.objects.order_by("-id")
    if wanted.person:
        entries = entries.filter(actor_name="" if wanted.person == SYSTEM else wanted.person)
    if wanted.kind:
        exact = "." in wanted.kind
        entries = entries.filter(action=wanted.kind) if exact else entries.filter(action__startswith=f"{wanted.kind}.")
    if wanted.object:
        entries = entries.filter(Q(subject=wanted.object) | Q(target__icontains=wanted.object))
    if wanted.org is not None:
        entries = entries.filter(connection=wanted.org)
    if wanted.since:
        entries = entries.filter(at__gte=_midnight(wanted.since, zone))
    if wanted.until and wanted.until < date.max:
        entries = entries.filter(at__lt=_midnight(wanted.until + timedelta(days=1), zone))
    return _containing(entries, wanted.q) if wanted.q else entries


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When `day` begins there; the first and last days of the calendar have no instant in every zone."""
    try:
        return datetime.combine(day, time.min, tzinfo=zone)
    except OverflowError:
        return datetime.combine(day, time.min)


def _containing(entries: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    """Entries in which every word of `text` stands somewhere."""
    entries = entries.annotate(
        before_text=Cast("before", TextField()), after_text=Cast("after", TextField()), from_text=Cast("address", TextField())
    )
    for word in text.split()[:8]:
        places = ("actor_name", "action", "target", "subject", "before_text", "after_text", "from_text")
        anywhere = Q()
        for place in places:
            anywhere |= Q(**{f"{place}__icontains": word})
        entries = entries.filter(anywhere)
    return entries


def known_people() -> list[str]:
    """Names that stand in the audit, in order; the system first."""
    names = AuditEntry.objects.order_by("actor_name").values_list("actor_name", flat=True).distinct()[:500]
    return [name or SYSTEM for name in names]


def known_kinds() -> list[str]:
    """The nouns and the whole actions that occur: `connection`, `connection.created`."""
    actions = list(AuditEntry.objects.order_by("action").values_list("action", flat=True).distinct()[:500])
    nouns = {action.partition(".")[0] for action in actions}
    return sorted({*actions, *nouns})
