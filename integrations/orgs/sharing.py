"""How the API calls of one connection are shared between domains, and between schedules and people. Pure (I-18).

Our share of the org's rolling 24 hours has three parts. A floor is kept for each domain, so that none starves behind a busy
one. A reserve is kept for people, so that a click works when schedules are refused. The rest belongs to whoever comes first.
While other tools press (less is free in the org than our share has left), floors cannot be promised: then people may use what
is left, and schedules stop at the reserve.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

DOMAINS = ("mirror", "okr", "product", "billing", "provisioning", "analytics")
"""Those for which calls are kept; everything else (sign-in checks, help pages) takes from the rest."""
FLOORS = 0.10  # of our share, for all floors together
PEOPLE = 0.10  # of our share
KEPT_FOR_OTHERS = 0.10  # of the org's whole allowance: below that we stop, whatever our share says
WARN, STOP_SOON, CALM = 75, 90, 70  # percent: alerts begin at the first two and end below the last


@dataclass(frozen=True, slots=True)
class Rules:
    """What an administrator chose. `share` and `people` are parts of 1; `caps` parts of our share, by domain."""

    share: float = 0.20
    people: float = PEOPLE
    weights: Mapping[str, int] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    domains: tuple[str, ...] = DOMAINS


@dataclass(frozen=True, slots=True)
class Standing:
    """Calls of the rolling 24 hours: the org's (`used` of `limit`, by everybody, as told `at` UTC) and ours by domain."""

    limit: int
    used: int
    ours: Mapping[str, int]
    at: datetime | None = None

    @property
    def spent(self) -> int:
        """Ours, all domains."""
        return sum(self.ours.values())


def share_of(rules: Rules, standing: Standing) -> int:
    """The calls that are ours in 24 hours."""
    return int(standing.limit * rules.share)


def remaining(rules: Rules, standing: Standing) -> int:
    """Calls that we may make now: what our share has left, or less if others have used up the org's."""
    free = int(standing.limit * (1 - KEPT_FOR_OTHERS)) - standing.used
    return max(0, min(share_of(rules, standing) - standing.spent, free))


def reserve_of(rules: Rules, standing: Standing) -> int:
    """Calls that schedules leave for people."""
    return int(share_of(rules, standing) * rules.people)


def floors_of(rules: Rules, standing: Standing) -> dict[str, int]:
    """The calls that are kept for each domain, by weight; a cap limits the floor, too."""
    weights = {name: max(0, rules.weights.get(name, 1)) for name in rules.domains}
    whole = sum(weights.values())
    ours = share_of(rules, standing)
    if not whole:
        return dict.fromkeys(weights, 0)
    floors = {name: int(ours * FLOORS * weight / whole) for name, weight in weights.items()}
    return {name: min(floor, int(ours * rules.caps.get(name, 1))) for name, floor in floors.items()}


def may_use(rules: Rules, standing: Standing, *, domain: str, interactive: bool) -> int:
    """How many calls a domain may make now, for a schedule or for a person. Never more than is left."""
    left = remaining(rules, standing)
    unused = {name: max(0, floor - standing.ours.get(name, 0)) for name, floor in floors_of(rules, standing).items()}
    own = unused.get(domain, 0)
    others = sum(unused.values()) - own
    pressed = left < share_of(rules, standing) - standing.spent
    if interactive:
        return left if pressed else max(0, left - others)
    reserve = reserve_of(rules, standing)
    if pressed:
        return _capped(rules, standing, domain, max(0, left - reserve))
    common = left - reserve - others
    kept = min(own, left - others)  # the floor lies outside of the reserve
    return _capped(rules, standing, domain, max(0, common, kept))


def _capped(rules: Rules, standing: Standing, domain: str, calls: int) -> int:
    """A cap stops a domain's schedules; people are not capped."""
    cap = rules.caps.get(domain)
    if cap is None:
        return calls
    return max(0, min(calls, int(share_of(rules, standing) * cap) - standing.ours.get(domain, 0)))


def pressure(rules: Rules, standing: Standing) -> int:
    """How near we are to the stop, in percent: of our share, or of what the org allows to everybody, whichever is nearer."""
    ours, most = share_of(rules, standing), standing.limit * (1 - KEPT_FOR_OTHERS)
    parts = [standing.spent / ours if ours else 1.0, standing.used / most if most else 1.0]
    return int(100 * max(parts) + 1e-9)


def level_after(before: int, percent: int) -> int:
    """The warning in force (0, 75 or 90) once `percent` is reached. It ends below 70, so that it does not flicker."""
    if percent >= STOP_SOON:
        return STOP_SOON
    if percent < CALM:
        return 0
    return before if before else (WARN if percent >= WARN else 0)
