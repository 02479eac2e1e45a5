"""Normalized keys of both sides, streamed: the engine normalizes what is plain, Python the rest, once a distinct value.

The Salesforce side is kept in the lake (`match/<org>/<entity>/keys`) and follows the mirror by its new files, so that a value
is normalized when it lands and not in each run. Of our side only records without a match keep their keys (`.../waiting`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from integrations.lake import tables
from integrations.lake.dialect import quote_name
from integrations.lake.engine import ROWS, Engine, Parameter
from integrations.lake.types import Column, arrow_schema
from integrations.lake.writing import StagedFile, open_writer
from integrations.models import LakeTable, SalesforceOrg
from integrations.sync.mapping.body import ATTRIBUTE, RULES_OF
from integrations.sync.matching import forms_in_sql
from integrations.sync.matching.plan import CARRIED, RECENT, Criterion, Plan

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A key to compute: its name, the SQL of the raw text, and the normal form."""

    name: str
    value: str
    form: str


def arrow_functions() -> Any:
    """`pyarrow.compute`, loaded when it is needed; its functions are made on import, so no checker knows them."""
    import pyarrow.compute

    return pyarrow.compute


def key_batches(
    engine: Engine, source: str, keep: Sequence[str], keys: Sequence[KeyColumn], *, counted: str = "", **params: Parameter
) -> "Iterator[pa.RecordBatch]":
    """The rows of `source` (SQL after FROM) with the columns `keep` and the keys in their normal forms, streamed.

    With `counted` equal rows come as one, and that column says how many they were (some may still be equal afterwards).
    """
    import pyarrow as pa

    kept = ", ".join(map(quote_name, keep))
    raw = "".join(f", {key.value} AS raw_{i}" for i, key in enumerate(keys))
    each = range(len(keys))
    ready = "".join(f", raw_{i}, {forms_in_sql.ready(keys[i].form, f'raw_{i}')} AS ready_{i}" for i in each)
    pieces = "".join(f", raw_{i}, ready_{i}, {forms_in_sql.piece(keys[i].form, f'ready_{i}')} AS piece_{i}" for i in each)
    plain = "".join(
        f", raw_{i}, {forms_in_sql.plain(keys[i].form, f'raw_{i}', f'ready_{i}', f'piece_{i}')} AS plain_{i}" for i in each
    )
    both = "".join(f", plain_{i}, CASE WHEN plain_{i} = '' THEN raw_{i} END AS odd_{i}" for i in each)
    statement = f"SELECT {kept}{raw} FROM {source}"  # noqa: S608
    for columns in (ready, pieces, plain, both):  # what stands on a level is computed once
        statement = f"SELECT {kept}{columns} FROM ({statement})"  # noqa: S608
    if counted:
        statement = f"SELECT {kept}, plain_0, odd_0, count(*) AS {counted} FROM ({statement}) GROUP BY {kept}, plain_0, odd_0"  # noqa: S608
    extra = [counted] if counted else []
    for batch in engine.batches(statement, ROWS, **params):
        arrays = [batch.column(name) for name in (*keep, *extra)]
        arrays += [_finish(batch, place, key.form) for place, key in enumerate(keys)]
        yield pa.RecordBatch.from_arrays(arrays, names=[*keep, *extra, *(key.name for key in keys)])


def _finish(batch: "pa.RecordBatch", place: int, form: str) -> "pa.Array":
    """A key column: plain forms as they are, the others by way of Python, each distinct value once a batch."""
    import pyarrow as pa

    pc = arrow_functions()
    plain = batch.column(f"plain_{place}").cast(pa.string())
    odd = batch.column(f"odd_{place}").cast(pa.string())
    if forms_in_sql.second_step(form):
        plain = _mapped(plain, form, odd=False)
    if odd.null_count == len(odd):
        return plain
    return pc.if_else(pc.is_valid(odd), _mapped(odd, form, odd=True), plain)


def _mapped(texts: "pa.Array", form: str, *, odd: bool) -> "pa.Array":
    import pyarrow as pa

    coded = texts.dictionary_encode()
    distinct = coded.dictionary.to_pylist()
    forms = [
        forms_in_sql.finish(form, None, each) if odd else forms_in_sql.finish(form, each or None, None) for each in distinct
    ]
    return pa.array(forms, pa.string()).take(coded.indices)


# --- Our side ------------------------------------------------------------------------------------------------------------


