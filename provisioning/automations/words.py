"""An automation in words: when, only if, then. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from provisioning.automations.conditions import read_condition
from provisioning.intent.kinds import AMENDMENT, RENEWAL, TRIAL

WHAT = {
    "won": "new business is won", TRIAL: "an opportunity reaches a trial stage", AMENDMENT: "an amendment is won",
    RENEWAL: "a renewal is won",
}  # fmt: skip
DOES = {
    "won": "Provision a subscription for each product, with plan, add-ons and own limits; a trial of it is converted.",
    TRIAL: "Start a trial of each product.",
    AMENDMENT: "Change the running subscriptions from the effective date; a quantity of 0 takes a line away.",
    RENEWAL: "Extend the running subscriptions from their end with the new lines.",
}


@dataclass(frozen=True)
class Words:
    """The parts of an automation as sentences."""

    when: str
    only_if: tuple[str, ...]
    steps: tuple[str, ...]
    then: str = ""  # the steps in short


def words_of(
    *, trigger: str, stages: Sequence[str], conditions: Sequence[Any], callout: Mapping[str, Any], write_back: bool,
    trial_days: int | None, usual_trials: Sequence[str] = (),
) -> Words:  # fmt: skip
    """`usual_trials`: stages of the org that count as trials where nobody chose any."""
    conditions_said = tuple(read_condition(each).words for each in conditions if isinstance(each, Mapping))
    steps = tuple(_steps(trigger, callout, write_back, trial_days))
    return Words(_when(trigger, stages, usual_trials), conditions_said, steps, _short(trigger, callout, write_back, trial_days))


def _when(trigger: str, stages: Sequence[str], usual_trials: Sequence[str]) -> str:
    what = WHAT.get(trigger, trigger)
    if stages:
        return f"When {what}: its stage becomes {_either(stages)}"
    if trigger == TRIAL:
        named = f" (here: {_either(usual_trials)})" if usual_trials else ""
        return f"When {what}: one whose name contains POC or Proof of Concept{named}"
    return f"When {what}: its stage becomes any that means won"


def _steps(trigger: str, callout: Mapping[str, Any], write_back: bool, trial_days: int | None) -> list[str]:
    steps = ["Read the opportunity with its products and compile what they lead to; stop when a line leads nowhere."]
    if callout.get("url"):
        parts = urlsplit(str(callout["url"]))
        paths = (("customer", callout.get("customer_path")), ("subscriptions", callout.get("subscription_path")))
        takes = [f"{name} from {path}" for name, path in paths if path]
        ids = f" and take the ids of {' and '.join(takes)}" if takes else ""
        steps.append(f"Ask {callout.get('method') or 'POST'} {parts.hostname or ''}{ids}; stop when it fails.")
    steps.append("Find or make the customer of the account.")
    days = f" It lasts {trial_days} days." if trigger == TRIAL and trial_days else ""
    steps.append(DOES.get(trigger, "") + days)
    if write_back:
        steps.append("Write ids and addresses onto account and opportunity.")
    return steps


def _short(trigger: str, callout: Mapping[str, Any], write_back: bool, trial_days: int | None) -> str:
    asks = "ask your application, " if callout.get("url") else ""
    days = f" of {trial_days} days" if trigger == TRIAL and trial_days else ""
    does = {"won": "provision subscriptions", TRIAL: f"start a trial{days}", AMENDMENT: "change subscriptions",
            RENEWAL: "extend subscriptions"}  # fmt: skip
    said = f"{asks}{does.get(trigger, 'provision')}{', write the ids back' if write_back else ''}"
    return said[0].upper() + said[1:]


def _either(names: Sequence[str]) -> str:
    quoted = [f"“{each}”" for each in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
