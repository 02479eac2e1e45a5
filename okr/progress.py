"""How far a key result and an objective are (BW-D11). Pure arithmetic on Decimals; nothing is clamped except for display."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

HUNDRED = Decimal(100)
DEEPEST = 50  # levels of objectives; more is a mistake, and the walk stops there


@dataclass(frozen=True, slots=True)
class Part:
    """One key result of an objective: its weight and its progress (None while nothing was read or checked in)."""

    weight: int
    progress: Decimal | None


@dataclass(frozen=True, slots=True)
class Node:
    """An objective with its key results and the ids of its child objectives."""

    parts: Sequence[Part] = ()
    children: Sequence[int] = ()
    weight: int = 1


@dataclass(frozen=True, slots=True)
class RollUp:
    """Progress of an objective (None when nothing below it has a value) and how many of its direct parts have none yet."""

    progress: Decimal | None
    unknown: int
    parts: int


def progress_of(*, start: Decimal, target: Decimal, current: Decimal | None) -> Decimal | None:
    """(current - start) / (target - start); 0.86 means 86 %. Falling targets work; None without a value or a distance to go."""
    if current is None or target == start:
        return None
    return (current - start) / (target - start)


def percent_of(progress: Decimal | None) -> Decimal | None:
    """Progress in percent with one decimal, not clamped; short of the goal it never rounds up to 100."""
    if progress is None:
        return None
    percent = (progress * HUNDRED).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return Decimal("99.9") if progress < 1 and percent >= HUNDRED else percent


def bar_width(progress: Decimal | None) -> int:
    """Width of a progress bar, 0 to 100: the only place where progress is clamped."""
    percent = percent_of(progress)
    return 0 if percent is None else int(min(max(percent, Decimal(0)), HUNDRED))


def expected_progress(*, elapsed: Decimal) -> Decimal:
    """Where a straight path would be after `elapsed` (0 to 1) of the period."""
    return min(max(elapsed, Decimal(0)), Decimal(1))


def roll_up(nodes: Mapping[int, Node]) -> dict[int, RollUp]:
    """Weighted mean over key results and child objectives, for every objective in `nodes`.

    A part without a value counts as nothing achieved yet, so that one finished key result of four does not read as 100 %.
    An objective whose parts all lack a value has no progress. A child that is its own ancestor is left out (cycle guard).
    """
    known: dict[int, RollUp] = {}
    for start in nodes:
        _settle(start, nodes, known)
    return known


def _settle(start: int, nodes: Mapping[int, Node], known: dict[int, RollUp]) -> None:
    """Compute `start` and what it needs, deepest first, without recursion."""
    stack: list[tuple[int, bool]] = [(start, False)]
    on_path: list[int] = []
    while stack:
        current, children_done = stack.pop()
        if children_done:
            on_path.pop()
            known[current] = _mean(nodes[current], nodes, known)
            continue
        if current in known or current in on_path or len(on_path) >= DEEPEST:
            continue
        on_path.append(current)
        stack.append((current, True))
        stack.extend((child, False) for child in nodes[current].children if child in nodes)


def _mean(node: Node, nodes: Mapping[int, Node], known: Mapping[int, RollUp]) -> RollUp:
    parts = [*node.parts]
    # A child that is not known here is an ancestor (a cycle): it does not count.
    parts += [Part(nodes[child].weight, known[child].progress) for child in node.children if child in known]
    unknown = sum(1 for part in parts if part.progress is None)
    weight = sum(part.weight for part in parts)
    if unknown == len(parts) or weight == 0:
        return RollUp(None, unknown, len(parts))
    total = sum((part.weight * part.progress for part in parts if part.progress is not None), Decimal(0))
    return RollUp(total / weight, unknown, len(parts))


def would_make_a_cycle(*, objective: int, parent: int | None, parent_of: Mapping[int, int | None]) -> bool:
    """Whether hanging `objective` under `parent` closes a circle, or makes a tree deeper than anybody can follow."""
    seen = 0
    while parent is not None:
        if parent == objective or seen > DEEPEST:
            return True
        parent, seen = parent_of.get(parent), seen + 1
    return False
