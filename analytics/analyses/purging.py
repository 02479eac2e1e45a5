"""Forgetting: questions that nobody saved or looked at again, and old results of the others."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from analytics.models import Analysis, Result

UNNAMED_DAYS = 30
"""Questions without a name, not asked again for so long, are deleted (setting ANALYTICS_UNNAMED_DAYS)."""
RESULT_DAYS = 400
"""Results of saved and nightly analyses are kept so long, the newest of each always (setting ANALYTICS_RESULT_DAYS)."""


def purge(*, now: datetime) -> dict[str, int]:
    """Delete what is past its time; how many analyses and results."""
    unnamed = timedelta(days=int(getattr(settings, "ANALYTICS_UNNAMED_DAYS", UNNAMED_DAYS)))
    kept = timedelta(days=int(getattr(settings, "ANALYTICS_RESULT_DAYS", RESULT_DAYS)))
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
