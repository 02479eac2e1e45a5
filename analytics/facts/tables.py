"""The lake tables of facts, `analytics/<connection>/<name>`: their columns are the contract between facts and analyses.

A **subject** is who is counted: a customer of the spine (`c<number>`) with all Salesforce accounts that lead to it, or an
account that leads to no customer (its id of 18 characters). Nobody is dropped: unlinked ones have `customer_id` or `account_id`
null.
Every table is replaced as a whole by a computation, except `months` and `activity` (a file a month); `attribute_history` grows.
Money is in the report currency of the connection's settings. Days are UTC days; `moment`s are instants in UTC.
"""

from collections.abc import Iterable
from datetime import date

from integrations.lake import reading
from integrations.lake.reading import Relation
from integrations.lake.tables import ensure_table, peek_table
from integrations.lake.types import Column
from integrations.models import LakeTable, SalesforceOrg

SUBJECTS: tuple[Column, ...] = (
    ("subject", "text"),
    ("customer_id", "whole"),
    ("account_id", "text"),  # of several accounts the one that was created first
    ("accounts", "whole"),  # how many Salesforce accounts lead to it
    ("name", "text"),
    ("linked_by", "text"),  # linking_id, link or none
    ("started_at", "moment"),  # FZ-21
    ("trial_started_at", "moment"),
    ("trial_ended_at", "moment"),
    ("paid_at", "moment"),  # first paid start
    ("churned_at", "moment"),  # end of service of the last paid time; null while paying
    ("first_seen_at", "moment"),  # first event of any of its users
    ("last_seen_at", "moment"),
    ("industry", "text"),
    ("region", "text"),
    ("source", "text"),
    ("product", "text"),
    ("plan", "text"),
    ("contract_type", "text"),
    ("seats", "number"),
    ("mrr", "number"),  # as of
    ("tickets", "whole"),
    ("campaigns", "whole"),
    ("nps", "number"),  # latest score
    ("csat", "number"),
    ("ces", "number"),
    ("owner_id", "text"),
    ("open_opportunities", "whole"),
    ("derived", "text"),  # names of milestones that were derived, between commas
)
SPANS: tuple[Column, ...] = (
    ("span", "text"),  # key: source record, and its line
    ("subject", "text"),
    ("product", "text"),
    ("kind", "text"),  # recurring, one_time or trial
    ("starts_on", "day"),
    ("ends_on", "day"),  # first day without service; null: open end
    ("months", "number"),
    ("quantity", "number"),
    ("amount", "number"),  # of the whole span
    ("mrr", "number"),  # 0 for one_time and trial
    ("currency", "text"),  # of the source
    ("source_object", "text"),
    ("source_id", "text"),
    ("contract_type", "text"),
)
MOVEMENTS: tuple[Column, ...] = (
    ("subject", "text"),
    ("day", "day"),
    ("kind", "text"),  # new, expansion, contraction, churn, reactivation
    ("before", "number"),
    ("after", "number"),
    ("delta", "number"),
)
MILESTONES: tuple[Column, ...] = (
    ("subject", "text"),
    ("kind", "text"),  # account_start, trial_start, trial_end, paid_start, upsell, downgrade, renewal, churn, winback
    ("at", "moment"),
    ("derived", "flag"),
    ("source_object", "text"),
    ("source_id", "text"),
)
ATTRIBUTE_HISTORY: tuple[Column, ...] = (
    ("subject", "text"),
    ("attribute", "text"),  # industry, region, source, plan, product, seats, contract_type
    (
        "since",
        "moment",
    ),  # null: ever since; the newest row not after an instant is the value then (field history, own snapshots)
    ("value", "text"),
)
MONTHS: tuple[Column, ...] = (
    ("subject", "text"),
    ("customer_id", "whole"),
    ("month", "day"),  # first day of the month, the partition
    ("mrr_start", "number"),
    ("mrr_end", "number"),
    ("new", "number"),
    ("expansion", "number"),
    ("contraction", "number"),
    ("churn", "number"),
    ("reactivation", "number"),
    ("one_time", "number"),
    ("active_days", "whole"),
    ("active_users", "whole"),
    ("events", "whole"),
    ("tickets", "whole"),
    ("touches", "whole"),
    ("responses", "whole"),
)
TOUCHES: tuple[Column, ...] = (
    ("member", "text"),  # key: campaign member
    ("subject", "text"),
    ("contact_id", "text"),
    ("campaign_id", "text"),
    ("campaign", "text"),
    ("type", "text"),
    ("state", "text"),  # sent, delivered, opened, clicked or responded: the furthest
    ("at", "moment"),
)
TICKETS: tuple[Column, ...] = (
    ("ticket", "text"),  # key: the case
    ("subject", "text"),
    ("type", "text"),
    ("at", "moment"),
    ("closed_at", "moment"),
)
SCORES: tuple[Column, ...] = (
    ("score_id", "text"),  # key
    ("subject", "text"),
    ("kind", "text"),  # nps, csat, ces
    ("score", "number"),
    ("at", "moment"),
    ("source", "text"),  # salesforce or product
    ("respondent", "text"),
)
ACTIVITY: tuple[Column, ...] = (
    ("month", "day"),  # first day of the month, the partition
    ("customer_id", "whole"),  # of those that were merged, the one that is left
    ("active_days", "whole"),  # days with an event that a person caused
    ("active_users", "whole"),
    ("events", "whole"),  # that a person caused
    ("first_day", "day"),  # with any event
    ("last_day", "day"),
)
"""What customers did, by month: from it `months` takes its activity. Complete days only."""
COLUMNS: dict[str, tuple[Column, ...]] = {
    "subjects": SUBJECTS, "spans": SPANS, "movements": MOVEMENTS, "milestones": MILESTONES,
    "attribute_history": ATTRIBUTE_HISTORY, "months": MONTHS,
    "touches": TOUCHES, "tickets": TICKETS, "scores": SCORES, "activity": ACTIVITY,
}  # fmt: skip
WORKING: dict[str, tuple[Column, ...]] = {
    "transactions": (
        ("record", "text"), ("subject", "text"), ("amount", "number"), ("quantity", "number"), ("starts_on", "day"),
        ("ends_on", "day"), ("months", "number"), ("currency", "text"), ("product", "text"), ("contract_type", "text"),
        ("raw_contract", "text"), ("churned", "day"),
    ),
    "span_notes": (("subject", "text"), ("name", "text"), ("n", "whole")),
    "steps": (("subject", "text"), ("day", "day"), ("kind", "text")),
}  # fmt: skip
"""What a computation leaves for the next one and nobody else reads: what the spans were made of, what was odd about them, and
changes of revenue with the grace time of milestones."""
DAYS = {"months": "month", "activity": "month"}
ABOUT = {"customer_id": "customer.id", "account_id": "Account", "contact_id": "Contact"}
"""Columns by which erasures find rows (I-23)."""


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def table_name(org: SalesforceOrg | int, name: str) -> str:
    """The lake's name of a table of facts, such as analytics/3/subjects."""
    return f"analytics/{org if isinstance(org, int) else org.pk}/{name}"


def facts_table(org: SalesforceOrg, name: str, *, make: bool = True) -> LakeTable:
    """A table of facts of a connection; with `make` false only to read from."""
    columns = COLUMNS[name] if name in COLUMNS else WORKING[name]
    about = {column: ABOUT[column] for column, _ in columns if column in ABOUT}
    if not make:
        return peek_table(table_name(org, name), columns=columns, day=DAYS.get(name, ""))
    return ensure_table(table_name(org, name), columns=columns, day=DAYS.get(name, ""), org=org, subjects=about)


def facts(org: SalesforceOrg, name: str, columns: Iterable[str] | None = None) -> Relation:
    """The rows of a table of facts as they are now; empty before the first computation."""
    return reading.newest(facts_table(org, name, make=False), columns=columns)
