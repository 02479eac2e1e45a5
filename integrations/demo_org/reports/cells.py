"""Detail cells and number labels."""

from typing import Any

from integrations.demo_org.reports.report_types import ReportColumn
from integrations.demo_org.soql.formats import (
    format_date,
    format_datetime,
    format_money,
    format_number,
    format_percent,
    format_time,
)

EMPTY = "-"


def plain_number(value: Any) -> Any:
    """15.0 as 15: whole numbers carry no point in reports. Binary noise beyond 15 digits is cut."""
    if isinstance(value, float):
        rounded = float(f"{value:.15g}")
        return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
    return value


def number_label(value: Any, data_type: str, scale: int, locale: str, currency: str) -> str:
    """A number, amount, percentage or date as text; `-` when there is none."""
    if value is None:
        return EMPTY
    if data_type == "date":
        return format_date(str(value), locale)
    if data_type == "datetime":
        return format_datetime(str(value), locale)
    if data_type == "currency":
        return format_money(float(value), scale, locale, currency)
    if data_type == "percent":
        return format_percent(float(value), scale, locale)
    return format_number(float(value), scale, locale)


class CellMaker:
    """Makes the cells of one column from its stored value, local value and id."""

    def __init__(self, column: ReportColumn, locale: str, currency: str, *, multi_currency: bool) -> None:
        self.column = column
        self.locale = locale
        self.currency = currency
        self.code = currency if multi_currency else None
        self.scale = column.field.scale if column.field else 0
        self.labels = {each.value: each.label or each.value for each in (column.field.picklist if column.field else ())}

    def cell(self, value: Any, shown: Any, record_id: str | None) -> dict[str, Any]:
        """{label, value}. `shown` is the value in local time for datetimes."""
        if value is None:
            return {"label": EMPTY, "value": None}
        if self.column.is_lookup:
            return {"label": str(value), "value": record_id}
        return {"label": self.label(value, shown), "value": self.value(value, shown)}

    def value(self, value: Any, shown: Any) -> Any:
        """The machine-readable part."""
        kind = self.column.type
        if kind == "currency":
            return {"amount": plain_number(value), "currency": self.code}
        if kind == "boolean":
            return bool(value)
        if self.column.shows_day:
            return str(shown)[:10]
        if kind == "datetime":
            return f"{str(value)[:19]}Z"
        return plain_number(value)

    def label(self, value: Any, shown: Any) -> str:
        """The part for people."""
        kind = self.column.type
        if kind == "boolean":
            return "true" if value else "false"
        if self.column.shows_day or kind == "date":
            return format_date(str(shown), self.locale)
        if kind == "datetime":
            return format_datetime(str(shown), self.locale)
        if kind == "time":
            return format_time(str(value), self.locale)
        if kind in {"int", "double", "currency", "percent"}:
            return number_label(value, kind, self.scale, self.locale, self.currency)
        if kind == "textarea":
            return str(value).replace("\n", "<br>")
        return self.labels.get(value, str(value))
