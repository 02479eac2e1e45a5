"""Computing the facts of a connection: everything that analyses read, from mirror, product events and spine, in one go.

The same data gives the same bytes; tables (and months) that did not change are not written again. All new tables become visible
in one transaction together with `FactsState`, so that readers see one computation or the other and never a mixture.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Sum

from analytics.attributes.authoring import current_map
from analytics.attributes.body import EMPTY, MapBody
from analytics.facts import activity, tables
from analytics.facts.history import bind_history
from analytics.facts.milestones import bind_milestones
from analytics.facts.mirrored import bind_mirror, wanted_fields
from analytics.facts.months import bind_months, first_changed, months_statement
from analytics.facts.people import bind_people
from analytics.facts.picking import bind_attributes, bind_churn_fields
from analytics.facts.reading import settings_of
from analytics.facts.records import bind_records
from analytics.facts.statements import let_go
from analytics.facts.storing import Staged, publish, stage
from analytics.facts.terms import bind_movements, bind_spans, uses_churn_field
from analytics.facts.working import Work
from analytics.models import FactsState
from integrations.lake.engine import Engine, open_engine
from integrations.models import Run, SalesforceOrg
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import IngestDay, QuarantinedEvent, UnjoinedUser
from integrations.sync.runs import Recorder

TALLY = "Facts"
LATE_DAYS = 30
HEALTH: dict[str, str] = {
    "accounts": "Accounts in the mirror, without deleted ones",
    "linked_by_linking_id": "Accounts whose Linking ID leads to a customer",
    "linked_by_link": "Accounts that lead to a customer by a link",
    "unlinked_accounts": "Accounts that lead to no customer; counted as subjects of their own",
    "subjects": "Customers and accounts that are counted",
    "customers": "Customers of the product",
    "customers_without_account": "Customers to which no account leads",
    "linking_ids": "Accounts with a value in the Linking ID",
    "linking_ids_unknown": "Linking IDs that no customer has",
    "customers_with_several_accounts": "Customers to which more than one account leads",
    "duplicate_accounts": "Accounts beyond the first of their customer",
    "merged_accounts": "Accounts that were merged into another in Salesforce",
    "missing_objects": "Mapped objects that were not read yet (list of names)",
    "transactions": "Records of the transaction source",
    "transactions_without_account": "Of these, records that lead to no account in the mirror",
    "currency": "Currency of the facts (text)",
    "refused_currencies": "Transactions left out because their currency has no rate, by currency (mapping)",
    "spans": "Spans of service",
    "spans_without_start": "Transactions left out because they have no begin",
    "spans_reversed": "Transactions left out because they end before they begin",
    "spans_out_of_range": "Transactions left out because their dates are out of range",
    "spans_without_amount": "Spans without an amount; they count as 0",
    "spans_with_default_term": "Spans with the default term, because neither an end nor a term is given",
    "spans_without_end": "Spans that go on until somebody ends them",
    "milestones": "Milestones",
    "milestones_derived": "Of these, derived from the transactions",
    "touches": "Campaign members of known accounts",
    "touches_without_account": "Campaign members that lead to no account",
    "tickets": "Support tickets of known accounts",
    "tickets_without_account": "Tickets that lead to no account",
    "scores": "Survey answers",
    "scores_off_scale": "Answers left out because they are not on the scale of their survey",
    "history": "Values of attributes over time",
    "users_without_customer": "End users whose events name no customer yet; kept, and joined when it appears",
    "duplicate_events": "Repeats of an event id in the last 30 days; stored once",
    "late_events": "Events of the last 30 days that came on a later day than they happened on",
    "quarantined_events": "Events in quarantine (future dates, unknown shapes)",
}
"""Keys of `FactsState.health`, what each counts, in words for the health page. All are whole numbers unless the words say
otherwise."""


@dataclass(frozen=True)
class Computed:
    """What a computation did: rows in all and rows that were written, by table, and the state that came of it."""

    rows: Mapping[str, int]
    changed: Mapping[str, int]
    state: FactsState


def compute(recorder: Recorder | None, org: SalesforceOrg, now: datetime, *, body: MapBody | None = None) -> Computed:
    """Compute the facts of `org` as of the last midnight (UTC) before `now`. Without a recorder there is no ledger.

    `body` stands in for the map in force. Raises `EngineError` when the lake's engine fails and `RunStopped` at a save of the
    recorder; then the facts of before stay as they are.
    """
    found = current_map(org) if body is None else (body, 0)
    chosen, number = found if found is not None else (EMPTY, 0)
    known = FactsState.objects.filter(org=org).first()
    seen: dict[str, Any] = dict(known.seen) if known is not None else {}
    with open_engine() as engine:
        work = _work(engine, org, chosen, start_of_day(now))
        if known is not None:
            work.before, work.seen = known.as_of.astimezone(UTC), dict(seen.get("inputs", {}))
        staged, digests = _stage_all(work, seen)
    made = _Made(work, number, staged, digests)
    if recorder is None:
        with transaction.atomic():
            made.store(run=None, now=now)
    else:
        tally = recorder.object(TALLY)
        shown = [each for name, each in staged.items() if name in tables.COLUMNS]
        changed = sum(each.changed_rows for each in shown)
        tally.counted("written", changed)
        tally.unchanged(sum(each.rows for each in shown) - changed)
        recorder.save(also=partial(made.store, run=recorder.run, now=now))
    rows = {name: each.rows for name, each in staged.items() if name in tables.COLUMNS}
    changed_rows = {name: each.changed_rows for name, each in staged.items() if name in tables.COLUMNS}
    return Computed(rows, changed_rows, FactsState.objects.get(org=org))


@dataclass
class _Made:
    """A computation that is staged."""

    work: Work
    number: int
    staged: dict[str, Staged]
    digests: dict[str, dict[str, str]]

    def store(self, *, run: Run | None, now: datetime) -> None:
        """Make it visible; inside the caller's transaction."""
        publish(list(self.staged.values()), run=run, now=now)
        seen = {"parts": self.digests, "files": self.work.mirrored.files, "inputs": self.work.inputs}
        FactsState.objects.update_or_create(org=self.work.org, defaults={
            "as_of": self.work.as_of, "computed_at": now, "digest": self._digest(), "map_number": self.number, "seen": seen,
            "health": self.work.health, "run": run,
        })  # fmt: skip

    def _digest(self) -> str:
        """Of everything that analyses can read; `activity` is inside `months`."""
        parts = {name: each for name, each in self.digests.items() if name != "activity" and name in tables.COLUMNS}
        text = json.dumps([self.work.as_of.isoformat(), self.work.health["currency"], parts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _work(engine: Engine, org: SalesforceOrg, body: MapBody, as_of: datetime) -> Work:
    mirrored = bind_mirror(engine, org, wanted_fields(body))
    work = Work(engine, org, body, settings_of(org), as_of.astimezone(UTC), mirrored)
    work.health["missing_objects"] = sorted(mirrored.missing)
    return work


def _stage_all(work: Work, seen: dict[str, Any]) -> tuple[dict[str, Staged], dict[str, dict[str, str]]]:
    """Compute and stage every table; the digests of all parts of all tables."""
    parts: dict[str, dict[str, str]] = dict(seen.get("parts", {}))
    staged, digests = dict[str, Staged](), dict[str, dict[str, str]]()
    _stage_activity(work, parts.get("activity", {}), staged, digests)
    bind_people(work)
    bind_churn_fields(work, is_used=uses_churn_field(work))
    bind_spans(work)
    bind_movements(work)
    bind_attributes(work)
    bind_milestones(work)
    bind_records(work)
    bind_months(work)
    bind_history(work)
    _count_events(work)
    for name, text in _statements().items():
        staged[name] = stage(work.engine, work.org, name, text, parts.get(name, {}))
    let_go(work.engine, "subjects_final", "milestones", "history", "steps", "transactions", "span_notes")
    since = first_changed(work, parts.get("months", {}), map(date.fromisoformat, staged["activity"].replaced))
    text, params = months_statement(work, since)
    staged["months"] = stage(work.engine, work.org, "months", text, parts.get("months", {}), kept_before=since, **params)
    digests |= {name: each.parts for name, each in staged.items() if name != "activity"}
    return staged, digests


def _stage_activity(work: Work, known: dict[str, str], staged: dict[str, Staged], digests: dict[str, dict[str, str]]) -> None:
    """New months of activity, and all of them bound as `activity`: those that stay and those that are staged."""
    table = tables.facts_table(work.org, "activity")
    files, found, changed = activity.stage_activity(work.engine, table, known, as_of=work.as_of)
    rows = sum(each.rows for each in files)
    staged["activity"] = Staged(table, files, found, [each.isoformat() for each in changed], rows, rows)
    digests["activity"] = found
    work.engine.bind("activity", activity.with_staged(table, files, changed))


def _statements() -> dict[str, str]:
    """The final query of each table but `months`, in a fixed order of rows, so that equal content gives equal bytes."""

    def listed(name: str, source: str, order: str) -> str:
        names = ", ".join(f'"{column}"' for column, _ in (tables.COLUMNS | tables.WORKING)[name])
        return f"SELECT {names} FROM {source} ORDER BY {order}"  # noqa: S608  our own names

    return {
        "subjects": listed("subjects", "subjects_final", "subject"),
        "spans": listed("spans", "spans", "subject, starts_on, span"),
        "movements": listed("movements", "movements", "subject, day"),
        "milestones": listed("milestones", "milestones", 'subject, kind, "at", source_id'),
        "attribute_history": listed("attribute_history", "history", "subject, attribute, since NULLS FIRST, value"),
        "touches": listed("touches", "touches", "member"),
        "tickets": listed("tickets", "tickets", "ticket"),
        "scores": listed("scores", "scores", "score_id"),
        "transactions": listed("transactions", "transactions", "subject, record"),
        "span_notes": listed("span_notes", "span_notes", "subject, name"),
        "steps": listed("steps", "steps", "subject, day, kind"),
    }


def _count_events(work: Work) -> None:
    """What the events' side of data health is; figures of the moment, so they are no part of the digest."""
    since = work.today - timedelta(days=LATE_DAYS)
    days = IngestDay.objects.filter(day__gte=since, day__lt=work.today)
    work.health |= {
        "users_without_customer": UnjoinedUser.objects.count(),
        "duplicate_events": days.aggregate(n=Sum("duplicates"))["n"] or 0,
        "late_events": days.aggregate(n=Sum("late"))["n"] or 0,
        "quarantined_events": QuarantinedEvent.objects.count(),
    }
