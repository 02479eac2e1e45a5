"""What a changed opportunity means for us, from its few fields and what we know of it (ST-D1, ST-D11, ST-D13). Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from provisioning.intent.kinds import is_among, is_trial_stage

WON, TRIAL = "won", "trial"
CONTRACT_SLOT, TRIAL_SLOT = "contract", "trial"
GRANTED = ("done", "incomplete")
UNDONE = ("reopened", "lost", "deleted")
SKEW = timedelta(minutes=2)  # between Salesforce's clock and ours


class Known(Protocol):
    """What is known of a deal already; a model row has these as descriptors, hence Any."""

    @property
    def id(self) -> Any: ...
    @property
    def state(self) -> Any: ...
    @property
    def flag(self) -> Any: ...
    @property
    def changed_at(self) -> Any: ...


class Watched(Protocol):
    """The settings that a watch follows."""

    @property
    def watching_since(self) -> Any: ...


class Rule(Protocol):
    """An active automation."""

    @property
    def trigger(self) -> Any: ...
    @property
    def stages(self) -> Any: ...


@dataclass(frozen=True)
class Seen:
    """An opportunity as the poll sees it; instants are Salesforce's, UTC."""

    id: str
    name: str
    account_id: str
    stage: str
    is_won: bool
    is_closed: bool
    is_deleted: bool
    modified_at: datetime
    stage_at: datetime  # of the last change of the stage


@dataclass(frozen=True)
class Found:
    """What to do about it: open, again, flag, unflag, lost_trial."""

    action: str
    row: Seen
    slot: str = ""
    kind: str = ""
    flag: str = ""
    provision_id: int = 0


@dataclass(frozen=True)
class Watch:
    """What the active automations wait for. `trial_stages` None = every stage whose name says so."""

    since: datetime
    wins: bool
    won_stages: frozenset[str] | None
    trials: bool
    trial_stages: frozenset[str] | None

    @classmethod
    def of(cls, settings: Watched, automations: Iterable[Rule]) -> "Watch":
        """Of all active automations together; what each of them wants exactly is judged on the whole deal."""
        rules = list(automations)
        won = [each for each in rules if each.trigger != TRIAL]
        trial = [each for each in rules if each.trigger == TRIAL]
        return cls(settings.watching_since, bool(won), _stages(won), bool(trial), _stages(trial))

    def waits_for_win(self, row: Seen) -> bool:
        """Whether a won deal may be one for us."""
        return self.wins and self._is_news(row) and (self.won_stages is None or is_among(row.stage, self.won_stages))

    def waits_for_trial(self, row: Seen) -> bool:
        """Whether an open deal may be one for a trial."""
        if not self.trials or row.is_closed or not self._is_news(row):
            return False
        return is_among(row.stage, self.trial_stages) if self.trial_stages is not None else is_trial_stage(row.stage)

    def _is_news(self, row: Seen) -> bool:
        return row.stage_at >= self.since - SKEW


def _stages(rules: list[Rule]) -> frozenset[str] | None:
    if any(not each.stages for each in rules):
        return None
    return frozenset(stage for each in rules for stage in each.stages)


def sort_row(row: Seen, known: Mapping[str, Known], watch: Watch) -> Found | None:
    """What to do about a changed opportunity; None when it is nothing to us. `known` holds its provisions by slot."""
    contract, trial = known.get(CONTRACT_SLOT), known.get(TRIAL_SLOT)
    if contract is not None and contract.state in GRANTED:
        return _undone(row, contract)
    if row.is_deleted or (row.is_closed and not row.is_won):
        return _lost_trial(row, trial)
    if row.is_won:
        if contract is None:
            return Found("open", row, CONTRACT_SLOT, WON) if watch.waits_for_win(row) else None
        return Found("again", row, provision_id=contract.id) if _is_later(row, contract) else None
    if trial is None and contract is None and watch.waits_for_trial(row):
        return Found("open", row, TRIAL_SLOT, TRIAL)
    if trial is not None and watch.waits_for_trial(row) and _is_later(row, trial):
        return Found("again", row, provision_id=trial.id)
    return None


def _undone(row: Seen, contract: Known) -> Found | None:
    """A won deal that is won no longer is flagged, once for each way; one that is won again is not flagged any more."""
    flag = "deleted" if row.is_deleted else "" if row.is_won else "lost" if row.is_closed else "reopened"
    if not flag:
        return Found("unflag", row, provision_id=contract.id) if contract.flag in UNDONE else None
    return Found("flag", row, flag=flag, provision_id=contract.id) if contract.flag != flag else None


def _lost_trial(row: Seen, trial: Known | None) -> Found | None:
    return Found("lost_trial", row, provision_id=trial.id) if trial is not None and trial.state in GRANTED else None


def _is_later(row: Seen, known: Known) -> bool:
    """Whether the deal changed since it was found to be nothing to do, or blocked: what it lacked may be there now."""
    waits = known.state in ("skipped", "blocked")
    return waits and (known.changed_at is None or row.modified_at > known.changed_at)
