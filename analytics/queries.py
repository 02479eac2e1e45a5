"""What other rooms show of analytics: the facts of one customer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from analytics.facts import tables
from analytics.models import FactsState
from integrations.lake.engine import Engine, open_engine
from integrations.models import Customer, SalesforceOrg
from integrations.product.kpis.moved import survivors_of

MOST = 50


@dataclass(frozen=True, slots=True)
class Moved:
    """One change of the customer's MRR."""

    day: date
    kind: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that happened to the customer; `derived` from the transactions, or from a field."""

    kind: str
    at: datetime
    derived: bool


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """What analytics knows of a customer in one connection, as of a midnight (UTC). Money is in `currency`.

    `cohort` is the month of the first payment. Lists are newest first, at most 50.
    """

    org: SalesforceOrg
    as_of: datetime
    subject: str
    currency: str
    mrr: Decimal
    linked_by: str
    accounts: int
    started_at: datetime | None
    paid_at: datetime | None
    churned_at: datetime | None
    last_seen_at: datetime | None
    tickets: int
    campaigns: int
    nps: Decimal | None
    cohort: date | None = None
    movements: Sequence[Moved] = field(default_factory=tuple)
    milestones: Sequence[Milestone] = field(default_factory=tuple)


SUBJECT = (
    "subject", "mrr", "linked_by", "accounts", "started_at", "paid_at", "churned_at", "last_seen_at", "tickets", "campaigns",
    "nps",
)  # fmt: skip


def facts_of_customer(customer: Customer) -> list[CustomerFacts]:
    """The facts of a customer, one entry a connection that has computed some; a merged customer's are those of the one that is
    left. Opens the lake once; nothing is computed."""
    states = list(FactsState.objects.select_related("org").order_by("org__name", "org_id"))
    if not states:
        return []
    subject = f"c{survivors_of([customer.pk])[customer.pk]}"
    with open_engine() as engine:
        found = [_facts(engine, each, subject) for each in states]
    return [each for each in found if each is not None]


def _facts(engine: Engine, state: FactsState, subject: str) -> CustomerFacts | None:
    row = _rows(engine, state.org, "subjects", SUBJECT, subject, "subject")
    if not row:
        return None
    known = dict(zip(SUBJECT, row[0], strict=True))
    changes = _rows(engine, state.org, "movements", ("day", "kind", "before", "after"), subject, "day DESC")
    reached = _rows(engine, state.org, "milestones", ("kind", "at", "derived"), subject, '"at" DESC, kind')
    first = next(iter(_rows(engine, state.org, "movements", ("day", "kind"), subject, "day", kind="new")), None)
    return CustomerFacts(
        org=state.org, as_of=state.as_of, currency=str(state.health.get("currency") or ""),
        cohort=first[0].replace(day=1) if first else None, movements=tuple(Moved(*each) for each in changes),
        milestones=tuple(Milestone(*each) for each in reached), **known,
    )  # fmt: skip


def _rows(
    engine: Engine, org: SalesforceOrg, name: str, columns: Sequence[str], subject: str, order: str, *, kind: str = ""
) -> list[tuple[Any, ...]]:
    """Rows of one subject; names are ours."""
    engine.bind("found", tables.facts(org, name))
    listed = ", ".join(f'"{each}"' for each in columns)
    more, params = (" AND kind = $kind", {"kind": kind}) if kind else ("", {})
    text = f"SELECT {listed} FROM found WHERE subject = $subject{more} ORDER BY {order} LIMIT {MOST}"  # noqa: S608
    return engine.rows(text, subject=subject, **params)
