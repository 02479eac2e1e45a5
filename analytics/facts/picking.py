"""Attributes of subjects out of the mirror: one value each, or every record as an event."""

from datetime import UTC, datetime

from analytics.attributes.body import ACCOUNT
from analytics.attributes.catalogue import BY_KEY, MILESTONE_OF
from analytics.facts.people import bind_union
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.working import Work
from integrations.lake.types import arrow_schema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = ("industry", "region", "source", "plan")
NUMBERS = ("seats",)


def bind_attributes(work: Work) -> None:
    """`at_<key>` (subject, value, record, rank) of each attribute that is a text or a number."""
    for key in (*TEXTS, *NUMBERS):
        _pick(work, key, "number" if key in NUMBERS else "text")


def bind_churn_fields(work: Work, *, is_used: bool) -> None:
    """`churn_fields`: the latest mapped churn date of each account that has begun to be past (account_id, churned)."""
    shape = [("account_id", "text"), ("churned", "day")]
    if not is_used or not bind_union(work, "churn_values", "churn_date", "moment"):
        work.engine.bind("churn_fields", arrow_schema(shape).empty_table())
        return
    keep(work.engine, "churn_fields", sql_of(work.engine, "churn_fields"), until=work.as_of)


def bind_milestone_fields(work: Work) -> None:
    """`field_milestones` (subject, kind, at, source_object, source_id) of every mapped date."""
    parts = []
    for key, kind in MILESTONE_OF.items():
        source = work.body.get(key)
        if source is None or not bind_union(work, f"dates_{key}", key, "moment"):
            continue
        objects = {rank: each.object for rank, each in enumerate(source.chain())}
        named = " ".join(f"WHEN m.rank = {rank} THEN '{name}'" for rank, name in objects.items())
        rows = sql_of(work.engine, "every_record", values=f"dates_{key}")
        if not (BY_KEY[key].every or source.pick == "every"):
            _pick(work, key, "moment", bound=True)
            rows = f"at_{key}"
        parts.append(sql_of(work.engine, "field_milestones", kind=kind, object=f"CASE {named} END", rows=rows))
    if parts:
        keep(work.engine, "field_milestones", " UNION ALL ".join(parts), until=work.as_of)
    else:
        work.engine.bind("field_milestones", arrow_schema(MILESTONE).empty_table())


MILESTONE = (("subject", "text"), ("kind", "text"), ("at", "moment"), ("source_object", "text"), ("source_id", "text"))


def _pick(work: Work, key: str, kind: str, *, bound: bool = False) -> None:
    """`at_<key>`: one value a subject."""
    values = f"dates_{key}" if bound else f"values_{key}"
    if not bound:
        bind_union(work, values, key, kind)
    text = sql_of(work.engine, "picked", values=values, order=_order_of(work, key))
    keep(work.engine, f"at_{key}", text, epoch=EPOCH)
    let_go(work.engine, values)


def _order_of(work: Work, key: str) -> str:
    """Accounts' own fields by the age of the account; other records by what `pick` says, those without a date last."""
    source = work.body.get(key)
    cases = []
    for rank, each in enumerate(source.chain() if source is not None else ()):
        is_latest = each.object != ACCOUNT and each.pick == "latest"
        seconds = "{{seconds_between(CAST($epoch AS {{moment}}), v.ordered)}}"
        cases.append(f"WHEN v.rank = {rank} THEN {'-' if is_latest else ''}{seconds}")
    return f"CASE {' '.join(cases)} END NULLS LAST" if cases else "v.ordered NULLS LAST"
