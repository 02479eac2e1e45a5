"""What attributes were in the past: from the org's field history, and from our own nightly snapshots (a row when a value is
another than the last known)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyarrow as pa

from analytics.attributes.body import ACCOUNT, Source
from analytics.attributes.optional import history_of
from analytics.facts import extracting, tables
from analytics.facts.mirrored import HISTORY, bound_name
from analytics.facts.pasts import Change, pasts_of
from analytics.facts.picking import NUMBERS, TEXTS
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.working import Work
from integrations.lake.dialect import quote_name
from integrations.lake.types import arrow_schema
from integrations.product.kpis import moved

FEW = 20_000


def bind_history(work: Work) -> None:
    """`history` in the columns of `tables.ATTRIBUTE_HISTORY`, with what is stored of earlier nights."""
    engine = work.engine
    engine.bind("stored_history", tables.facts(work.org, "attribute_history"))
    merged = {f"c{loser}": f"c{winner}" for loser, winner in moved.survivors().items()}
    pairs = {"old": list(merged), "new": list(merged.values())}
    engine.bind("merged_subjects", pa.table(pairs, schema=arrow_schema([("old", "text"), ("new", "text")])))
    keep(engine, "attributes_now", _now(work))
    _bind_pasts(work)
    keep(engine, "known_history", sql_of(engine, "known_history"), as_of=work.as_of)
    keep(engine, "history", sql_of(engine, "history"), as_of=work.as_of, today=work.today)
    let_go(engine, "attributes_now", "known_history", "pasts")
    work.health["history"] = work.count("SELECT count(*) FROM history")


def _now(work: Work) -> str:
    """Every attribute of every subject as it is now, as text."""
    parts = []
    for key in (*TEXTS, *NUMBERS):
        value = extracting.as_kind("a.value", "number" if key in NUMBERS else "text", "text")
        parts.append(f"SELECT a.subject AS subject, '{key}' AS attribute, {value} AS value FROM at_{key} AS a")  # noqa: S608
    return " UNION ALL ".join(parts)


def _bind_pasts(work: Work) -> None:
    """`pasts` (subject, attribute, since, value) of attributes that stand on the account itself."""
    rows = list(_pasts(work))
    columns = {name: [row[place] for row in rows] for place, (name, _) in enumerate(tables.ATTRIBUTE_HISTORY)}
    work.engine.bind("pasts", pa.table(columns, schema=arrow_schema(tables.ATTRIBUTE_HISTORY)))


def _pasts(work: Work) -> Iterator[tuple[object, ...]]:
    object_ = history_of(ACCOUNT)
    sources = {key: each for key in (*TEXTS, *NUMBERS) if (each := _own_source(work, key)) is not None}
    if not sources or not all(work.mirrored.has(object_, name) for name in (*HISTORY, "AccountId")):
        return
    fields = list(dict.fromkeys(field for each in sources.values() for field in each.fields))
    changes, now = _changes(work, object_, fields), _values_now(work, fields)
    for account, (subject, state) in now.items():
        for key, source in sources.items():
            own = [each for each in changes[account] if each.field in source.fields]
            if own:
                for since, value in pasts_of(state, own, source.fields, source.values):
                    yield subject, key, since, value


def _own_source(work: Work, key: str) -> Source | None:
    """The source of an attribute, when it is fields of the account itself."""
    source = work.body.get(key)
    return source if source is not None and source.object == ACCOUNT and not source.of else None


def _changes(work: Work, object_: str, fields: Iterable[str]) -> dict[str, list[Change]]:
    text = sql_of(work.engine, "field_changes", history=bound_name(object_))
    found: dict[str, list[Change]] = defaultdict(list)
    for batch in work.engine.batches(text, FEW, fields=list(fields), until=work.as_of):
        for account, field, old, new, at in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            found[account].append(Change(field, old, new, at))
    return found


def _values_now(work: Work, fields: Iterable[str]) -> dict[str, tuple[str, dict[str, str | None]]]:
    """The subject and the fields of those accounts that have a history and speak for their subject."""
    known = {field: work.mirrored.kind(ACCOUNT, field) for field in fields}
    there = [field for field, kind in known.items() if kind]
    listed = "".join(
        f", {extracting.as_kind(f'a.{quote_name(field)}', known[field], 'text')} AS f{n}" for n, field in enumerate(there)
    )
    text = sql_of(work.engine, "changed_accounts", fields=listed, history=bound_name(history_of(ACCOUNT)))
    found = {}
    for batch in work.engine.batches(text, FEW):
        for account, subject, *values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            found[account] = (subject, dict(zip(there, values, strict=True)))
    return found
