"""What the timetable calls for analytics."""

from django.utils import timezone

from analytics.connecting import daily


def start_due() -> int:
    """Queue the daily sync of every connection whose hour has come (FZ-08, FZ-D7)."""
    return len(daily.start_due(now=timezone.now()))
