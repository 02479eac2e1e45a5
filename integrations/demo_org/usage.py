"""The daily API allowance: how many requests were counted in the rolling 24 hours, and what the limits are."""

import threading
from collections import deque
from typing import TYPE_CHECKING

from integrations.demo_org.clock import Clock

if TYPE_CHECKING:
    from integrations.demo_org.settings import Settings

DAY = 86_400
BUCKET = 3_600
LIMITS = {
    "ActiveScratchOrgs": 3,
    "ConcurrentAsyncGetReportInstances": 200,
    "ConcurrentSyncReportRuns": 20,
    "DailyApiRequests": 100_000,
    "DailyAsyncApexExecutions": 250_000,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
    "DailyDurableGenericStreamingApiEvents": 10_000,
    "DailyDurableStreamingApiEvents": 10_000,
    "DailyGenericStreamingApiEvents": 10_000,
    "DailyStreamingApiEvents": 10_000,
    "DailyWorkflowEmails": 390,
    "DataStorageMB": 1_024,
    "DurableStreamingApiConcurrentClients": 20,
    "FileStorageMB": 1_024,
    "HourlyAsyncReportRuns": 1_200,
    "HourlyDashboardRefreshes": 200,
    "HourlyDashboardResults": 5_000,
    "HourlyDashboardStatuses": 999_999_999,
    "HourlyODataCallout": 10_000,
    "HourlySyncReportRuns": 500,
    "HourlyTimeBasedWorkflow": 50,
    "MassEmail": 10,
    "SingleEmail": 15,
    "StreamingApiConcurrentClients": 20,
}


class Usage:
    """Counters by limit name. `DailyApiRequests` rolls over 24 hours of the org's clock, the Hourly ones over one hour."""

    def __init__(self, clock: Clock, settings: "Settings") -> None:
        self._clock, self._settings = clock, settings
        self._lock = threading.Lock()
        self._spent: dict[str, deque[list[float]]] = {}

    def maximum(self, name: str) -> int:
        """The limit of that name: the settings' override or the usual value."""
        return self._settings.limits.get(name, LIMITS.get(name, 0))

    def used(self, name: str = "DailyApiRequests") -> int:
        """What was spent in the window that counts."""
        window = BUCKET if name.startswith("Hourly") else DAY
        since = self._clock.now().timestamp() - window
        extra = self._settings.api_requests_used if name == "DailyApiRequests" else 0
        with self._lock:
            buckets = self._spent.get(name, deque())
            while buckets and buckets[0][0] < since:
                buckets.popleft()
            return int(sum(count for _, count in buckets)) + extra

    def spend(self, name: str = "DailyApiRequests", count: int = 1) -> None:
        """Count `count` against a limit (whether it may be spent is the caller's question)."""
        moment = self._clock.now().timestamp()
        start = moment - moment % 60
        with self._lock:
            buckets = self._spent.setdefault(name, deque())
            if buckets and buckets[-1][0] == start:
                buckets[-1][1] += count
            else:
                buckets.append([start, count])

    def is_reached(self, name: str = "DailyApiRequests") -> bool:
        """Whether nothing is left of a limit."""
        return self.used(name) >= self.maximum(name)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """The body of the `limits` resource."""
        names = sorted(LIMITS.keys() | self._settings.limits.keys())
        full = {"DataStorageMB"} if self._settings.storage_full else set()
        return {
            name: {"Max": self.maximum(name), "Remaining": 0 if name in full else max(self.maximum(name) - self.used(name), 0)}
            for name in names
        }

    def header(self) -> str:
        """The value of Sforce-Limit-Info."""
        return f"api-usage={self.used()}/{self.maximum('DailyApiRequests')}"

    def clear(self) -> None:
        """Nothing was spent."""
        with self._lock:
            self._spent.clear()
