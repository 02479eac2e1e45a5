"""What a killed process of the crash drill does. `python -m tests.faults.push_drill` reads lines `push FILE` and `resume FILE`.

Each step is a process of its own (a fork of this one, which has loaded everything already); its outcome appears in FILE. One run pushes twice: accounts by collections, then projects by a Bulk job. Few rows, so that a drill is quick.
"""

import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

import django

django.setup()

from datetime import timedelta  # noqa: E402

import pyarrow as pa  # noqa: E402
from django.utils import timezone  # noqa: E402

from integrations.models import Lease, Run, SalesforceOrg  # noqa: E402
from integrations.orgs.connect import client_for  # noqa: E402
from integrations.orgs.lifecycle import connect_demo_org  # noqa: E402
from integrations.sync import jobs, runs  # noqa: E402
from integrations.sync.outbox import bulk_way, composite_way, kinds, planning  # noqa: E402
from integrations.sync.outbox.push import push_rows  # noqa: E402
from integrations.sync.outbox.targets import ensure_target  # noqa: E402

JOB = "drill.push"
ACCOUNTS, PROJECTS = 8, 120
LONG = 600.0


def everything(*_about: Any) -> str:
    """Every field may be written."""
    return ""


def register() -> None:
    """The kinds and the job; small pushes go by Bulk here, and windows are short."""
    planning.BULK_SECONDS, planning.BULK_CALLS = 0.0, 0
    planning.LOCK_WAITS, planning.FIRST_POLL = (0.0, 0.0, 0.0), 0.05
    composite_way.WINDOW_ROWS, planning.ROWS_A_CALL = 8, 4
    bulk_way.INLINE_SECONDS = LONG  # each step is one turn, on a slow machine too
    kinds.register(kinds.OutboxKind("drill.accounts", "Accounts", "drill", everything))
    kinds.register(kinds.OutboxKind("drill.projects", "Projects", "drill", everything, operations=("upsert",)))
    jobs.register(jobs.Job(JOB, "Drill", "drill", perform))


def perform(recorder: runs.Recorder) -> None:
    """Both targets with the values of the round that the run was asked for."""
    assert recorder.org is not None
    turn, ids = recorder.run.arguments["round"], recorder.run.arguments["accounts"]
    accounts = ensure_target(recorder.org, kind="drill.accounts", object="Account")
    planning.SECOND = 0.0
    planning.BULK_CALLS = 10_000  # collections
    push_rows(recorder, accounts, pa.table(wanted_accounts(ids, turn)))
    planning.BULK_CALLS = 0  # Bulk
    projects = ensure_target(recorder.org, kind="drill.projects", object="Project__c", key_field="External_Id__c")
    push_rows(recorder, projects, pa.table(wanted_projects(ids, turn)))


def wanted_accounts(ids: list[str], turn: int) -> dict[str, Any]:
    """In the second round every value is another one, and some are blank."""
    health = [f"H{turn}-{n}" if turn == 1 or n % 4 else None for n in range(len(ids))]
    return {"key": ids, "PX_Health__c": health, "PX_NPS_Score__c": [turn * 10 + n for n in range(len(ids))]}


def wanted_projects(ids: list[str], turn: int) -> dict[str, Any]:
    """The second round changes half of the first one's records, clears some fields, and makes as many new ones."""
    n = PROJECTS if turn == 2 else PROJECTS // 2
    risks = [f"R{turn}" if i % 5 else None for i in range(n)] if turn == 2 else ["R1"] * n
    return {
        "key": [f"Drill-{i}" for i in range(n)], "parent_key": [ids[i % len(ids)] for i in range(n)],
        "Account__c": [ids[i % len(ids)] for i in range(n)], "Name": [f"N{turn if i % 2 else 1}-{i}" for i in range(n)],
        "Risks__c": risks,
    }  # fmt: skip


def push(file: Path) -> dict[str, Any]:
    """A connection and the first round; the second one begins once `FILE.go` is there."""
    org = connect_demo_org(name="Drill", now=timezone.now())
    ids = [
        row["Id"] for row in client_for(org, domain="drill").query_all(f"SELECT Id FROM Account ORDER BY Id LIMIT {ACCOUNTS}")
    ]
    first = run_round(1, ids)
    assert first["state"] == "success", first
    file.with_suffix(".ready").touch()
    while not file.with_suffix(".go").exists():
        time.sleep(0.01)
    return run_round(2, ids)


def run_round(turn: int, ids: list[str]) -> dict[str, Any]:
    """One whole run."""
    arguments = {"round": turn, "accounts": ids}
    run = runs.request_run(JOB, org=SalesforceOrg.objects.get(), now=timezone.now(), arguments=arguments)
    return finish(run)


def finish(run: Run) -> dict[str, Any]:
    """Perform a run to its end, however many turns it takes."""
    for _ in range(200):
        Run.objects.filter(pk=run.pk).update(not_before=None)
        runs.perform_run(run.pk)
        run.refresh_from_db()
        if not run.is_active:
            break
    sums = {each.name: {key: getattr(each, key) for key in ("read", "written", "unchanged", "skipped", "failed", "not_attempted")}
            for each in run.objects_touched.all()}  # fmt: skip
    return {"state": run.state, "sentence": run.sentence, "sums": sums}


def resume() -> dict[str, Any]:
    """What the sweeper and the next worker do after a kill."""
    back = timezone.now() - timedelta(minutes=10)
    Run.objects.filter(state="running").update(heartbeat_at=back)
    Lease.objects.update(expires_at=back)
    runs.sweep(now=timezone.now())
    run = Run.objects.filter(job=JOB).order_by("-pk").first()
    assert run is not None
    return finish(run)


def main() -> None:
    """Fork a process for each line and print its number."""
    from integrations.sync.outbox import pushing  # noqa: F401  what takes time to load

    register()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    for line in sys.stdin:
        step, name = line.split()
        pid = os.fork()
        if pid == 0:
            perform_step(step, Path(name))
        print(pid, flush=True)  # noqa: T201


def perform_step(step: str, file: Path) -> NoReturn:
    """Do one step in this process and end it."""
    try:
        found = push(file) if step == "push" else resume()
    except BaseException:  # noqa: BLE001  the test must hear of it, whatever it is
        found = {"state": "crashed", "sentence": traceback.format_exc(), "sums": {}}
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.rename(file)
    os._exit(0)


if __name__ == "__main__":
    main()
