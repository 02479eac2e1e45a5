"""Campaign members, support tickets and survey answers of subjects: `touches`, `tickets` and `scores` of a computation."""

from decimal import Decimal
from typing import Any

from analytics.attributes.body import RecordGroup
from analytics.facts import extracting, tables
from analytics.facts.statements import keep, sql_of
from analytics.facts.working import Work
from integrations.lake.dialect import quote_name
from integrations.lake.types import arrow_schema
from integrations.product.ingest import lake_tables
from integrations.product.kpis import moved

TOUCH = {
    "campaign": ("campaign_name", "text"), "type": ("campaign_type", "text"), "campaign_at": ("campaign_date", "moment"),
    "state": ("campaign_state", "text"), "touched_at": ("touch_date", "moment"),
}  # fmt: skip
TICKET = {"type": ("ticket_type", "text"), "at": ("ticket_created", "moment"), "closed_at": ("ticket_closed", "moment")}
SURVEYS = ("nps", "csat", "ces")


def bind_records(work: Work) -> None:
    """All three, with counts of what could not be used."""
    _bind_touches(work)
    _bind_tickets(work)
    _bind_scores(work)


def _bind_touches(work: Work) -> None:
    group = work.body.group("campaigns")
    if not _extract(work, "raw_touches", group, TOUCH, _member_fields(work, group)):
        _nothing(work, "touches", tables.TOUCHES)
    else:
        keep(work.engine, "touches", sql_of(work.engine, "touches"), until=work.as_of)
    _count(work, "touches", "raw_touches", group)


def _member_fields(work: Work, group: RecordGroup | None) -> dict[str, str]:
    """The ids and the mark of an answer that campaign members have, besides what is mapped."""
    found = {
        "contact_id": "CAST(NULL AS {{text}})",
        "campaign_id": "CAST(NULL AS {{text}})",
        "responded": "CAST(NULL AS {{flag}})",
    }
    if group is None:
        return found
    name = group.sources.get("campaign_name")
    for column, field in (
        (
            "contact_id",
            next((step[0].field for step in (group.path, group.other_path) if step and step[0].object == "Contact"), ""),
        ),
        ("campaign_id", name.of[0].field if name is not None and name.of else "CampaignId"),
        ("responded", "HasResponded"),
    ):
        wanted = "flag" if column == "responded" else "text"
        if work.mirrored.kind(group.object, field) == wanted:
            found[column] = f"r.{quote_name(field)}"
    return found


def _bind_tickets(work: Work) -> None:
    group = work.body.group("tickets")
    if not _extract(work, "raw_tickets", group, TICKET):
        _nothing(work, "tickets", tables.TICKETS)
    else:
        keep(work.engine, "tickets", sql_of(work.engine, "tickets"), until=work.as_of)
    _count(work, "tickets", "raw_tickets", group)


def _bind_scores(work: Work) -> None:
    """Survey answers of Salesforce, and NPS answers that came to the product. Scores off their scale are left out and counted,
    not bent (analytics reference, section 3)."""
    parts, params, rejected = [], dict[str, Any](), 0
    for kind in SURVEYS:
        group = work.body.group(kind)
        columns = {"score": (f"{kind}_score", "number"), "at": (f"{kind}_date", "moment")}
        if not _extract(work, f"raw_{kind}", group, columns, {"respondent": _respondent(work, group)}):
            continue
        low, high = scale_of(work.body.settings, kind)
        fits = f"v.score >= {low} AND v.score <= {high}" + (" AND v.score = {{round(v.score, 0)}}" if kind == "nps" else "")
        parts.append(sql_of(work.engine, "salesforce_scores", kind=kind, fits=fits))
        rejected += work.count(f"SELECT count(*) FROM raw_{kind} AS v WHERE v.score IS NOT NULL AND NOT ({fits})")  # noqa: S608
    _bind_answers(work)
    parts.append(sql_of(work.engine, "product_scores"))
    keep(work.engine, "scores", " UNION ALL ".join(parts), until=work.as_of, **params)
    work.health |= {"scores": work.count("SELECT count(*) FROM scores"), "scores_off_scale": rejected}


def scale_of(settings: Any, kind: str) -> tuple[Decimal, Decimal]:
    """The lowest and the highest score of a survey."""
    if kind == "nps":
        return Decimal(0), Decimal(10)
    return Decimal(1), Decimal(int(settings[f"{kind}_scale"]))


def _bind_answers(work: Work) -> None:
    names = [lake_tables.EVENT_ID, lake_tables.AT, lake_tables.CUSTOMER_ID, lake_tables.END_USER_ID, lake_tables.SCORE]
    work.engine.bind("answers", lake_tables.nps_answers(columns=names, until=work.today))
    moved.bind_moved(work.engine, ("answers",))


def _respondent(work: Work, group: RecordGroup | None) -> str:
    for field in ("ContactId", "Contact__c"):
        if group is not None and work.mirrored.kind(group.object, field) == "text":
            return f"r.{quote_name(field)}"
    return "CAST(NULL AS {{text}})"


def _extract(
    work: Work, name: str, group: RecordGroup | None, columns: dict[str, tuple[str, str]], further: dict[str, str] | None = None
) -> bool:
    """The records of a group as `name`; False when it is not mapped or was not read yet."""
    made = extracting.extract_group(work.mirrored, group, columns) if group is not None else None
    if made is None:
        return False
    text, params = made
    more = "".join(f", {expression} AS {quote_name(column)}" for column, expression in (further or {}).items())
    keep(work.engine, name, text.replace(" FROM ", f"{more} FROM ", 1), **params)
    return True


def _nothing(work: Work, name: str, columns: tuple[tuple[str, str], ...]) -> None:
    work.engine.bind(name, arrow_schema(columns).empty_table())


def _count(work: Work, name: str, raw: str, group: RecordGroup | None) -> None:
    work.health[name] = work.count(f"SELECT count(*) FROM {name}")  # noqa: S608  our own names
    lost = f"SELECT count(*) FROM {raw} WHERE account IS NULL OR account NOT IN (SELECT account_id FROM roads)"  # noqa: S608
    is_there = group is not None and work.mirrored.has(group.object)
    work.health[f"{name}_without_account"] = work.count(lost) if is_there else 0
