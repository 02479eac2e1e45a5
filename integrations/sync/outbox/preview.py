"""Dry runs: what a push would do now, by the same code up to the sending, stored as a run of the job `outbox.dry_run`."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integrations.access import Person, Refusal
from integrations.models import OutboxPush, OutboxTarget, RowOutcome, Run, SalesforceOrg
from integrations.sync import runs
from integrations.sync.outbox import kinds, planning
from integrations.sync.outbox.planning import Share
from integrations.sync.outbox.push import PushReport, push_rows
from integrations.sync.runs import Recorder

JOB, LABEL = "outbox.dry_run", "Dry run of a push"
EARLIER = 10  # pushes that say which share of changes is usual
COUNTS = ("written", "unchanged", "skipped", "failed", "not_attempted")


@dataclass(frozen=True)
class Change:
    """One field of one sample row. `old` is "?" when nobody knows what stands there."""

    object: str
    key: str
    label: str
    salesforce_id: str
    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class DryRun:
    """What a push would do. `counts` by object in the classes of the ledger; `api_calls` is an estimate."""

    run: Run
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: list[Change] = field(default_factory=list)
    api_calls: int = 0
    warnings: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether the run has ended."""
        return not self.run.is_active


def dry_run(org: SalesforceOrg, *names: str, user: Person | None = None, now: datetime) -> DryRun:
    """Ask for a dry run of these kinds (all of them without names) and give what is known of it so far."""
    for name in names:
        kinds.get(name)
    arguments = {"kinds": list(names)} if names else {}
    return read_dry_run(runs.request_run(JOB, org=org, user=user, arguments=arguments, now=now))


def read_dry_run(run: Run) -> DryRun:
    """The stored outcome of a dry run."""
    pushes = OutboxPush.objects.filter(run=run, is_dry=True).select_related("target").order_by("pk")
    counted = {each.name: each for each in run.objects_touched.all()}
    return DryRun(
        run=run,
        counts={name: {key: getattr(each, key) for key in COUNTS} for name, each in counted.items()},
        samples=list(_samples(run)),
        api_calls=sum(int(push.counts.get("estimated_calls", 0)) for push in pushes),
        warnings=[warning for push in pushes for warning in push.warnings],
        refused={f"{push.target.object}.{name}": why for push in pushes for name, why in push.refused.items()},
    )


def _samples(run: Run) -> Iterable[Change]:
    rows = RowOutcome.objects.filter(run_object__run=run, outcome=RowOutcome.Outcome.WRITTEN).select_related("run_object")
    for row in rows.order_by("pk")[:100]:
        for name, (old, new) in (row.detail.get("changes") or {}).items():
            yield Change(row.run_object.name, row.key, row.label, row.salesforce_id, name, old, new)


def perform(recorder: Recorder) -> None:
    """Compare every target of the kinds that were asked for. Nothing is written to Salesforce, and no state changes here."""
    assert recorder.org is not None
    wanted = _wanted(recorder.run.arguments)
    done: list[int] = list(recorder.checkpoint.get("targets", []))
    for kind in kinds.in_order(wanted):
        if kind.desired is None:
            continue
        for target in targets_of(recorder.org, kind):
            if target.pk not in done:
                wanted = kind.desired(target)
                if isinstance(wanted, kinds.Prepared):
                    wanted.tell(recorder)
                    wanted = wanted.rows
                report = push_rows(recorder, target, wanted, dry_run=True)
                _judge(recorder, report)
                done.append(target.pk)
                recorder.save({**recorder.checkpoint, "targets": done})
                recorder.breathe()


def _wanted(arguments: dict[str, Any]) -> list[str]:
    """Names of kinds: `kinds` (a list) or `kind` (one name); all that can tell their rows otherwise."""
    named = arguments.get("kinds") or ([arguments["kind"]] if arguments.get("kind") else [])
    unknown = [name for name in named if name not in {kind.name for kind in kinds.every()}]
    if unknown:
        raise Refusal("unknown_kind", f"No outbox kind is called {unknown[0]!r}.")
    return named or [kind.name for kind in kinds.every()]


def targets_of(org: SalesforceOrg, kind: kinds.OutboxKind) -> list[OutboxTarget]:
    """Where rows of a kind go: what the kind says, else the targets that were pushed before."""
    if kind.targets is not None:
        return list(kind.targets(org))
    return list(OutboxTarget.objects.filter(org=org, kind=kind.name).select_related("org", "accepted"))


def _judge(recorder: Recorder, report: PushReport) -> None:
    """Write down what a person should look at before the real push."""
    push = OutboxPush.objects.get(run=recorder.run, target=report.target)
    push.warnings = list(warnings_about(push, report))
    push.counts = {**push.counts, "estimated_calls": report.estimated_calls}
    push.save(update_fields=["warnings", "counts"])


def warnings_about(push: OutboxPush, report: PushReport) -> Iterable[str]:
    """Sentences about an unusual share of changes, a guard that would ask, fields that stay out."""
    earlier = OutboxPush.objects.filter(target=push.target, is_dry=False, state=OutboxPush.State.DONE, name="", rows__gt=0)
    shares = [Share(changed, rows) for changed, rows in earlier.values_list("changed", "rows")[:EARLIER]]
    now = Share(push.changed, push.rows)
    where = push.target.object
    if planning.is_unusual(now, shares):
        usual = sum(share.part for share in shares) / len(shares)
        yield f"{where}: {now.part:.0%} of the rows would change; in the last runs it was {usual:.0%}."
    if guarded := report.counts.get("guarded"):
        yield f"{where}: {guarded:,} rows would be cleared or deleted at once; a person must allow that first."
    for name, why in report.refused.items():
        yield f"{where}.{name} {why}; it stays out."
    if report.error:
        yield report.error
