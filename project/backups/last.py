"""When the last backup was made, for readiness, metrics and the home page."""

from datetime import datetime, timedelta

from integrations.models import Backup


def last_backup() -> Backup | None:
    """The newest backup that this installation knows of."""
    return Backup.objects.order_by("-made_at").first()


def age_of_backup(*, now: datetime) -> timedelta | None:
    """How old what it shows is; None when there is none."""
    found = last_backup()
    return None if found is None else max(now - found.made_at, timedelta(0))
