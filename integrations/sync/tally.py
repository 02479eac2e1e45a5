"""Counting rows into the five classes of I-01, with a reason for every row that was not simply fine."""

import hashlib
from typing import Any

from django.db.models import Count, F

from integrations.models import RowOutcome, Run, RunObject
from integrations.sync import retrying
from integrations.sync.endings import RunStopped

FLUSH_ROWS = 1000
SAMPLES_OF_A_CLASS = 1000  # full counts always, rows only up to this many of one class (written ones: all)
WATCHED_ROWS = 5000  # the first rows of a run, of which at most half may fail
KEY_LENGTH = 255
Outcome = RowOutcome.Outcome


class Breaker:
    """Stops a run when more than half of its first 5,000 rows failed: the cause is then not in the rows (R-269)."""

    def __init__(self) -> None:
        self.seen = self.failed = 0

    def count(self, outcome: str, n: int = 1) -> None:
        """Take note of `n` rows; raises `RunStopped` once, when the watched rows are full."""
        if self.seen >= WATCHED_ROWS:
            return
        self.seen += n
        self.failed += n if outcome == Outcome.FAILED else 0
        if self.seen >= WATCHED_ROWS and self.failed * 2 > self.seen:
            raise RunStopped(
                "too_many_failures",
                f"{self.failed:,} of the first {self.seen:,} rows failed, so the run was stopped. See the causes below.",
                Run.State.FAILED,
            )


def key_of(text: str) -> str:
    """`text` as the ledger's key: whole when it fits, else its beginning and a digest, so that long keys stay apart."""
    if len(text) <= KEY_LENGTH:
        return text
    return f"{text[: KEY_LENGTH - 33]}~{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class Tally:
    """Counts of one run for one object, buffered until `flush`. A row that is named again is counted once, as said last."""

    def __init__(self, run: Run, name: str, breaker: Breaker | None = None) -> None:
        self.row, is_new = RunObject.objects.get_or_create(run=run, name=name)
        self._breaker = breaker or Breaker()
        self._counts: dict[str, int] = {}
        self._rows: dict[str, RowOutcome] = {}
        self._kept: dict[str, int] = {}
        if not is_new:  # a later turn of the same run
            kept = RowOutcome.objects.filter(run_object=self.row).values_list("outcome").annotate(n=Count("id")).order_by()
            self._kept.update(kept)

    def written(self, key: str, label: str = "", salesforce_id: str = "", detail: dict[str, Any] | None = None) -> None:
        """The row was changed at its target."""
        self._add(Outcome.WRITTEN, key, label, salesforce_id, "", "", detail)

    def unchanged(self, n: int = 1) -> None:
        """`n` rows were looked at and already right; they are counted, not listed."""
        self._counts["unchanged"] = self._counts.get("unchanged", 0) + n
        self._breaker.count("unchanged", n)

    def skipped(self, key: str, code: str, message: str, **about: Any) -> None:
        """The row was left out on purpose; `code` and `message` say why."""
        self._refuse(Outcome.SKIPPED, key, code, message, about)

    def failed(self, key: str, code: str, message: str, **about: Any) -> None:
        """The row could not be done; a person may have to act."""
        self._refuse(Outcome.FAILED, key, code, message, about)

    def not_attempted(self, key: str, code: str, message: str, **about: Any) -> None:
        """We stopped before this row; the next run takes it."""
        self._refuse(Outcome.NOT_ATTEMPTED, key, code, message, about)

    def counted(self, outcome: str, n: int) -> None:
        """`n` more rows of a class that are counted without being listed: bulk work names at most samples (R-268)."""
        if n:
            self._counts[outcome] = self._counts.get(outcome, 0) + n
            self._breaker.count(outcome, n)

    def _refuse(self, outcome: str, key: str, code: str, message: str, about: dict[str, Any]) -> None:
        label, salesforce_id = about.pop("label", ""), about.pop("salesforce_id", "")
        self._add(outcome, key, label, salesforce_id, code, message, about.pop("detail", None) or about)

    def _add(
        self, outcome: str, key: str, label: str, salesforce_id: str, code: str, message: str, detail: dict[str, Any] | None
    ) -> None:
        key = key_of(key)
        earlier = self._rows.pop(key, None)
        if earlier is not None:
            self._counts[earlier.outcome] -= 1
            self._kept[earlier.outcome] -= 1
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        self._kept[outcome] = self._kept.get(outcome, 0) + 1
        if self._kept[outcome] <= SAMPLES_OF_A_CLASS or outcome == Outcome.WRITTEN:
            self._rows[key] = RowOutcome(
                run_object=self.row, key=key, label=label[:255], salesforce_id=salesforce_id,
                outcome=outcome, code=code[:80], message=message, detail=detail or {},
            )  # fmt: skip
        if len(self._rows) >= FLUSH_ROWS:
            self.flush()
        if earlier is None:
            self._breaker.count(outcome)

    def flush(self) -> None:
        """Write counts and rows in one transaction, then forget them."""
        if self._rows or self._counts:
            retrying.in_transaction(self.write)
        self.forget()

    def write(self) -> None:
        """Counts and rows into the database. A row named in an earlier flush replaces what was said of it."""
        counts = dict(self._counts)
        if self._rows:
            earlier = RowOutcome.objects.filter(run_object=self.row, key__in=list(self._rows))
            for outcome in earlier.values_list("outcome", flat=True):
                counts[outcome] = counts.get(outcome, 0) - 1
            RowOutcome.objects.bulk_create(
                self._rows.values(),
                update_conflicts=True,
                unique_fields=["run_object", "key"],
                update_fields=["label", "salesforce_id", "outcome", "code", "message", "detail", "at"],
            )
        if counts:
            changes: dict[str, Any] = {name: F(name) + n for name, n in counts.items() if n}
            changes["read"] = F("read") + sum(counts.values())
            RunObject.objects.filter(pk=self.row.pk).update(**changes)

    def forget(self) -> None:
        """What was written is committed."""
        self._counts, self._rows = {}, {}
