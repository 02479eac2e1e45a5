"""Promotional grants: a feature for one customer outside of any plan, with an end, and taken back."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from integrations import audit
from integrations.access import Person
from integrations.models import Customer
from provisioning.entitlements.changed import note_change
from provisioning.models import Feature, PromotionalGrant
from provisioning.subscriptions.recording import locked_customer
from provisioning.subscriptions.resolving import BadTerms

LARGEST = Decimal(10) ** 18
LONGEST_REASON = 255


def grant(
    customer: Customer, *, feature: str, limit: Decimal | None = None, unlimited: bool = False, soft: bool = False,
    starts_at: datetime | None = None, ends_at: datetime | None = None, reason: str = "", actor: Person | None = None,
    now: datetime,
) -> PromotionalGrant:  # fmt: skip
    """Give a feature from `starts_at` (default: now) until `ends_at`. Numbers need a limit or `unlimited`; `BadTerms` else."""
    starts = starts_at or now
    with transaction.atomic():
        locked_customer(customer.pk)
        found = Feature.objects.filter(key=feature, archived_at=None).first() if "\0" not in feature else None
        problems = _problems(found, feature, limit, unlimited=unlimited, soft=soft, starts=starts, ends=ends_at)
        if len(reason) > LONGEST_REASON:
            problems.append(("reason", f"has at most {LONGEST_REASON} characters."))
        if problems or found is None:
            raise BadTerms(problems)
        made = PromotionalGrant.objects.create(
            customer=customer, feature=found, limit=limit, unlimited=unlimited, soft=soft, starts_at=starts, ends_at=ends_at,
            reason=reason, granted_by=actor, created_at=now,
        )  # fmt: skip
        note_change(customer.pk, now=now)
        audit.record("promotion.granted", actor=actor, target=f"customer {customer.pk}", after=_shown(made))
        return made


def revoke(promotion: PromotionalGrant, *, actor: Person | None = None, now: datetime) -> PromotionalGrant:
    """Take it back now. Done twice, nothing changes."""
    with transaction.atomic():
        row = PromotionalGrant.objects.select_for_update(of=("self",)).select_related("feature").get(pk=promotion.pk)
        if row.revoked_at is not None:
            return row
        row.revoked_at = now
        row.save(update_fields=["revoked_at"])
        note_change(row.customer_id, now=now)
        audit.record("promotion.revoked", actor=actor, target=f"customer {row.customer_id}", before=_shown(row))
        return row


def _problems(
    feature: Feature | None, key: str, limit: Decimal | None, *, unlimited: bool, soft: bool, starts: datetime,
    ends: datetime | None,
) -> list[tuple[str, str]]:  # fmt: skip
    found = []
    if feature is None:
        found.append(("feature", f"There is no feature “{key[:120]}” that can be granted."))
    elif feature.kind == Feature.Kind.BOOLEAN:
        if limit is not None or unlimited or soft:
            found.append(("limit", f"{feature.key} is a feature of yes or no; leave limit, unlimited and soft out."))
    elif unlimited == (limit is not None):
        found.append(("limit", "Give a limit, or make it unlimited."))
    elif limit is not None and (not limit.is_finite() or not 0 < limit <= LARGEST):
        found.append(("limit", "must be a number above 0, at most 10^18."))
    if ends is not None and ends <= starts:
        found.append(("ends_at", "must lie after the start."))
    return found


def _shown(row: PromotionalGrant) -> dict[str, object]:
    return {
        "feature": row.feature.key, "limit": None if row.limit is None else str(row.limit), "unlimited": row.unlimited,
        "soft": row.soft, "starts_at": row.starts_at, "ends_at": row.ends_at, "reason": row.reason,
    }  # fmt: skip
