"""What people are told about churn risk: customers whose health fell to poor, many at once as one; each recovers (PX-42)."""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.urls import reverse

from integrations import alerts
from integrations.models import Alert, Customer
from integrations.product.models import HealthDay, HealthScore

ONE, MANY = "product:churn:", "product:churn-many:"
SINGLE = 5
"""Customers of a score that have an alert of their own; more of them share one."""


def tell_fallen(score: HealthScore, fallen: Iterable[tuple[int, str, str]], *, now: datetime) -> None:
    """Customers (number, name, band before) that are poor now and were not: one alert each, as long as they are few."""
    for customer, name, before in fallen:
        key = f"{ONE}{score.pk}:{customer}"
        own = Alert.objects.filter(recovered_at=None, key__startswith=f"{ONE}{score.pk}:")
        if own.count() < SINGLE or own.filter(key=key).exists():
            alerts.raise_alert(
                key, code="poor", severity="warning", org=score.org, now=now, title=f"{name} is at risk",
                body=f"{score.name} fell from {before.lower()} to poor. The page says which parts of it pulled it down.",
                url=reverse("product:health_customer", args=[score.pk, customer]),
            )  # fmt: skip
            continue
        alerts.raise_alert(
            f"{MANY}{score.pk}", code="many", severity="warning", org=score.org, now=now, title="Many customers are at risk",
            body=f"{score.name} fell to poor for more than {SINGLE} customers. The list has all of them, worst first.",
            url=f"{reverse('product:health', args=[score.pk])}?band=poor",
        )  # fmt: skip


def settle_risen(score: HealthScore, better: Collection[int], *, now: datetime) -> None:
    """Customers that are not poor any more need nobody."""
    for key, customer in _open(f"{ONE}{score.pk}:"):
        if customer in better:
            alerts.recover_alert(key, now=now, note=f"{score.name} is not poor any more.")


def settle_many(score: HealthScore, poor: int, *, now: datetime) -> None:
    """The shared alert ends when no more customers are poor than before it was raised."""
    alert = Alert.objects.filter(key=f"{MANY}{score.pk}", recovered_at=None).first()
    if alert is None:
        return
    before = HealthDay.objects.filter(score=score, day__lt=alert.since.date()).order_by("-day").first()
    if poor <= max(SINGLE, before.poor if before is not None else 0):
        alerts.recover_alert(alert.key, now=now, note=f"{score.name} is poor for as few customers as before.")


def settle_gone(*, now: datetime) -> None:
    """Scores that are computed no longer and customers that left say nothing any more."""
    active = set(HealthScore.objects.filter(state=HealthScore.State.ACTIVE).values_list("pk", flat=True))
    found = _open(ONE)
    live = set(
        Customer.objects.filter(pk__in=[customer for _, customer in found], erased_at=None, merged_into=None)
        .values_list("pk", flat=True)
    )  # fmt: skip
    for key, customer in found:
        if _score_in(key, ONE) not in active or customer not in live:
            alerts.recover_alert(key, now=now, note="It is not scored any more.")
    for key in Alert.objects.filter(recovered_at=None, key__startswith=MANY).values_list("key", flat=True):
        if _score_in(key, MANY) not in active:
            alerts.recover_alert(key, now=now, note="It is not scored any more.")


def _open(prefix: str) -> list[tuple[str, int]]:
    """Open alerts of single customers with the customer's number."""
    keys = Alert.objects.filter(recovered_at=None, key__startswith=prefix).values_list("key", flat=True)
    return [(key, int(key.rpartition(":")[2])) for key in keys]


def _score_in(key: str, prefix: str) -> int:
    return int(key.removeprefix(prefix).partition(":")[0])
