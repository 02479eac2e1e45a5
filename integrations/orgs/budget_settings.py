"""Changing how a connection's API calls are shared; checked, and in the audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

from django.db import transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import BudgetSettings, SalesforceOrg
from integrations.orgs import sharing

MOST_WEIGHT = 9
LIMITS = {"share_percent": (1, 90), "people_percent": (0, 50)}
NAMED = {"share_percent": "Our share", "people_percent": "What is kept for people"}


def settings_of(org: SalesforceOrg) -> BudgetSettings:
    """What was chosen, or the defaults (not stored)."""
    return BudgetSettings.objects.filter(org=org).first() or BudgetSettings(org=org)


def as_values(chosen: BudgetSettings) -> dict[str, Any]:
    """What the page, the API and the audit show."""
    return {
        "share_percent": chosen.share_percent, "people_percent": chosen.people_percent,
        "weights": dict(chosen.weights), "caps": dict(chosen.caps),
    }  # fmt: skip


def change_budget(
    org: SalesforceOrg, changes: Mapping[str, Any], *, actor: Person | None, now: datetime, address: str | None = None
) -> BudgetSettings:
    """Change some of share_percent (None: as the installation says), people_percent, weights and caps. `Refusal` names it.

    Weights and caps are given whole, by domain; a domain that is left out has the usual weight of 1 and no cap.
    """
    clean = {name: _checked(name, value) for name, value in changes.items()}
    with transaction.atomic():
        SalesforceOrg.objects.select_for_update().get(pk=org.pk)  # two people at once: one after the other
        chosen = settings_of(org)
        before = as_values(chosen)
        for name, value in clean.items():
            setattr(chosen, name, value)
        after = as_values(chosen)
        if after != before:
            chosen.updated_at, chosen.updated_by = now, actor if getattr(actor, "pk", None) else None  # type: ignore[assignment]
            chosen.save()
            audit.record("budget.changed", actor=actor, target=org, before=before, after=after, address=address)
    return chosen


def _checked(name: str, value: Any) -> Any:
    if name in LIMITS:
        least, most = LIMITS[name]
        if value is None and name == "share_percent":
            return None
        if not _is_whole(value) or not least <= value <= most:
            raise Refusal("bad_budget", f"{NAMED[name]} ({name}) is a whole number from {least} to {most}, in percent.")
        return value
    if name == "weights":
        return _by_domain(name, value, 0, MOST_WEIGHT, "a weight from 0 to 9")
    if name == "caps":
        return _by_domain(name, value, 1, 100, "a whole percent from 1 to 100")
    raise Refusal("bad_budget", f"There is no setting {name!r}; known: share_percent, people_percent, weights, caps.")


def _by_domain(name: str, value: Any, least: int, most: int, words: str) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise Refusal("bad_budget", f'{name} is given by domain, such as {{"okr": 1}}.')
    for domain, number in value.items():
        if domain not in sharing.DOMAINS:
            raise Refusal("bad_budget", f"{name}: {str(domain)[:40]!r} is no domain; known: {', '.join(sharing.DOMAINS)}.")
        if not _is_whole(number) or not least <= number <= most:
            raise Refusal("bad_budget", f"{name}: {domain} takes {words}.")
    return {domain: value[domain] for domain in sharing.DOMAINS if domain in value}


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
