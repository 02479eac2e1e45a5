"""The numbers of `/metrics`, one line of the table each; docs/operations.md explains every one (a test compares them)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, QuerySet, Sum
from django_q.models import OrmQ

from integrations.models import Alert, ApiUsage, Lease, OutboxRow, Run, SalesforceOrg, WorkerHeartbeat
from integrations.models.lake import LakeFile
from project.backups.last import age_of_backup

Sample = tuple[dict[str, str], float]
"""Labels and value."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One gauge: its name, what it tells, and how it is read at an instant; no sample when there is nothing to tell."""

    name: str
    help: str
    read: Callable[[datetime], Iterable[Sample]]


def exposition(*, now: datetime) -> str:
    """All metrics as Prometheus text."""
    lines = []
    for metric in METRICS:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
        lines += [f"{metric.name}{_labels(labels)} {value:.15g}" for labels, value in metric.read(now)]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    """Labels as the format wants them, with quotes and backslashes escaped."""
    if not labels:
        return ""
    escaped = {key: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for key, value in labels.items()}
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped.items()) + "}"


def _counted(rows: "QuerySet[Run] | QuerySet[SalesforceOrg] | QuerySet[OutboxRow]", *names: str) -> Iterable[Sample]:
    for row in rows.values(*names).annotate(n=Count("id")).order_by(*names):
        yield {name: str(row[name]) for name in names}, row["n"]


def _heartbeat(now: datetime) -> Iterable[Sample]:
    beat = WorkerHeartbeat.objects.filter(name="worker").values_list("beat_at", flat=True).first()
    return [({}, round((now - beat).total_seconds()))] if beat else []


def _oldest_queued(now: datetime) -> Iterable[Sample]:
    """Of runs that may begin; those that wait for a time of their own do not count."""
    oldest = (
        Run.objects.filter(state=Run.State.QUEUED, not_before=None).order_by("queued_at").values_list("queued_at", flat=True)
    )
    return [({}, max(0, round((now - oldest[0]).total_seconds())) if oldest else 0)]


def _calls(now: datetime) -> Iterable[Sample]:
    rows = ApiUsage.objects.filter(hour__gt=now - timedelta(hours=24)).values("org__name", "domain").annotate(n=Sum("calls"))
    for row in rows.order_by("org__name", "domain"):
        yield {"connection": row["org__name"], "domain": row["domain"]}, row["n"]


def _lake(now: datetime) -> Iterable[Sample]:
    return [({}, LakeFile.objects.filter(retired_at=None).aggregate(n=Sum("bytes", default=0))["n"])]


def _backup(now: datetime) -> Iterable[Sample]:
    age = age_of_backup(now=now)
    return [] if age is None else [({}, round(age.total_seconds()))]


METRICS = (
    Metric("causeway_runs", "Runs in the ledger by job and state.", lambda now: _counted(Run.objects.all(), "job", "state")),
    Metric("causeway_connections", "Connections by state.", lambda now: _counted(SalesforceOrg.objects.all(), "state")),
    Metric("causeway_queue_tasks", "Tasks in the queue.", lambda now: [({}, OrmQ.objects.count())]),
    Metric("causeway_oldest_queued_run_seconds", "How long the oldest run has waited that may begin.", _oldest_queued),
    Metric(
        "causeway_open_alerts", "Alerts that have not recovered.",
        lambda now: [({}, Alert.objects.filter(recovered_at=None).count())],
    ),
    Metric("causeway_worker_heartbeat_age_seconds", "Time since a worker last proved that it works.", _heartbeat),
    Metric(
        "causeway_leases_held", "Leases that somebody holds now.",
        lambda now: [({}, Lease.objects.filter(expires_at__gt=now).count())],
    ),
    Metric("causeway_outbox_rows_waiting", "Rows that wait in the outbox by state.",
           lambda now: _counted(OutboxRow.objects.all(), "state")),
    Metric("causeway_api_calls_24h", "Salesforce API calls of the last 24 hours by connection and domain.", _calls),
    Metric("causeway_lake_bytes", "Size of the lake's live files.", _lake),
    Metric("causeway_backup_age_seconds", "How old the state is that the newest backup shows; missing without one.", _backup),
)  # fmt: skip
