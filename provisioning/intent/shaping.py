"""One product of a deal: start, trial, conversion, amendment, renewal or cancellation (ST-D7, ST-D11, ST-D12). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from provisioning.intent.dates import Span, begin_of, day_of, day_words, own_end, span_of, start_of_deal, zone_of
from provisioning.intent.deal import Deal
from provisioning.intent.facts import AutomationRule, FeatureFacts, OfferFacts, Rules, Running
from provisioning.intent.grouping import Group, live_of
from provisioning.intent.kinds import AMENDMENT, RENEWAL, TRIAL, WON
from provisioning.intent.mapping import ENTITLEMENT, PLAN, Mapped, trial_days_of
from provisioning.intent.result import AMEND, CANCEL, CONVERT, RENEW, START, Problem, SubscriptionIntent
from provisioning.intent.terms import Dated, changed_terms, steps_of, terms_of
from provisioning.subscriptions.spec import TermsSpec

Later = tuple[tuple[datetime, TermsSpec], ...]


@dataclass(frozen=True)
class Case:
    """Everything that decides what happens to one product."""

    deal: Deal
    group: Group
    kind: str
    rules: Rules
    automation: AutomationRule
    running: tuple[Running, ...]
    now: datetime
    names: Mapping[str, str] = field(default_factory=dict)  # of what the catalogue has, by key

    @property
    def live(self) -> Running | None:
        """The customer's subscription of this product that runs or will run."""
        return live_of(self.running).get(self.group.product)

    @property
    def lapsed(self) -> Running | None:
        """This deal's own trial that ran out before the deal was won."""
        same = [each for each in self.running if each.product == self.group.product and each.opportunity_id == self.deal.id]
        return next((each for each in same if each.is_trial and each.status not in ("cancelled", "scheduled")), None)

    @property
    def ended(self) -> Running | None:
        """The latest paid subscription of this product that has run out; a late renewal goes on from its end."""
        over = [each for each in self.running if each.product == self.group.product and each.status == "expired"]
        paid = [each for each in over if not each.is_trial and each.ends_at is not None]
        return max(paid, key=lambda each: each.ends_at or each.starts_at, default=None)

    @property
    def with_contract(self) -> bool:
        """An amendment or renewal names the contract that it changes, whose start says nothing about the change."""
        return self.kind == WON


@dataclass(frozen=True)
class Outcome:
    """What becomes of a product: an intent or problems, and what a person should know."""

    intent: SubscriptionIntent | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def shape(case: Case) -> Outcome:
    """The change of one product that a deal asks for."""
    live = case.live
    if blank := _without_limit(case, live):
        return blank
    if case.kind == TRIAL:
        return _trial(case, live)
    if live is not None and live.is_trial:
        return _convert(case, live)
    if case.kind == AMENDMENT or (live is not None and case.kind == WON and not case.group.plans):
        return _amend(case, live)
    if case.kind == RENEWAL and live is not None:
        return _renew(case, live)
    if case.kind == RENEWAL and live is None and case.ended is not None:
        return _renew_late(case, case.ended)
    return _won(case, live)


def _without_limit(case: Case, live: Running | None) -> Outcome | None:
    """A number that neither the line nor anything sold gives: an entitlement without a quantity stands for the plan's own."""
    given = set(live.features) if live is not None else set()
    for each in case.group.lines:
        given |= each.entry.features if isinstance(each.entry, OfferFacts) else set()
    for each in case.group.of(ENTITLEMENT):
        is_number = isinstance(each.entry, FeatureFacts) and each.entry.kind != "boolean"
        if is_number and each.line.quantity is None and not each.line.unlimited and each.key not in given:
            message = f"{each.line.label} has no quantity, and the plan gives no {each.entry.name} of its own."
            return _stop(case, "no_quantity", message, "Enter the limit as the quantity in Salesforce.", each)
    return None


def _won(case: Case, live: Running | None) -> Outcome:
    """A plan that is sold anew (also by a renewal of something that has ended)."""
    if live is None:
        return _convert(case, case.lapsed) if case.lapsed else _start(case)
    if live.opportunity_id == case.deal.id:
        return _amend(case, live)
    start, _ = _window(case)
    if live.ends_at is not None and live.cancelled_at is None and begin_of(start, _zone(case)) == live.ends_at:
        return _renew(case, live)
    message = f"The customer already has {case.group.name or case.group.product} ({live.key}), and this deal sells it again."
    fix = "Set the opportunity's type to an amendment or a renewal, or end the subscription first."
    return _stop(case, "already_subscribed", message, fix)