def our_value(engine: Engine, source: str) -> str:
    """SQL of a product field: a column, or an attribute out of the JSON (no key holds a quote)."""
    if not source.startswith(ATTRIBUTE):
        return quote_name(source)
    key = source.removeprefix(ATTRIBUTE)
    if engine.dialect.name == "clickhouse":
        return f"nullIf(JSONExtractString(attributes, '{key}'), '')"
    return f"json_extract_string(attributes, '$.\"{key}\"')"


def our_columns(criteria: Sequence[Criterion]) -> list[str]:
    """Spine columns that the criteria read."""
    own = [each.source for each in criteria if each.rule != RECENT]
    return list(dict.fromkeys("attributes" if each.startswith(ATTRIBUTE) else each for each in own))


def our_key(engine: Engine, criterion: Criterion, name: str = "k") -> KeyColumn:
    """The key of our side for one criterion."""
    return KeyColumn(name, our_value(engine, criterion.source), criterion.our_form)


# --- Their side ----------------------------------------------------------------------------------------------------------


def key_table(org: SalesforceOrg, entity: str, object_: str) -> LakeTable:
    """Where the keys of the Salesforce side are kept, with what ties are decided by (PX-D3)."""
    columns: list[Column] = [("Id", "text"), ("created", "moment"), ("version", "moment"), ("removed", "flag")]
    columns += [(rule, "text") for rule in RULES_OF[entity] if rule != CARRIED]
    name = f"match/{org.pk}/{entity}/keys"
    return tables.ensure_table(
        name, columns=columns, key="Id", version="version", removed="removed", org=org, subjects={"Id": object_}
    )


def waiting_table(org: SalesforceOrg, entity: str) -> LakeTable:
    """Records of ours without a match, with their keys. `round` is the run that said so."""
    columns: list[Column] = [("id", "whole"), ("round", "whole"), ("removed", "flag")]
    columns += [(rule, "text") for rule in RULES_OF[entity]]
    name = f"match/{org.pk}/{entity}/waiting"
    subjects = {"id": f"{entity}.id"}
    return tables.ensure_table(name, columns=columns, key="id", version="round", removed="removed", org=org, subjects=subjects)


def their_columns(plan: Plan) -> dict[str, str]:
    """Which key column each criterion is compared with; two that read the same field in the same form share one."""
    first: dict[tuple[str, str], str] = {}
    return {
        each.rule: "Id" if each.field == "Id" else first.setdefault((each.field, each.their_form), each.rule)
        for each in plan.criteria
    }


def their_keys(plan: Plan, kinds: Mapping[str, str]) -> list[KeyColumn]:
    """The key columns to compute; `kinds` are the lake's kinds of the mirrored fields."""
    made = set(their_columns(plan).values())
    return [KeyColumn(each.rule, _text_of(each.field, kinds), each.their_form) for each in plan.criteria if each.rule in made]


def _text_of(field: str, kinds: Mapping[str, str]) -> str:
    if kinds.get(field, "text") == "text":
        return quote_name(field)
    return f"{{{{replace_all(CAST({quote_name(field)} AS {{{{text}}}}), '[.]0+$', '')}}}}"


def write_their_keys(
    engine: Engine, table: LakeTable, source: str, version: str, keys: Sequence[KeyColumn], *, kind: str
) -> StagedFile:
    """Normalize the mirrored records of the view `source` into a staged file of the key table."""
    keep = ["Id", "CreatedDate", "IsDeleted", *([version] if version else [])]
    with open_writer(table, kind=kind) as writer:
        for batch in key_batches(engine, source, keep, keys):
            writer.write(_key_rows(batch, version, table))
    return writer.staged


def _key_rows(batch: "pa.RecordBatch", version: str, table: LakeTable) -> "pa.RecordBatch":
    import pyarrow as pa

    pc = arrow_functions()
    schema = arrow_schema(tables.columns_of(table))
    moment = pa.timestamp("ms", tz="UTC")
    nothing = pa.nulls(batch.num_rows, pa.string())
    columns = {
        "Id": batch.column("Id"),
        "created": batch.column("CreatedDate").cast(moment),
        "version": batch.column(version).cast(moment) if version else pa.nulls(batch.num_rows, moment),
        "removed": pc.fill_null(batch.column("IsDeleted").cast(pa.bool_()), False),
    }
    arrays = [columns.get(name) or (batch.column(name) if name in batch.schema.names else nothing) for name in schema.names]
    return pa.RecordBatch.from_arrays([each.cast(kind) for each, kind in zip(arrays, schema.types, strict=True)], schema=schema)
