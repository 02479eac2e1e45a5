"""What one end user sees now: live engagements for the page, the person and their past, with their texts filled (PX-03)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from integrations.models import Customer, EndUser
from integrations.product.engagements import facts, markup, rules, variables
from integrations.product.models.engagements import Engagement, EngagementView
from integrations.product.segments import membership
from integrations.product.segments.records import kpis_of
from integrations.sync.mapping.catalogue import column_of
from integrations.sync.matching.saving import customers_called

MOST = 5  # messages of one answer; the browser shows one at a time


@dataclass(frozen=True)
class Visitor:
    """Who looks at the page. `user` is None for somebody who is not known yet; `account` stands in for their customer."""

    user: EndUser | None
    customer: Customer | None


def visitor_of(user: str, account: str = "") -> Visitor:
    """The person by the product's id. What we know of their customer wins over `account`."""
    known = EndUser.objects.filter(external_id=user, erased_at=None).select_related("customer").first()
    if known is not None and known.customer is not None:
        return Visitor(known, _standing(known.customer))
    customer = customers_called([account]).get(account) if account else None
    return Visitor(known, customer)


def messages_for(visitor: Visitor, *, url: str, now: datetime) -> list[dict[str, Any]]:
    """At most five messages in the order in which they are to be shown, ready for the browser."""
    due = _due(visitor, url, now)
    if not due:
        return []
    inside = _segments_of(visitor, due, now)
    fitting = [each for each in due if each.segment_id is None or each.segment_id in inside]
    found: list[dict[str, Any]] = []
    for engagement in fitting:
        message = message_of(engagement, facts=_facts(visitor, engagement)) if len(found) < MOST else None
        found += [message] if message else []
    return found


def message_of(engagement: Engagement, *, facts: dict[str, str | None]) -> dict[str, Any] | None:
    """The engagement as the browser gets it; None when a variable has neither a value nor a fallback."""

    def text(given: str) -> str:
        return variables.fill(given, facts)

    def address(given: str) -> str:
        return variables.fill_address(given, facts)

    try:
        message: dict[str, Any] = {
            "id": engagement.pk,
            "kind": engagement.kind,
            "title": text(engagement.title),
            "body": markup.change_texts(markup.parse(engagement.body), text, address),
            "button": None,
        }
        if engagement.button_url:
            message["button"] = {"label": text(engagement.button_label), "url": address(engagement.button_url)}
    except variables.Missing:
        return None
    if engagement.kind == Engagement.Kind.NPS:
        message["survey"] = engagement.survey
    return message


def names_of(engagement: Engagement) -> list[str]:
    """The variables that its texts use."""
    return variables.names_in(engagement.title, engagement.body, engagement.button_label, engagement.button_url)


def live_engagements(now: datetime) -> Any:
    """Engagements that run at `now`, the most important first."""
    begun = Q(starts_at=None) | Q(starts_at__lte=now)
    going = Q(ends_at=None) | Q(ends_at__gt=now)
    return Engagement.objects.filter(begun, going, state=Engagement.State.LIVE).select_related("segment")


def _due(visitor: Visitor, url: str, now: datetime) -> list[Engagement]:
    """Those for this page that the person has not had enough of."""
    live = [each for each in live_engagements(now) if rules.url_matches(each.url_match, url)]
    seen: dict[int, rules.Seen] = {}
    if live and visitor.user is not None:
        views = EngagementView.objects.filter(end_user=visitor.user, engagement__in=live)
        seen = {view.engagement_id: view.seen for view in views}
    return [each for each in live if rules.is_due(each.frequency, seen.get(each.pk), now=now)]


def _segments_of(visitor: Visitor, engagements: Sequence[Engagement], now: datetime) -> set[int]:
    """The numbers of the engagements' segments that the visitor is in."""
    segments = {each.segment_id: each.segment for each in engagements if each.segment is not None}.values()
    record = visitor.user if visitor.user is not None and visitor.user.customer_id else visitor.user or visitor.customer
    if record is None or not segments:
        return set()
    found = membership.matching(segments, record, now=now)
    if visitor.user is not None and not visitor.user.customer_id and visitor.customer is not None:
        # The user is known, their account comes with the request: it counts for segments of customers until it is stored.
        of_customers = [each for each in segments if each.entity == "customer"]
        found |= membership.matching(of_customers, visitor.customer, now=now)
    return found


def _facts(visitor: Visitor, engagement: Engagement) -> dict[str, str | None]:
    names = names_of(engagement)
    attributes = facts.known_attributes() if any(".attributes." in name for name in names) else {}
    return facts.facts_of(
        visitor.user, visitor.customer, names, attributes=attributes, kpis=_kpis(visitor.customer, names)
    )  # fmt: skip


def _kpis(customer: Customer | None, names: Sequence[str]) -> dict[str, object]:
    keys = [name.removeprefix("account.kpi.") for name in names if name.startswith("account.kpi.")]
    if not keys or customer is None:
        return {}
    stored = kpis_of(customer.pk)
    return {key: stored.get(column_of(key)) for key in keys}


def _standing(customer: Customer) -> Customer:
    """The customer that stands for a merged one now."""
    for _ in range(20):
        if customer.merged_into is None:
            return customer
        customer = customer.merged_into
    return customer
