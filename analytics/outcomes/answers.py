"""Reading the answers to surveys out of the facts."""

from datetime import datetime
from typing import TYPE_CHECKING

from analytics.attributes.authoring import current_map
from analytics.facts import reading
from analytics.outcomes.groupings import SQL
from analytics.outcomes.scoring import Answer
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    from integrations.lake.engine import Engine


def read_answers(engine: "Engine", org: SalesforceOrg, *, since: datetime, until: datetime) -> list[Answer]:
    """Answers in [since, until), oldest first."""
    reading.bind(engine, org, "scores")
    return [
        Answer(key, subject, kind, score, at, source or "", respondent)
        for key, subject, kind, score, at, source, respondent in engine.rows(
            engine.sql(SQL / "answers.sql"), since=since, until=until
        )
    ]


def scales_of(org: SalesforceOrg) -> dict[str, int]:
    """The highest score of each survey, as the attribute map sets it."""
    found = current_map(org)
    settings = found[0].settings if found is not None else {}
    return {kind: int(settings.get(f"{kind}_scale") or usual) for kind, usual in (("csat", 5), ("ces", 7))}
