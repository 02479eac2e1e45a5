"""Whether a customer may use a feature now, how much of it, and why: pure and quick (ST-D17, ST-D18).

`CustomerAccess` holds everything about one customer that an answer needs. What a feature adds up to is worked out once for the
span in which the clock changes nothing, so that a check is a look-up, a comparison of instants and one of numbers.

Which reason a refusal gives, first that fits: feature_not_found; limit_exceeded (something gives it, nothing is left); revoked
(a running subscription or a promotion would give it, had it not been taken away); trial_expired or subscription_expired (what
ended last gave it); feature_not_in_subscription (something runs, without it); no_active_subscription.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from provisioning.entitlements.facts import Amount, FeatureFacts, PromotionFacts, SubscriptionFacts, amount
from provisioning.entitlements.sources import Combined, combine
from provisioning.entitlements.windows import Window, window_at
from provisioning.subscriptions.terms import instants_of

FEATURE_NOT_FOUND, CUSTOMER_NOT_FOUND, LIMIT_EXCEEDED = "feature_not_found", "customer_not_found", "limit_exceeded"
NOT_FOUND = (CUSTOMER_NOT_FOUND, FEATURE_NOT_FOUND)
FOREVER = datetime.max.replace(tzinfo=UTC)
ALWAYS = datetime.min.replace(tzinfo=UTC)
UNKNOWN = FeatureFacts("", "", "")


class Decision(NamedTuple):
    """The answer. `reason` is empty when granted; `usage`, `remaining` and the window exist for metered features only.

    `valid_until` is the next instant at which the clock alone may change the answer (None = never). `over_limit` says that a
    soft limit is passed. `sources` are plain dicts, shared between answers: do not change them.
    """

    granted: bool
    reason: str
    feature: FeatureFacts
    requested: Amount | None = None
    unlimited: bool = False
    limit: Amount | None = None
    usage: Amount | None = None
    remaining: Amount | None = None
    reset: str = ""
    window_start: datetime | None = None
    window_end: datetime | None = None
    soft: bool = False
    over_limit: bool = False
    sources: tuple[dict[str, Any], ...] = ()
    valid_until: datetime | None = None
    fallback: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The JSON contract of API, fast front and clients. Instants are ISO 8601 in UTC; whole numbers are whole."""
        feature = self.feature
        return {
            "granted": self.granted,
            "reason": self.reason or None,
            "fallback": self.fallback,
            "feature": feature.key,
            "name": feature.name,
            "description": feature.description,
            "kind": feature.kind or None,
            "unit": feature.unit,
            "requested": number_json(self.requested),
            "unlimited": self.unlimited,
            "limit": number_json(self.limit),
            "usage": number_json(self.usage),
            "remaining": number_json(self.remaining),
            "soft": self.soft,
            "over_limit": self.over_limit,
            "reset": self.reset or None,
            "window_start": instant_json(self.window_start),
            "window_end": instant_json(self.window_end),
            "valid_until": instant_json(self.valid_until),
            "sources": list(self.sources),
        }


@dataclass(frozen=True, slots=True)
class Span:
    """What a feature adds up to from `start` until `end`, within which only usage and usage windows change."""

    start: datetime
    end: datetime
    combined: Combined


