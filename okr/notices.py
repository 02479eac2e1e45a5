"""Tells key-result owners and link creators that a number stopped updating: one message per cause and change (BW-D9).

A cause is what a person can repair once: the report itself, a summary field of it, or a row. Links that share a cause share
the message, so a deleted report with a hundred links is one mail to each person, not a hundred.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from django.contrib.auth import get_user_model
from django.urls import reverse

from integrations import alerts
from integrations.access import is_admin
from integrations.models import Alert, SalesforceOrg
from okr import reports_metadata as metadata
from okr.models import ReportLink

Status = ReportLink.Status
OF_REPORT = {Status.REPORT_GONE, Status.NO_ACCESS, Status.FORMAT, Status.INCOMPLETE, Status.FILTER_REFUSED, Status.TIMEOUT}
OF_FIELD = {Status.FIELD_GONE, Status.TYPE_CHANGED, Status.CURRENCY_CHANGED}
OF_ROW = {Status.ROW_MISSING, Status.NO_VALUE}
# Passing states of Salesforce or the connection: the connection's own alert or the run tells of them.
PASSING = {Status.CONNECTION, Status.UPSTREAM, Status.LIMIT}
BROKEN = OF_REPORT | OF_FIELD | OF_ROW
NAMED = 10  # key results named in one message
PASSES_BEFORE_ADMINS = 3


@dataclass
class Cause:
    """A repairable cause with those whom it concerns."""

    key: str
    code: str
    reason: str
    links: list[ReportLink] = field(default_factory=list)


def cause_key(link: ReportLink, status: str) -> str:
    """The alert's key: source, and field or row where these are the cause."""
    about = {"report": ""}
    if status in OF_FIELD:
        about = {"field": link.field}
    elif status in OF_ROW:
        about = {"field": link.field, "row": metadata.path_token(link.group_path)}
    return f"okr:{link.org_id}:{link.source_key[:24]}:{sha256(repr(sorted(about.items())).encode()).hexdigest()[:16]}"


def all_keys(link: ReportLink) -> set[str]:
    """Keys of everything that could have been wrong with `link`."""
    return {cause_key(link, status) for status in (Status.REPORT_GONE, Status.FIELD_GONE, Status.ROW_MISSING)}


def tell_changes(
    org: SalesforceOrg, *, broken: Sequence[tuple[ReportLink, str, str]], recovered: Sequence[ReportLink], now: datetime
) -> int:
    """Raise one alert for each cause that links in `broken` (link, status, reason) ran into; close those of `recovered` links.

    A link whose cause changed counts as recovered from the old one. Returns alerts raised.
    """
    still = {cause_key(link, status) for link, status, _ in broken}
    _recover({key for link in recovered for key in all_keys(link)} - still, now=now)
    _recover({key for link, _, _ in broken for key in all_keys(link)} - still, now=now)
    return sum(_raise(org, cause, now=now) for cause in _causes(broken))


def tell_admins(org: SalesforceOrg, *, now: datetime) -> bool:
    """One alert a connection while links have failed three passes in a row; a new message when other reports join."""
    key = f"okr-stuck:{org.pk}"
    stuck = ReportLink.objects.filter(org=org, failed_passes__gte=PASSES_BEFORE_ADMINS, frozen_at=None)
    reports = sorted(set(stuck.values_list("report_id", "report_name", "status")))
    if not reports:
        alerts.recover_alert(key, now=now, note="All linked reports can be read again.")
        return False
    names = [f"{name} ({Status(status).label.lower()})" for _, name, status in reports]
    body = f"Not readable for {PASSES_BEFORE_ADMINS} passes or more: " + ", ".join(names[:NAMED]) + _and_more(names)
    digest = sha256(repr([report_id for report_id, _, _ in reports]).encode()).hexdigest()[:12]
    title = f"{org.name}: {len(reports)} linked report{'s' if len(reports) > 1 else ''} cannot be read"
    people = get_user_model().objects.filter(is_admin()).distinct()
    return bool(
        alerts.raise_alert(
            key, code=f"stuck-{digest}", title=title, body=body, url=_list_url(), org=org, people=people, now=now
        )
    )


def _causes(broken: Iterable[tuple[ReportLink, str, str]]) -> list[Cause]:
    found: dict[str, Cause] = {}
    for link, status, reason in broken:
        if status in BROKEN:
            cause = found.setdefault(cause_key(link, status), Cause(cause_key(link, status), status, reason))
            cause.links.append(link)
    return list(found.values())


def _raise(org: SalesforceOrg, cause: Cause, *, now: datetime) -> bool:
    first = cause.links[0]
    titles = [link.key_result.title for link in cause.links]
    people = {link.key_result.owner_id for link in cause.links} | {
        link.linked_by_id for link in cause.links if link.linked_by_id
    }
    body = f"{cause.reason} The last value stays, with its time. Concerned: {', '.join(titles[:NAMED])}{_and_more(titles)}."
    url = _key_result_url(first.key_result_id) if len(titles) == 1 else _list_url()
    return bool(
        alerts.raise_alert(
            cause.key,
            code=cause.code,
            title=f"{first.report_name}: {Status(cause.code).label.lower()}",
            body=body,
            url=url,
            org=org,
            people=people,
            severity=Alert.Severity.WARNING,
            now=now,
        )
    )


def _recover(keys: set[str], *, now: datetime) -> None:
    """Close open alerts among `keys`; one query finds them."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), 500):
        for key in Alert.objects.filter(key__in=ordered[start : start + 500], recovered_at=None).values_list("key", flat=True):
            alerts.recover_alert(key, now=now, note="The number updates again.")


def _and_more(names: Sequence[str]) -> str:
    return f" and {len(names) - NAMED} more" if len(names) > NAMED else ""


def _key_result_url(pk: int) -> str:
    return reverse("okr:key_result", args=[pk])


def _list_url() -> str:
    return f"{reverse('okr:objectives')}?status=stale"
