"""Making a backup: database first, then the lake's files that it knows, then the manifest; visible once it is whole."""

import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import django
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from integrations import audit
from integrations.lake.erasures import mark_of
from integrations.models import Backup
from project.backups import databases, lake_files
from project.backups.failures import BackupFailed
from project.backups.manifest import FILE, Manifest, part_of, write_manifest

PREFIX, PARTIAL = "causeway-", ".partial-"
STALE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """A finished backup, and the names of older ones that went."""

    folder: Path
    manifest: Manifest
    pruned: tuple[str, ...]


def default_root() -> Path:
    """Where backups go when nothing else is said."""
    return Path(settings.DATA_DIR) / "backups"


def take_backup(root: Path, *, now: datetime, keep: int | None = None, link: bool = True, lake: bool = True) -> Taken:
    """Back the installation up into a new folder below `root`, while it works; then forget all but the `keep` newest.

    `lake` False leaves the lake's files where they are and only notes them. `BackupFailed` when it cannot be made; a backup
    that lacks files of the lake is made, and its manifest lists them.
    """
    name = f"{PREFIX}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    final, folder = root / name, root / f"{PARTIAL}{name}"
    if final.exists() or folder.exists():
        raise BackupFailed(f"{final} is there already, or another backup is at work; try again in a second.")
    try:
        folder.mkdir(parents=True, mode=0o700)
        manifest = _fill(folder, name, now=now, link=link, lake=lake)
        folder.rename(final)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise BackupFailed(f"{root} takes no backup: {error}") from error
        raise
    keep_record(manifest, finished_at=timezone.now())
    audit.record("backup.made", target=name, after={"files": len(manifest.lake), "bytes": manifest.bytes})
    return Taken(final, manifest, tuple(prune(root, keep=keep, now=now)) if keep else ())


def keep_record(manifest: Manifest, *, finished_at: datetime) -> Backup:
    """Let the installation know of a backup."""
    about = {
        "made_at": manifest.instant, "finished_at": finished_at, "bytes": manifest.bytes, "files": len(manifest.lake),
        "missing": len(manifest.missing),
    }  # fmt: skip
    return Backup.objects.update_or_create(name=manifest.name, defaults=about)[0]


def prune(root: Path, *, keep: int, now: datetime) -> list[str]:
    """Delete all but the `keep` newest whole backups below `root`, and what broken attempts left a day ago; gives the names."""
    if keep < 1:
        raise BackupFailed("--keep is at least 1.")
    whole = sorted((each.parent for each in root.glob(f"{PREFIX}*/{FILE}")), key=lambda each: each.name, reverse=True)
    gone = whole[keep:]
    for each in root.glob(f"{PARTIAL}*"):
        if datetime.fromtimestamp(each.stat().st_mtime, tz=UTC) < now - STALE:
            shutil.rmtree(each, ignore_errors=True)
    for each in gone:
        shutil.rmtree(each)
    Backup.objects.filter(name__in=[each.name for each in gone]).delete()
    return [each.name for each in gone]


def _fill(folder: Path, name: str, *, now: datetime, link: bool, lake: bool) -> Manifest:
    snapshot = databases.copy_database(folder)
    take = (lambda files: lake_files.take_files(folder, files, link=link)) if lake else lake_files.name_files
    parts, missing = take(snapshot.lake)
    (folder / snapshot.file).chmod(0o600)
    manifest = Manifest(
        name=name, made_at=now.isoformat(), engine=connection.vendor, version=_version(), python=platform.python_version(),
        django=django.get_version(), secret_mark=mark_of(settings.SECRET_KEY), database=part_of(folder, snapshot.file),
        migrations=applied_migrations(), rows=snapshot.rows, lake=parts, missing=missing,
    )  # fmt: skip
    write_manifest(folder, manifest)
    return manifest


def applied_migrations() -> dict[str, list[str]]:
    """What the present database was migrated to, by app."""
    found: dict[str, list[str]] = {}
    for app, name in sorted(MigrationRecorder(connections[DEFAULT_DB_ALIAS]).applied_migrations()):
        found.setdefault(app, []).append(name)
    return found


def _version() -> str:
    try:
        return metadata.version("causeway")
    except metadata.PackageNotFoundError:  # run from its folder, never installed
        return ""
