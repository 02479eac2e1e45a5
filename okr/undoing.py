"""Inverse verbs of what the key-result pages do without asking first; `integrations.undo` calls them."""

from datetime import date, datetime
from typing import Any

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from okr import licenses, linking, objectives
from okr.models import Objective

ARCHIVE, UNLINK, RELEASE, DELETE_PERIOD = "okr.archive", "okr.unlink", "okr.release", "okr.delete_period"


def unarchive(data: dict[str, Any], *, user: Any, now: datetime) -> str:
    """Bring the objective back."""
    objective = Objective.objects.filter(pk=data["objective"]).first()
    if objective is None:
        raise Refusal("gone", "The objective is gone.")
    objectives.restore_objective(objective, user=user, now=now)
    return f"{objective.title} is back."


def link_again(data: dict[str, Any], *, user: Any, now: datetime) -> str:
    """Put the link back as it was."""
    return linking.relink(data["link"], user=user, now=now)


def give_back(data: dict[str, Any], *, user: Any, now: datetime) -> str:
    """Give the released seats back."""
    org = SalesforceOrg.objects.filter(pk=data["org"]).first()
    if org is None:
        raise Refusal("gone", "The connection is gone, and its licenses with it.")
    count = licenses.give_back_seats(org, data["seats"], actor=user, now=now)
    return f"{count} license{'' if count == 1 else 's'} given back."


def create_period_again(data: dict[str, Any], *, user: Any, now: datetime) -> str:
    """Create the deleted period once more; nothing belonged to it."""
    period = objectives.create_period(
        name=data["name"], starts_on=date.fromisoformat(data["starts_on"]), ends_on=date.fromisoformat(data["ends_on"]),
        time_zone=data["time_zone"], user=user,
    )  # fmt: skip
    return f"{period} is back."


VERBS = {ARCHIVE: unarchive, UNLINK: link_again, RELEASE: give_back, DELETE_PERIOD: create_period_again}
