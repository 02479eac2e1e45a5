"""The job `product.kpis`: rolls up the days that are due, then computes the KPIs of all customers as of the start of the UTC
day.

It runs at 02:30 UTC, before the 03:00 push, and again when late events changed a day that is over (R-114). Each piece of days
ends with a save, so a run that is killed goes on behind it; computing again without new data writes nothing.
"""

import socket
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.access import Person, Refusal
from integrations.lake.engine import open_engine
from integrations.lake.writing import register
from integrations.models import Customer, Run
from integrations.product.kpis import catalog, rollup, tables
from integrations.product.kpis.catalog import Counted
from integrations.product.kpis.engagement_counts import count_engagements
from integrations.product.kpis.windows import start_of_day
from integrations.product.models import DailyState, DirtyDay, KpiState
from integrations.sync import leases, runs
from integrations.sync.runs import Recorder

JOB, LABEL, DOMAIN = "product.kpis", "KPIs of customers", "product"
CRON = "30 2 * * *"
DAYS_TALLY, CUSTOMERS_TALLY = "Days rolled up", "Customers"
AT_ONCE = 3_000_000
"""Events that a push rolls up by itself when the job did not run; with more of them it asks for the job."""
TODAY_EVERY = timedelta(hours=1)
"""How often the day that is going on is rolled up (no window holds it, but charts show it), and new customers get figures."""
MISSED = timedelta(hours=3)
"""How long after midnight figures of the day before mean that the daily run did not come."""


def perform(recorder: Recorder) -> None:
    """Days first, then customers. What is done is settled with each save, so no checkpoint says more than where it stood."""
    now = timezone.now()
    counted = catalog.read_counted()
    due = rollup.find_due(counted, now=now)
    days = recorder.object(DAYS_TALLY)
    for piece in rollup.pieces_of(due.days):
        with open_engine() as engine:
            done = rollup.roll_up(engine, piece, counted)
        days.counted("written", len(piece))
        publish = partial(rollup.publish, done, counted, due.marks_of(piece), run=recorder.run, now=now)
        recorder.save({"day": piece[-1].isoformat()}, also=publish)
        recorder.breathe()
    _compute(recorder, counted, start_of_day(now), now)


def _compute(recorder: Recorder, counted: Counted, as_of: datetime, now: datetime) -> None:
    from integrations.product.kpis import compute

    seen = count_engagements(now)
    with open_engine() as engine:
        staged = compute.stage_changes(engine, counted, seen, as_of=as_of, now=now)
    customers = recorder.object(CUSTOMERS_TALLY)
    customers.counted("written", staged.changed)
    customers.unchanged(max(staged.customers - staged.changed, 0))
    recorder.save(also=partial(_store, staged, counted, as_of=as_of, run=recorder.run, now=now))


def bring_up_to_date(*, now: datetime) -> None:
    """All that the job does, at once and without a ledger; for a caller that needs the figures now."""
    from integrations.product.kpis import compute

    counted = catalog.read_counted()
    due = rollup.find_due(counted, now=now)
    for piece in rollup.pieces_of(due.days):
        with open_engine() as engine:
            done = rollup.roll_up(engine, piece, counted)
        with transaction.atomic():
            rollup.publish(done, counted, due.marks_of(piece), run=None, now=now)
    as_of = start_of_day(now)
    seen = count_engagements(now)
    with open_engine() as engine:
        staged = compute.stage_changes(engine, counted, seen, as_of=as_of, now=now)
    with transaction.atomic():
        _store(staged, counted, as_of=as_of, run=None, now=now)


def _store(staged: Any, counted: Counted, *, as_of: datetime, run: Run | None, now: datetime) -> None:
    """Make computed figures visible; inside the caller's transaction."""
    register(tables.kpis_table(), list(staged.files), run=run, now=now)
    facts: dict[str, Any] = {
        "as_of": as_of, "computed_at": now, "rules": counted.columns_digest, "customers": staged.customers,
        "newest_customer": staged.newest, "changed": staged.changed,
    }  # fmt: skip
    KpiState.objects.update_or_create(pk=1, defaults=facts)


def is_current(*, now: datetime) -> bool:
    """Whether the stored figures are of the start of this UTC day, of the features and customers of now, and no late event
    waits."""
    state = KpiState.objects.first()
    if state is None or state.as_of != start_of_day(now) or _late_days(now).exists():
        return False
    return state.rules == catalog.read_counted().columns_digest and not _has_other_customers(state)


def _has_other_customers(state: KpiState) -> bool:
    """Whether customers came or were merged since the figures were computed."""
    living = Customer.objects.filter(merged_into=None, erased_at=None)
    merged = Customer.objects.filter(merged_into__isnull=False, updated_at__gt=state.computed_at)
    return living.filter(pk__gt=state.newest_customer).exists() or merged.exists()


def ensure_current(*, now: datetime, without_figures: bool = False) -> None:
    """For a push: bring the figures up to date where the job did not. Refusal when that is too much work for a push.

    `without_figures`: the push computes its own, so only the first roll-up of a day matters, and there the events tell as well.
    """
    if without_figures or is_current(now=now):
        return
    due = rollup.find_due(catalog.read_counted(), now=now, until=now.astimezone(UTC).date() - timedelta(days=1))
    if rollup.events_on(due.days) > AT_ONCE:
        run = runs.request_run(JOB, trigger=Run.Trigger.SYSTEM, now=now)
        raise Refusal("kpis_not_ready", f"The KPIs of today are computed first (run #{run.pk}); push again when it has ended.")
    fence = leases.acquire(f"{JOB}:0", holder=f"{socket.gethostname()}: push", now=now)
    if fence is None:  # the job is at it now
        if not KpiState.objects.exists():
            raise Refusal("kpis_not_ready", "The KPIs are being computed for the first time; push again in a few minutes.")
        return  # the figures of before are whole, and the next push sends the new ones
    try:
        bring_up_to_date(now=now)
    finally:
        leases.release(f"{JOB}:0", fence=fence)


def start(*, user: Person | None, now: datetime, trigger: str = Run.Trigger.MANUAL) -> Run:
    """Compute now, as a run."""
    return runs.request_run(JOB, trigger=trigger, user=user, now=now)


def catch_up(*, now: datetime) -> Run | None:
    """Between the daily runs: start one when something is due; None when nothing is."""
    if not is_due(now=now):
        return None
    return runs.request_run(JOB, trigger=Run.Trigger.SYSTEM, now=now)


def is_due(*, now: datetime) -> bool:
    """Whether events came late, rules changed, the daily run was missed, or new customers or today's events have waited for an
    hour."""
    state = KpiState.objects.first()
    if _late_days(now).exists() or state is None or state.rules != catalog.read_counted().columns_digest:
        return state is not None or DirtyDay.objects.exists()
    if state.as_of != start_of_day(now):
        return now - start_of_day(now) >= MISSED
    if _has_other_customers(state) and now - state.computed_at >= TODAY_EVERY:
        return True
    today = now.astimezone(UTC).date()
    rolled = DailyState.objects.filter(day=today).values_list("computed_at", flat=True).first()
    return DirtyDay.objects.filter(day=today).exists() and (rolled is None or now - rolled >= TODAY_EVERY)


def _late_days(now: datetime) -> Any:
    """Marks of days that are over, and that a window can hold."""
    today: date = now.astimezone(UTC).date()
    return DirtyDay.objects.filter(day__lt=today)
