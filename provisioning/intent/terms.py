"""What a subscription gives after a deal: lines added up into terms, or put on top of those that hold (ST-D5, ST-D6). Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from provisioning.intent.dates import Span
from provisioning.intent.facts import FeatureFacts, OfferFacts
from provisioning.intent.mapping import ADD_ON, ENTITLEMENT, PLAN, Mapped
from provisioning.intent.quantities import UNLIMITED
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec

Dated = tuple[Mapped, Span]


def terms_of(lines: Sequence[Mapped]) -> TermsSpec | None:
    """The terms that these lines make by themselves; None without a plan. Equal lines add up."""
    plans = [each for each in lines if each.type == PLAN]
    if not plans:
        return None
    add_ons = tuple(AddOnLine(key, number) for key, number in _sums(lines, ADD_ON).items() if number)
    overrides = [override_of(same) for same in by_key(lines, ENTITLEMENT).values()]
    return TermsSpec(plans[0].key, seats_of(plans), add_ons, tuple(each for each in overrides if each is not None))


def changed_terms(base: TermsSpec, lines: Sequence[Mapped], *, adds: bool = False) -> TermsSpec:
    """The terms after an amendment: what a line names gets the line's quantity, 0 takes it away, the rest stays (ST-D12).

    `adds`: add-ons come on top of those that are there, because they were sold as new business.
    """
    plans = [each for each in lines if each.type == PLAN and each.line.quantity]
    add_ons = {each.key: each for each in base.add_ons}
    for key, number in _sums(lines, ADD_ON).items():
        held_already = add_ons.pop(key, None)
        total = number + (held_already.quantity if adds and held_already is not None else 0)
        if total:
            add_ons[key] = AddOnLine(key, total)
    overrides = {each.feature: each for each in base.overrides}
    for key, same in by_key(lines, ENTITLEMENT).items():
        held = overrides.pop(key, None)
        new = override_of(same)  # a cancelled line of its own leaves what the plan gives
        if new is not None and not (new.revoked and held is not None and not held.revoked):
            overrides[key] = new._replace(soft=held.soft if held is not None else None)
    plan, seats = (plans[0].key, seats_of(plans)) if plans else (base.plan, base.seats)
    return TermsSpec(plan, seats, tuple(add_ons.values()), tuple(overrides.values()))


def seats_of(plans: Sequence[Mapped]) -> Decimal | None:
    """Seats of a per-seat plan: all its lines together; None where the plan has no seats."""
    entry = plans[0].entry
    if not isinstance(entry, OfferFacts) or not entry.per_seat:
        return None
    return sum((each.line.quantity or Decimal(0) for each in plans), Decimal(0))


def override_of(same: Sequence[Mapped]) -> OverrideLine | None:
    """The limit that all lines of one feature make together; None = what the plan gives (ST-D6)."""
    key, entry = same[0].key, same[0].entry
    is_switch = isinstance(entry, FeatureFacts) and entry.kind == "boolean"
    quantities = [each.line.quantity for each in same if each.line.quantity is not None]
    if any(each.line.unlimited for each in same) or UNLIMITED in quantities:
        return OverrideLine(key, None) if is_switch else OverrideLine(key, None, unlimited=True)
    if not quantities:
        return OverrideLine(key, None) if is_switch else None
    total = sum(quantities, Decimal(0))
    if total == 0:
        return OverrideLine(key, None, revoked=True)
    return OverrideLine(key, None if is_switch else total)


def by_key(lines: Iterable[Mapped], kind: str) -> dict[str, list[Mapped]]:
    """The lines of one type by what they lead to."""
    found: dict[str, list[Mapped]] = {}
    for each in lines:
        if each.type == kind:
            found.setdefault(each.key, []).append(each)
    return found


def steps_of(dated: Sequence[Dated], *, start: date, end: date | None) -> list[tuple[date, list[Mapped]]]:
    """Which lines hold from which day on, from `start` to `end`: a new step wherever a line begins or ends."""
    days = {start}
    for _, span in dated:
        days |= {each for each in (span.start, span.end) if each is not None and each > start and (end is None or each < end)}
    return [(day, [each for each, span in dated if _holds(span, day)]) for day in sorted(days)]


def _holds(span: Span, day: date) -> bool:
    return span.start <= day and (span.end is None or day < span.end)


def _sums(lines: Iterable[Mapped], kind: str) -> dict[str, Decimal]:
    return {
        key: sum((each.line.quantity or Decimal(0) for each in same), Decimal(0)) for key, same in by_key(lines, kind).items()
    }
