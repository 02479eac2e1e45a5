"""Transactions of the mirror as spans, and what they do to the MRR: `spans`, `terms`, `movements`, `steps` of a computation."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import pyarrow as pa

from analytics.facts import extracting, reusing, tables
from analytics.facts.currency import Exchange, Rate, exchange_of
from analytics.facts.mirrored import bound_name
from analytics.facts.spans import Notes, Rules, Span, Transaction, spans_of
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.timeline import BRIDGE_DAYS
from analytics.facts.working import Work
from analytics.models import AnalyticsSettings
from integrations.lake.types import arrow_schema
from integrations.sync.mapping.desired import spool

GROUP = "transactions"
COLUMNS: dict[str, tuple[str, str]] = {
    "amount": ("tx_amount", "number"), "quantity": ("tx_quantity", "number"), "starts_on": ("tx_start", "day"),
    "ends_on": ("tx_end", "day"), "months": ("tx_months", "number"), "currency": ("tx_currency", "text"),
    "product": ("product_name", "text"), "contract_type": ("contract_type", "text"), "raw_contract": ("contract_type", "text"),
}  # fmt: skip
CURRENCY = "CurrencyIsoCode"
SHAPE = tables.SPANS
TRANSACTION = tables.WORKING["transactions"]
REFUSED = "refused:"  # and the currency, among the notes
FEW = 20_000


def bind_spans(work: Work) -> None:
    """Everything that money says. Needs `roads`, and `churn_fields` (account, churned) for service that a field ends."""
    bind_transactions(work)
    exchange = exchange_for(work)
    settings = work.body.settings
    rules = Rules(settings["tx_amount_is"], settings["tx_end_is"], int(settings["default_months"]))
    group = work.body.group(GROUP)
    object_ = group.object if group is not None else ""
    factors = {name: str(factor) for name, factor in sorted(exchange.factors.items())}
    is_again = reusing.takes_over(work, "spans", [exchange.currency, factors, asdict(rules), object_])
    reusing.bind_changed_subjects(work, is_again=is_again)
    noted: list[tuple[str, str, int]] = []
    made = _span_batches(_subjects(work), exchange, rules, noted, object_)
    work.engine.bind("new_spans", spool(made, arrow_schema(SHAPE)))
    work.engine.bind("new_span_notes", _note_table(noted))
    for name in ("spans", "span_notes"):
        reusing.keep_with_stored(work, name, tables.facts(work.org, name), "changed_subjects", is_again=is_again)
    _tell(work, exchange)


def _note_table(noted: Iterable[tuple[str, str, int]]) -> pa.Table:
    shape = tables.WORKING["span_notes"]
    return pa.Table.from_pylist([dict(zip(dict(shape), row, strict=True)) for row in noted], schema=arrow_schema(shape))


def _tell(work: Work, exchange: Exchange) -> None:
    """The counts of what was odd, over all subjects."""
    rows = work.engine.rows("SELECT name, CAST(sum(n) AS {{whole}}) AS n FROM span_notes GROUP BY name ORDER BY name")
    found = {name: int(n) for name, n in rows}
    refused = {name.removeprefix(REFUSED): n for name, n in found.items() if name.startswith(REFUSED)}
    work.health |= {
        "currency": exchange.currency, "refused_currencies": refused,
        "spans": work.count("SELECT count(*) FROM spans"), **{name: found.get(name, 0) for name in SPAN_NOTES},
    }  # fmt: skip


SPAN_NOTES = (
    "spans_without_start", "spans_reversed", "spans_without_amount", "spans_with_default_term", "spans_without_end",
    "spans_out_of_range",
)  # fmt: skip


def bind_movements(work: Work) -> None:
    """`movements` with short gaps bridged, `steps` with the longer grace of milestones (FZ-D4)."""
    is_again = reusing.takes_over(work, "movements", [BRIDGE_DAYS, work.settings.grace_days, work.inputs["spans"]])
    reusing.bind_moved_subjects(work, is_again=is_again)
    keep(work.engine, "terms", sql_of(work.engine, "terms"))
    text = sql_of(work.engine, "levels")
    keep(work.engine, "steps7", text, gap=BRIDGE_DAYS, until=work.today)
    listed = "SELECT subject, day, kind"
    if work.settings.grace_days == BRIDGE_DAYS:
        keep(work.engine, "new_steps", f"{listed} FROM steps7")
    else:
        keep(work.engine, "new_steps", f"{listed} FROM ({text}) AS s", gap=work.settings.grace_days, until=work.today)
    keep(work.engine, "new_movements", "SELECT * FROM steps7 WHERE kind NOT IN ('more', 'fewer')")
    for name in ("steps", "movements"):
        reusing.keep_with_stored(work, name, tables.facts(work.org, name), "moved_subjects", is_again=is_again)
    let_go(work.engine, "raw_transactions", "terms", "steps7")


def bind_transactions(work: Work) -> None:
    """The records of the transaction source with their subjects, as `transactions`."""
    group = work.body.group(GROUP)
    made = extracting.extract_group(work.mirrored, group, COLUMNS) if group is not None else None
    if group is None or made is None:
        work.engine.bind("transactions", arrow_schema(TRANSACTION).empty_table())
        work.health |= {"transactions": 0, "transactions_without_account": 0}
        return
    text, params = made
    if not group.sources.get("tx_currency") and work.mirrored.has(group.object, CURRENCY):
        text = text.replace('CAST(NULL AS {{text}}) AS "currency"', f'r."{CURRENCY}" AS "currency"')
    keep(work.engine, "raw_transactions", text, **params)
    keep(work.engine, "transactions", sql_of(work.engine, "transactions"))
    everything = work.count("SELECT count(*) FROM raw_transactions")
    known = work.count("SELECT count(*) FROM transactions")
    work.health |= {"transactions": everything, "transactions_without_account": everything - known}


def exchange_for(work: Work) -> Exchange:
    """How this connection's amounts become one currency."""
    seen = {name: int(n) for name, n in work.engine.rows(
        "SELECT currency, count(*) FROM transactions WHERE currency IS NOT NULL GROUP BY currency"
    )}  # fmt: skip
    own = work.org.currency
    return exchange_of(read_rates(work), on=work.today, wanted=work.settings.currency, own=own, seen=seen)


