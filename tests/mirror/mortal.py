"""A process that reads the mirror and can be told where to die: `python -m tests.mirror.mortal FOLDER ORG_URL [POINT]`.

Without a point it performs every run that waits (as the sweeper and the worker would after a kill) and prints what came of it.
Points: `commit` (the rows are written, the watermark is about to be), `page` (two pages are saved), `landing` (in the middle of a
page), `settle` (all pages are saved, nothing is registered yet).
"""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

ACCOUNT = ("Name", "Website", "Industry", "AnnualRevenue", "NumberOfEmployees")


def start(folder: Path, url: str) -> None:
    """Django on a database of its own, its tables straight from the models."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "project.settings", "SECRET_KEY": "x" * 60, "CAUSEWAY_DATA": str(folder), "DEMO_MODE": "yes",
        "DATABASE_URL": f"sqlite:///{folder / 'mortal.sqlite3'}", "BASE_URL": "http://127.0.0.1:8000", "DEMO_ORG_URL": url,
        "FIELD_ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "LOG_LEVEL": "ERROR", "LAKE_URL": f"file://{folder}/lake",
    }  # fmt: skip
    import django
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.MIGRATION_MODULES = dict.fromkeys(each.label for each in apps.get_app_configs())
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("createcachetable", verbosity=0)


def die(*_: Any, **__: Any) -> Any:
    """As `kill -9` does it: no handler runs, nothing is closed."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Set the place of death."""
    from integrations.lake import writing
    from integrations.sync import runs
    from integrations.sync.mirror import pulling, settling

    if point == "commit":
        original = runs.Recorder.save

        def save(self: Any, checkpoint: Any = None, *, also: Any = None, now: Any = None) -> None:
            def write() -> None:
                if also is not None:
                    also()
                from integrations.models import LakeFile

                if LakeFile.objects.exists():
                    die()

            original(self, checkpoint, also=write, now=now)

        runs.Recorder.save = save  # type: ignore[method-assign]
    if point == "page":
        keep, seen = pulling.Pull._keep, []

        def keep_some(self: Any, *words: Any, **options: Any) -> None:
            keep(self, *words, **options)
            seen.append(1)
            if len(seen) == 2:
                die()

        pulling.Pull._keep = keep_some  # type: ignore[method-assign]
    if point == "landing":
        finish = writing.TableWriter.finish
        landed = []

        def finish_some(self: Any) -> None:
            landed.append(1)
            if len(landed) == 3:
                die()
            finish(self)

        writing.TableWriter.finish = finish_some  # type: ignore[method-assign]
    if point == "settle":
        settling.settle = die  # type: ignore[assignment]


def small_pages() -> None:
    """Everything by Bulk, in pages of 20."""
    from integrations.sync.mirror import planning

    planning.REST_PAGES, planning.RESULT_ROWS, planning.FIRST_LOOK = 0, 50, 0.02


def perform_waiting() -> Any:
    """Take over what a dead worker left (its lease and heartbeat are over), then perform what waits; the last run."""
    from django.utils import timezone

    from integrations.models import Lease, Run, SalesforceOrg
    from integrations.sync import runs

    long_ago = timezone.now() - timedelta(minutes=10)
    Run.objects.filter(state="running").update(heartbeat_at=long_ago)
    Lease.objects.update(expires_at=long_ago)
    runs.sweep(now=timezone.now())
    if not Run.objects.filter(job="mirror.read").exists():
        runs.request_run("mirror.read", org=SalesforceOrg.objects.get(), now=timezone.now())
    for run in Run.objects.filter(state="queued").order_by("pk"):
        runs.perform_run(run.pk)
    return Run.objects.filter(job="mirror.read").latest("pk")


def report(run: Any) -> dict[str, Any]:
    """What stands now."""
    from integrations.models import MirrorObject, RunObject, SalesforceOrg
    from integrations.sync.mirror import tables

    org, counted = SalesforceOrg.objects.get(), RunObject.objects.filter(run=run, name="Account").first()
    found = tables.sample(org, "Account", n=1_000_000)
    return {
        "state": run.state, "resumed": run.resumed_from_id, "rows": sorted(str(sorted(each.items())) for each in found),
        "counts": [getattr(counted, name) for name in ("read", "written", "unchanged", "skipped", "failed", "not_attempted")],
        "watermark": str(MirrorObject.objects.get(name="Account").watermark), "kept": MirrorObject.objects.get(name="Account").rows,
    }  # fmt: skip


def main() -> None:
    folder, url, *point = sys.argv[1:]
    start(Path(folder), url)
    from django.utils import timezone

    from integrations.models import SalesforceOrg
    from integrations.orgs.lifecycle import connect_demo_org
    from integrations.sync.mirror import needs

    small_pages()
    needs.register_needs("test", lambda org: [needs.Need("test", "Account", ACCOUNT, None)])
    if not SalesforceOrg.objects.exists():
        connect_demo_org(name="Demo", now=timezone.now())
    if point:
        arm(point[0])
    sys.stdout.write(json.dumps(report(perform_waiting())) + "\n")


if __name__ == "__main__":
    main()
