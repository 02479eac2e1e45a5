"""Key results whose report does not deliver, and seats that are all taken."""

from django.urls import reverse

from okr import queries
from okr.models import ReportLink
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for
from project.status import status_of

Status = ReportLink.Status
BY_ITSELF = (Status.UPSTREAM, Status.LIMIT, Status.NOT_READ, Status.FROZEN)
SHOWN = 8


def read_links(asker: Asker) -> list[Need]:
    """Whoever runs Causeway sees all of them by cause; everybody else their own, one by one. One statement."""
    if asker.may("operator", "okr"):
        return [each for group in queries.links_in_need() if (each := _of_group(group)) is not None]
    return [_of_link(link) for link in queries.stale_links(asker.user)[:SHOWN] if link.status not in BY_ITSELF]


def _of_group(group: dict[str, object]) -> Need | None:
    status, count = str(group["status"]), int(str(group["n"]))
    if group["state"] != "connected" or status in BY_ITSELF:
        return None  # the connection tells it, or it goes by itself
    one = reverse("okr:key_result", kwargs={"pk": group["one"]})
    url = one if count == 1 else f"{reverse('okr:objectives')}?attention=1&status=stale"
    title = f"{group['connection']}: {words_for(count, 'key result is', 'key results are')} stale"
    body = f"{status_of(status).label}. The last value stays, with its time."
    return Need("key_results.stale", "okr", Urgency.TODAY, title, url, "Choose again", body, count, group["since"],  # type: ignore[arg-type]
                connection=str(group["connection"]))  # fmt: skip


def _of_link(link: ReportLink) -> Need:
    shown = queries.show_connection(link) or link
    return Need(
        "key_results.stale", "okr", Urgency.TODAY, f"{link.key_result.title}: {status_of(shown.status).label.lower()}",
        reverse("okr:key_result", kwargs={"pk": link.key_result_id}), "Open", shown.status_reason or "The last value stays.",
        since=shown.status_since, role="member", connection=link.org.name,
    )  # fmt: skip


def read_seats(asker: Asker) -> list[Need]:
    """One statement."""
    if not asker.may("operator", "okr"):
        return []
    found = []
    for org in queries.full_pools():
        used: int = org.seats_used  # type: ignore[attr-defined]
        title = f"{org.name}: {words_for(org.seats, 'license, and it is', 'licenses, and all are')} used"
        over = used - org.seats
        body = f"{over:,} more than there are. Release some." if over > 0 else "The next person who wants to link cannot."
        url = f"{reverse('okr:licenses')}?org={org.pk}"
        found.append(Need("key_results.licenses", "okr", Urgency.TODAY, title, url, "Release or add", body, used,
                          connection=org.name))  # fmt: skip
    return found


SOURCES = (Source("key results", read_links, 1), Source("licenses", read_seats, 1))
