"""Which automation answers to a deal, and whether two could answer to the same one (ST-D1, ST-D14). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from provisioning.automations.conditions import all_hold, exclude_each_other, read_condition
from provisioning.intent.deal import Deal
from provisioning.intent.facts import AutomationRule, Rules
from provisioning.intent.kinds import TRIAL, is_among, is_trial_stage, nature_of


@dataclass(frozen=True, slots=True)
class Previous:
    """How the opportunity stood before: only a change into a stage is an occasion."""

    stage: str
    is_won: bool


def choose(
    automations: Iterable[AutomationRule], deal: Deal, previous: Previous | None = None, *, rules: Rules | None = None
) -> AutomationRule | None:
    """The active automation that the deal's change calls for, None when nothing is to be done.

    `previous` None: it was just created, or nobody knows; then its present stage counts. Of several that fit (which activation
    does not let happen) the one with most conditions answers.
    """
    known = rules or Rules()
    fitting = [each for each in automations if each.is_active and answers(each, deal, known)]
    if previous is not None:
        fitting = [each for each in fitting if not _stood_there(each, deal, previous)]
    return max(fitting, key=lambda each: (len(each.conditions) + bool(each.stages), -each.id), default=None)


def answers(automation: AutomationRule, deal: Deal, rules: Rules) -> bool:
    """Whether the deal, as it stands, is what the automation waits for."""
    return why_not(automation, deal, rules) == ""


def why_not(automation: AutomationRule, deal: Deal, rules: Rules) -> str:
    """Why the automation does not answer to the deal as it stands, "" when it does."""
    if automation.trigger == TRIAL:
        if deal.is_closed:
            return "The opportunity is closed."
        if not _is_trial(automation, deal.stage):
            return f"The stage {deal.stage} is no trial stage of it."
    else:
        if not deal.is_won:
            return "The opportunity is not won."
        if automation.stages and not is_among(deal.stage, automation.stages):
            return f"The stage {deal.stage} is not among its stages."
        nature = nature_of(deal, rules)
        if nature != automation.trigger:
            return f"The deal is {NATURES[nature]}."
    failed = [read_condition(each) for each in automation.conditions if not all_hold([each], deal.values)]
    return f"This does not hold: {failed[0].words}." if failed else ""


NATURES = {"won": "new business", "amendment": "an amendment", "renewal": "a renewal"}


def _is_trial(automation: AutomationRule, stage: str) -> bool:
    return is_among(stage, automation.stages) if automation.stages else is_trial_stage(stage)


def _stood_there(automation: AutomationRule, deal: Deal, previous: Previous) -> bool:
    """Whether the opportunity was in a stage that the automation waits for before, so that nothing has changed for it."""
    if automation.trigger == TRIAL:
        return not previous.is_won and _is_trial(automation, previous.stage)
    return previous.is_won and (not automation.stages or is_among(previous.stage, automation.stages))


def overlaps(one: AutomationRule, other: AutomationRule, *, stages: Iterable[str] = ()) -> bool:
    """Whether one deal could call for both. `stages`: open stages of the org, where trial stages are told by their names."""
    if one.trigger != other.trigger or not _share_stage(one, other, stages):
        return False
    pairs = ((read_condition(left), read_condition(right)) for left in one.conditions for right in other.conditions)
    return not any(exclude_each_other(left, right) for left, right in pairs)


def _share_stage(one: AutomationRule, other: AutomationRule, stages: Iterable[str]) -> bool:
    if one.stages and other.stages:
        return any(is_among(each, other.stages) for each in one.stages)
    if one.trigger != TRIAL or not (one.stages or other.stages):
        return True
    named = one.stages or other.stages  # the other one goes by names
    return any(is_trial_stage(each) for each in (*named, *(each for each in stages if is_among(each, named))))
