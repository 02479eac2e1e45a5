"""Counting many rows of one class: the first of a run by name with their reason, all of them in the sums (I-01, R-269)."""

from collections.abc import Sequence

from integrations.models import Entity
from integrations.sync.mapping import shape
from integrations.sync.mapping.body import PULL
from integrations.sync.mapping.check import Usable
from integrations.sync.runs import Recorder
from integrations.sync.tally import SAMPLES_OF_A_CLASS, Tally

Name = tuple[str, str, str]
"""External id, name, Salesforce id."""
TALLIES = {Entity.CUSTOMER: "customers", Entity.END_USER: "end_users"}
PAIRS_TALLY = "Mapped fields"


def note_dropped(recorder: Recorder, usable: Usable, direction: str) -> None:
    """Fields (and rules) that no longer fit are failed rows of their own, so that the run is not a plain success."""
    tally, name = recorder.object(PAIRS_TALLY), usable.body.object
    for pair, problem in usable.dropped:
        if pair.direction == direction:
            tally.failed(f"{name}: {shape.name_of_pair(pair)}", problem.code, problem.message)
    for rule, problem in usable.rules_off if direction == PULL else ():
        tally.failed(f"{name}: {shape.name_of_rule(rule)}", problem.code, problem.message)


class Listing:
    """Names at most so many rows of each class of one tally; the rest is counted."""

    def __init__(self, tally: Tally, *, most: int = SAMPLES_OF_A_CLASS) -> None:
        self.tally, self.most = tally, most
        self._named: dict[str, int] = {}

    def written(self, names: Sequence[Name]) -> None:
        """Rows that were changed."""
        listed = self._listed("written", len(names))
        for key, label, salesforce_id in names[:listed]:
            self.tally.written(key, label, salesforce_id)
        self.tally.counted("written", len(names) - listed)

    def skipped(self, names: Sequence[Name], code: str, message: str) -> None:
        """Rows left out on purpose, all for one reason."""
        listed = self._listed("skipped", len(names))
        for key, label, salesforce_id in names[:listed]:
            self.tally.skipped(key, code, message, label=label, salesforce_id=salesforce_id)
        self.tally.counted("skipped", len(names) - listed)

    def failed(self, name: Name, code: str, message: str) -> None:
        """One row that could not be done."""
        if self._listed("failed", 1):
            self.tally.failed(name[0], code, message, label=name[1], salesforce_id=name[2])
        else:
            self.tally.counted("failed", 1)

    def _listed(self, outcome: str, n: int) -> int:
        """How many of `n` more rows are named."""
        free = max(self.most - self._named.get(outcome, 0), 0)
        self._named[outcome] = self._named.get(outcome, 0) + min(n, free)
        return min(n, free)
