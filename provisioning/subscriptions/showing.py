"""Subscriptions as API and pages show them: JSON, the timeline, and the way to their Salesforce records (ST-39, ST-D15)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.urls import reverse

from integrations.salesforce import links
from integrations.salesforce.ids import is_id
from provisioning.entitlements.deciding import instant_json
from provisioning.models import Subscription, SubscriptionEvent, Term
from provisioning.subscriptions.naming import Zones
from provisioning.subscriptions.recording import with_contents
from provisioning.subscriptions.resolving import resolved_of
from provisioning.subscriptions.terms import LABELS, end_of, status_of, term_at, trial_expired
from provisioning.subscriptions.wording import terms_words


def with_terms(rows: "QuerySet[Subscription]") -> "QuerySet[Subscription]":
    """Subscriptions with customer, product, connection and terms, in a handful of queries."""
    terms = with_contents(Term.objects.all())
    return rows.select_related("customer", "product", "org").prefetch_related(Prefetch("terms", terms))


def status_label(row: Subscription, now: datetime) -> str:
    """The state for a person."""
    return "Trial ended" if trial_expired(row, now) else LABELS[status_of(row, now)]


def terms_in_force(row: Subscription, now: datetime) -> Term | None:
    """The term of `now`; before the start the first, after the end the last that held."""
    terms = list(row.terms.all())
    return term_at(terms, max(now, row.starts_at))


def subscription_json(row: Subscription, *, now: datetime) -> dict[str, Any]:
    """One subscription with all its terms."""
    held = terms_in_force(row, now)
    return {
        "key": row.key,
        "customer": row.customer.external_id,
        "product": row.product.key,
        "status": status_of(row, now),
        "trial_expired": trial_expired(row, now),
        "starts_at": instant_json(row.starts_at),
        "ends_at": instant_json(row.ends_at),
        "trial_ends_at": instant_json(row.trial_ends_at),
        "converted_at": instant_json(row.converted_at),
        "cancelled_at": instant_json(row.cancelled_at),
        "cancel_reason": row.cancel_reason,
        "connection": row.org_id,
        "account_id": row.account_id,
        "opportunity_id": row.opportunity_id,
        "url": page_url(row),
        "account_url": record_url(row, row.account_id),
        "opportunity_url": record_url(row, row.opportunity_id),
        "terms": term_json(held) if held else None,
        "all_terms": [term_json(each) for each in row.terms.all()],
        "created_at": instant_json(row.created_at),
        "updated_at": instant_json(row.updated_at),
    }


def term_json(term: Term) -> dict[str, Any]:
    """One term; quantities and limits as texts, so that no digit is lost."""
    resolved = resolved_of(term)
    versions = {version.offer.key: version.number for version, _ in resolved.add_ons}
    spec = resolved.spec.as_dict()
    return {
        "effective_at": instant_json(term.effective_at),
        "plan": spec["plan"],
        "plan_version": term.plan.number,
        "seats": spec["seats"],
        "add_ons": [{**each, "version": versions[each["key"]]} for each in spec["add_ons"]],
        "overrides": spec["overrides"],
        "resets_usage": term.resets_usage,
    }


def events_json(events: Sequence[SubscriptionEvent]) -> list[dict[str, Any]]:
    """The timeline."""
    return [
        {
            "action": each.action,
            "at": instant_json(each.at),
            "effective_at": instant_json(each.effective_at),
            "sentence": each.sentence,
            "detail": each.detail,
            "actor": each.actor.get_username() if each.actor else None,
            "provision": each.provision_id,
        }
        for each in events
    ]


def page_url(row: Subscription) -> str:
    """Address of the subscription's page from outside."""
    return settings.BASE_URL.rstrip("/") + reverse("provisioning:subscription", args=[row.key])


def record_url(row: Subscription, record_id: str) -> str | None:
    """Address of a record in the subscription's org; None when it is not known."""
    if not row.org or not row.org.instance_url or not is_id(record_id):
        return None
    try:
        return links.record_url(row.org.instance_url, record_id)
    except ValueError:
        return None


BADGES: dict[str, tuple[str, str]] = {
    "scheduled": ("quiet", "calendar"), "trial": ("info", "flask-conical"), "active": ("ok", "circle-check"),
    "cancelled": ("quiet", "ban"), "expired": ("warn", "timer-off"),
}  # fmt: skip


class Shown(NamedTuple):
    """A subscription as lists show it: its state as a badge, what it gives now, when it ends, the way to Salesforce."""

    row: Subscription
    status: str
    label: str
    tone: str
    icon: str
    terms: str
    ends_at: datetime | None
    account_url: str | None
    opportunity_url: str | None
    zone: str  # in which its days begin, "" when nobody knows it


def shown(row: Subscription, *, now: datetime, zones: Zones | None = None) -> Shown:
    """The row for a list or the head of its page; read it through `with_terms`. `zones` is shared between rows of a list."""
    status = status_of(row, now)
    tone, icon = BADGES[status]
    held = terms_in_force(row, now)
    words = terms_words(resolved_of(held)) if held else ""
    return Shown(
        row, status, status_label(row, now), tone, icon, words, end_of(row), record_url(row, row.account_id),
        record_url(row, row.opportunity_id), (zones or Zones()).of(row.org),
    )  # fmt: skip
