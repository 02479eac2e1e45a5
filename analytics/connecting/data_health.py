"""Data health of a connection: who is joined to whom, what is missing, late, doubled or put aside (FZ-D5, R-239). Nothing is
left out silently: each number says what it means, and unlinked accounts are listed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from analytics.attributes.authoring import current_map
from analytics.attributes.body import fields_needed
from analytics.connecting.first_read import JOB, SYNC
from analytics.facts import reading
from analytics.models import FactsState
from integrations.lake.engine import open_engine
from integrations.mirror_pages import Freshness, freshness_of, parity_of
from integrations.models import MirrorObject, Run, SalesforceOrg
from integrations.product.models import QuarantinedEvent

LISTED = 50
UNLINKED = "linked_by = 'none' AND account_id IS NOT NULL"
REASONS = {
    QuarantinedEvent.Reason.FUTURE: "Dated more than five minutes in the future. Put the sender's clock right, then try again.",
    QuarantinedEvent.Reason.TOO_OLD: "Older than events are kept. They count again if the retention is made longer.",
}  # fmt: skip
NOTES: Mapping[str, str] = {
    "spans_with_default_term": "transactions name no end and no term: the usual term of the map was taken",
    "spans_without_start": "transactions have no beginning and are left out",
    "spans_without_amount": "transactions have no amount and count as 0",
    "spans_without_end": "transactions are open-ended",
    "spans_reversed": "transactions end before they begin and are left out",
    "spans_out_of_range": "transactions lie outside of any sensible time and are left out",
    "transactions_without_account": "transactions lead to no account",
    "tickets_without_account": "support tickets lead to no account",
    "touches_without_account": "campaign members lead to no account (leads that were not converted, for example)",
    "scores_without_account": "survey answers lead to no account",
    "scores_off_scale": "survey answers lie outside of their scale and are rejected",
    "customers_without_account": "customers of the product have no account in Salesforce",
}
"""What counts of the facts mean, for a person."""


@dataclass(frozen=True, slots=True)
class Unlinked:
    """An account that leads to no customer."""

    account_id: str
    name: str
    mrr: Any
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Doubled:
    """A customer to whom several accounts lead."""

    subject: str
    name: str
    accounts: int
    account_id: str


@dataclass(frozen=True, slots=True)
class ObjectHealth:
    """One object that analytics reads."""

    item: MirrorObject
    fresh: Freshness
    parity: Freshness


@dataclass(frozen=True)
class Health:
    """Everything on the page."""

    state: FactsState | None
    linked: Mapping[str, int]
    unlinked: Sequence[Unlinked]
    doubled: Sequence[Doubled]
    doubled_count: int
    notes: Sequence[tuple[int, str]]
    currencies: Mapping[str, int]
    missing_objects: Sequence[str]
    objects: Sequence[ObjectHealth]
    runs: Sequence[Run]
    reasons: Sequence[tuple[str, int, str]]

    @property
    def rate(self) -> float | None:
        """Share of accounts that lead to a customer, 0 to 1; None without accounts."""
        accounts = self.linked.get("accounts", 0)
        return 1 - self.linked.get("unlinked_accounts", 0) / accounts if accounts else None


def read_health(org: SalesforceOrg, *, now: datetime) -> Health:
    """How the data of a connection stands. Asks the lake and the database, never Salesforce."""
    state = FactsState.objects.filter(org=org).first()
    counts: dict[str, Any] = state.health if state is not None and isinstance(state.health, dict) else {}
    unlinked, doubled, doubled_count = _listed(org) if state is not None else ([], [], 0)
    runs = Run.objects.filter(org=org, job__in=(JOB, SYNC)).order_by("-pk")[:8]
    return Health(
        state=state, linked={name: value for name, value in counts.items() if isinstance(value, int)}, unlinked=unlinked,
        doubled=doubled, doubled_count=doubled_count,
        notes=[(counts[name], words) for name, words in NOTES.items() if isinstance(counts.get(name), int) and counts[name]],
        currencies=counts.get("refused_currencies") or {}, missing_objects=counts.get("missing_objects") or [],
        objects=_objects(org, now), runs=list(runs), reasons=quarantine_reasons(),
    )  # fmt: skip


def quarantine_reasons() -> list[tuple[str, int, str]]:
    """Why events were put aside: label, how many, and what to do (R-239)."""
    rows = QuarantinedEvent.objects.order_by().values_list("reason").annotate(n=Count("id"))
    return [
        (QuarantinedEvent.Reason(reason).label, n, REASONS.get(QuarantinedEvent.Reason(reason), ""))
        for reason, n in sorted(rows)
    ]  # fmt: skip


def stream_unlinked(org: SalesforceOrg) -> Iterator[Unlinked]:
    """Every account that leads to no customer, those that pay most first."""
    with open_engine() as engine:
        reading.bind(engine, org, "subjects")
        sql = (
            f"SELECT account_id, name, mrr, started_at FROM subjects WHERE {UNLINKED} ORDER BY mrr DESC NULLS LAST, account_id"  # noqa: S608
        )
        for batch in engine.batches(sql):
            for row in batch.to_pylist():
                yield Unlinked(row["account_id"], row["name"] or "", row["mrr"], row["started_at"])


def _listed(org: SalesforceOrg) -> tuple[list[Unlinked], list[Doubled], int]:
    with open_engine() as engine:
        reading.bind(engine, org, "subjects")
        order = "ORDER BY mrr DESC NULLS LAST, account_id"
        sql = f"SELECT account_id, name, mrr, started_at FROM subjects WHERE {UNLINKED} {order} LIMIT {LISTED}"  # noqa: S608
        unlinked = engine.rows(sql)
        doubled = engine.rows(
            "SELECT subject, name, accounts, account_id FROM subjects WHERE accounts > 1 "  # noqa: S608  a constant of ours
            f"ORDER BY accounts DESC, subject LIMIT {LISTED}"
        )
        count = engine.rows("SELECT count(*) FROM subjects WHERE accounts > 1")[0][0]
    return [Unlinked(*row) for row in unlinked], [Doubled(*row) for row in doubled], count


def _objects(org: SalesforceOrg, now: datetime) -> list[ObjectHealth]:
    found = current_map(org)
    names = set(fields_needed(found[0])) if found is not None else set()
    items = MirrorObject.objects.filter(org=org, name__in=names).select_related("org", "last_run").order_by("name")
    rows = [ObjectHealth(item, freshness_of(item, now=now), parity_of(item)) for item in items]
    return sorted(rows, key=lambda row: (row.fresh.state != "degraded", row.item.name))