def _start(case: Case) -> Outcome:
    if not case.group.plans:
        return _no_plan(case)
    start, end = _window(case)
    if problem := _wrong_span(case, start, end):
        return problem
    planned = _plan_steps(case, start, end)
    if isinstance(planned, Outcome):
        return planned
    terms, later = planned
    zone = _zone(case)
    ends_at = begin_of(end, zone) if end else None
    notes = (f"{_name(case)} has already ended.",) if ends_at is not None and ends_at <= case.now else ()
    return Outcome(
        SubscriptionIntent(case.group.product, START, terms, begin_of(start, zone), ends_at, later=later), notes=notes
    )


def _trial(case: Case, live: Running | None) -> Outcome:
    """Access at once for some days, whatever the lines' dates say (ST-D11)."""
    if live is not None and live.opportunity_id != case.deal.id:
        message = f"The customer already has {_name(case)} ({live.key}), so no trial of it is started."
        return _stop(case, "already_subscribed", message, "Take the product off the deal, or end the subscription first.")
    terms = terms_of(case.group.lines)
    if terms is None:
        return _no_plan(case)
    if live is not None:  # this deal's own trial: the length stays
        return Outcome(SubscriptionIntent(
            case.group.product, AMEND, terms, max(case.now, live.starts_at), live.ends_at, live.trial_ends_at, live.key
        ))  # fmt: skip
    days = case.automation.trial_days or trial_days_of(case.group.plans) or case.rules.trial_days
    ends = case.now + timedelta(days=days)
    return Outcome(SubscriptionIntent(case.group.product, START, terms, case.now, trial_ends_at=ends))


def _convert(case: Case, trial: Running) -> Outcome:
    """The trial becomes the paid subscription; it goes on until the paid time begins, so that there is no gap (ST-D11)."""
    start, end = _window(case)
    if problem := _wrong_span(case, start, end):
        return problem
    zone = _zone(case)
    at = max(begin_of(start, zone), trial.starts_at)
    if end is not None and begin_of(end, zone) <= at:
        message = f"{_name(case)} would end before the trial that it goes on from has begun."
        return _stop(case, "bad_dates", message, "Correct start, end or term in Salesforce.")
    if case.group.plans:
        planned = _plan_steps(case, start, end)
        if isinstance(planned, Outcome):
            return planned
        terms, later = planned
    else:
        terms, later = changed_terms(trial.terms_at(at), case.group.lines), ()
    bridge = trial.trial_ends_at
    notes: tuple[str, ...] = ()
    if bridge is not None and trial.status in ("trial", "scheduled") and at > bridge:
        bridge, notes = at, (f"The trial of {_name(case)} goes on until the paid time begins.",)
    ends_at = begin_of(end, zone) if end else None
    return Outcome(SubscriptionIntent(case.group.product, CONVERT, terms, at, ends_at, bridge, trial.key, later), notes=notes)


def _amend(case: Case, live: Running | None) -> Outcome:
    """Changes on top of what the customer has; its end stays."""
    if live is None:
        kept = [each for each in case.group.lines if each.type != PLAN or each.line.quantity]
        if case.group.plans and not any(each.type == PLAN for each in kept):
            message = f"This deal takes {_name(case)} away, but the customer has no running subscription of it."
            return _stop(case, "not_running", message, "Check the account, or take the line off the deal.")
        return _start(replace(case, group=Group(case.group.product, case.group.name, kept)))
    zone = _zone(case)
    spans = _dated(case, default=_default_start(case))
    first = min(span.start for _, span in spans)
    at = max(begin_of(first, zone), live.starts_at)
    if live.ends_at is not None and at >= live.ends_at:
        message = f"The change of {_name(case)} begins when {live.key} has ended already."
        return _stop(case, "after_end", message, "Sell it as a renewal, or correct the start date.")
    base = live.terms_at(at)
    if taken := _taken_away(case, base):
        return taken if isinstance(taken, Outcome) else _cancel(case, live, at)
    open_ended = [(each, Span(span.start, None)) for each, span in spans]  # an amendment ends with its subscription
    terms, later = _amend_steps(case, live, open_ended, at)
    made = SubscriptionIntent(case.group.product, AMEND, terms, at, live.ends_at, live.trial_ends_at, live.key, later)
    return Outcome(made, notes=_changes(case, base, terms))


