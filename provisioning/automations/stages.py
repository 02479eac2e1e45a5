"""The org's opportunity stages and the fields that conditions may look at."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.core.cache import cache

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.client import Client
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound
from integrations.sync.mirror import describing
from provisioning.automations.conditions import KINDS
from provisioning.connection import DOMAIN
from provisioning.intent.kinds import TRIAL, is_trial_stage

KEPT_SECONDS = 60
MOST_STAGES = 500


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `is_won` and `is_closed` are Salesforce's flags, the only dependable ones (ST-D1)."""

    name: str
    is_closed: bool
    is_won: bool


@dataclass(frozen=True)
class Choices:
    """What an automation of the connection can be made of."""

    stages: tuple[Stage, ...]
    opportunity: ObjectInfo

    def stages_for(self, trigger: str) -> list[Stage]:
        """Stages that can set the trigger off: open ones for trials, won ones for the rest."""
        return [each for each in self.stages if (not each.is_closed if trigger == TRIAL else each.is_won)]

    @property
    def usual_trials(self) -> list[Stage]:
        """Stages that count as trials where nobody chose any."""
        return [each for each in self.stages_for(TRIAL) if is_trial_stage(each.name)]

    @property
    def fields(self) -> list[FieldInfo]:
        """Fields that conditions can look at, by label."""
        return sorted((each for each in self.opportunity.fields if each.type in KINDS), key=lambda each: each.label.casefold())


def read_choices(org: SalesforceOrg, client: Client | None = None) -> Choices:
    """Stages and fields of the org. Raises `NotConnected` or a `SalesforceError` when it cannot be asked."""
    if client is not None:
        return Choices(read_stages(org, client), describing.describe_object(org, client, "Opportunity"))
    with client_for(org, domain=DOMAIN) as made:
        return read_choices(org, made)


def read_stages(org: SalesforceOrg, client: Client) -> tuple[Stage, ...]:
    """The active stages in their order; asked at most once a minute."""
    key = f"provisioning:stages:{org.pk}:{org.created_at.timestamp():.0f}:{org.generation}"
    known: Iterable[Any] | None = cache.get(key)
    if known is None:
        soql = "SELECT MasterLabel, ApiName, IsClosed, IsWon FROM OpportunityStage WHERE IsActive = true ORDER BY SortOrder"
        try:
            rows = client.query_all(f"{soql} LIMIT {MOST_STAGES}")
        except (InvalidType, NotFound):
            rows = []
        stages = [Stage(str(row["ApiName"] or row["MasterLabel"]), bool(row["IsClosed"]), bool(row["IsWon"])) for row in rows]
        known = [asdict(each) for each in stages]
        cache.set(key, known, KEPT_SECONDS)
    return tuple(Stage(**each) for each in known)
