"""What end users did with engagements: taken in with their events, each first time kept once (I-04)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils import timezone

from integrations.models import EndUser
from integrations.product.ingest.listeners import EngagementSeen
from integrations.product.models.engagements import Engagement, EngagementView
from integrations.sync.matching.saving import save_end_users

FIELDS = {"shown": "shown_at", "clicked": "clicked_at", "dismissed": "dismissed_at", "answered": "answered_at"}
TIMES = ["shown_at", "last_shown_at", "clicked_at", "dismissed_at", "answered_at"]
Pair = tuple[int, int]


def record_actions(seen: Sequence[EngagementSeen]) -> None:
    """Keep who saw, clicked, closed or answered which engagement. Called with the request that brought the events.

    Unknown engagements are left out. Somebody who is not known yet becomes an end user now, as the flush would do; whoever was
    erased does not (I-23). The same events again change nothing, in any order: first times are the earliest.
    """
    now = timezone.now()
    engagements = _engagements(each[0] for each in seen)
    known = [each for each in seen if each[0] in engagements]
    if not known:
        return
    users = _users({each[1] for each in known}, now=now)
    acts: dict[Pair, list[tuple[str, datetime]]] = {}
    for engagement, user, action, at in known:
        if user in users:
            acts.setdefault((engagements[engagement], users[user].pk), []).append((action, min(at, now)))
    customers = {each.pk: each.customer_id for each in users.values()}
    _store(acts, customers)


def _engagements(names: Iterable[str]) -> dict[str, int]:
    """The numbers of those that there are, by the text that came."""
    numbers = {name: int(name) for name in set(names) if name.isascii() and name.isdigit() and len(name) <= 18}
    there = set(Engagement.objects.filter(pk__in=numbers.values()).values_list("pk", flat=True))
    return {name: number for name, number in numbers.items() if number in there}


def _users(names: set[str], *, now: datetime) -> dict[str, EndUser]:
    found = _read_users(names)
    missing = sorted(names - found.keys())
    if missing:
        save_end_users([{"external_id": each} for each in missing], now=now)
        found |= _read_users(set(missing))
    return found


def _read_users(names: set[str]) -> dict[str, EndUser]:
    return {each.external_id: each for each in EndUser.objects.filter(external_id__in=names, erased_at=None)}


def _store(acts: dict[Pair, list[tuple[str, datetime]]], customers: dict[int, int | None]) -> None:
    """Make missing rows, then lock all and move their times; two requests at once lose nothing."""
    ordered = sorted(acts)
    EngagementView.objects.bulk_create(
        (EngagementView(engagement_id=one, end_user_id=two, customer_id=customers[two]) for one, two in ordered),
        ignore_conflicts=True,
    )
    rows = EngagementView.objects.select_for_update().filter(
        engagement_id__in={one for one, _ in ordered}, end_user_id__in={two for _, two in ordered}
    )
    ordered_rows = rows.order_by("engagement_id", "end_user_id")
    changed = [view for view in ordered_rows if _apply_all(view, acts.get((view.engagement_id, view.end_user_id), []))]
    EngagementView.objects.bulk_update(changed, TIMES, batch_size=200)


def _apply_all(view: EngagementView, acts: list[tuple[str, datetime]]) -> bool:
    """Whether the acts changed a time. Whoever did anything with it has seen it."""
    before = [getattr(view, name) for name in TIMES]
    for action, at in acts:
        for name in {FIELDS[action], "shown_at"}:
            earlier = getattr(view, name)
            setattr(view, name, at if earlier is None else min(earlier, at))
        if action == "shown" or view.last_shown_at is None:
            view.last_shown_at = at if view.last_shown_at is None else max(view.last_shown_at, at)
    return before != [getattr(view, name) for name in TIMES]
