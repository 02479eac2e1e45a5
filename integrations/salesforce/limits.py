"""The org's allowances, from the `limits` resource (needs View Setup; `Remaining` lags a little)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DAILY_REQUESTS = "DailyApiRequests"
SYNC_REPORTS = "HourlySyncReportRuns"
ASYNC_REPORTS = "HourlyAsyncReportRuns"
BULK_QUERY_JOBS = "DailyBulkV2QueryJobs"
BULK_BATCHES = "DailyBulkApiBatches"
USUAL_SYNC_REPORTS, USUAL_ASYNC_REPORTS = 500, 1200


@dataclass(frozen=True)
class Limit:
    """One allowance: the most, and what is left."""

    name: str
    max: int
    remaining: int

    @property
    def used(self) -> int:
        """Used so far, by everybody in the org."""
        return max(0, self.max - self.remaining)


def read_limits(data: Mapping[str, Any]) -> dict[str, Limit]:
    """All allowances by name; entries without numbers (new kinds) are left out."""
    limits = {}
    for name, item in data.items():
        if isinstance(item, Mapping) and isinstance(item.get("Max"), int) and isinstance(item.get("Remaining"), int):
            limits[name] = Limit(name, item["Max"], item["Remaining"])
    return limits
