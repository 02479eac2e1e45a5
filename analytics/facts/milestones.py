"""What happened to each subject, and when: mapped fields first or derived first, as the settings say (FZ-D4)."""

from datetime import date

from analytics.facts.picking import bind_milestone_fields
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.working import Work
from analytics.models import AnalyticsSettings

NEVER = date(9999, 12, 31)


def bind_milestones(work: Work) -> None:
    """`milestones` in the columns of `tables.MILESTONES`; nothing that has not happened by `as_of`."""
    bind_milestone_fields(work)
    engine = work.engine
    keep(
        engine, "derived_milestones", sql_of(engine, "derived_milestones"), never=NEVER, grace=int(work.settings.grace_days),
        until=work.today, until_moment=work.as_of,
    )  # fmt: skip
    field_first = work.settings.preference == AnalyticsSettings.Preference.FIELD
    keep(engine, "milestones", sql_of(engine, "milestones"), field_first=field_first)
    let_go(engine, "field_milestones", "derived_milestones")
    work.health |= {
        "milestones": work.count("SELECT count(*) FROM milestones"),
        "milestones_derived": work.count("SELECT count(*) FROM milestones WHERE derived"),
    }
