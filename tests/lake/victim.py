"""A process of its own whose children load, compact and erase, and are killed at the worst moments.

`python -m tests.lake.victim FOLDER` prints for each moment what was there after the kill and after another child had
gone on from the checkpoint. The database is a file, the kill is SIGKILL.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGES, ROWS, RACE_PAGES = 3, 20, 6
MOMENTS = ("open", "written", "renamed", "registering", "registered", "committed")


class Absent:
    """An import finder for an installation without these packages: the lake needs none of them."""

    names = ("numpy", "pandas", "pytz", "chdb")

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(name, name=name)


def main(folder: Path) -> None:
    sys.meta_path.insert(0, Absent())
    begin_django(folder)
    results: dict[str, Any] = {}
    keep(folder, "fresh")
    assert in_child(load) == 0
    keep(folder, "loaded")
    for work in ("load", "compact", "erase"):
        for moment in MOMENTS:
            results[f"{work} {moment}"] = scenario(folder, work, moment)
    results["race"] = race(folder)
    results["loaded"] = [name for name in Absent.names if name in sys.modules]
    sys.stdout.write(json.dumps(results))


def begin_django(folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "project.settings", "SECRET_KEY": "x" * 60, "BASE_URL": "http://localhost:8000",
        "CAUSEWAY_DATA": str(folder), "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}", "LOG_LEVEL": "ERROR",
        "LAKE_URL": f"file://{folder / 'lake'}",
    }  # fmt: skip
    import django
    from django.conf import settings

    settings.MIGRATION_MODULES = NoMigrations()
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    load_libraries()
    call_command("migrate", run_syncdb=True, verbosity=0)
    connections.close_all()


def load_libraries() -> None:
    """Once, and without using them: each child would spend a second on it."""
    import duckdb
    import pyarrow.compute
    import pyarrow.parquet

    assert duckdb
    assert pyarrow.compute
    assert pyarrow.parquet


class NoMigrations(dict):
    """Every table is made from its model."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> None:
        return None


def keep(folder: Path, name: str) -> None:
    """Remember database and files as they are now."""
    shutil.copytree(folder, folder.parent / f"{folder.name}-{name}")


def restore(folder: Path, name: str) -> None:
    """Put database and files back as they were."""
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / f"{folder.name}-{name}", folder)


def scenario(folder: Path, work: str, moment: str) -> dict[str, Any]:
    """Kill one child at that moment, then let another one finish."""
    restore(folder, "fresh" if work == "load" else "loaded")
    killed = in_child(lambda: (die_at(moment, after=2 if work == "load" else 1), WORKS[work]()))
    path = folder / "report.json"

    def go_on() -> None:
        after_kill = report()
        WORKS[work]()
        path.write_text(json.dumps({"after_kill": after_kill, "at_end": report()}))

    return {"killed": killed, "finished": in_child(go_on), **json.loads(path.read_text())}


