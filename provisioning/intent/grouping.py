"""Which subscription each line of a deal belongs to: one product, one plan (ST-D5). Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from provisioning.intent.facts import OfferFacts, Running
from provisioning.intent.mapping import ADD_ON, ENTITLEMENT, PLAN, Mapped
from provisioning.intent.result import Problem

T = TypeVar("T")
LIVE = frozenset(("scheduled", "trial", "active"))


@dataclass
class Group:
    """The lines of one product, in their order."""

    product: str
    name: str = ""
    lines: list[Mapped] = field(default_factory=list)

    def of(self, kind: str) -> list[Mapped]:
        """Its lines of one type."""
        return [each for each in self.lines if each.type == kind]

    @property
    def plans(self) -> list[Mapped]:
        return self.of(PLAN)


def live_of(running: Iterable[Running]) -> dict[str, Running]:
    """The subscription that runs or will run, by product."""
    return {each.product: each for each in running if each.status in LIVE}


def group_lines(mapped: Iterable[Mapped], running: Mapping[str, Running], *, swaps: bool) -> tuple[list[Group], list[Problem]]:
    """Lines by product. `swaps`: a plan line with quantity 0 takes its plan away and does not count as a second plan."""
    lines = list(mapped)
    groups: dict[str, Group] = {}
    for each in lines:
        if isinstance(each.entry, OfferFacts):
            group = groups.setdefault(each.product, Group(each.product, each.entry.product_name))
            group.lines.append(each)
    problems = [problem for group in groups.values() for problem in _plan_problems(group, swaps=swaps)]
    for each in lines:
        if each.type == ENTITLEMENT:
            problem = _place(each, groups, running)
            problems += [problem] if problem else []
    return list(groups.values()), problems


def _plan_problems(group: Group, *, swaps: bool) -> list[Problem]:
    plans = [each for each in group.plans if not (swaps and each.line.quantity == 0)]
    keys = list(dict.fromkeys(each.key for each in plans))
    if len(keys) < 2:
        return []
    other = next(each for each in plans if each.key != keys[0])
    numbers = f"{plans[0].line.number} and {other.line.number}"
    named = f"{plans[0].entry.name} and {other.entry.name}"
    message = f"Lines {numbers} are two different plans of {group.name or group.product}: {named}."
    fix = "Leave one of the two plans in the deal, or correct a mapping."
    return [Problem(other.line.number, "two_plans", message, fix, other.line.name)]


def _place(each: Mapped, groups: dict[str, Group], running: Mapping[str, Running]) -> Problem | None:
    """Put an entitlement to the plan of its deal, or else to the subscription that runs; the problem when that is not clear."""
    with_plan = [group for group in groups.values() if group.plans]
    found = _only(with_plan, lambda group: any(each.key in _features(line) for line in group.lines)) if with_plan else None
    if not with_plan:
        names = list(groups) or list(running)
        known = [running[name] for name in names if name in running]
        one = _only(known, lambda item: each.key in item.features)
        found = groups.setdefault(one.product, Group(one.product)) if one is not None else None
        if not known:
            return _homeless(each, "no_plan", "has no plan in this deal and the customer has no running subscription")
    if found is None:
        return _homeless(each, "unclear_plan", "could belong to several plans")
    found.lines.append(each)
    return None


def _only(items: list[T], gives: Callable[[T], bool]) -> T | None:
    """The only one, or the only one that gives the feature already."""
    if len(items) == 1:
        return items[0]
    fitting = [item for item in items if gives(item)]
    return fitting[0] if len(fitting) == 1 else None


def _features(line: Mapped) -> frozenset[str]:
    return line.entry.features if isinstance(line.entry, OfferFacts) and line.type in (PLAN, ADD_ON) else frozenset()


def _homeless(each: Mapped, code: str, words: str) -> Problem:
    fix = "Sell it together with the plan, or give it to one plan of the deal in the catalogue."
    return Problem(each.line.number, code, f"{each.line.label}, entitlement {each.entry.name}, {words}.", fix, each.line.name)