def _changes(case: Case, before: TermsSpec, after: TermsSpec) -> tuple[str, ...]:
    """What becomes of quantities that were there already, so that nobody is surprised."""
    old = {each.key: each.quantity for each in before.add_ons}
    new = {each.key: each.quantity for each in after.add_ons}
    if before.seats is not None and after.seats is not None:
        old, new = {"Seats": before.seats, **old}, {"Seats": after.seats, **new}
    pairs = ((key, number, new.get(key, Decimal(0))) for key, number in old.items())
    changed = ((_called(case, key), was.normalize(), now.normalize()) for key, was, now in pairs if was != now)
    return tuple(f"{name}: {was:f} becomes {now:f}." for name, was, now in changed)


def _amend_steps(case: Case, live: Running, dated: Sequence[Dated], at: datetime) -> tuple[TermsSpec, Later]:
    """The terms from `at` on, and at each later day on which a line begins or agreed terms change."""
    zone = _zone(case)
    begins = {max(begin_of(span.start, zone), at) for _, span in dated}
    moments = sorted(begins | {when for when, _ in live.terms_after(at)})
    made: list[tuple[datetime, TermsSpec]] = []
    for moment in moments:
        lines = [each for each, span in dated if max(begin_of(span.start, zone), at) <= moment]
        made.append((moment, changed_terms(live.terms_at(moment), lines, adds=case.kind == WON)))
    return made[0][1], _unlike(made)


def _taken_away(case: Case, base: TermsSpec) -> Outcome | bool:
    """Whether the deal takes the product away altogether; the refusal when that is contradictory."""
    zeros = [each for each in case.group.plans if not each.line.quantity]
    if not zeros:
        return False
    if len(zeros) < len(case.group.plans):
        return False  # one plan goes, another one comes
    if all(each.key != base.plan for each in zeros):
        gone, held = zeros[0].entry.name, _called(case, base.plan)
        message = f"Line {zeros[0].line.number} takes {gone} away, but the customer has {held}."
        return _stop(case, "not_running", message, "Correct the mapping or the line.", zeros[0])
    rest = [each for each in case.group.lines if each.type != PLAN and each.line.quantity]
    if rest:
        added, gone = rest[0].entry.name, _called(case, base.plan)
        message = f"Line {rest[0].line.number} adds {added} while the deal takes its plan {gone} away."
        return _stop(case, "plan_goes", message, "Set that line to 0 as well, or keep the plan.", rest[0])
    return True


def _cancel(case: Case, live: Running, at: datetime) -> Outcome:
    intent = SubscriptionIntent(case.group.product, CANCEL, live.terms_at(at), at, live.ends_at, subscription=live.key)
    return Outcome(intent, notes=(f"{_name(case)} is cancelled.",))


def _renew(case: Case, live: Running) -> Outcome:
    """From the old end on, with the new lines; without a plan line the old plan goes on with the lines on top (ST-D12)."""
    zone = _zone(case)
    given = start_of_deal(case.deal, with_contract=False, now=case.now, zone=zone) or day_of(case.now, zone)
    at = live.ends_at or max(begin_of(given, zone), live.starts_at)
    if taken := _taken_away(case, live.terms_at(at)):
        return taken if isinstance(taken, Outcome) else _cancel(case, live, at)
    start = day_of(at, zone)
    dated = [(each, span) for each, span in _dated(case, default=start, floor=start) if each.type != PLAN or each.line.quantity]
    end = _end_of(dated)
    if problem := _wrong_span(case, start, end):
        return problem
    if case.group.plans:
        planned = _steps(case, dated, start, end)
        if isinstance(planned, Outcome):
            return planned
        terms, later = planned
    else:
        terms, later = changed_terms(live.terms_at(at), case.group.lines), ()
    notes = (f"{live.key} was to be cancelled; the renewal lets it go on.",) if live.cancelled_at is not None else ()
    ends_at = begin_of(end, zone) if end else None
    return Outcome(SubscriptionIntent(case.group.product, RENEW, terms, at, ends_at, None, live.key, later), notes=notes)


