"""Where mirrored records are: one lake table an object and connection, and the ways in which other rooms read it."""

from collections.abc import Iterable, Sequence
from typing import Any

from integrations.access import Refusal
from integrations.lake import reading, tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import open_engine
from integrations.lake.reading import Relation
from integrations.lake.types import Column, SchemaError
from integrations.models import LakeTable, MirrorField, MirrorObject, SalesforceOrg
from integrations.salesforce.ids import to_18

KEY, REMOVED = "Id", "IsDeleted"
MOST_FOUND = 10_000  # ids of one `find`: more is bulk work, which reads `live`


def table_name(org: SalesforceOrg | int, object_: str) -> str:
    """The lake's name of a mirrored object, such as mirror/3/Account."""
    return f"mirror/{org if isinstance(org, int) else org.pk}/{object_}"


def mirror_of(org: SalesforceOrg, object_: str) -> MirrorObject | None:
    """The mirror of that object (its name in any case), None when it was never read."""
    return MirrorObject.objects.filter(org=org, name__iexact=object_).select_related("table", "org").first()


def table_of(mirror: MirrorObject) -> LakeTable | None:
    """Its lake table, None before the first read."""
    return mirror.table


def live(org: SalesforceOrg, object_: str, columns: Iterable[str] | None = None, *, include_removed: bool = False) -> Relation:
    """The mirrored records as they are now, each once; without `columns` all mirrored fields.

    Raises `Refusal` not_mirrored before the first read, `SchemaError` for a field that is not mirrored.
    """
    mirror = mirror_of(org, object_)
    table = mirror.table if mirror is not None else None
    if mirror is None or table is None:
        raise Refusal("not_mirrored", f"{object_} of {org} has not been read yet; start a read of the mirror first.")
    return reading.newest(table, columns=columns or fields_of(mirror, table), include_removed=include_removed)


def fields_of(mirror: MirrorObject, table: LakeTable) -> list[str]:
    """Names of the fields that are mirrored now; a field that nobody needs any more is not shown with its old values."""
    known = [name for name, _ in tables.columns_of(table)]
    kept = MirrorField.objects.filter(object=mirror).exclude(state=MirrorField.State.LEFT_OUT)
    needed = set(kept.values_list("name", flat=True))
    return [name for name in known if name in needed]


def find(org: SalesforceOrg, object_: str, ids: Sequence[str], columns: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The live records with these ids (15 or 18 characters), in no order; ids that are not mirrored are missing."""
    wanted = list(dict.fromkeys(to_18(each) for each in ids))
    if len(wanted) > MOST_FOUND:
        raise ValueError(f"find takes at most {MOST_FOUND:,} ids; read tables.live instead.")
    if not wanted:
        return []
    relation = live(org, object_, None if columns is None else dict.fromkeys([KEY, *columns]))
    with open_engine() as engine:
        engine.bind("found", relation)
        key = quote_name(KEY)
        names = ", ".join(quote_name(name) for name in relation.names)
        return engine.table(f"SELECT {names} FROM found WHERE {{{{has($ids, {key})}}}}", ids=wanted).to_pylist()  # noqa: S608


def sample(org: SalesforceOrg, object_: str, columns: Iterable[str] | None = None, n: int = 5) -> list[dict[str, Any]]:
    """The first `n` live records by id."""
    relation = live(org, object_, columns)
    with open_engine() as engine:
        engine.bind("found", relation)
        names = ", ".join(quote_name(name) for name in relation.names)
        order = f" ORDER BY {quote_name(KEY)}" if KEY in relation.names else ""
        return engine.table(f"SELECT {names} FROM found{order} LIMIT {int(n)}").to_pylist()  # noqa: S608  names checked


def count_rows(table: LakeTable) -> tuple[int, int]:
    """How many records are live and how many are marked as deleted."""
    relation = reading.newest(table, columns=[each for each in (KEY, table.removed) if each], include_removed=True)
    if not relation.files:
        return 0, 0
    with open_engine() as engine:
        engine.bind("found", relation)
        removed = f"coalesce({quote_name(table.removed)}, false)" if table.removed else "false"
        everything, gone = engine.rows(f"SELECT count(*), {{{{count_if({removed})}}}} FROM found")[0]  # noqa: S608
    return everything - gone, gone


def ensure_mirror_table(org: SalesforceOrg, object_: str, columns: Iterable[Column], *, version: str) -> LakeTable:
    """The table of an object with at least these columns. Raises `SchemaError` when a column would change its kind.

    It always has the column IsDeleted, also where Salesforce has none (files without it read as live): the mirror itself
    marks there what reconciliation finds gone.
    """
    wanted = list(dict.fromkeys([*columns, (REMOVED, "flag")]))
    removed = REMOVED
    known = LakeTable.objects.filter(name=table_name(org, object_)).first()
    if known is not None:  # what tells versions apart was decided by the first read
        version, removed = known.version, known.removed
    return tables.ensure_table(
        table_name(org, object_), columns=wanted, key=KEY, version=version, removed=removed, org=org
    )  # fmt: skip


def kinds_of(org: SalesforceOrg, object_: str) -> dict[str, str]:
    """How the columns of an object's table are kept; {} before the first read."""
    known = LakeTable.objects.filter(name=table_name(org, object_)).first()
    return dict(tables.columns_of(known)) if known is not None else {}


__all__ = [
    "SchemaError", "count_rows", "ensure_mirror_table", "fields_of", "find", "kinds_of", "live", "mirror_of", "sample",
    "table_name", "table_of",
]  # fmt: skip
