"""Since when there is history to compare figures with, and why figures on a page are blank (R-112)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from django.db.models import Min

from integrations.models import LakeFile
from integrations.product.ingest import lake_tables
from integrations.product.kpis import blanks
from integrations.product.kpis.catalog import offered_features
from integrations.product.kpis.registry import Column, columns_for
from integrations.product.models import KpiState
from integrations.product.segments.fieldtypes import CUSTOMER, KPI, Field


@dataclass(frozen=True)
class History:
    """`as_of`: the instant of the stored figures, None before the first computation; `kept`: the first day of which events are
    kept, None without any."""

    as_of: datetime | None
    kept: datetime | None

    def began(self, first_seen: datetime | None) -> datetime | None:
        """When the history of a customer begins: with its first event, or with the first one that is kept of anybody."""
        return None if first_seen is None or self.kept is None else max(first_seen, self.kept)


def history_of() -> History:
    """As it is now."""
    state = KpiState.objects.first()
    events = LakeFile.objects.filter(table__name=lake_tables.EVENTS, retired_at=None)
    day = events.aggregate(first=Min("day"))["first"]
    return History(state.as_of if state else None, datetime.combine(day, time(), UTC) if day else None)


class BlankWords:
    """The words for blank figures among some fields of a page; `asked` are the fields that have to be read besides."""

    def __init__(self, fields: Sequence[Field], known: Mapping[str, Field]) -> None:
        columns = {each.key: each for each in columns_for(offered_features())}
        self.columns: dict[str, Column] = {}
        wanted: dict[str, Field] = {}
        for each in fields:
            column = columns.get(each.key.removeprefix(CUSTOMER).removeprefix(KPI)) if KPI in each.key else None
            if column is None:
                continue
            self.columns[each.key] = column
            for key in self._others(each, column).values():
                if key in known:
                    wanted[key] = known[key]
        shown = {each.key for each in fields}
        self.asked = [field for key, field in wanted.items() if key not in shown]
        self.history = history_of() if self.columns else History(None, None)

    @staticmethod
    def _others(field: Field, column: Column) -> dict[str, str]:
        """Keys of the figures that tell why one is blank, each with its field's key here."""
        start = f"{CUSTOMER}{KPI}" if field.key.startswith(CUSTOMER) else KPI
        return {key: f"{start}{key}" for key in blanks.asked_with(column)}

    def of(self, field: Field, values: Mapping[str, Any], first_seen: datetime | None) -> Any:
        """The value of a field, or why it is blank."""
        value, column = values.get(field.key), self.columns.get(field.key)
        if value is not None or column is None:
            return value
        others = {key: values.get(own) for key, own in self._others(field, column).items()}
        as_of, began = self.history.as_of, self.history.began(first_seen)
        return blanks.or_blank(None, blanks.why_blank(column, others, as_of=as_of, began=began))


def first_seen_of(records: Iterable[Any]) -> dict[int, datetime | None]:
    """When each customer, or the customer of each end user, was seen first; end users without a customer are missing."""
    customers = ((each.pk, each.customer if hasattr(each, "customer") else each) for each in records)
    return {pk: customer.first_seen_at for pk, customer in customers if customer is not None}
