"""L-13: how long it takes until everything works again: worker killed, database restarted, queue lost, backup restored.

- worker: kill -9 in mid-run, a new worker started at once; until a run goes on from the checkpoint (wanted: 5 minutes);
- database: PostgreSQL stopped and started; until the web server serves again (wanted: 60 s; left out where PostgreSQL's server
  programs are missing);
- queue: a run asked for, its queue row deleted; until it is performed (wanted: 10 minutes);
- restore: backup, more changes pushed to Salesforce, everything restored; the next push leaves the newer values alone, and the
  one after it has nothing to send (wanted: converged in one run).

Run: `python benchmarks/recovery.py [--only worker,database,queue,restore]`. Everything is thrown away.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.house import furnish, make_keys, set_up, wait_for  # noqa: E402
from benchmarks.measuring import machine  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import DemoOrgHandle, running_demo_org  # noqa: E402
from tests.sync.installation import kill_worker, status_of, stop  # noqa: E402

WANTED = {"worker": 300.0, "database": 60.0, "queue": 600.0, "restore": 1.0}
ASK = """
from integrations.sync import runs
run = runs.request_run('okr.refresh', org=SalesforceOrg.objects.get(), now=timezone.now())
"""
REPORT_RUN = r"/analytics/reports/[0-9A-Za-z]{15,18}(\?|$)"
PERFORM = """
from integrations.sync import runs
def perform(job):
    run = runs.request_run(job, org=SalesforceOrg.objects.get(), now=timezone.now())
    runs.perform_run(run.pk)
    run.refresh_from_db()
    return run
def sums(run, name):
    return sum(run.objects_touched.exclude(name__contains=':').values_list(name, flat=True))
"""
CHANGE = "from integrations import product_demo; n = product_demo.change_some(now=timezone.now())"


def main() -> int:
    """Each loss in turn; 1 when one takes too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="worker,database,queue,restore")
    wanted = parser.parse_args().only.split(",")
    make_keys()
    print(machine(), flush=True)
    drills = {"worker": worker_killed, "database": database_restarted, "queue": queue_lost, "restore": backup_restored}
    found: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory(prefix="causeway-recovery-") as folder, running_demo_org(Path(folder) / "org") as demo:
        for name in wanted:
            found[name] = drills[name](Path(folder) / name, demo)
            unit = "runs" if name == "restore" else "s"
            print(
                f"  {name}: {'left out' if found[name] is None else f'{found[name]:.0f} {unit}'} (wanted {WANTED[name]:g})",
                flush=True,
            )
    late = [name for name, taken in found.items() if taken is not None and taken > WANTED[name]]
    said = ", ".join(f"{name} {'left out' if taken is None else f'{taken:.0f}'}" for name, taken in found.items())
    verdicts = Verdicts("recovery.py")
    whole = set(drills) <= {name for name, taken in found.items() if taken is not None}
    verdicts.add("L-13", f"{said} (seconds; restore: runs)", met=False if late else True if whole else None)
    return verdicts.close()


def worker_killed(folder: Path, demo: DemoOrgHandle) -> float:
    """Seconds from the death of a worker until another one goes on with its run."""
    place = furnish(folder, demo)
    first = place.start_worker()
    try:
        demo.fault(path=REPORT_RUN, times=99, status=0, delay=20)
        pk = place.ask("run.pk", first=ASK)
        wait_for(lambda: place.ask(f"Run.objects.get(pk={pk}).state") == "running", seconds=120)
        kill_worker(first)
    finally:
        demo.no_faults()
    begun, second = time.monotonic(), place.start_worker()
    try:
        again = f"Run.objects.filter(resumed_from={pk}, state__in=['running', 'success']).exists()"
        wait_for(lambda: place.ask(again) == "True", seconds=2 * WANTED["worker"], nap=5)
        return time.monotonic() - begun
    finally:
        stop(second)


def database_restarted(folder: Path, demo: DemoOrgHandle) -> float | None:
    """Seconds from the database's return until the web server serves; None without PostgreSQL."""
    import pytest

    from tests.faults.private_postgres import private_postgres

    try:
        with private_postgres() as server:
            place = furnish(folder, demo, server.url)
            web, url = place.start_web()
            try:
                wait_for(lambda: status_of(f"{url}/accounts/login/") == 200, seconds=60)
                server.stop()
                wait_for(lambda: status_of(f"{url}/accounts/login/") != 200, seconds=60)
                server.start()
                return wait_for(lambda: status_of(f"{url}/accounts/login/") == 200, seconds=2 * WANTED["database"])
            finally:
                stop(web)
    except pytest.skip.Exception:
        return None


def queue_lost(folder: Path, demo: DemoOrgHandle) -> float:
    """Seconds until a run whose queue row is gone is performed all the same."""
    place = furnish(folder, demo)
    pk = place.ask("run.pk", first=f"{ASK}\nfrom django_q.models import OrmQ; OrmQ.objects.all().delete()")
    worker = place.start_worker()
    try:
        ended = f"Run.objects.get(pk={pk}).state in ('success', 'partial')"
        return wait_for(lambda: place.ask(ended) == "True", seconds=2 * WANTED["queue"], nap=5)
    finally:
        stop(worker)


def backup_restored(folder: Path, demo: DemoOrgHandle) -> float:
    """Runs until a restored installation has nothing more to send, having sent nothing old over newer values."""
    place = furnish(folder, demo)
    set_up(place)
    for job in ("mirror.read", "mapping.pull", "mapping.push"):
        place.ask("perform('" + job + "').state", first=PERFORM)
    place.manage("backup", "--to", str(folder / "backups"))
    place.ask("n", first=CHANGE)
    place.ask("perform('mapping.push').state", first=PERFORM)
    backup = max((folder / "backups").glob("causeway-*"))
    demo.control("writes", method="DELETE")
    place.manage("restore", str(backup), "--yes", "--force", "--stopped")
    place.ask("perform('mapping.push').state", first=PERFORM)
    sent = demo.control("writes")["rows"]
    if sent:
        print(f"  {sent} older values were written over newer ones")
        return 99
    runs = 1
    while int(place.ask("sums(perform('mapping.push'), 'written')", first=PERFORM)) and runs < 5:
        runs += 1
    place.manage("verify_ledger")
    return runs


if __name__ == "__main__":
    sys.exit(main())
