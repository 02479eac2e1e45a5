"""What of analytics waits for a person: as the last sync left it, two statements."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q

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


def facts_in_need(*, now: datetime) -> list[Trouble]:
    """Connections with refused currencies, missing objects, transactions left out, few linked accounts, or old facts."""
    states = FactsState.objects.filter(org__analytics_enabled=True, org__state=SalesforceOrg.State.CONNECTED)
    paused = Q(org__analytics_settings__paused_at__isnull=False)
    found = [_read(each, now) for each in states.exclude(paused).select_related("org").order_by("org__name")]
    return [each for each in found if _matters(each)]


def never_computed(*, now: datetime) -> list[AnalyticsSettings]:
    """Connections that somebody started a day ago and that have no facts yet."""
    rows = AnalyticsSettings.objects.filter(
        started_at__lt=now - timedelta(days=1), paused_at=None, org__facts_state=None, org__state=SalesforceOrg.State.CONNECTED,
        org__analytics_enabled=True,
    )  # fmt: skip
    return list(rows.select_related("org"))


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