def race(folder: Path) -> dict[str, Any]:
    """Three writers and a compactor at the same time, on one SQLite file."""
    restore(folder, "fresh")
    children = [start_child(lambda name=name: write_pages(name)) for name in "abc"] + [start_child(compact_often)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    path = folder / "report.json"
    assert in_child(lambda: path.write_text(json.dumps(report()))) == 0
    return {"codes": codes, **json.loads(path.read_text())}


def write_pages(name: str) -> None:
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake import writing
    from tests.lake.rows import account, accounts, table_of, write_all

    table = accounts()
    for page in range(RACE_PAGES):
        files = write_all(
            table, [table_of(table, [account(f"{name}{page}", page), account("same", page, Name=f"page {page}")])]
        )
        with transaction.atomic():
            numbers = [file.number for file in writing.register(table, files, now=timezone.now())]
        with (Path(os.environ["CAUSEWAY_DATA"]) / f"numbers-{name}").open("a") as log:
            log.write("".join(f"{number}\n" for number in numbers))


def compact_often() -> None:
    for _ in range(RACE_PAGES):
        compact()


def in_child(act: Callable[[], object]) -> int:
    """The status of a forked child that does it; negative when a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(start_child(act), 0)[1])


def start_child(act: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid


def report() -> dict[str, Any]:
    from datetime import timedelta

    from django.utils import timezone

    from integrations.lake import storage, upkeep
    from integrations.models import Erasure, LakeFile, Run
    from tests.lake.rows import accounts, read

    table = accounts()
    upkeep.sweep_files(now=timezone.now() + timedelta(days=2))
    found = {each.path for each in storage.open_store().files()}
    return {
        "rows": [[row["Id"], row["Name"]] for row in read(table)],
        "checkpoint": Run.objects.values_list("checkpoint", flat=True).first() or {},
        "numbers": list(LakeFile.objects.order_by("number").values_list("number", flat=True)),
        "only_registered_on_disk": found == set(LakeFile.objects.values_list("path", flat=True)),
        "all_there": not upkeep.missing_files(),
        "bases": LakeFile.objects.filter(kind="base").count(),
        "erasures": [Erasure.objects.count(), Erasure.objects.exclude(done_at=None).count()],
    }


def load() -> None:
    """Read pages from the checkpoint on; page, files and checkpoint belong together."""
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake import writing
    from integrations.models import Run
    from tests.lake.rows import account, accounts, table_of, write_all

    table = accounts()
    run, _ = Run.objects.get_or_create(job="test.load", domain="test")
    for page in range(run.checkpoint.get("page", 0), PAGES):
        # Each page has new rows and a newer version of an old one, so that doubled or lost pages show.
        rows = [account(f"{page:02}-{n:02}", page) for n in range(ROWS)] + [account("same", page, Name=f"page {page}")]
        files = write_all(table, [table_of(table, rows)])
        with transaction.atomic():
            writing.register(table, files, now=timezone.now())
            run.checkpoint = {"page": page + 1}
            run.save()


def compact() -> None:
    from django.utils import timezone

    from integrations.lake import upkeep
    from tests.lake.rows import accounts

    upkeep.compact(accounts(), now=timezone.now())


def erase() -> None:
    from django.utils import timezone

    from integrations.lake import upkeep
    from tests.lake.rows import accounts

    upkeep.erase("Account", "same", tables=[accounts()], now=timezone.now())


WORKS = {"load": load, "compact": compact, "erase": erase}


def die_at(moment: str, *, after: int) -> None:
    """Make this process kill itself when it comes to that moment for the `after`th time."""
    from django.db import transaction
    from django.db.models.query import QuerySet

    from integrations.lake import storage, writing

    left = [after]

    def die() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(owner: Any, name: str, *, before: bool, only: Callable[..., bool] = lambda *_: True) -> None:
        plain = getattr(owner, name)

        def patched(*args: Any, **extra: Any) -> Any:
            if before and only(*args):
                die()
            result = plain(*args, **extra)
            if not before and only(*args):
                die()
            return result

        setattr(owner, name, patched)

    def of_files(query: QuerySet, *_: Any) -> bool:
        return query.model.__name__ == "LakeFile"

    if moment == "open":
        around(storage.Folder, "begin", before=False)
    elif moment == "written":
        around(storage.LocalUpload, "finish", before=True)
    elif moment == "renamed":
        around(storage.LocalUpload, "finish", before=False)
    elif moment == "registering":
        around(QuerySet, "bulk_create", before=True, only=of_files)
        around(QuerySet, "create", before=True, only=of_files)
    elif moment == "registered":
        around(QuerySet, "bulk_create", before=False, only=of_files)
        around(QuerySet, "create", before=False, only=of_files)
    else:  # what comes after the commit of the transaction that registered
        seen = []
        for name in ("bulk_create", "create"):
            plain = getattr(QuerySet, name)
            setattr(
                QuerySet,
                name,
                lambda query, *a, _p=plain, **e: (seen.append(1) if of_files(query) else None, _p(query, *a, **e))[1],
            )
        plain_exit = transaction.Atomic.__exit__

        def leave(self: Any, *args: Any) -> Any:
            result = plain_exit(self, *args)
            if seen and not transaction.get_connection().in_atomic_block:
                seen.clear()
                die()
            return result

        transaction.Atomic.__exit__ = leave
    assert writing


if __name__ == "__main__":
    main(Path(sys.argv[1]))
