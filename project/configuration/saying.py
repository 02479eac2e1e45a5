"""A plan as lines of text, for the terminal."""

from collections.abc import Iterator

from integrations.sync.mapping.problems import Problem
from project.configuration.planning import CHANGE, CREATE, REMOVE, WAIT, WAITS, Line, Plan

MARKS = {CREATE: "+", CHANGE: "~", REMOVE: "-", WAIT: "?"}
DONE = {CREATE: "created", CHANGE: "changed", REMOVE: "removed", "unchanged": "unchanged", WAIT: "waiting"}
PLANNED = {CREATE: "to create", CHANGE: "to change", REMOVE: "to remove", "unchanged": "unchanged", WAIT: "waiting"}


def say_plan(plan: Plan, *, done: bool = False) -> Iterator[str]:
    """What happens to each entry, with what changes in it, and the sums."""
    for line in plan.lines:
        if line.action in MARKS:
            yield from _say_line(line)
    words = DONE if done else PLANNED
    sums = ", ".join(f"{count} {words[action]}" for action, count in plan.counts.items() if count or action == "unchanged")
    yield f"{sums}."


def _say_line(line: Line) -> Iterator[str]:
    yield f"{MARKS[line.action]} {line.name}" + (f" {WAITS}" if line.action == WAIT else "")
    for each in line.changes if line.action == CHANGE else ():
        yield f"    {each.path}: {each.before or 'nothing'} → {each.after or 'nothing'}"


def say_problem(problem: Problem) -> str:
    """One sentence with its place."""
    return f"{problem.path}: {problem.message}" if problem.path else problem.message
