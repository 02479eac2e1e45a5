"""Months, and the final row of each subject: `calendar`, `moves` and `subjects_final` of a computation.

Only months from the first one in which anything changed are computed; the files of earlier ones stay.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from analytics.facts import tables
from analytics.facts.activity import next_month
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.tables import month_of
from analytics.facts.working import Work
from analytics.models import FactsState
from integrations.lake.types import arrow_schema
from integrations.models import LakeFile

LONG_AGO = date(1900, 1, 1)
RECENT = timedelta(days=3)
"""Days before the midnight that are always computed anew (analytics reference, section 1)."""
OLD = ("movements", "spans", "tickets", "touches", "subjects")


def bind_months(work: Work) -> None:
    """Where each subject stands."""
    engine = work.engine
    for name in ("marks", "values_now", "scores_now"):
        keep(engine, name, sql_of(engine, name))
    keep(engine, "terms_now", sql_of(engine, "terms_now"), today=work.today)
    if work.mirrored.has("Opportunity", "AccountId") and work.mirrored.has("Opportunity", "IsClosed"):
        keep(engine, "open_deals", sql_of(engine, "open_deals"))
    else:
        engine.bind("open_deals", arrow_schema([("subject", "text"), ("n", "whole")]).empty_table())
    keep(engine, "subjects_final", sql_of(engine, "subjects_final"), until=work.as_of)
    let_go(engine, "marks", "values_now", "terms_now", "scores_now", "open_deals")


def months_statement(work: Work, since: date) -> tuple[str, dict[str, Any]]:
    """Everything by month from `since` on, for the file of each month."""
    prior = month_of(since - timedelta(days=1)) if since > LONG_AGO else LONG_AGO
    keep(work.engine, "moves", sql_of(work.engine, "moves"), prior=prior)
    first = work.engine.rows("SELECT min(month) FROM moves")[0][0]
    work.engine.bind("calendar", pa.table({"month": pa.array(months_between(first, work.today), pa.date32())}))
    keep(work.engine, "money_months", sql_of(work.engine, "money_months"))
    let_go(work.engine, "moves")
    recent = " WHERE month >= $since" if since > LONG_AGO else ""
    keep(work.engine, "other_months", sql_of(work.engine, "other_months", recent=recent), until=work.today, since=since)
    return sql_of(work.engine, "months"), {"since": since}


def first_changed(work: Work, known: Mapping[str, str], active: Iterable[date]) -> date:
    """The first month to compute. `known`: digests of the months that are stored; `active`: months of new events."""
    state = FactsState.objects.filter(org=work.org).first()
    stored = LakeFile.objects.filter(table__name=tables.table_name(work.org, "months"), retired_at=None)
    days = {each.isoformat() for each in stored.values_list("day", flat=True) if each is not None}
    if state is None or state.as_of > work.as_of or not known or set(known) != days:
        return LONG_AGO
    for name in OLD:
        work.engine.bind(f"old_{name}", tables.facts(work.org, name))
    moved = "SELECT subject, customer_id FROM old_subjects EXCEPT SELECT subject, customer_id FROM subjects_base"
    if work.count(f"SELECT count(*) FROM ({moved}) AS moved"):  # noqa: S608  our own text
        return LONG_AGO
    of_moved = " WHERE subject IN (SELECT subject FROM moved_subjects)" if "movements" in work.taken_over else ""
    found = work.engine.rows(sql_of(work.engine, "changed_months", of_moved=of_moved))[0][0]
    recent = month_of(min(work.today, state.as_of.date()) - RECENT)
    return min([recent, *active, *([found] if found is not None else [])])


def months_between(first: date | None, until: date) -> list[date]:
    """First days of the months that have a day from `first` up to and without `until`."""
    found: list[date] = []
    month = month_of(first) if first is not None else until
    while month < until:
        found.append(month)
        month = next_month(month)
    return found
