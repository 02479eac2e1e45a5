"""The kind `support`: tickets by type and month, how long they stay open, and retention by early tickets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analytics.analyses.documents import Document
from analytics.analyses.kinds import AnalysisKind, Asked, Parameter
from analytics.outcomes import support_counting, support_drawing
from analytics.outcomes.lacking import lacks_rows
from analytics.outcomes.questions import Reader
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine

LACKS = "No support ticket is known: map Support Ticket Creation Date in the attribute map of this connection."
PARAMETERS = (
    Parameter("months", "Months", "whole", 12),
    Parameter("early", "Early tickets: days since the first paid day", "whole", 30, advanced=True),
    Parameter("horizon", "Retention after further days", "whole", 180, advanced=True),
)  # fmt: skip


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """See `AnalysisKind`."""
    reader = Reader(data)
    reader.whole("months", 1, 60, 12)
    reader.whole("early", 1, 365, 30)
    reader.whole("horizon", 7, 1095, 180)
    return reader.result()


def compute(engine: "Engine", asked: Asked) -> Document:
    """Tickets of complete months, and what became of customers by how many tickets they began with."""
    tickets = support_counting.read_tickets(engine, asked)
    base = support_counting.read_base(engine, asked)
    asked.breathe()
    lives = support_counting.read_lives(engine, asked)
    first, last = support_counting.span_of(asked)
    return Document(
        title="Support", as_of=asked.as_of.date().isoformat(), population=len(tickets), definition="support",
        population_words=f"{len(tickets):,} tickets created from {first.date()} up to {last.date()}, complete months only.",
        blocks=support_drawing.blocks(tickets, base, lives, asked), excluded=support_drawing.excluded(lives, asked),
        notes=("The month that is going on is not counted.",),
    )  # fmt: skip


def behind(engine: "Engine", asked: Asked, cell: Mapping[str, Any]) -> "pa.Table":
    """The customers with tickets of a `month` or `type` (`open`: not closed yet); or of an `early` group (0, 1, 2: and more),
    `kept` or not."""
    return support_counting.behind(engine, asked, cell)


def lacks(org: SalesforceOrg) -> str:
    """Why support cannot be asked about yet."""
    return lacks_rows(org, ("ticket_created",), LACKS, table="tickets")


KIND = AnalysisKind(
    name="support", label="Support", title="Support tickets", icon="life-buoy",
    question="How many tickets come, how long do they stay open, and how do customers with early tickets stay?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, lacks=lacks,
)  # fmt: skip
