"""Forgetting: questions that nobody saved or looked at again, and old results of the others."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from analytics.models import Analysis, Result


def purge(*, now: datetime) -> dict[str, int]:
    """Delete what is past its time; how many analyses and results.

    Questions without a name that were not asked again for ANALYTICS_UNNAMED_DAYS go; results of saved and nightly analyses stay
    for ANALYTICS_RESULT_DAYS, the newest of each always.
    """
    unnamed, kept = timedelta(days=settings.ANALYTICS_UNNAMED_DAYS), timedelta(days=settings.ANALYTICS_RESULT_DAYS)
    stale = Analysis.objects.filter(name="", is_nightly=False, asked_at__lt=now - unnamed, groups=None)
    analyses = stale.count()
    stale.delete()
    newest = [analysis.results.values_list("pk", flat=True).first() for analysis in Analysis.objects.all()]
    old = Result.objects.filter(queued_at__lt=now - kept).exclude(pk__in=[pk for pk in newest if pk is not None])
    results = old.count()
    old.delete()
    return {"analyses": analyses, "results": results}


def run_purge() -> dict[str, int]:
    """The timetable's instant has come."""
    return purge(now=timezone.now())
