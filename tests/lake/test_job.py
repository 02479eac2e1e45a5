"""The daily job in the ledger, the back office, and what a web process must not load."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.lake import erasing, storage, upkeep
from integrations.lake.tables import ensure_table
from integrations.models import Erasure, LakeFile, RowOutcome, Run, RunObject
from integrations.sync import jobs, runs
from project import timetable
from tests.demo import ROOT
from tests.lake.rows import account, accounts, read, store

pytestmark = pytest.mark.django_db


def run_job() -> Run:
    run = runs.request_run("lake.upkeep", now=timezone.now())
    runs.perform_run(run.pk)
    run.refresh_from_db()
    return run


def counts(run: Run) -> dict[str, tuple[int, int, int, int]]:
    return {each.name: (each.written, each.unchanged, each.skipped, each.failed) for each in RunObject.objects.filter(run=run)}


def test_i_23_upkeep_comes_often_enough_for_erased_rows_to_leave_the_disk_within_the_day(now):
    (slot,) = [slot for slot in timetable.timetable() if slot.job == "lake.upkeep"]
    assert not jobs.get("lake.upkeep").per_org
    worst, moment = timedelta(), now
    for _ in range(8):
        later = timetable.next_time(slot.cron, after=moment)
        worst, moment = max(worst, later - moment), later
    # Retired one second before the first sweep that could take it: the next one does.
    assert worst + upkeep.GRACE <= timedelta(hours=8)


def test_i_01_upkeep_counts_what_it_did_and_what_it_left(now):
    due, settled = accounts("due"), accounts("settled")
    store(due, [account("a", 1)])
    store(due, [account("a", 2)])
    store(settled, [account("a", 1)], kind="base")
    events = ensure_table("events", columns=[("at", "day")], day="at", keep_days=30)
    store(events, [{"at": now.date()}, {"at": now.date() - timedelta(days=31)}])
    LakeFile.objects.filter(table=settled).update(retired_at=now - timedelta(hours=2))
    run = run_job()
    assert run.state == "success", run.sentence
    assert counts(run) == {"Retention": (1, 0, 0, 0), "Files": (1, 0, 0, 0), "Tables": (1, 2, 0, 0)}
    assert LakeFile.objects.get(retired_at=None, table=due).kind == "base"
    again = run_job()
    assert counts(again) == {"Retention": (0, 1, 0, 0), "Files": (0, 0, 0, 0), "Tables": (0, 3, 0, 0)}


def test_i_10_a_table_that_fails_does_not_stop_the_others_and_a_lost_file_is_named(now):
    broken, fine = accounts("broken"), accounts("fine")
    for table in (broken, fine):
        store(table, [account("a", 1)])
    lost = LakeFile.objects.get(table=broken)
    storage.open_store().delete(lost.path)
    run = run_job()
    assert run.state == "partial"
    assert counts(run)["Tables"] == (1, 0, 0, 1)
    assert counts(run)["Files"] == (0, 0, 0, 1)
    said = set(RowOutcome.objects.filter(run_object__run=run, outcome="failed").values_list("key", "code"))
    assert said == {(lost.path, "file_missing"), ("broken", "lake_engine")}
    assert [row["Id"] for row in read(fine)] == ["a"]


def test_i_23_upkeep_finishes_an_erasure_and_warns_of_a_lost_key(now, settings):
    table = accounts("mirror/1/Contact")
    store(table, [account("x", 1), account("y", 1)])
    erasing._remember("Contact", "x", org=None, tables=[table], now=now)
    run = run_job()
    assert counts(run)["Erasures"] == (1, 0, 0, 0)
    assert [row["Id"] for row in read(table)] == ["y"]
    Erasure.objects.update(key_mark="12345678")
    run = run_job()
    assert counts(run)["Erasures"] == (0, 0, 0, 1)
    assert run.state == "partial"


def test_a_pass_goes_on_after_the_table_of_its_checkpoint(now):
    tables = [accounts(name) for name in ("a", "b", "c")]
    for table in tables:
        store(table, [account("a", 1)])
    run = Run.objects.create(job="lake.upkeep", domain="lake", checkpoint={"after": tables[1].pk})
    runs.perform_run(run.pk)
    kinds = dict(LakeFile.objects.filter(retired_at=None).values_list("table__name", "kind"))
    assert kinds == {"a": "delta", "b": "delta", "c": "base"}


def test_back_office_shows_tables_and_can_change_nothing(admin_client, now):
    table = accounts("mirror/1/Contact")
    store(table, [account("a", 1), account("b", 1)])
    upkeep.compact(table, now=now)
    upkeep.erase("Contact", "b", now=now)
    page = admin_client.get(reverse("admin:integrations_laketable_changelist")).content.decode()
    assert "mirror/1/Contact" in page
    for model in ("laketable", "lakefile", "erasure"):
        assert admin_client.get(reverse(f"admin:integrations_{model}_changelist")).status_code == 200
        assert admin_client.get(reverse(f"admin:integrations_{model}_add")).status_code == 403


def test_web_processes_load_neither_arrow_nor_an_engine(tmp_path):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_"))}
    env |= {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "CAUSEWAY_DATA": str(tmp_path),
        "SECRET_KEY": "x" * 60,
        "BASE_URL": "http://localhost:8000",
    }
    code = "import django, sys; django.setup(); import project.urls; print([m for m in ('pyarrow', 'duckdb', 'chdb', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr[-2000:]
