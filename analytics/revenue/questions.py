"""Reading the parameters of the analyses of revenue."""

from collections.abc import Mapping
from typing import Any

from analytics.attributes.authoring import lacking
from analytics.outcomes.groupings import GROUPINGS
from analytics.outcomes.questions import Reader, lacks_facts
from analytics.revenue.calendar import MOST_MONTHS, read_month
from integrations.models import SalesforceOrg

LENGTHS = ("1", "3", "12")
COHORTS = ("month", "quarter")
MEASURES = ("mrr", "customers")


def lacks(org: SalesforceOrg) -> str:
    """Why revenue cannot be shown yet; empty when it can (FZ-D2)."""
    return lacks_facts(org) or lacking(org, "tx_amount", "tx_start")


def read_revenue(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parameters of `revenue`; `month` empty means the last complete one, whenever it is asked."""
    reader = Reader(data)
    month = reader.text("month", "", longest=7)
    if month and read_month(month) is None:
        reader.problem("month", "not_a_month", f"{month[:20]!r} is no month; write it as 2026-01, or leave it empty.")
    reader.choice("length", LENGTHS, "1")
    reader.whole("months", 1, MOST_MONTHS, 13)
    reader.grouping("by")
    return reader.result()


def read_cohorts(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parameters of `revenue_cohorts`."""
    reader = Reader(data)
    reader.choice("measure", MEASURES, "mrr")
    reader.choice("cohorts", [*COHORTS, *GROUPINGS], "month")
    reader.whole("cohort_count", 1, MOST_MONTHS, 12)
    reader.whole("periods", 1, MOST_MONTHS, 12)
    return reader.result()
