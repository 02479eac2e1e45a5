"""Copying a database while it works, and putting a copy back. SQLite by its online backup, PostgreSQL by its own programs."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from project.backups.failures import BackupFailed, Tampered

SQLITE, POSTGRES = "database.sqlite3", "database.dump"
LIVE_FILES = "SELECT path, bytes FROM integrations_lakefile WHERE retired_at IS NULL ORDER BY path"
WAIT = 60.0  # seconds for a lock
LONGEST = 6 * 3600  # seconds that a program of PostgreSQL may take


@dataclass
class Snapshot:
    """What the copy holds: its file, rows by table, and the lake's files (path, bytes) that it knows."""

    file: str
    rows: dict[str, int]
    lake: list[tuple[str, int]]


def file_for(vendor: str) -> str:
    """Name of the database's file in a backup."""
    return SQLITE if vendor == "sqlite" else POSTGRES


def copy_database(folder: Path) -> Snapshot:
    """Copy the present database into `folder`, as of one instant, while others read and write. `BackupFailed`."""
    if connection.vendor == "sqlite":
        return _copy_sqlite(folder / SQLITE)
    return _dump_postgres(folder / POSTGRES)


def put_back(file: Path) -> None:
    """Make the present database what `file` holds; what it held is gone. `BackupFailed` when PostgreSQL's programs fail."""
    connection.close()
    if connection.vendor == "sqlite":
        _put_back_sqlite(file)
    else:
        _put_back_postgres(file)
    connection.close()


def check_file(file: Path, vendor: str) -> None:
    """That a database can be made of the file. `Tampered` when not."""
    if vendor == "sqlite":
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as copy:
            try:
                found = copy.execute("PRAGMA quick_check").fetchone()[0]
            except sqlite3.DatabaseError as error:
                raise Tampered(f"{file.name} is not a database: {error}") from error
        if found != "ok":
            raise Tampered(f"{file.name} is damaged: {found}")
        return
    if shutil.which("pg_restore") or _program("pg_restore"):
        _call("pg_restore", "--list", str(file))


# --- SQLite -----------------------------------------------------------------------------------------------------------


def _copy_sqlite(target: Path) -> Snapshot:
    name = str(connection.settings_dict["NAME"])
    with closing(sqlite3.connect(name, timeout=WAIT)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)  # in one step: a reader of a WAL database holds nobody up
        copy.execute("PRAGMA journal_mode=DELETE")
        tables = [row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {table: copy.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables}  # noqa: S608
        lake = [(path, size) for path, size in copy.execute(LIVE_FILES)]
    return Snapshot(target.name, rows, lake)


def _put_back_sqlite(file: Path) -> None:
    """Page by page into the present file, so that nobody holds a file that is no longer there."""
    name = str(connection.settings_dict["NAME"])
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as source,
        closing(sqlite3.connect(name, timeout=WAIT)) as target,
    ):
        source.backup(target)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _dump_postgres(target: Path) -> Snapshot:
    with _snapshot() as (cursor, number):
        _call("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={number}", f"--file={target}",
              _database())  # fmt: skip
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
        tables = [row[0] for row in cursor.fetchall()]
        rows = {table: _one(cursor, f'SELECT count(*) FROM "{table}"') for table in tables}  # noqa: S608
        cursor.execute(LIVE_FILES)
        lake = [(path, size) for path, size in cursor.fetchall()]
    return Snapshot(target.name, rows, lake)


@contextmanager
def _snapshot() -> Iterator[tuple[Any, str]]:
    """One view of the database for pg_dump and for us."""
    connection.close()  # a transaction of our own, from the first statement on
    with connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield cursor, _one(cursor, "SELECT pg_export_snapshot()")
        finally:
            cursor.execute("ROLLBACK")


def _one(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()[0]


def _put_back_postgres(file: Path) -> None:
    """Drop every table, then fill the schema in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        names = ", ".join(f'"{row[0]}"' for row in cursor.fetchall())
        if names:
            cursor.execute("SET lock_timeout = '30s'")
            cursor.execute(f"DROP TABLE {names} CASCADE")
    connection.close()
    _call("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", f"--dbname={_database()}",
          str(file))  # fmt: skip


def _database() -> str:
    return str(connection.settings_dict["NAME"])


def _program(name: str) -> str:
    """Where the program is; the newest when several are installed. "" when none is."""
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: path.parts[-3].zfill(3))
    return str(installed[-1]) if installed else shutil.which(name) or ""


def _call(name: str, *words: str) -> None:
    program = _program(name)
    if not program:
        raise BackupFailed(
            f"{name} is not installed here, and PostgreSQL can only be backed up and restored with it. Install the client "
            "programs (Debian: apt install postgresql-client, of the server's version or newer), or run this where they are."
        )
    known = connection.settings_dict
    pairs = {"PGHOST": known["HOST"], "PGPORT": known["PORT"], "PGUSER": known["USER"], "PGPASSWORD": known["PASSWORD"]}
    given = {key: str(value) for key, value in pairs.items() if value}
    if mode := known.get("OPTIONS", {}).get("sslmode"):
        given["PGSSLMODE"] = str(mode)
    done = subprocess.run(  # noqa: S603 - our own command line; the password stands in the environment only
        [program, *words], env={**os.environ, **given}, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if done.returncode:
        raise BackupFailed(f"{name} failed: {done.stderr.strip()[-800:]}")
