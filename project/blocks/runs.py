"""How long runs took and will take."""

from typing import Any

from django import template
from django.utils import timezone

from project import display

register = template.Library()


@register.filter
def took(run: Any) -> float | None:
    """Seconds a run took, or has taken so far; None before it starts."""
    if run.started_at is None:
        return None
    return max(0.0, ((run.finished_at or timezone.now()) - run.started_at).total_seconds())


@register.filter
def time_left(run: Any, percent_done: int | None) -> str:
    """ "about 3 min left", from the pace so far; nothing before 5 %."""
    elapsed = took(run)
    if not elapsed or not percent_done or percent_done < 5 or percent_done >= 100:
        return ""
    return f"about {display.duration(elapsed * (100 - percent_done) / percent_done)} left"


@register.filter
def longest(runs: Any) -> float:
    """The longest duration among the runs of a page, for the duration bars."""
    return max((took(run) or 0.0 for run in runs), default=0.0)
