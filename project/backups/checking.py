"""Whether a backup can be restored, and where: everything is looked at before anything is touched."""

from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from integrations.lake.erasures import known_marks
from integrations.models import Customer, LakeTable, Run, SalesforceOrg, WorkerHeartbeat
from project.backups import databases, lake_files
from project.backups.failures import BackupFailed, Tampered, WrongKeys
from project.backups.manifest import Manifest, Part, check_seal, digest_file, read_manifest

ALIVE = timedelta(seconds=90)  # a worker beats each minute
AT_WORK = timedelta(seconds=60)  # a running job proves itself each ten seconds
SHOWN = 20


def check_backup(folder: Path, *, without_keys: bool = False) -> Manifest:
    """Read the whole backup: seal, sizes, digests, the database's file. `Tampered` names every file that is wrong."""
    manifest = read_manifest(folder)
    check_seal(manifest, without_keys=without_keys)
    wrong = [why for part in _stored(manifest) if (why := _wrong_in(folder, part))]
    if wrong:
        more = f" And {len(wrong) - SHOWN} more." if len(wrong) > SHOWN else ""
        raise Tampered("This backup is not what it was: " + " ".join(wrong[:SHOWN]) + more)
    databases.check_file(folder / manifest.database.path, manifest.engine)
    return manifest


def check_fit(manifest: Manifest, *, without_keys: bool = False) -> None:
    """That this version of Causeway, its database and its SECRET_KEY can take the backup."""
    if manifest.engine != connection.vendor:
        raise BackupFailed(
            f"This backup is of {manifest.engine}, and DATABASE_URL names {connection.vendor}: restore it into the same kind."
        )
    if newer := unknown_migrations(manifest, known_migrations()):
        raise BackupFailed(
            f"This backup was made by a newer version ({', '.join(newer[:3])}...): install that version, then restore."
        )
    if manifest.secret_mark not in known_marks() and not without_keys:
        raise WrongKeys(
            "This backup was made under another SECRET_KEY, by which erased people and the audit trail are recognized. Put "
            "that key into SECRET_KEY_FALLBACKS."
        )


def known_migrations() -> set[tuple[str, str]]:
    """The migrations that this version can apply: (app, name)."""
    return set(MigrationLoader(None).disk_migrations or {})


def unknown_migrations(manifest: Manifest, known: set[tuple[str, str]]) -> list[str]:
    """Migrations of the backup that this version does not have."""
    return [f"{app}.{name}" for app, names in manifest.migrations.items() for name in names if (app, name) not in known]


def check_place(*, force: bool, stopped: bool, now: datetime) -> None:
    """That nothing is lost and nobody is at work here."""
    if not _has_tables():
        return
    if not stopped:
        _check_quiet(now)
    if not force and (what := _holdings()):
        raise BackupFailed(
            f"This installation is not empty ({what}). Restore into an empty one, or back it up and say --force to replace it."
        )


def _check_quiet(now: datetime) -> None:
    beat = WorkerHeartbeat.objects.filter(beat_at__gt=now - ALIVE).values_list("beat_at", flat=True).first()
    busy = Run.objects.filter(state=Run.State.RUNNING, heartbeat_at__gt=now - AT_WORK).exists()
    if beat is None and not busy:
        return
    seconds = int((now - beat).total_seconds()) if beat else 0
    raise BackupFailed(
        f"A worker is at work here (its last sign of life is {seconds} s old). Stop every worker and web server, then restore; "
        "say --stopped when you know that all have stopped."
    )


def _holdings() -> str:
    counted = [
        (get_user_model().objects.count(), "people"), (SalesforceOrg.objects.count(), "connections"),
        (Customer.objects.count(), "customers"), (Run.objects.count(), "runs"), (LakeTable.objects.count(), "lake tables"),
    ]  # fmt: skip
    return ", ".join(f"{n:,} {what}" for n, what in counted if n)


def _has_tables() -> bool:
    return SalesforceOrg._meta.db_table in connection.introspection.table_names()


def _stored(manifest: Manifest) -> list[Part]:
    lake = [Part(f"{lake_files.FOLDER}/{part.path}", part.bytes, part.sha256) for part in manifest.lake if part.sha256]
    return [manifest.database, *lake]


def _wrong_in(folder: Path, part: Part) -> str:
    place = folder / part.path
    if folder.resolve() not in place.resolve().parents:
        return f"{part.path} lies outside of the backup."
    if not place.is_file():
        return f"{part.path} is missing."
    if place.stat().st_size != part.bytes or digest_file(place) != part.sha256:
        return f"{part.path} was changed."
    return ""
