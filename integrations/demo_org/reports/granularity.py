"""Groups of dates: the SQL that cuts a day to the first day of its week, month, quarter or year, and how groups are labeled."""

from datetime import date, timedelta

from integrations.demo_org.soql.dates import Calendar, week_start
from integrations.demo_org.soql.formats import MONTHS, format_date

NUMBERED = frozenset({"MonthInYear", "DayInMonth"})


def bucket_sql(day: str, granularity: str, calendar: Calendar) -> str:
    """The first day of the period that holds `day` (SQL of a YYYY-MM-DD text); a number for MonthInYear and DayInMonth."""
    start = calendar.fiscal_start
    if granularity == "Week":
        first = week_start(calendar.locale) % 7
        return f"date({day}, '-' || ((CAST(strftime('%w', {day}) AS INTEGER) - {first} + 7) % 7) || ' days')"
    if granularity == "Month":
        return f"(substr({day}, 1, 7) || '-01')"
    if granularity in {"Quarter", "FiscalQuarter"}:
        return _months_back(day, 3, start if granularity == "FiscalQuarter" else 1)
    if granularity in {"Year", "FiscalYear"}:
        return _months_back(day, 12, start if granularity == "FiscalYear" else 1)
    if granularity in NUMBERED:
        return f"CAST(substr({day}, {6 if granularity == 'MonthInYear' else 9}, 2) AS INTEGER)"
    return f"substr({day}, 1, 10)"


def _months_back(day: str, months: int, start: int) -> str:
    """The first of the month in which a period of `months` began, periods counted from month `start`."""
    back = f"((CAST(substr({day}, 6, 2) AS INTEGER) - {start} + 12) % {months})"
    return f"date(substr({day}, 1, 7) || '-01', '-' || {back} || ' months')"


def bucket_label(value: str | int, granularity: str, calendar: Calendar) -> str:
    """How Salesforce writes a date group: July 2015, Q3 CY2015, FY2015, 7/5/2015 - 7/11/2015."""
    if granularity == "MonthInYear":
        return MONTHS[int(value) - 1]
    if granularity == "DayInMonth":
        return str(value)
    day = date.fromisoformat(str(value)[:10])
    if granularity == "Week":
        last = day + timedelta(days=6)
        return f"{format_date(day.isoformat(), calendar.locale)} - {format_date(last.isoformat(), calendar.locale)}"
    if granularity == "Month":
        return f"{MONTHS[day.month - 1]} {day.year}"
    if granularity == "Quarter":
        return f"Q{(day.month + 2) // 3} CY{day.year}"
    if granularity == "Year":
        return f"CY{day.year}"
    if granularity in {"FiscalQuarter", "FiscalYear"}:
        quarter, year = fiscal(day, calendar.fiscal_start)
        return f"Q{quarter} FY{year}" if granularity == "FiscalQuarter" else f"FY{year}"
    return format_date(day.isoformat(), calendar.locale)


def fiscal(day: date, start: int) -> tuple[int, int]:
    """Fiscal quarter and year of a day; the year is named after the calendar year in which it ends."""
    return (day.month - start) % 12 // 3 + 1, day.year + (start > 1 and day.month >= start)
