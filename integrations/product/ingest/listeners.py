"""Who wants to know of engagement events at once, before the flush. A room adds its function in `apps.py`.

A listener is called in the transaction that stores the batch, possibly more than once with the same event, so it sets what
is not set yet. It must not fail for ids that it does not know.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

EngagementSeen = tuple[str, str, str, datetime]
"""Id of the engagement, the product's id of the end user, the action (shown, clicked, dismissed, answered), when."""

on_engagement: list[Callable[[Sequence[EngagementSeen]], None]] = []


def tell_engagements(seen: Sequence[EngagementSeen]) -> None:
    """Call every listener with all engagement events of one request."""
    if seen:
        for listener in on_engagement:
            listener(seen)
