"""The tables of the lake: made once, widened when a column is new, never narrowed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from integrations.lake.types import Column, SchemaError, read_columns
from integrations.models import LakeFile, LakeTable, SalesforceOrg

NAME = re.compile(r"[A-Za-z0-9_]+(/[A-Za-z0-9_.-]*[A-Za-z0-9_])*\Z", re.ASCII)
WHOLE, FLAG, DAYS, VERSIONS = ("text", "whole"), ("flag",), ("day", "moment"), ("whole", "number", "day", "moment", "text")


def ensure_table(
    name: str,
    *,
    columns: Iterable[Sequence[str]],
    key: str = "",
    version: str = "",
    removed: str = "",
    day: str = "",
    org: SalesforceOrg | None = None,
    keep_days: int | None = None,
    family: str = "",
    subjects: Mapping[str, str] | None = None,
) -> LakeTable:
    """The table of that name with at least these columns; safe to call again, also by two processes at once.

    New columns read as null in older files. ValueError when a column's kind or the table's key would change: that is a new
    table. `keep_days` needs `day`: whole days are retired. `family` is what erasures call the key (default: the last part
    of the name, so mirror/3/Contact is Contact); `subjects` names other columns with ids in the same way, or instead.
    """
    wanted = read_columns(columns)
    roles = {"key": key, "version": version, "removed": removed, "day": day}
    _check_name(name)
    _check_roles(name, dict(wanted), roles)
    if keep_days is not None and (not day or keep_days < 1):
        raise SchemaError(f"Table {name}: keep_days is at least 1 and needs a day column to know what is old.")
    settings = {"keep_days": keep_days, "subjects": _read_subjects(name, dict(wanted), key, family, subjects)}
    table = LakeTable.objects.filter(name=name).first()
    if table is not None and _is_as_wanted(table, wanted, {**roles, **settings}):
        return table  # the common case takes no lock
    with transaction.atomic():
        LakeTable.objects.get_or_create(name=name, defaults={"columns": list(wanted), "org": org, **roles, **settings})
        table = LakeTable.objects.select_for_update().get(name=name)
        _check_same(table, roles)
        table.columns = [list(column) for column in _merged(table, wanted)]
        table.keep_days, table.subjects = keep_days, settings["subjects"]
        table.save(update_fields=["columns", "keep_days", "subjects"])
    return table


def peek_table(
    name: str,
    *,
    columns: Iterable[Sequence[str]],
    key: str = "",
    version: str = "",
    removed: str = "",
    day: str = "",
    **_settings: Any,
) -> LakeTable:
    """The table of that name, or one without rows that is not stored: what only reads must change nothing (S-059)."""
    table = LakeTable.objects.filter(name=name).first()
    if table is not None:
        return table
    return LakeTable(name=name, columns=list(read_columns(columns)), key=key, version=version, removed=removed, day=day)


def columns_of(table: LakeTable) -> tuple[Column, ...]:
    """Name and kind of each column, in the order in which they came."""
    return tuple((name, kind) for name, kind in table.columns)


def live_files(table: LakeTable) -> list[LakeFile]:
    """What a reader sees now, oldest first."""
    if table.pk is None:
        return []
    return list(LakeFile.objects.filter(table=table, retired_at=None).order_by("number"))


def drop_table(table: LakeTable) -> None:
    """Forget the table and its rows. Its files no longer exist for anyone and are swept from the disk."""
    LakeTable.objects.filter(pk=table.pk).delete()


def _check_name(name: str) -> None:
    if not NAME.match(name) or len(name) > 200 or ".." in name:
        raise SchemaError(f"Table {name!r}: a name is parts of letters, digits, _, - and . between slashes, at most 200 long.")


def _check_roles(name: str, kinds: dict[str, str], roles: dict[str, str]) -> None:
    for role, allowed in (("key", WHOLE), ("version", VERSIONS), ("removed", FLAG), ("day", DAYS)):
        column = roles[role]
        if column and kinds.get(column) not in allowed:
            found = f"is {kinds[column]}" if column in kinds else "is not among the columns"
            raise SchemaError(f"Table {name}: its {role} column {column} must be {' or '.join(allowed)}; it {found}.")
    if roles["version"] and not roles["key"]:
        raise SchemaError(f"Table {name}: a version needs a key.")


def _read_subjects(
    name: str, kinds: dict[str, str], key: str, family: str, subjects: Mapping[str, str] | None
) -> dict[str, str]:
    named = dict(subjects or {})
    if key and (family or subjects is None):
        named[key] = family or name.rpartition("/")[2]
    if wrong := [column for column in named if kinds.get(column) not in WHOLE]:
        raise SchemaError(f"Table {name}: the subject columns {', '.join(wrong)} must be among the columns, text or whole.")
    return named


def _is_as_wanted(table: LakeTable, wanted: Sequence[Column], rest: Mapping[str, Any]) -> bool:
    return all(getattr(table, name) == value for name, value in rest.items()) and set(wanted) <= set(columns_of(table))


def _check_same(table: LakeTable, roles: dict[str, str]) -> None:
    for role, column in roles.items():
        if getattr(table, role) != column:
            was = getattr(table, role) or "none"
            raise SchemaError(
                f"Table {table.name}: its {role} is {was} and cannot become {column or 'none'}; make a new table."
            )


def _merged(table: LakeTable, wanted: Sequence[Column]) -> tuple[Column, ...]:
    known = {name.lower(): (name, kind) for name, kind in columns_of(table)}
    for name, kind in wanted:
        was = known.setdefault(name.lower(), (name, kind))
        if was != (name, kind):
            raise SchemaError(f"Table {table.name}: column {was[0]} is {was[1]} and cannot become {name} {kind}.")
    return tuple(known.values())
