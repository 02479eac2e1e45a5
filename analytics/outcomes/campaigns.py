"""The kind `campaigns`: how far campaigns came, and how those whom they touched fared against the others (FZ-D8)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.outcomes import campaign_counting, campaign_drawing
from analytics.outcomes.campaign_counting import OUTCOMES
from analytics.outcomes.lacking import lacks_rows
from analytics.outcomes.questions import Reader
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

LACKS = "No campaign is known: map Campaign Name in the attribute map of this connection."
PARAMETERS = (
    Parameter(
        "outcome", "Outcome", default="churn",
        choices=lambda org: [Choice(key, each.label) for key, each in OUTCOMES.items()],
    ),
    Parameter("horizon", "Days of the outcome", "whole", 90, help="After the exposure: only complete ones count."),
    Parameter("exposure", "Days of exposure", "whole", 30, help="From a campaign's first touch.", advanced=True),
    Parameter("months", "Months of campaigns", "whole", 24, advanced=True),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    reader.choice("outcome", OUTCOMES, "churn")
    reader.whole("horizon", 7, 730, 90)
    reader.whole("exposure", 1, 180, 30)
    reader.whole("months", 1, 60, 24)
    return reader.result()


def compute(engine: "Engine", asked: Asked) -> Document:
    """Reach of each campaign and type, and the outcome of touched against not touched."""
    found = campaign_counting.read_campaigns(engine, asked)
    asked.breathe()
    outcomes = campaign_counting.count_outcomes(engine, asked, found)
    people = sum(each.people for each in found)
    return Document(
        title="Campaigns", as_of=asked.as_of.date().isoformat(), population=people, definition="campaigns",
        population_words=f"{people:,} touches of {len(found):,} campaigns in {asked.parameters['months']} months.",
        blocks=campaign_drawing.blocks(found, outcomes, asked), excluded=campaign_drawing.excluded(found, asked),
        notes=campaign_drawing.notes(asked),
    )  # fmt: skip


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers of a `campaign` or `type` that reached a `state`; or of a campaign's comparison: `touched` and
    `happened` (true, false, or not given: both)."""
    return campaign_counting.behind(engine, asked, cell)


def lacks(org: SalesforceOrg) -> str:
    """Why campaigns cannot be asked about yet."""
    return lacks_rows(org, ("campaign_name", "campaign_type"), LACKS, table="touches")


KIND = AnalysisKind(
    name="campaigns", label="Campaigns", title="Campaigns", icon="megaphone",
    question="How far did campaigns come, and how did those whom they touched fare afterwards?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks,
    nightly=({}, {"outcome": "paid"}, {"outcome": "expansion"}),
)  # fmt: skip
