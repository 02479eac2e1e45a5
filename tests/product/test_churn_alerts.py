"""Alerts of churn risk: one for each customer whose health fell to poor, one for many, and each recovers."""

from datetime import timedelta

import pytest

from integrations.alert_rules import catalogue
from integrations.models import Alert, AlertNotice, Customer
from integrations.product.health import alarms, compute
from integrations.product.models import HealthScore
from tests.product.test_use_case_health import NOW, customer, org, saved  # noqa: F401  fixture

PARTS = [{"signal": "attributes.seats", "worst": 0, "best": 10}]
pytestmark = pytest.mark.django_db


def has(name: str, seats: int) -> Customer:
    return customer(name, seats=seats)


def opened() -> list[str]:
    return sorted(Alert.objects.filter(recovered_at=None).values_list("title", flat=True))


def test_a_fall_to_poor_is_told_once_and_recovers(org, mailoutbox, settings, django_capture_on_commit_callbacks):  # noqa: F811
    settings.ALERT_EMAILS = ["csm@example.com"]
    one = has("one", 9)
    has("always", 1)
    score = saved(None, PARTS)
    compute.compute(score, org, now=NOW)
    assert opened() == []  # poor from the beginning: nothing changed

    has("one", 1)
    with django_capture_on_commit_callbacks(execute=True):
        compute.compute(score, org, now=NOW + timedelta(days=1))
        compute.compute(score, org, now=NOW + timedelta(days=2))
    assert opened() == ["One is at risk"]
    alert = Alert.objects.get()
    assert (alert.kind, alert.severity, catalogue.label_of(alert.kind)) == (
        "product.churn_risk",
        "warning",
        "A customer is at risk",
    )
    assert "good to poor" in alert.body
    assert alert.url.endswith(f"/customers/{one.pk}/")
    assert len(mailoutbox) == 1

    has("one", 10)
    with django_capture_on_commit_callbacks(execute=True):
        compute.compute(score, org, now=NOW + timedelta(days=3))
    assert opened() == []
    assert mailoutbox[1].subject.startswith("[Causeway] Solved: ")
    assert "not poor any more" in mailoutbox[1].body
    assert AlertNotice.objects.count() == 2


def test_a_fall_that_was_not_told_before_a_kill_is_told_by_the_next_computation(org, monkeypatch):  # noqa: F811
    has("one", 9)
    score = saved(None, PARTS)
    compute.compute(score, org, now=NOW)
    has("one", 0)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(alarms, "tell_fallen", killed)
        with pytest.raises(KeyboardInterrupt):
            compute.compute(score, org, now=NOW + timedelta(days=1))
    compute.compute(score, org, now=NOW + timedelta(days=1, hours=1))
    assert opened() == ["One is at risk"]


def test_many_customers_share_one_alert_which_ends_when_as_few_are_poor_as_before(org):  # noqa: F811
    for n in range(9):
        has(f"c{n}", 9)
    score = saved(None, PARTS)
    compute.compute(score, org, now=NOW)
    for n in range(9):
        has(f"c{n}", 0)
    compute.compute(score, org, now=NOW + timedelta(days=1))
    assert opened() == [*(f"C{n} is at risk" for n in range(5)), "Many customers are at risk"]
    compute.compute(score, org, now=NOW + timedelta(days=2))
    assert len(opened()) == 6
    for n in range(5):
        has(f"c{n}", 9)
    compute.compute(score, org, now=NOW + timedelta(days=3))
    assert opened() == []


def test_scores_and_customers_that_are_gone_need_nobody(org):  # noqa: F811
    rows = {name: has(name, 9) for name in ("left", "stays")}
    score = saved(None, PARTS)
    compute.compute(score, org, now=NOW)
    for name in rows:
        has(name, 0)
    compute.compute(score, org, now=NOW + timedelta(days=1))
    Customer.objects.filter(pk=rows["left"].pk).update(erased_at=NOW)
    alarms.settle_gone(now=NOW + timedelta(days=2))
    assert opened() == ["Stays is at risk"]
    HealthScore.objects.filter(pk=score.pk).update(state=HealthScore.State.PAUSED)
    alarms.settle_gone(now=NOW + timedelta(days=2))
    assert opened() == []
