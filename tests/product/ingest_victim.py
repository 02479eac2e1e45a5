"""A process of its own whose children accept and flush events, and are killed at the worst moments.

`python -m tests.product.ingest_victim FOLDER` prints for each moment what was there after the kill, and after another worker
had gone on. The database is a file, the kill is SIGKILL.
"""

import json
import os
import signal
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.lake import victim

MOMENTS = ("people", "open", "written", "renamed", "deleted", "registering", "registered", "counted", "committed")
AFTER = 2  # of the steps of a turn the second, most in the second of two turns
ACCEPTING = ("storing", "stored", "answered")


def main(folder: Path) -> None:
    victim.begin_django(folder)
    results: dict[str, Any] = {}
    victim.keep(folder, "fresh")
    for moment in ACCEPTING:
        results[f"accept {moment}"] = accepting(folder, moment)
    victim.restore(folder, "fresh")
    assert victim.in_child(fill) == 0
    victim.keep(folder, "filled")
    results["undisturbed"] = in_reporting_child(folder, flush)
    for moment in MOMENTS:
        results[moment] = flushing(folder, moment)
    sys.stdout.write(json.dumps(results))


def fill() -> None:
    """Four requests: repeats within and across them, all types, an impossible date, a user without a customer."""
    from django.utils import timezone

    from tests.product.sending import accept, text_of, track

    now = timezone.now()
    at = [text_of(now - timedelta(days=n, seconds=1)) for n in range(3)]
    accept(track("e1", account="acme", at=at[0]), track("e2", at=at[1]), track("e1", at=at[0]), now=now)
    accept(
        {"id": "i1", "type": "identify", "user": "u1", "at": at[0], "traits": {"plan": "pro"}}, track("e2", at=at[1]), now=now
    )
    accept({"id": "n1", "type": "nps", "user": "u1", "at": at[0], "properties": {"score": 9}},
           track("q1", at="2090-01-01T00:00:00Z"), track("e3", user="alone", at=at[2]), now=now)  # fmt: skip
    accept(track("e4", at=at[2]), track("e3", user="alone", at=at[2]), now=now)


def flush(hours: int = 2) -> None:
    """Go on with the run that was left, or begin one; two requests a turn."""
    from django.utils import timezone

    from integrations.models import Run
    from integrations.product.ingest import flush as flushing
    from integrations.sync import runs

    flushing.MOST_ROWS = 5
    later = timezone.now() + timedelta(hours=hours)  # the lease and the heartbeat of the killed one have run out
    runs.sweep(now=later)
    run = Run.objects.filter(state=Run.State.QUEUED).first() or flushing.flush_due(now=later)
    if run is None:
        return
    with runs.recording(run, now=later) as recorder:
        assert recorder is not None
        flushing.perform(recorder)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence


def report() -> dict[str, Any]:
    from django.db.models import Sum
    from django.utils import timezone

    from integrations.lake import storage, upkeep
    from integrations.models import EndUser, LakeFile
    from integrations.product.ingest import lake_tables
    from integrations.product.models import DirtyDay, EventBatch, IngestDay, QuarantinedEvent, UnjoinedUser
    from tests.product.sending import raw_count, stored

    upkeep.sweep_files(now=timezone.now() + timedelta(days=2))
    found = {each.path for each in storage.open_store().files()}
    columns = "event_id, customer_id, end_user_id, name"
    return {
        "events": [[name, customer is not None, user, event] for name, customer, user, event in stored(columns)],
        "rows": raw_count(),
        "nps": stored("event_id, score", relation=lake_tables.nps_answers()),
        "waiting": EventBatch.objects.aggregate(rows=Sum("rows"))["rows"] or 0,
        "counts": IngestDay.objects.aggregate(*map(Sum, ("accepted", "duplicates", "quarantined", "late"))),
        "dirty": sorted({str(each.day) for each in DirtyDay.objects.all()}),
        "aside": list(QuarantinedEvent.objects.values_list("event_id", flat=True)),
        "unjoined": list(UnjoinedUser.objects.values_list("end_user__external_id", flat=True)),
        "users": [[each.external_id, each.attributes, str(each.last_seen_at)] for each in EndUser.objects.order_by("id")],
        "only_registered_on_disk": found == set(LakeFile.objects.values_list("path", flat=True)),
        "all_there": not upkeep.missing_files(),
    }


def in_reporting_child(folder: Path, act) -> dict[str, Any]:
    path = folder / "report.json"

    def work() -> None:
        try:
            before = report()
            act()
            path.write_text(json.dumps({"after_kill": before, "at_end": report()}))
        except Exception:
            traceback.print_exc()  # the child ends without a word otherwise
            raise

    code = victim.in_child(work)
    return {"finished": code} | (json.loads(path.read_text()) if code == 0 else {})


def flushing(folder: Path, moment: str) -> dict[str, Any]:
    victim.restore(folder, "filled")
    killed = victim.in_child(lambda: (die_at(moment, after=AFTER), flush(1)))
    return {"killed": killed} | in_reporting_child(folder, flush)


def accepting(folder: Path, moment: str) -> dict[str, Any]:
    """The web process dies around its one row; what it had answered must be there."""
    victim.restore(folder, "fresh")
    killed = victim.in_child(lambda: (die_at(moment, after=1), fill()))
    return {"killed": killed} | in_reporting_child(folder, flush)


def die_at(moment: str, *, after: int) -> None:
    """Make this process kill itself when it comes to that moment for the `after`th time."""
    if moment not in ("people", "deleted", "counted", *ACCEPTING):
        victim.die_at(moment, after=after)
        return
    from django.db.models.query import QuerySet

    from integrations.product.ingest import accept, flush
    from integrations.sync import retrying

    places: dict[str, tuple[Any, str, str]] = {
        "people": (flush, "bring_up_to_date", ""), "deleted": (QuerySet, "delete", "EventBatch"),
        "counted": (QuerySet, "update", "IngestDay"), "storing": (accept, "_store", "before"),
        "stored": (QuerySet, "create", "EventBatch"), "answered": (retrying, "in_transaction", ""),
    }  # fmt: skip
    owner, name, only = places[moment]
    plain, left = getattr(owner, name), [after]

    def patched(*args: Any, **extra: Any) -> Any:
        result = None if only == "before" else plain(*args, **extra)
        if only in ("", "before") or args[0].model.__name__ == only:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return plain(*args, **extra) if only == "before" else result

    setattr(owner, name, patched)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