def _renew_late(case: Case, ended: Running) -> Outcome:
    """A renewal that was won after the end: it goes on from there, unless the deal names a later day or it would be over."""
    zone, old_end = _zone(case), ended.ends_at or case.now
    said = [each.line.start for each in case.group.lines] + [
        case.deal.start,
        case.deal.quote.start if case.deal.quote else None,
    ]
    first = min((day for day in said if day is not None), default=None)
    if first is not None and begin_of(first, zone) > old_end:
        return _won(case, None)
    outcome = _renew(case, ended)
    ends_at = outcome.intent.ends_at if outcome.intent else None
    return _won(case, None) if ends_at is not None and ends_at <= case.now else outcome


def _window(case: Case) -> tuple[date, date | None]:
    """First day and the day after the last one, of the plan's lines; None = open."""
    dated = _dated(case, default=_default_start(case))
    leading = [(each, span) for each, span in dated if each.type == PLAN] or dated
    return min(span.start for _, span in leading), _end_of(dated)


def _end_of(dated: Sequence[Dated]) -> date | None:
    """The latest end of the plan's lines; None when one of them is open."""
    ends = [span.end for each, span in dated if each.type == PLAN] or [span.end for _, span in dated]
    return None if None in ends else max(each for each in ends if each is not None)


def _default_start(case: Case) -> date:
    zone = _zone(case)
    return start_of_deal(case.deal, with_contract=case.with_contract, now=case.now, zone=zone) or day_of(case.now, zone)


def _dated(case: Case, *, default: date, floor: date | None = None) -> list[Dated]:
    """Lines with their spans. What has no date begins with its plan and ends with it; nothing begins before `floor`."""
    spans: list[Dated] = []
    deal, lines = case.deal, [_not_before(each, floor) for each in case.group.lines]
    plans = [each for each in lines if each.type == PLAN]
    spans += [(each, span_of(each.line, deal, start=default, with_contract=case.with_contract)) for each in plans]
    first = min((span.start for _, span in spans), default=default)
    for each in (line for line in lines if line.type != PLAN):
        begin = each.line.start or first
        whole = span_of(each.line, deal, start=first, with_contract=case.with_contract)
        spans.append((each, Span(begin, own_end(each.line, begin)) if plans else whole))
    return spans


def _not_before(each: Mapped, floor: date | None) -> Mapped:
    start = each.line.start
    return each if floor is None or start is None or start >= floor else replace(each, line=replace(each.line, start=None))


def _plan_steps(case: Case, start: date, end: date | None) -> tuple[TermsSpec, Later] | Outcome:
    return _steps(case, _dated(case, default=_default_start(case)), start, end)


def _steps(case: Case, dated: Sequence[Dated], start: date, end: date | None) -> tuple[TermsSpec, Later] | Outcome:
    """The terms from the first day, and the later ones where lines begin or end in between."""
    made: list[tuple[datetime, TermsSpec]] = []
    for day, lines in steps_of(dated, start=start, end=end):
        terms = terms_of(lines)
        if terms is None:
            message = f"{_name(case)} has no plan line that covers {day_words(day)}."
            return _stop(case, "plan_gap", message, "Let the plan's lines follow each other without a gap.")
        made.append((begin_of(day, _zone(case)), terms))
    return made[0][1], _unlike(made)


def _unlike(made: Sequence[tuple[datetime, TermsSpec]]) -> Later:
    """The steps after the first that change something."""
    return tuple(made[place] for place in range(1, len(made)) if made[place][1] != made[place - 1][1])


def _wrong_span(case: Case, start: date, end: date | None) -> Outcome | None:
    if end is None or end > start:
        return None
    message = f"{_name(case)} would end on {day_words(end - timedelta(days=1))}, before it begins on {day_words(start)}."
    return _stop(case, "bad_dates", message, "Correct start, end or term in Salesforce.")


def _no_plan(case: Case) -> Outcome:
    each = case.group.lines[0]
    why = "the deal has none and the customer has no running subscription of it"
    message = f"{each.line.label}, {each.entry.name}, needs a plan of {_name(case)}: {why}."
    return _stop(case, "no_plan", message, "Sell it together with the plan, or check the account.", each)


def _stop(case: Case, code: str, message: str, fix: str, each: Mapped | None = None) -> Outcome:
    line = (each or case.group.lines[0]).line
    return Outcome(problems=(Problem(line.number, code, message, fix, line.name),))


def _name(case: Case) -> str:
    return case.group.name or case.group.product


def _called(case: Case, key: str) -> str:
    """The name of a plan, an add-on or a feature; its key where nobody knows it."""
    return case.names.get(key, key)


def _zone(case: Case) -> ZoneInfo:
    return zone_of(case.deal.time_zone)
