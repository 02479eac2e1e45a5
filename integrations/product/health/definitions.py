"""Setting up a health score: save, pause, delete, and try a definition out before it is saved (PX-42)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Attribute, Customer, Entity, SalesforceOrg
from integrations.product import signals
from integrations.product.health import compute, storing
from integrations.product.health.scoring import BadParts, Part, Score, read_parts, write_parts
from integrations.product.models import HealthScore
from integrations.sync.mapping.types import NUMBER, STRING

KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}\Z", re.ASCII)
SAMPLE = 1_000  # customers of a preview
FIELDS = ("name", "key", "org", "parts", "good_from", "fair_from", "least_known")


@dataclass(frozen=True)
class Draft:
    """A definition as a form or an API call gives it."""

    name: str
    key: str = "health_score"
    org: SalesforceOrg | None = None
    parts: Any = None
    good_from: int = 70
    fair_from: int = 40
    least_known: int = 50


@dataclass
class Preview:
    """What a definition would give, for some customers."""

    rows: list[tuple[Customer, Score, str]] = field(default_factory=list)
    bands: dict[str, int] = field(default_factory=dict)
    customers: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * 10)

    @property
    def is_sample(self) -> bool:
        """Whether there are more customers than were looked at."""
        return self.customers > sum(self.bands.values())

    @property
    def spread(self) -> list[tuple[int, int, int]]:
        """Customers by ten points: from, to (100 belongs to the last), how many."""
        return [(place * 10, place * 10 + (10 if place == 9 else 9), count) for place, count in enumerate(self.buckets)]

    @property
    def most(self) -> int:
        """The largest of these numbers, for bars; at least 1."""
        return max(1, *self.buckets)


def save_score(
    score: HealthScore | None, draft: Draft, *, user: Person | None, now: datetime, address: str | None = None
) -> HealthScore:
    """Make a definition or change one; it counts from the next computation on. `BadParts` names what cannot be used."""
    parts = check(draft, score)
    stored = score or HealthScore()
    before = describe(stored) if score is not None else {}
    for name in ("name", "key", "org", "good_from", "fair_from", "least_known"):
        setattr(stored, name, getattr(draft, name))
    stored.parts, stored.changed_at = write_parts(parts), now
    stored.changed_by = user if user is not None and user.is_authenticated else None  # pyright: ignore[reportAttributeAccessIssue]
    after = describe(stored)
    if score is not None and before != after:
        stored.version += 1
    with transaction.atomic():
        stored.save()
        audit.record(
            "health.saved", actor=user, target=f"health score {stored.name}", before=before, after=after, address=address
        )
    return stored


def set_state(score: HealthScore, state: str, *, user: Person | None, now: datetime, address: str | None = None) -> None:
    """Pause (values stay as they are) or go on."""
    if state not in HealthScore.State.values:
        raise Refusal("unknown_state", f"A score is {' or '.join(HealthScore.State.values)}.")
    before, score.state, score.changed_at = score.state, state, now
    if before != state:
        score.save(update_fields=["state", "changed_at"])
        audit.record(
            f"health.{state}", actor=user, target=f"health score {score.name}", before={"state": before}, address=address
        )


def delete_score(score: HealthScore, *, user: Person | None, now: datetime, address: str | None = None) -> None:
    """Delete the definition with its history; the attribute keeps its last values, because mappings may use it."""
    with transaction.atomic():
        audit.record("health.deleted", actor=user, target=f"health score {score.name}", before=describe(score), address=address)
        table = storing.table_of(score)
        score.delete()
        table.delete()


def check(draft: Draft, score: HealthScore | None = None) -> tuple[Part, ...]:
    """The parts of a usable draft; `BadParts` names every field that cannot be used, with the fix."""
    errors = dict(_field_errors(draft, score))
    known: Mapping[str, str] | None = None
    org = draft.org or SalesforceOrg.objects.order_by("pk").first()
    if org is not None:
        own = (signals.ATTRIBUTE + draft.key, signals.ATTRIBUTE + draft.key + compute.BAND)
        known = {key: each.type for key, each in signals.by_key(org).items() if key not in own}
    parts: tuple[Part, ...] = ()
    try:
        parts = read_parts(draft.parts, known=known)
    except BadParts as error:
        errors |= error.errors
    if signals.uses_support([part.signal for part in parts]) and draft.org is None:
        errors["org"] = "Choose the connection whose cases count."
    if errors:
        raise BadParts(errors)
    return parts


def _field_errors(draft: Draft, score: HealthScore | None) -> dict[str, str]:
    errors = {}
    others = HealthScore.objects.exclude(pk=score.pk if score is not None else None)
    if not draft.name.strip() or len(draft.name) > 80:
        errors["name"] = "Is 1 to 80 characters long."
    elif others.filter(name__iexact=draft.name).exists():
        errors["name"] = "Another score has this name."
    if not KEY.match(draft.key):
        errors["key"] = "Is letters, digits and _, begins with a letter, at most 60 long."
    elif others.filter(key__iexact=draft.key).exists():
        errors["key"] = "Another score writes this attribute."
    else:
        for key, kind in ((draft.key, NUMBER), (draft.key + compute.BAND, STRING)):
            known = Attribute.objects.filter(entity=Entity.CUSTOMER, key=key).first()
            if known is not None and known.type != kind:
                errors["key"] = f"The attribute {key} exists already and is of another type; choose another key."
            elif known is not None and known.pulled:
                errors["key"] = f"The attribute {key} is filled from Salesforce; choose another key."
    for name in ("good_from", "fair_from", "least_known"):
        if not 0 <= getattr(draft, name) <= 100:
            errors[name] = "Is a whole number from 0 to 100."
    if not errors and draft.fair_from >= draft.good_from:
        errors["fair_from"] = "Must be below the first score that is good."
    return errors


def describe(score: HealthScore) -> dict[str, Any]:
    """The definition as the audit keeps it."""
    return {
        "name": score.name, "key": score.key, "org": score.org_id, "parts": score.parts, "good_from": score.good_from,
        "fair_from": score.fair_from, "least_known": score.least_known,
    }  # fmt: skip


def preview(draft: Draft, *, now: datetime, score: HealthScore | None = None) -> Preview:
    """What the draft would give for up to 1,000 customers, those seen last; nothing is stored."""
    parts = check(draft, score)
    trial = HealthScore(name=draft.name, key=draft.key, org=draft.org, good_from=draft.good_from, fair_from=draft.fair_from,
                        least_known=draft.least_known)  # fmt: skip
    org = compute.org_of(trial)
    live = Customer.objects.filter(erased_at=None, merged_into=None)
    found = Preview(customers=live.count())
    if org is None:
        return found
    chosen = {each.pk: each for each in live.order_by("-last_seen_at", "pk")[:SAMPLE]}
    for customer, made, band in compute.score_customers(trial, parts, org, now=now, only=list(chosen), fresh=False):
        found.rows.append((chosen[customer], made, band))
        found.bands[band] = found.bands.get(band, 0) + 1
        if made.value is not None:
            found.buckets[min(9, made.value // 10)] += 1
    found.rows.sort(key=lambda row: (row[1].value is None, row[1].value or 0, row[0].pk))
    return found


def draft_of(score: HealthScore) -> Draft:
    """The definition as a draft, to change some of it."""
    return Draft(**{name: getattr(score, name) for name in FIELDS})
