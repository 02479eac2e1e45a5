"""Everything that the connection pages and their API read, in a fixed number of queries."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import CharField, Count, Max, Value
from django.utils import timezone
from django_q.models import Schedule

from integrations.models import Run, SalesforceOrg
from integrations.orgs import budget, posture, sign_in, vault
from integrations.orgs.states import Shown, State, shown_state
from integrations.sync import jobs


@dataclass(frozen=True)
class Line:
    """One job of a connection: how it went last, when it comes next."""

    name: str
    label: str
    domain: str
    last: Run | None
    next_at: datetime | None
    enabled: bool


@dataclass(frozen=True)
class Panel:
    """What a domain that works all the time, not in runs, says of itself on the page of a connection.

    `state` is label, tone and icon of its badge; `moments` and `numbers` are facts by their label.
    """

    title: str
    url: str
    state: tuple[str, str, str]
    moments: tuple[tuple[str, datetime | None], ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()


_panels: dict[str, Callable[[SalesforceOrg, datetime], Panel | None]] = {}


def register_panel(domain: str, read: Callable[[SalesforceOrg, datetime], Panel | None]) -> None:
    """Show `read(org, now)` on the page of each connection, unless it is None; called from a domain's `apps.py`."""
    _panels[domain] = read


def read_panels(org: SalesforceOrg, *, now: datetime) -> list[Panel]:
    """The panels of a connection, by title."""
    return sorted((panel for read in _panels.values() if (panel := read(org, now))), key=lambda panel: panel.title)


def read_lines(org: SalesforceOrg) -> list[Line]:
    """The connection's jobs, by label; those that only a page starts stand there once they have run."""
    newest = Run.objects.filter(org=org).order_by().values("job").annotate(newest=Max("id")).values("newest")
    last = {run.job: run for run in Run.objects.filter(pk__in=newest).defer("checkpoint")}
    schedules = dict(Schedule.objects.filter(args__isnull=False).values_list("args", "next_run"))
    lines = []
    answers: dict[Callable[[SalesforceOrg], bool], bool] = {}  # jobs of one domain ask the same
    for job in jobs.every():
        if not job.per_org or (job.by_hand and job.name not in last):
            continue
        if job.enabled not in answers:
            answers[job.enabled] = job.enabled(org)
        enabled = answers[job.enabled]
        next_at = schedules.get(repr((job.name,))) if enabled and org.is_connected else None
        lines.append(Line(job.name, job.label, job.domain, last.get(job.name), next_at, enabled))
    return sorted(lines, key=lambda line: line.label)


def shown_lines(lines: list[Line]) -> list[Line]:
    """Those that are switched on, or were; pages only count the others."""
    return [line for line in lines if line.enabled or line.last]


def state_of(org: SalesforceOrg) -> Shown:
    """State of one connection as pages show it."""
    return shown_state(org, locked=vault.is_locked(org))


def read_list(*, now: datetime) -> dict[str, Any]:
    """Every connection with its shown state, latest run and API use; those that need somebody first."""
    locked = vault.locked_orgs()
    newest = dict(Run.objects.filter(org__isnull=False).values_list("org").annotate(newest=Max("id")))
    last = {run.org.pk: run for run in Run.objects.filter(pk__in=list(newest.values())).select_related("org") if run.org}
    rows = []
    for org in SalesforceOrg.objects.all():
        shown = shown_state(org, locked=org.pk in locked)
        rows.append({"org": org, "shown": shown, "last": last.get(org.pk), "needs_setup": org.state == State.NEW})
    order = {"action": 0, "degraded": 1, "healthy": 2, "paused": 3}
    rows.sort(key=lambda row: (order.get(row["shown"].tone, 4), row["org"].name.lower()))
    broken = sum(row["org"].state == State.NEEDS_REAUTHORIZATION for row in rows)
    return {
        "rows": rows,
        "broken": broken,
        "any_connected": any(row["org"].state not in {State.NEW, State.DISCONNECTED} for row in rows),
    }


def read_card(org: SalesforceOrg, *, now: datetime) -> dict[str, Any]:
    """The health card of one connection."""
    findings = posture.findings_of(org)
    lines = read_lines(org)
    next_times = [line.next_at for line in lines if line.next_at]
    ended = [line.last for line in lines if line.last]
    use, secrets = budget.allowance(org, now=now), vault.kinds_of(org)
    return {
        "org": org,
        "shown": state_of(org),
        "lines": shown_lines(lines),
        "panels": read_panels(org, now=now),
        "switched_off": len(lines) - len(shown_lines(lines)),
        "last_run": max(ended, key=lambda run: run.pk, default=None),
        "next_at": min(next_times, default=None),
        "use": use,
        "use_by_hour": budget.by_hour(org, now=now),
        "share_left": use.remaining_for_us,
        "reports_left": budget.report_runs_left(org, now=now),
        "findings": findings,
        "missing": [each for each in findings if each.ok is False],
        "package": org.posture.get("packages"),
        "integration_user": org.posture.get("user") or {},
        "secrets": secrets,
        "dependants": dependants_of(org),
        "has_credentials": sign_in.has_credentials(org, secrets),
        "waits_until": org.no_login_before if org.no_login_before and org.no_login_before > now else None,
    }


_SILENT = {"orgsecret", "apiusage", "alert", "securityreview", "securityfinding"}
"""Rows that are about the connection itself and mean nothing without it."""


def dependants_of(org: SalesforceOrg) -> list[tuple[str, int]]:
    """What a deletion takes along, by kind, counted from the model graph so that a new domain cannot be forgotten (R-287)."""
    counts = []
    for relation in SalesforceOrg._meta.related_objects:
        if relation.related_model._meta.model_name in _SILENT or not relation.get_accessor_name():
            continue
        rows = relation.related_model._default_manager.filter(**{relation.field.name: org}).order_by()
        kind = Value(str(relation.related_model._meta.verbose_name_plural), output_field=CharField())
        counts.append(rows.annotate(_kind=kind).values("_kind").annotate(_count=Count("pk")).values_list("_kind", "_count"))
    first, *others = counts
    return [(str(kind), n) for kind, n in first.union(*others, all=True) if n]  # one query, however many domains there are


def read_broken() -> dict[str, Any]:
    """Connections that a person must authorize again, and how many are already well."""
    broken = SalesforceOrg.objects.exclude(state__in=[State.NEW, State.CONNECTED, State.PAUSED, State.DISCONNECTED])
    rows = [{"org": org, "shown": shown_state(org, locked=False)} for org in broken]
    return {"rows": rows, "well": SalesforceOrg.objects.filter(state=State.CONNECTED).count(), "now": timezone.now()}


def revocable() -> list[SalesforceOrg]:
    """Connections that hold something to revoke."""
    return list(SalesforceOrg.objects.exclude(state__in=[State.NEW, State.DISCONNECTED]))
