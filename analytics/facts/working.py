"""What every step of a computation gets, and what it says about the data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from analytics.attributes.body import MapBody
from analytics.facts.mirrored import Mirrored
from analytics.models import AnalyticsSettings
from integrations.lake.engine import Engine
from integrations.models import SalesforceOrg


@dataclass
class Work:
    """One computation of the facts of one connection. `health` is documented at `computing.HEALTH`.

    `before` is the midnight of the last computation and `seen` what its steps depended on, `inputs` the same of
    this one; `taken_over` are steps of which stored rows stay.
    """

    engine: Engine
    org: SalesforceOrg
    body: MapBody
    settings: AnalyticsSettings
    as_of: datetime
    mirrored: Mirrored
    health: dict[str, Any] = field(default_factory=dict)
    before: datetime | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    taken_over: set[str] = field(default_factory=set)

    @property
    def today(self) -> date:
        """The first day that is in no window."""
        return self.as_of.date()

    def count(self, text: str, **params: Any) -> int:
        """The single number of a query."""
        return int(self.engine.rows(text, **params)[0][0] or 0)
