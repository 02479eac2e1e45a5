"""The rule about recent users, literally (PX-54, PX-D7). Pure; the cascade does the same in SQL (`sql/recent_*.sql`)."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from integrations.sync.matching.plan import RECENT_USERS


@dataclass(frozen=True, slots=True)
class Share:
    """What the most recently seen users have in common: `domain` if enough of them share it; the largest count either way."""

    domain: str | None
    largest: str | None
    count: int
    looked_at: int
    stopped: bool = False


def share_of(domains: Sequence[str | None], *, at_least: int, majority: bool, providers: Collection[str] = ()) -> Share:
    """The shared domain of users given in their order (last seen descending, then id), None for one without usable e-mail.

    Users without e-mail fill the 100 too. `majority`: more than half of them, at least `at_least`.
    """
    recent = domains[:RECENT_USERS]
    counts = Counter(each for each in recent if each)
    if not counts:
        return Share(None, None, 0, len(recent))
    largest, count = min(counts.items(), key=lambda each: (-each[1], each[0]))
    enough = count >= at_least and (not majority or 2 * count > len(recent))
    stopped = largest in providers
    return Share(largest if enough and not stopped else None, largest, count, len(recent), stopped)
