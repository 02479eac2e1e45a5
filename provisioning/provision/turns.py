"""One turn at one provision: its recorded steps, what was tried, how it ended. Everything is written under the turn's claim."""

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from integrations import audit
from integrations.sync import retrying
from provisioning.intent.deal import Deal
from provisioning.models import Provision, ProvisioningSettings, ProvisionStep
from provisioning.provision import alarms, claims

if TYPE_CHECKING:
    from provisioning.provision.judging import Choice

COMPILE, CALLOUT, CUSTOMER, SUBSCRIPTION, WRITE_BACK = NAMES = ("compile", "callout", "customer", "subscription", "write_back")
State, Done = Provision.State, ProvisionStep.State
FINISHED = (Done.DONE, Done.SKIPPED)
WAITS = (15, 30, 60, 120, 300, 600)  # seconds before the next try; the last one goes on
WRITTEN = ("state", "attempts", "started_at", "ended_at", "reason_code", "sentence", "detail")


@dataclass
class Work:
    """One turn at one provision. `deadline` is on the monotonic clock; None = as long as it takes."""

    provision: Provision
    settings: ProvisioningSettings
    now: datetime
    deadline: float | None = None
    deal: Deal | None = None
    choice: "Choice | None" = None
    steps: dict[str, ProvisionStep] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def next_step(self) -> str | None:
        """The first step that is not finished."""
        return next((name for name in NAMES if self.steps[name].state not in FINISHED), None)

    def begin(self, name: str) -> ProvisionStep:
        """Note that a step is tried now."""
        step = self.steps[name]
        step.state, step.attempts, step.started_at, step.ended_at = Done.RUNNING, step.attempts + 1, self.now, None
        self.touched.add(name)
        return step

    def end(self, name: str, state: str = Done.DONE, *, code: str = "", sentence: str = "", **detail: Any) -> None:
        """Note how it ended."""
        step = self.steps[name]
        step.state, step.ended_at, step.reason_code, step.sentence = state, self.now, code[:60], sentence
        step.detail = {**step.detail, **detail} if state in FINISHED else step.detail
        self.touched.add(name)

    def is_late(self) -> bool:
        """Whether the deadline has come."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def new_steps(provision: Provision) -> dict[str, ProvisionStep]:
    """Steps that nobody has begun."""
    return {name: ProvisionStep(provision=provision, name=name, position=place) for place, name in enumerate(NAMES, 1)}


def load_steps(provision: Provision) -> dict[str, ProvisionStep]:
    """The recorded steps of a provision; missing ones are new."""
    return {**new_steps(provision), **{each.name: each for each in provision.steps.all()}}


def save_steps(work: Work) -> None:
    """One statement for all that were touched; rows that do not exist yet are made."""
    fresh = [step for step in work.steps.values() if step.pk is None]
    if fresh:
        ProvisionStep.objects.bulk_create(
            fresh, update_conflicts=True, unique_fields=["provision", "name"], update_fields=list(WRITTEN)
        )
    known = [work.steps[name] for name in work.touched if work.steps[name] not in fresh]
    if known:
        ProvisionStep.objects.bulk_update(known, list(WRITTEN))
    work.touched.clear()


def wait_after(tries: int) -> timedelta:
    return timedelta(seconds=WAITS[min(tries, len(WAITS)) - 1])


# --- ends --------------------------------------------------------------------------------------------------------------------


def settle(
    work: Work, state: str, *, code: str = "", sentence: str = "", not_before: datetime | None = None,
    fields: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write how this turn ended; inside a transaction with the steps."""
    ended = state in (State.DONE, State.SKIPPED, State.STOPPED)
    written = {"problems": [], **(fields or {}), "state": state, "reason_code": code[:60], "sentence": sentence}
    claims.settle(work.provision, **written, not_before=not_before, finished_at=work.now if ended else None)


def settle_alone(work: Work, state: str, *, code: str = "", sentence: str = "", not_before: datetime | None = None) -> None:
    def write() -> None:
        settle(work, state, code=code, sentence=sentence, not_before=not_before, fields={"problems": work.provision.problems})
        save_steps(work)

    retrying.in_transaction(write)


def finish(work: Work) -> None:
    settle(work, State.DONE, fields=columns_of(work.provision))
    if work.provision.result.get("subscription_ids"):
        note_granted(work.provision, now=work.now)


def note_granted(provision: Provision, *, now: datetime) -> None:
    """The one audit entry of a provision (S-110), written by the step after the grant: entries queue up for their chain."""
    result = provision.result
    after = {name: result.get(name) for name in ("customer_id", "subscription_ids")}
    about = {"opportunity": provision.opportunity_id, "kind": provision.kind, "source": provision.source}
    audit.record("provision.granted", target=f"provision {provision.pk}", after={**about, **after})
    alarms.tell_granted(provision, now=now)


def columns_of(provision: Provision) -> dict[str, Any]:
    """Columns that the steps so far have filled."""
    names = ("name", "account_id", "account_name", "facts", "intent", "result", "problems", "kind", "customer_id")
    more = ("automation_id", "automation_version", "changed_at")
    return {name: getattr(provision, name) for name in (*names, *more)}


def set_columns(provision: Provision, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(provision, name, value)
