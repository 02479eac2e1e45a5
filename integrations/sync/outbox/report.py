"""What a push did, as its caller hears it."""

from dataclasses import dataclass, field

from integrations.models import OutboxPush, OutboxTarget


@dataclass(frozen=True)
class PushReport:
    """What one push did (or, dry, would do). Rows by class as in the ledger; `refused` are fields with the reason.

    `created` and `changed` split the written rows; `settled` of them were written by an interrupted run before. `guarded` rows
    wait for a person's yes, `waiting` for their parents. `error` says why nothing could be pushed at all.
    """

    target: OutboxTarget
    rows: int = 0
    written: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    not_attempted: int = 0
    settled: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    estimated_calls: int = 0
    dry_run: bool = False
    error: str = ""
    counts: dict[str, int] = field(default_factory=dict)


def report_of(push: OutboxPush, *, error: str = "", estimated_calls: int = 0) -> PushReport:
    """The report of a stored push."""
    counts = dict(push.counts)
    settled, created = counts.get("settled", 0), counts.get("created", 0)
    written = counts.get("written", 0) + settled
    return PushReport(
        target=push.target, rows=push.rows, written=written, created=created, changed=written - created,
        unchanged=counts.get("unchanged", 0), skipped=counts.get("skipped", 0) + counts.get("erased", 0),
        failed=counts.get("failed", 0), not_attempted=counts.get("not_attempted", 0), settled=settled,
        refused=dict(push.refused), calls=push.calls, estimated_calls=estimated_calls, dry_run=push.is_dry, error=error,
        counts=counts,
    )  # fmt: skip
