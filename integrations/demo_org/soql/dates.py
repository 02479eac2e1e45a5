"""Date literals and time zones: what TODAY or LAST_N_MONTHS:3 means for a user, and local time inside SQL."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

UNITS = ("WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR")
PLAIN = frozenset(
    {"TODAY", "YESTERDAY", "TOMORROW", "LAST_90_DAYS", "NEXT_90_DAYS"}
    | {f"{side}_{unit}" for side in ("THIS", "LAST", "NEXT") for unit in UNITS}
)
COUNTED = frozenset(
    {f"{side}_N_{unit}S" for side in ("LAST", "NEXT") for unit in ("DAY", *UNITS)}
    | {f"N_{unit}S_AGO" for unit in ("DAY", *UNITS)}
)
MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12, "FISCAL_QUARTER": 3, "FISCAL_YEAR": 12}
MONDAY_FIRST = frozenset({
    "de", "fr", "es", "it", "nl", "sv", "da", "nb", "fi", "pl", "cs", "ru", "tr", "en_GB", "en_IE", "en_AU", "en_NZ",
})  # fmt: skip
FIRST_YEAR = 1995
YEARS_AHEAD = 3


def week_start(locale: str) -> int:
    """The first day of the week of a locale: 7 Sunday (the United States, Japan), 1 Monday (most of Europe)."""
    return 1 if locale in MONDAY_FIRST or locale.partition("_")[0] in MONDAY_FIRST else 7


@dataclass(frozen=True)
class Calendar:
    """A user's calendar at one instant. `now` is aware; `fiscal_start` is the month (1-12) in which the fiscal year begins."""

    now: datetime
    time_zone: str = "UTC"
    locale: str = "en_US"
    fiscal_start: int = 1

    @property
    def today(self) -> date:
        """The user's current day."""
        return self.now.astimezone(ZoneInfo(self.time_zone)).date()

    def first_day(self, unit: str, day: date) -> date:
        """The first day of the week, month, quarter or year that holds `day`."""
        if unit == "DAY":
            return day
        if unit == "WEEK":
            return day - timedelta(days=(day.isoweekday() - week_start(self.locale)) % 7)
        months, start = MONTHS[unit], self.fiscal_start if unit.startswith("FISCAL") else 1
        back = (day.month - start) % months
        return _add_months(day.replace(day=1), -back)

    def step(self, unit: str, first: date, count: int) -> date:
        """The first day of the unit `count` units after the one that begins on `first`; clamped to the calendar."""
        if unit in MONTHS:
            return _add_months(first, MONTHS[unit] * count)
        try:
            return first + timedelta(days=count * (7 if unit == "WEEK" else 1))
        except OverflowError:
            return date.max if count > 0 else date.min

    def period(self, name: str, count: int | None = None) -> tuple[date, date]:
        """First day and day after the last of a date literal (`count` is its n)."""
        if name in {"TODAY", "YESTERDAY", "TOMORROW"}:
            day = self.step("DAY", self.today, {"TODAY": 0, "YESTERDAY": -1, "TOMORROW": 1}[name])
            return day, self.step("DAY", day, 1)
        if name.endswith("_90_DAYS"):
            return self.period(name.replace("90", "N"), 90)
        side, unit, number = _take_apart(name, count or 0)
        this = self.first_day(unit, self.today)
        if side == "AGO":
            return self.step(unit, this, -number), self.step(unit, this, 1 - number)
        if side == "NEXT":
            return self.step(unit, this, 1), self.step(unit, this, 1 + number)
        if side == "LAST":
            return self.step(unit, this, -number), self.step(unit, this, 1 if unit == "DAY" else 0)
        return this, self.step(unit, this, 1)

    def instants(self, name: str, count: int | None = None) -> tuple[str, str]:
        """The same period as stored UTC instants, from (included) and to (excluded). LAST_N_DAYS ends now."""
        first, after = self.period(name, count)
        end = self.midnight(after)
        if name in {"LAST_N_DAYS", "LAST_90_DAYS"}:
            end = instant(self.now + timedelta(seconds=1))
        return self.midnight(first), end

    def midnight(self, day: date) -> str:
        """The UTC instant at which a day begins for the user."""
        try:
            return instant(datetime.combine(day, time(), ZoneInfo(self.time_zone)))
        except OverflowError:
            return f"{day.isoformat()}T00:00:00.000Z"


def instant(moment: datetime) -> str:
    """The stored form of an aware datetime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z").rjust(24, "0")


def _take_apart(name: str, count: int) -> tuple[str, str, int]:
    """Side (THIS, LAST, NEXT, AGO), unit and number of a date literal."""
    if name.endswith("S_AGO"):
        return "AGO", name.removeprefix("N_").removesuffix("S_AGO"), count
    side, rest = name.split("_", 1)
    if rest.startswith("N_"):
        return side, rest.removeprefix("N_").removesuffix("S"), count
    return side, rest, 1


def _add_months(first: date, months: int) -> date:
    """The first of the month `months` later, clamped to the calendar."""
    number = first.year * 12 + first.month - 1 + months
    if number < 12:
        return date.min
    return date(number // 12, number % 12 + 1, 1) if number < 12 * 10_000 else date.max


@lru_cache(maxsize=64)
def offsets(time_zone: str, last_year: int) -> tuple[tuple[str, int], ...]:
    """(instant, seconds east of UTC from then on) of a zone, newest first; the last entry holds from ever."""
    zone = ZoneInfo(time_zone)
    moment, end = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    current = _offset(zone, moment)
    found = [("", current)]
    while moment < end:
        following = moment + timedelta(days=14)
        if _offset(zone, following) != current:
            moment = _change(zone, moment, following)
            current = _offset(zone, moment)
            found.append((instant(moment), current))
        else:
            moment = following
    return tuple(reversed(found))


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second between two instants at which the offset differs from that at `low`."""
    before = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def local_sql(column: str, time_zone: str, year: int) -> str:
    """An SQL expression: the stored instant `column` as local time of the zone, in the stored form."""
    table = offsets(time_zone, year + YEARS_AHEAD)
    if len(table) == 1 and table[0][1] == 0:
        return column
    cases = " ".join(f"WHEN {column} >= '{moment}' THEN '{seconds:+d} seconds'" for moment, seconds in table[:-1])
    last = f"'{table[-1][1]:+d} seconds'"
    shift = f"CASE {cases} ELSE {last} END" if cases else last
    return f"strftime('%Y-%m-%dT%H:%M:%S.000Z', {column}, {shift})"
