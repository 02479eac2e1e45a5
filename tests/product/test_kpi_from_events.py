"""From the wire to a figure: events as a product sends them, the flush, the run of KPIs, the values that the API gives."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Customer, EndUser, Run
from integrations.product.kpis import job as kpi_job
from integrations.product.kpis.tasks import catch_up
from integrations.product.kpis.values import of_customer
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import Feature
from integrations.sync import runs
from integrations.sync.matching import forgetting
from tests.product.sending import take_in, text_of, track

pytestmark = pytest.mark.django_db


def days_ago(days: float) -> str:
    return text_of(start_of_day(timezone.now()) - timedelta(days=days) + timedelta(hours=9))


def answer(name: str, user: str, score: int, days: float) -> dict:
    return {
        "id": name,
        "type": "nps",
        "user": user,
        "account": "acme",
        "at": days_ago(days),
        "properties": {"score": score, "survey": "s"},
    }


def compute() -> None:
    run = runs.request_run(kpi_job.JOB, now=timezone.now())
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence


def figures() -> dict:
    return of_customer(Customer.objects.get(external_id="acme").pk)


def test_px_64_events_become_figures():
    Feature.objects.create(
        key="reports", name="Reports", rules=[{"event": "Report", "match": "starts_with"}], position=1, as_kpi=True
    )
    take_in(
        track("e1", user="u1", account="acme", at=days_ago(1), event="Report Created"),
        track("e2", user="u1", account="acme", at=days_ago(2), event="Report Exported"),
        track("e3", user="u2", account="acme", at=days_ago(3)),
        track("e4", user="u3", account="acme", at=days_ago(9)),
        track("e5", user="u4", account="acme", at=days_ago(1), automatic=True),
        {"id": "e6", "type": "identify", "user": "u5", "account": "acme", "at": days_ago(1), "traits": {"name": "Jo"}},
        track("e7", user="u6", account="acme", at=text_of(timezone.now())),  # today
        answer("n1", "u1", 9, 4), answer("n2", "u1", 0, 5), answer("n3", "u2", 8, 1),
    )  # fmt: skip
    compute()
    found = figures()
    assert (found["feature_users_7d:reports"], found["feature_events_7d:reports"]) == (1, 2)
    assert (found["nps_responses_7d"], found["nps_score_7d"]) == (2, 50)  # u1's latest 9, u2's 8
    assert found["active_users_7d"] == 2
    assert found["active_users_7d_pct"] == 100  # u3 alone in the week before


def test_r_114_events_three_days_late_are_counted_with_the_next_look():
    take_in(track("e1", account="acme", at=days_ago(1)))
    compute()
    assert catch_up() is False
    take_in(track("late", user="u2", account="acme", at=days_ago(3)))
    assert figures()["active_users_7d"] == 1
    assert catch_up() is True
    assert figures()["active_users_7d"] == 2
    assert catch_up() is False


def test_r_237_events_of_a_person_without_a_customer_count_for_the_one_that_appears():
    take_in(track("e1", user="u1", at=days_ago(2)))
    compute()
    take_in({"id": "g1", "type": "group", "user": "u1", "account": "acme", "traits": {"name": "Acme"}})
    compute()
    assert figures()["active_users_7d"] == 1


def test_r_236_repeats_change_no_figure():
    Feature.objects.create(key="opened", name="Opened", rules=[{"event": "Opened"}], position=1, as_kpi=True)
    for _ in range(3):
        take_in(track("e1", account="acme", at=days_ago(2)))
    compute()
    assert figures()["feature_events_7d:opened"] == 1


def test_s_112_an_erased_person_counts_no_more(cast):
    take_in(track("e1", account="acme", at=days_ago(2)), track("e2", user="u2", account="acme", at=days_ago(2)))
    compute()
    assert figures()["active_users_7d"] == 2
    forgetting.erase(EndUser.objects.get(external_id="u2"), actor=cast.ada, now=timezone.now())
    compute()
    assert figures()["active_users_7d"] == 1