def read_rates(work: Work) -> list[Rate]:
    """The org's rates, dated ones and those of its currencies."""
    has, rates = work.mirrored.has, list[Rate]()
    if has("CurrencyType", "IsoCode") and has("CurrencyType", "ConversionRate"):
        corporate = '"IsCorporate"' if has("CurrencyType", "IsCorporate") else "false"
        text = f'SELECT "IsoCode", "ConversionRate", {corporate} FROM {bound_name("CurrencyType")} ORDER BY 1'  # noqa: S608
        rates += [Rate(name, rate, is_corporate=bool(is_own)) for name, rate, is_own in work.engine.rows(text) if name and rate]
    dated = "DatedConversionRate"
    if has(dated, "IsoCode") and has(dated, "ConversionRate") and has(dated, "StartDate"):
        until = '"NextStartDate"' if has(dated, "NextStartDate") else "CAST(NULL AS {{day}})"
        text = f'SELECT "IsoCode", "ConversionRate", "StartDate", {until} FROM {bound_name(dated)} ORDER BY 1, 3'  # noqa: S608
        rates += [Rate(name, rate, since, end) for name, rate, since, end in work.engine.rows(text) if name and rate]
    return rates


def _subjects(work: Work) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The transactions of one changed subject after the other."""
    names = ", ".join(name for name, _ in TRANSACTION)
    changed = "WHERE subject IN (SELECT subject FROM changed_subjects)"
    text = f"SELECT {names} FROM transactions {changed} ORDER BY subject, record"  # noqa: S608
    rows = (
        row for batch in work.engine.batches(text, FEW) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
    )
    for subject, own in groupby(rows, key=lambda row: row[1]):
        yield subject, list(own)


def _span_batches(
    subjects: Iterable[tuple[str, list[tuple[Any, ...]]]], exchange: Exchange, rules: Rules,
    noted: list[tuple[str, str, int]], object_: str,
) -> Iterator[pa.RecordBatch]:  # fmt: skip
    """Spans in batches; what is odd about a subject goes to `noted`."""
    rows: list[tuple[Any, ...]] = []
    for subject, own in subjects:
        notes, refused = Notes(), Counter[str]()
        churned = {row[0]: row[-1] for row in own if row[-1] is not None}
        made = spans_of(_converted(own, exchange, refused), rules, notes)
        rows += [_row(_cut(each, churned), object_) for each in made]
        noted += [(subject, name, n) for name, n in notes.counts.items()]
        noted += [(subject, REFUSED + currency, n) for currency, n in refused.items()]
        if len(rows) >= FEW:
            yield _batch(rows)
            rows = []
    if rows:
        yield _batch(rows)


def _converted(rows: Iterable[tuple[Any, ...]], exchange: Exchange, refused: Counter[str]) -> Iterator[Transaction]:
    """In the report's currency; what has no rate is counted and left out, never mixed."""
    for record, subject, amount, quantity, starts, ends, months, currency, product, contract_type, contract, _ in rows:
        converted = exchange.convert(amount or Decimal(0), currency)
        if converted is None:
            refused[currency] += 1
            continue
        yield Transaction(
            record, subject, starts, None if amount is None else converted, ends, months, quantity, product, contract_type,
            contract, currency or exchange.currency,
        )  # fmt: skip


def _cut(span: Span, churned: dict[str, date]) -> Span:
    """Service ends where the mapped churn date of its account says so."""
    end = churned.get(span.record)
    if end is None or span.kind == "one_time" or span.starts_on >= end or (span.ends_on is not None and span.ends_on <= end):
        return span
    return span._replace(ends_on=end)


def _row(span: Span, object_: str) -> tuple[Any, ...]:
    return (
        f"{object_}/{span.record}", span.subject, span.product, span.kind, span.starts_on, span.ends_on, span.months,
        span.quantity, span.amount, span.mrr, span.currency, object_, span.record, span.contract_type,
    )  # fmt: skip


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    schema = arrow_schema(SHAPE)
    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(list(column), of.type) for column, of in zip(columns, schema, strict=True)], schema=schema
    )


def uses_churn_field(work: Work) -> bool:
    """Whether a mapped churn date ends service (FZ-D4: field first)."""
    return work.body.is_mapped("churn_date") and work.settings.preference == AnalyticsSettings.Preference.FIELD
