"""What of analytics waits for a person, as the last sync left it. `orgs` are read with their settings and the state of their
facts (`select_related`), so that nothing is asked here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analytics.models import AnalyticsSettings, FactsState
from integrations.models import SalesforceOrg

LATE = timedelta(hours=30)  # a daily sync that is six hours late
FEW_LINKED = 0.5


@dataclass
class Trouble:
    """Why the facts of one connection cannot be relied on."""

    org: SalesforceOrg
    at: datetime
    currencies: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    accounts: int = 0
    unlinked: int = 0
    left_out: int = 0
    late: bool = False

    @property
    def is_poorly_linked(self) -> bool:
        """Whether more accounts lead nowhere than somewhere."""
        return self.accounts > 0 and self.unlinked > self.accounts * FEW_LINKED


def facts_in_need(orgs: Iterable[SalesforceOrg], *, now: datetime) -> list[Trouble]:
    """Those of `orgs` with refused currencies, missing objects, transactions left out, few linked accounts, or old facts."""
    states = (state for org in orgs if _goes_on(org) and (state := getattr(org, "facts_state", None)) is not None)
    found = [_read(each, now) for each in states]
    return [each for each in found if _matters(each)]


def never_computed(orgs: Iterable[SalesforceOrg], *, now: datetime) -> list[AnalyticsSettings]:
    """Settings of those `orgs` that somebody started a day ago and that have no facts yet."""
    without = (org for org in orgs if _goes_on(org) and not hasattr(org, "facts_state"))
    settings: list[AnalyticsSettings] = [org.analytics_settings for org in without if hasattr(org, "analytics_settings")]  # pyright: ignore[reportAttributeAccessIssue]
    return [each for each in settings if each.started_at is not None and each.started_at < now - timedelta(days=1)]


def sync_hours(orgs: Iterable[SalesforceOrg]) -> dict[int, int]:
    """Hour (UTC) of the daily sync by connection, where one is set up and not paused."""
    settings = {org.pk: getattr(org, "analytics_settings", None) for org in orgs}
    return {pk: each.sync_hour for pk, each in settings.items() if each is not None and each.paused_at is None}


def _goes_on(org: SalesforceOrg) -> bool:
    settings = getattr(org, "analytics_settings", None)
    return org.analytics_enabled and org.is_connected and (settings is None or settings.paused_at is None)


def _read(state: FactsState, now: datetime) -> Trouble:
    counts = state.health if isinstance(state.health, dict) else {}

    def number(name: str) -> int:
        value = counts.get(name)
        return value if isinstance(value, int) else 0

    left = sum(number(f"spans_{name}") for name in ("without_start", "reversed", "out_of_range"))
    return Trouble(
        state.org, state.computed_at, dict(counts.get("refused_currencies") or {}), list(counts.get("missing_objects") or []),
        number("accounts"), number("unlinked_accounts"), left, now - state.computed_at > LATE,
    )  # fmt: skip


def _matters(trouble: Trouble) -> bool:
    return bool(trouble.currencies or trouble.missing or trouble.left_out or trouble.late or trouble.is_poorly_linked)