@dataclass(frozen=True)
class CustomerAccess:
    """Everything about one customer. `features` is the whole catalogue, `usage` maps (feature, window start) to what was used.

    Immutable but for what it remembers of its own conclusions; safe to share between threads.
    """

    customer_id: int
    external_id: str
    subscriptions: tuple[SubscriptionFacts, ...] = ()
    promotions: tuple[PromotionFacts, ...] = ()
    features: Mapping[str, FeatureFacts] = field(default_factory=dict)
    usage: Mapping[tuple[str, datetime], Amount] = field(default_factory=dict)
    name: str = ""
    _instants: list[datetime] = field(default_factory=list, init=False, repr=False, compare=False)
    _spans: dict[str, Span] = field(default_factory=dict, init=False, repr=False, compare=False)
    _windows: dict[str, tuple[Span, Window]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _answers: dict[str, tuple[datetime, datetime, Decision]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        found: set[datetime] = set()
        for subscription in self.subscriptions:
            found |= instants_of(subscription.times)
            found.update(term.effective_at for term in subscription.terms)
        for grant in self.promotions:
            found.update(each for each in (grant.starts_at, grant.ends_at, grant.revoked_at) if each is not None)
        self._instants.extend(sorted(found))

    def span(self, feature: str, now: datetime) -> Span:
        """What the feature adds up to at `now`."""
        span = self._spans.get(feature)
        if span is None or not span.start <= now < span.end:
            place = bisect_right(self._instants, now)
            start = self._instants[place - 1] if place else ALWAYS
            end = self._instants[place] if place < len(self._instants) else FOREVER
            facts = self.features.get(feature, UNKNOWN)
            span = Span(start, end, combine(self.subscriptions, self.promotions, facts, now))
            self._spans[feature] = span
        return span

    def window(self, feature: str, now: datetime) -> Window:
        """In which window usage of a metered feature is counted at `now`."""
        span = self.span(feature, now)
        known = self._windows.get(feature)
        if known is not None and known[0] is span and known[1].start <= now < (known[1].end or FOREVER):
            return known[1]
        window = window_at(span.combined.reset, span.combined.anchors, now)
        self._windows[feature] = (span, window)
        return window

    def next_instant(self, now: datetime) -> datetime | None:
        """The next instant at which a subscription, term or promotion of the customer begins, changes or ends; None = none."""
        place = bisect_right(self._instants, now)
        return self._instants[place] if place < len(self._instants) else None

    def forget_conclusions(self) -> None:
        """Give back the memory of what was worked out; for holders of very many customers who keep the answers themselves."""
        self._spans.clear()
        self._windows.clear()
        self._answers.clear()

    def with_usage(self, usage: Mapping[tuple[str, datetime], Amount]) -> "CustomerAccess":
        """The same access with other usage; (feature, window start) pairs that are not given keep theirs."""
        return replace(self, usage={**self.usage, **usage})


def decide(access: CustomerAccess, feature_key: str, *, requested: Amount | None = None, now: datetime) -> Decision:
    """Whether the customer may use the feature at `now` (UTC), or use `requested` more of it."""
    if requested is None:
        known = access._answers.get(feature_key)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
    facts = access.features.get(feature_key)
    if facts is None:
        return not_found(FEATURE_NOT_FOUND, feature_key, requested=requested)
    decision = _decide(access, facts, requested, now)
    if requested is None:
        start, end = access.span(feature_key, now).start, decision.valid_until or FOREVER
        access._answers[feature_key] = (max(start, decision.window_start or start), end, decision)
    return decision


def decide_all(access: CustomerAccess, now: datetime, *, only_given: bool = True) -> list[Decision]:
    """Answers for each feature that anything gives or took away now, by name; for the whole catalogue without `only_given`."""
    found = [decide(access, key, now=now) for key in access.features]
    shown = [each for each in found if each.sources or not only_given]
    return sorted(shown, key=lambda each: (each.feature.name.casefold(), each.feature.key))


def not_found(reason: str, feature_key: str, *, requested: Amount | None = None) -> Decision:
    """The answer about a feature or customer that nobody knows."""
    return Decision(False, reason, FeatureFacts(feature_key, "", ""), requested)


def fall_back(decision: Decision, granted: bool) -> Decision:
    """The caller's own answer in place of an unknown one, marked as such (ST-D19); the reason stays."""
    return decision._replace(granted=granted, fallback=True)


def metered_keys(access: CustomerAccess, now: datetime) -> Iterable[str]:
    """Metered features that anything gives at `now`: those whose usage an answer needs."""
    metered = (key for key, facts in access.features.items() if facts.kind == "metered")
    return [key for key in metered if access.span(key, now).combined.sources]


def _decide(access: CustomerAccess, facts: FeatureFacts, requested: Amount | None, now: datetime) -> Decision:
    span = access.span(facts.key, now)
    total = span.combined
    until = span.end if span.end < FOREVER else None
    if total.reason:
        return Decision(False, total.reason, facts, requested, sources=total.sources, valid_until=until)
    if facts.kind == "boolean":
        return Decision(True, "", facts, requested, sources=total.sources, valid_until=until)
    window, used = None, 0
    if facts.kind == "metered":
        window = access.window(facts.key, now)
        used = access.usage.get((facts.key, window.start), 0)
        until = min((each for each in (until, window.end) if each is not None), default=None)
    limit = None if total.unlimited else total.limit
    fits = limit is None or (used < limit if requested is None else used + requested <= limit)
    granted = fits or total.soft
    return Decision(
        granted, "" if granted else LIMIT_EXCEEDED, facts, requested, total.unlimited, limit,
        used if window else None, None if window is None or limit is None else max(limit - used, 0),
        total.reset if window else "", window.start if window and window.end else None, window.end if window else None,
        total.soft, limit is not None and used + (requested or 0) > limit, total.sources, until,
    )  # fmt: skip


def number_json(number: Amount | None) -> int | float | None:
    """A number for JSON: whole ones whole."""
    if number is None or isinstance(number, int):
        return number
    whole = amount(number)
    return whole if isinstance(whole, int) else float(number)


def instant_json(instant: datetime | None) -> str | None:
    """ISO 8601 with Z, in UTC."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


__all__ = [
    "ALWAYS", "CUSTOMER_NOT_FOUND", "FEATURE_NOT_FOUND", "FOREVER", "LIMIT_EXCEEDED", "NOT_FOUND", "Amount", "CustomerAccess",
    "Decision", "decide", "decide_all", "fall_back", "instant_json", "metered_keys", "not_found", "number_json",
]  # fmt: skip
