"""Checking a rule: who needs attention now, which episodes begin and end, and what a dry run shows (PX-41).

Episodes are opened and closed in one transaction with the run's checkpoint, so that a killed run neither forgets a customer nor
opens an episode twice (I-02, I-03).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Customer, Entity, SalesforceOrg
from integrations.product import signals
from integrations.product.health.scoring import BadParts
from integrations.product.models import CsmTask, Segment, TaskRule
from integrations.product.segments.membership import members_of
from integrations.product.task_rules.conditions import Condition, explain, holds, read_conditions
from integrations.product.task_rules.episodes import Last, Steps, plan_episodes
from integrations.sync.matching import spine
from integrations.sync.runs import Recorder

SHOWN = 200  # customers that a dry run lists


@dataclass
class Found:
    """Customers that need attention, each with the reason in words; `looked_at` is how many were checked."""

    reasons: dict[int, str] = field(default_factory=dict)
    looked_at: int = 0


@dataclass
class Trial:
    """What a rule would do now. `rows` are (customer, reason, would get a task)."""

    rows: list[tuple[Customer, str, bool]] = field(default_factory=list)
    steps: Steps = field(default_factory=Steps)
    looked_at: int = 0
    matching: int = 0


def find_matching(rule: TaskRule, *, now: datetime, fresh: bool = True) -> Found:
    """Who needs attention by the rule now. `BadParts` when its conditions or its segment cannot be used (any more).

    `fresh`: see `signals.read_values`.
    """
    known = signals.by_key(rule.org)
    conditions = read_conditions(rule.conditions, known={key: each.type for key, each in known.items()})
    members = _members(rule.segment, now=now)
    labels = {key: each.label for key, each in known.items()}
    every, found = rule.match == TaskRule.Match.ALL, Found()
    keys = [each.signal for each in conditions]
    for customer, values in signals.read_values(rule.org, keys, now=now, only=members, fresh=fresh):
        found.looked_at += 1
        if holds(conditions, values, every=every):
            found.reasons[customer] = reason_of(rule, conditions, values, labels, every=every)
    return found


def reason_of(
    rule: TaskRule, conditions: Sequence[Condition], values: Mapping[str, Any], labels: Mapping[str, str], *, every: bool
) -> str:
    """What held, in words; of a rule without conditions, that the customer is in the segment."""
    told = explain(conditions, values, labels, every=every)
    return told or (f"In the segment {rule.segment}." if rule.segment is not None else "")


def try_rule(rule: TaskRule, *, now: datetime) -> Trial:
    """What checking the rule now would do; nothing is stored and nothing is sent."""
    found = find_matching(rule, now=now, fresh=False)
    steps = _plan(rule, found, now=now)
    fresh = {customer for customer, _ in steps.open}
    chosen = sorted(found.reasons, key=lambda pk: (pk not in fresh, pk))[:SHOWN]
    customers = Customer.objects.in_bulk(chosen)
    rows = [(customers[pk], found.reasons[pk], pk in fresh) for pk in chosen if pk in customers]
    return Trial(rows, steps, found.looked_at, len(found.reasons))


def check_rules(recorder: Recorder, org: SalesforceOrg) -> None:
    """Check every active rule of the connection once a run; a rule that cannot be used fails alone (I-10)."""
    checked: list[int] = list(recorder.checkpoint.get("checked", []))
    active = TaskRule.objects.filter(org=org, state=TaskRule.State.ACTIVE).exclude(pk__in=checked)
    for rule in active.select_related("org", "segment"):
        checked.append(rule.pk)
        check_rule(recorder, rule, {**recorder.checkpoint, "checked": list(checked)})
        recorder.breathe()


def check_rule(recorder: Recorder, rule: TaskRule, checkpoint: dict[str, Any]) -> None:
    """One rule: who needs attention, then episodes, counts and checkpoint together."""
    now = timezone.now()
    tally = recorder.object(f"Rule: {rule.name}"[:80])
    try:
        found = find_matching(rule, now=now)
    except Refusal as refusal:
        signals.wait_for_kpis(recorder, refusal, now=now)
    except BadParts as error:
        tally.failed(rule.key, "rule_unusable", f"The rule was not checked: {error}")
        recorder.save(checkpoint)
        return
    steps = _plan(rule, found, now=now)
    names = Customer.objects.in_bulk([customer for customer, _ in steps.open])
    for customer, _ in steps.open:
        tally.written(names[customer].external_id, str(names[customer]))
    tally.unchanged(steps.going_on + found.looked_at - len(found.reasons))
    if steps.cooling:
        tally.skipped("cooling", "cooldown", f"{steps.cooling:,} customers had a task less than {rule.cooldown_days} days ago.")
        tally.counted("skipped", steps.cooling - 1)
    if steps.held:
        tally.not_attempted(
            "held", "daily_limit", f"{steps.held:,} customers wait: the rule makes {rule.most_a_day} tasks a day."
        )
        tally.counted("not_attempted", steps.held - 1)
    recorder.save(checkpoint, also=lambda: apply_steps(rule, steps, found, now=now))


def apply_steps(rule: TaskRule, steps: Steps, found: Found, *, now: datetime) -> None:
    """Open and close episodes; call it inside a transaction. An episode that another worker opened meanwhile stays the one."""
    with transaction.atomic():
        TaskRule.objects.select_for_update().get(pk=rule.pk)
        ended = CsmTask.objects.filter(rule=rule, customer__in=steps.end, ended_at=None)
        ended.filter(state=CsmTask.State.WAITING, values={}).update(
            state=CsmTask.State.DROPPED, ended_at=now, code="over", message="The customer needed no attention any more."
        )
        ended.update(ended_at=now)
        CsmTask.objects.bulk_create(
            [
                CsmTask(rule=rule, customer_id=customer, episode=episode, key=key_of(rule, customer, episode), opened_at=now,
                        reason=found.reasons.get(customer, ""))
                for customer, episode in steps.open
            ],
            ignore_conflicts=True,
        )  # fmt: skip
        TaskRule.objects.filter(pk=rule.pk).update(checked_at=now, matching=len(found.reasons), held_back=steps.held)


def key_of(rule: TaskRule, customer: int, episode: int) -> str:
    """The key of a task in Salesforce: one episode of one customer and rule, of this installation alone."""
    return f"{rule.key}-{customer}-{episode}"


def _plan(rule: TaskRule, found: Found, *, now: datetime) -> Steps:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    made_today = CsmTask.objects.filter(rule=rule, opened_at__gte=midnight).count() if rule.pk else 0
    return plan_episodes(
        found.reasons, _last_episodes(rule), now=now, cooldown=timedelta(days=rule.cooldown_days),
        most=rule.most_a_day - made_today,
    )  # fmt: skip


def _last_episodes(rule: TaskRule) -> dict[int, Last]:
    if not rule.pk:
        return {}
    newest = CsmTask.objects.filter(rule=rule).values("customer").annotate(newest=Max("episode"))
    numbers = {row["customer"]: row["newest"] for row in newest}
    rows = CsmTask.objects.filter(rule=rule).values_list("customer", "episode", "opened_at", "ended_at")
    return {
        customer: Last(episode, opened, ended is None)
        for customer, episode, opened, ended in rows if numbers[customer] == episode
    }  # fmt: skip


def _members(segment: Segment | None, *, now: datetime) -> list[int] | None:
    """Ids of the segment's customers; None without a segment."""
    if segment is None:
        return None
    if segment.entity != Entity.CUSTOMER:
        raise BadParts({"segment": "Is a segment of end users; a rule needs one of customers."})
    spine.refresh_spine(now=now)
    try:
        return members_of(segment, now=now).column("id").to_pylist()
    except ValueError as error:  # its conditions no longer fit
        raise BadParts({"segment": f"Cannot be used: {error}"}) from error
