"""Putting a backup back, and making what it says safe to go on with.

A restored database is of yesterday, and Salesforce is of today. So no run, task, lease or session of yesterday goes on; every
target of the outbox is compared with live values before it sends again; and whoever was erased here since stays forgotten.
"""

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F
from django_q.models import OrmQ

from integrations import audit
from integrations.lake import erasures
from integrations.models import Customer, EndUser, Erasure, Lease, OutboxTarget, Run, SalesforceOrg, WorkerHeartbeat
from integrations.sync.matching import forgetting
from integrations.sync.matching.links import entity_of
from project.backups import checking, databases, lake_files, taking
from project.backups.failures import BackupFailed, RestoreBroken
from project.backups.manifest import Manifest

SENTENCE = "It was under way when the backup was made that this installation was restored from; the next run does its work."


@dataclass
class Restored:
    """What a restore did, for people."""

    manifest: Manifest
    files: int = 0
    missing: list[str] = field(default_factory=list)
    runs_ended: int = 0
    targets: int = 0
    erasures: int = 0
    connections: int = 0


def restore(folder: Path, *, force: bool = False, stopped: bool = False, without_keys: bool = False, now: datetime) -> Restored:
    """Make this installation what the backup in `folder` holds. `BackupFailed` before anything is touched when it must not be,
    `RestoreBroken` when the database could not be filled."""
    manifest = checking.check_backup(folder, without_keys=without_keys)
    checking.check_fit(manifest, without_keys=without_keys)
    checking.check_place(force=force, stopped=stopped, now=now)
    erased = _erasures()
    files = lake_files.put_files_back(folder, manifest.lake)
    try:
        databases.put_back(folder / manifest.database.path)
        _migrate()
    except (BackupFailed, DatabaseError, sqlite3.Error) as error:
        raise RestoreBroken(f"The database could not be filled: {error} Mend that, then restore again with --force.") from error
    done = Restored(manifest, files=files, missing=lake_files.missing_now(manifest.lake))
    with transaction.atomic():
        _make_safe(done, erased, now=now)
    if done.erasures:
        _erase_again(now=now)
    cache.clear()
    return done


def _make_safe(done: Restored, erased: list[dict[str, Any]], *, now: datetime) -> None:
    """Everything of the restored database that must not go on as it was."""
    made_at = done.manifest.instant
    Session.objects.all().delete()
    OrmQ.objects.all().delete()
    WorkerHeartbeat.objects.all().delete()
    Lease.objects.update(holder="", expires_at=None, fence=F("fence") + 1)
    done.runs_ended = Run.objects.filter(state__in=Run.ACTIVE).update(
        state=Run.State.INTERRUPTED, reason_code="restored", sentence=SENTENCE, finished_at=now
    )
    done.targets = OutboxTarget.objects.exclude(accepted=None).update(
        restored_at=now, restored_from=made_at, settled_by=None, verified_at=None
    )
    done.connections = SalesforceOrg.objects.count()
    done.erasures = _keep_forgotten(erased)
    taking.keep_record(done.manifest, finished_at=made_at)
    audit.record("backup.restored", target=done.manifest.name, after={
        "made_at": done.manifest.made_at, "runs_ended": done.runs_ended, "targets": done.targets, "erasures": done.erasures,
        "missing": len(done.missing),
    })  # fmt: skip


def _erasures() -> list[dict[str, Any]]:
    """Who was erased here until now, when that can still be read."""
    try:
        with transaction.atomic():
            return list(Erasure.objects.values("org_id", "kind", "digest", "key_mark", "asked_at"))
    except DatabaseError:  # an empty database has no such table; a broken one tells nothing
        connection.close()
        return []


def _keep_forgotten(erased: list[dict[str, Any]]) -> int:
    """Erasures that came after the backup: open again, so that the next upkeep of the lake finishes them (I-23)."""
    known = set(Erasure.objects.values_list("kind", "digest"))
    orgs = set(SalesforceOrg.objects.values_list("pk", flat=True))
    later = [row for row in erased if (row["kind"], row["digest"]) not in known]
    kept = [Erasure(**row) for row in later if row["org_id"] is None or row["org_id"] in orgs]
    Erasure.objects.bulk_create(kept, ignore_conflicts=True)
    return len(kept)


def _erase_again(*, now: datetime) -> None:
    """Customers and end users of the backup who were erased since: out of the database, too (S-112)."""
    for model in (EndUser, Customer):
        for record in model.objects.filter(erased_at=None).order_by("pk").iterator(chunk_size=1000):
            kind = entity_of(record)
            if erasures.is_erased(kind, record.external_id) or erasures.is_erased(f"{kind}.id", str(record.pk)):
                forgetting.erase(record, actor=None, now=now)


def _migrate() -> None:
    """Bring an older backup to this version's tables. One that was never migrated (made straight from the models) stays."""
    executor = MigrationExecutor(connection)
    if executor.loader.applied_migrations and executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
