"""The pages of the ledger: order, folding, retry of rows, what Salesforce said."""

import re
from datetime import timedelta

import pytest

from integrations import queries
from integrations.models import RowOutcome, Run, RunObject
from tests.pages.conftest import NASTY

pytestmark = pytest.mark.django_db


def make(world, now, *, state="success", written=0, unchanged=0, failed=0, minutes=0, seconds=1, **extra) -> Run:
    begun = now - timedelta(minutes=minutes)
    run = Run.objects.create(
        job="okr.refresh", org=world.org, domain="okr", state=state, started_at=begun,
        finished_at=begun + timedelta(seconds=seconds), **extra,
    )  # fmt: skip
    RunObject.objects.create(
        run=run, name="key results", read=written + unchanged + failed, written=written, unchanged=unchanged, failed=failed
    )
    return run


def order(client, sort: str) -> list[int]:
    html = client.get(f"/runs/?sort={sort}").content.decode()
    return [int(number) for number in re.findall(r'<a href="/runs/(\d+)/">', html)]


def test_heads_sort_with_the_order_in_the_address(client, world, cast, now):
    small, large, long = (
        make(world, now, written=1, minutes=3), make(world, now, written=90, minutes=2), make(world, now, seconds=50, minutes=9)
    )  # fmt: skip
    client.force_login(cast.olga)
    assert order(client, "-written") == [large.pk, small.pk, world.run.pk, long.pk]
    assert order(client, "written") == [long.pk, small.pk, world.run.pk, large.pk]
    assert order(client, "-took")[0] == long.pk
    assert order(client, "started")[0] == long.pk
    assert order(client, "run") == sorted(order(client, "run"))
    assert order(client, "nonsense;drop") == sorted(order(client, ""), reverse=True)


def test_a_head_says_how_it_sorts_and_keeps_the_filters(client, world, cast):
    client.force_login(cast.olga)
    html = client.get("/runs/?state=partial&sort=-failed&page=1").content.decode()
    assert '<th class="num" aria-sort="descending"><a class="sort" href="?state=partial&amp;sort=failed">Failed' in html
    assert html.count("aria-sort") == 1


def test_a_run_that_never_started_comes_last_in_both_directions(client, world, cast, now):
    waiting = Run.objects.create(job="okr.refresh", org=world.org, domain="okr", state="queued")
    client.force_login(cast.olga)
    assert order(client, "started")[-1] == order(client, "-started")[-1] == waiting.pk


def test_runs_without_changes_fold_into_one_line(client, world, cast, now):
    quiet = [make(world, now, unchanged=5) for _ in range(3)]
    make(world, now, written=1)
    lone = make(world, now, unchanged=1)
    client.force_login(cast.olga)
    html = client.get("/runs/").content.decode()
    assert "3 runs without changes" in html
    assert html.count("runs without changes</a>") == 1
    assert f"#{quiet[0].pk} to #{quiet[2].pk}" in html
    hidden = html[html.index('id="quiet-') :]
    assert all(f"/runs/{run.pk}/" in hidden for run in quiet)
    assert f"/runs/{lone.pk}/" in html[: html.index('id="quiet-')]
    assert "runs without changes</a>" not in client.get("/runs/?quiet=show").content.decode().replace("Fold runs", "")
    assert " hidden>" not in client.get("/runs/?sort=written").content.decode()


@pytest.mark.parametrize(
    ("about", "quiet"),
    [
        ({"unchanged": 9}, True),
        ({}, True),
        ({"written": 1}, False),
        ({"failed": 1, "state": "partial"}, False),
        ({"state": "failed"}, False),
        ({"state": "cancelled"}, False),
    ],
)
def test_only_what_went_well_and_changed_nothing_is_quiet(world, now, about, quiet):
    run = make(world, now, **about)
    assert queries.is_quiet(queries.find_runs(number=str(run.pk)).get()) is quiet


def test_failed_rows_alone_can_be_retried(client, world, cast):
    client.force_login(cast.olga)
    html = client.get(f"/runs/{world.run.pk}/").content.decode()
    assert "Retry the failed row only" in html
    assert "Retry everything" in html
    answer = client.post(f"/runs/{world.run.pk}/retry-rows/")
    again = Run.objects.exclude(pk=world.run.pk).get()
    assert answer["Location"] == f"/runs/{again.pk}/"
    assert (again.trigger, again.arguments, again.requested_by) == ("retry", {"rows_of": world.run.pk}, cast.olga)


def test_without_failed_rows_there_is_no_such_button_and_posting_says_why(client, world, cast, now):
    run = make(world, now, unchanged=2)
    client.force_login(cast.olga)
    assert "only</button>" not in client.get(f"/runs/{run.pk}/").content.decode()
    answer = client.post(f"/runs/{run.pk}/retry-rows/", follow=True)
    assert "retry the whole run" in answer.content.decode()
    client.force_login(cast.ana)
    assert client.post(f"/runs/{world.run.pk}/retry-rows/").status_code == 403


def test_a_failed_row_shows_salesforces_code_and_the_kind_of_request(client, world, cast):
    detail = {"request": "report_run", "salesforce_code": NASTY, "http_status": 400, "body": "never shown"}
    RowOutcome.objects.update(detail=detail)
    client.force_login(cast.ana)
    html = client.get(f"/runs/{world.run.pk}/").content.decode()
    assert "HTTP 400 · report run" in html
    assert NASTY not in html
    assert "never shown" not in html
    row = client.get(f"/api/v1/runs/{world.run.pk}/rows/").json()["results"][0]
    assert (row["request"], row["salesforce_code"], row["http_status"]) == ("report_run", NASTY, "400")
    csv = b"".join(client.get(f"/runs/{world.run.pk}/rows.csv").streaming_content).decode()
    assert csv.splitlines()[0].endswith("request,salesforce_code,http_status,at")
    assert "never shown" not in csv
