"""Why a figure is blank, in a word for pages (R-112, R-115). Pure. The API, CSV files and Salesforce get a blank alone.

`new`: nothing in the window before, and something in this one. `no history`: that window begins before the customer's first
event, or before the first event that is kept at all, so nothing can be compared with it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.product.kpis.registry import SEPARATOR, Column
from integrations.product.kpis.windows import windows_of

NEW, NO_HISTORY, NO_ANSWERS, FROM_ZERO, NOT_COMPUTED = "new", "no history", "no answers", "from 0", "not computed yet"
CHANGES = {"active_users_pct": "active_users", "feature_users_pct": "feature_users", "nps_responses_pct": "nps_responses"}
SCORE_CHANGE = "nps_score_pct"


def asked_with(column: Column) -> tuple[str, ...]:
    """The keys of the figures that tell why this one is blank; () when it tells that by itself."""
    kpi, window = column.kpi, column.kpi.window
    if kpi.kind == SCORE_CHANGE:
        return (f"nps_score_{window}", f"nps_score_{window}_prev")
    if kpi.kind not in CHANGES:
        return ()
    key = f"{CHANGES[kpi.kind]}_{window}"
    return (f"{key}{SEPARATOR}{column.feature.key}" if column.feature else key,)


def why_blank(
    column: Column, others: Mapping[str, Decimal | int | None], *, as_of: datetime | None, began: datetime | None
) -> str:
    """The word for a blank figure. `others` are the figures that `asked_with` names, by key; `began` is when the customer's
    history begins (None: never), `as_of` the instant of the figures (None: they were never computed)."""
    if as_of is None:
        return NOT_COMPUTED
    asked = [others.get(key) for key in asked_with(column)]
    if column.kpi.kind in CHANGES:
        if not asked[0]:  # nothing now: the change would be a number if it had been computed
            return NOT_COMPUTED
        before = windows_of(as_of)[f"{column.kpi.window}_prev"]
        return NEW if began is not None and began <= before.start else NO_HISTORY
    if column.kpi.kind == SCORE_CHANGE and asked[0] is not None:
        return FROM_ZERO if asked[1] is not None else NO_HISTORY
    return NO_ANSWERS if column.kpi.kind.startswith("nps_score") else NOT_COMPUTED


class Blank(str):
    """A word that stands in the place of a figure; `why` tells templates that it is one."""

    __slots__ = ()

    @property
    def why(self) -> str:
        """The word."""
        return str(self)


def or_blank(value: Any, word: str) -> Any:
    """A figure, or the word for its lack."""
    return Blank(word) if value is None else value
