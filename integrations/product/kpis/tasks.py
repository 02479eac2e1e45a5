"""What the timetable calls."""

from django.utils import timezone

from integrations.product.kpis import job


def catch_up() -> bool:
    """Roll up what came late; whether a run was started."""
    return job.catch_up(now=timezone.now()) is not None
