"""Moving customers to another version runs in the background: with progress, resumable, in bounded batches."""

from datetime import timedelta

import pytest
from django.urls import reverse

from integrations.access import Refusal
from integrations.models import AuditEntry, Run
from integrations.sync import runs
from provisioning.catalogue import holders, move_job, moving
from provisioning.models import SubscriptionEvent
from tests.provisioning.shelf import ask, customer, stock, subscribe
from tests.provisioning.test_a_versions import new_version

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(db):
    stock()


@pytest.fixture
def five(now):
    """Five customers on version 1 of Team, and version 2."""
    rows = [subscribe(customer(f"who-{number}"), now=now) for number in range(5)]
    return rows, new_version(projects=50)


def having(version, now) -> int:
    return holders.holders_of(version.offer, now=now, versions=[version.pk]).count()


def first_of(version):
    return version.offer.versions.get(number=1)


def test_a_move_is_a_run_that_counts_everybody_once(five, cast, now, monkeypatch):
    monkeypatch.setattr(moving, "BATCH", 2)
    _, version = five
    run = move_job.ask_move(version, versions=[first_of(version).pk], actor=cast.olga, now=now)
    assert (run.state, run.total, run.requested_by) == ("success", 5, cast.olga)
    counted = run.objects_touched.get()
    assert (counted.written, counted.failed, counted.rows.count()) == (5, 0, 5)
    assert having(version, now + timedelta(minutes=1)) == 5
    assert AuditEntry.objects.get(action="catalogue.moved").after["moved"] == 5


def test_a_move_that_was_killed_goes_on_where_it_ended(five, now, monkeypatch):
    monkeypatch.setattr(moving, "BATCH", 2)
    _, version = five
    batches = []

    def stop_after_two(recorder):
        batches.append(1)
        if len(batches) == 2:
            raise runs.RunStopped("worker_stopping", "The worker was stopped.", Run.State.INTERRUPTED)

    monkeypatch.setattr(runs.Recorder, "breathe", stop_after_two)
    first = move_job.ask_move(version, versions=[first_of(version).pk], actor=None, now=now)
    assert first.state == "interrupted"
    again = Run.objects.exclude(pk=first.pk).get(job=move_job.JOB)
    assert (again.state, again.resumed_from) == ("success", first)
    assert having(version, now + timedelta(minutes=1)) == 5
    assert sum(each.objects_touched.get().written for each in (first, again)) == 5
    assert SubscriptionEvent.objects.filter(action="version_changed").count() == 5


def test_one_that_cannot_move_is_told_in_the_run_with_the_reason(five, now):
    rows, version = five
    version.per_seat = True
    version.save()
    run = move_job.ask_move(version, keys=[rows[0].key], actor=None, now=now)
    told = run.objects_touched.get()
    assert (run.state, told.failed, told.written) == ("failed", 1, 0)
    assert "how many" in told.rows.get().message


def test_a_second_move_waits_for_the_first_and_drafts_are_refused(five, now):
    rows, version = five
    Run.objects.create(job=move_job.JOB, state=Run.State.RUNNING, domain="provisioning")
    with pytest.raises(Refusal, match="under way"):
        move_job.ask_move(version, keys=[rows[0].key], actor=None, now=now)
    version.published_at = None
    with pytest.raises(Refusal, match="published versions"):
        move_job.ask_move(version, keys=[rows[0].key], actor=None, now=now)


def test_pages_move_customers_in_a_run(client, cast, five, now):
    rows, version = five
    client.force_login(cast.olga)
    path = f"/provisioning/catalogue/offers/{version.offer_id}/versions/2/move/"
    assert "Projects: 5 projects → 50 projects." in client.get(path).content.decode()
    assert b"5 customers have" in client.get(f"/provisioning/catalogue/offers/{version.offer_id}/").content
    assert "Choose whom to move" in client.post(path, follow=True).content.decode()
    answer = client.post(path, {"version": first_of(version).pk})
    run = Run.objects.get(job=move_job.JOB)
    assert answer.headers["Location"] == reverse("integrations:run", args=[run.pk])
    shown = client.get(answer.headers["Location"]).content.decode()
    assert "Move to another version" in shown
    assert rows[3].key in shown
    assert ask(rows[0].customer, "projects", at=now + timedelta(seconds=5)).limit == 50
    assert b"Nobody has another version" in client.get(path).content


def test_the_api_answers_with_the_run(client, cast, five, now):
    _, version = five
    client.force_login(cast.olga)
    answer = client.post(
        "/api/v1/catalogue/offers/plan-team/move/", {"version": 2, "from_versions": [1]}, content_type="application/json"
    )
    assert answer.status_code == 202
    assert answer.json() == {"run": Run.objects.get(job=move_job.JOB).pk, "state": "success"}
    assert having(version, now + timedelta(minutes=1)) == 5
