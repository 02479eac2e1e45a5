"""Decisions of the mirror's read, as pure functions: which fields, from when, how many calls, which way.

No ORM, no HTTP, no clock. Instants are aware UTC; `server_now` is always the time by Salesforce's clock, because watermarks
are compared with stamps that Salesforce wrote.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from integrations.salesforce import soql
from integrations.salesforce.describe import FieldInfo, ObjectInfo
from integrations.salesforce.errors import TooLarge
from integrations.sync.mirror.needs import ALWAYS, FALLBACK

LEAST_OVERLAP = timedelta(minutes=10)  # I-05: late commits carry stamps up to 300 s older
CLOCKS_DIFFER = timedelta(minutes=5)  # between the servers of one org
FIRST_STAMP = datetime(1999, 1, 1, tzinfo=UTC)  # no record in Salesforce is older
PAGE_ROWS = 2_000  # rows of a REST page when they are narrow
WIDE_PAGE_ROWS = 500  # when they are wide, which nobody knows before the first page
REST_PAGES = 3  # with a fourth page the Bulk job (create, ask, fetch) needs no more calls
RESULT_ROWS = 50_000  # a Bulk result beyond this is fetched in pages that are offered in parallel
EXPECT_MANY = 2 * PAGE_ROWS  # last time there were so many: count first instead of fetching a page for nothing
SLICES = 4  # of a window whose job failed
NUMBER_PLACES = 12  # digits after the point that a number of the lake holds
FIRST_LOOK = 0.6  # seconds; each question is a call, and jobs of a real org take longer than that
FEW_ROWS = 20_000
PAUSE, LONGEST_PAUSE = 1.0, 10.0  # seconds between two questions about a job
ROWS_A_SECOND = 40_000  # of a Bulk read, before this connection has a measured speed

KINDS = {
    "boolean": "flag", "int": "whole", "long": "whole", "double": "number", "currency": "number", "percent": "number",
    "date": "day", "datetime": "moment", "time": "clock",
}  # fmt: skip
COMPOUND = {
    "address": "is a compound field: choose its parts (street, city, ...) instead",
    "location": "is a compound field: choose its latitude and longitude instead",
    "complexvalue": "is a compound field",
    "base64": "is a file, which the mirror does not keep",
}


# --- fields --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A field to ask for, in Salesforce's spelling, with its describe type and how the lake keeps it."""

    name: str
    type: str
    kind: str
    hashed: bool = False
    """Kept as a keyed digest: nobody here can read the value, equal values stay equal."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """What is asked for, and what is not with the reason. `missing` were asked for by name and are not described."""

    columns: tuple[Column, ...]
    left_out: dict[str, str]
    missing: tuple[str, ...]


def kind_of(field: FieldInfo) -> str:
    """The lake's kind for a field. Numbers with more places than the lake's decimals stay text, exact to the last digit."""
    if field.type in ("double", "currency", "percent") and field.scale > NUMBER_PLACES:
        return "text"
    return KINDS.get(field.type, "text")


def why_left_out(field: FieldInfo) -> str:
    """Why a described field cannot be mirrored, "" when it can."""
    if field.type in COMPOUND:
        return f"{field.name} {COMPOUND[field.type]}."
    if field.is_polymorphic and field.name not in ALWAYS:
        shown = ", ".join(field.reference_to[:4])
        return f"{field.name} points to records of several objects ({shown}), which one column cannot say."
    return ""


def choose_fields(info: ObjectInfo, wanted: Iterable[str], *, optional: Iterable[str] = ()) -> FieldPlan:
    """Which of the wanted fields are asked for. Names fit in any case; each comes once, in Salesforce's spelling.

    Fields that every mirror wants, and `optional` ones, are left out silently where an object does not have them.
    LastModifiedDate joins in where SystemModstamp cannot tell what changed.
    """
    names = list(wanted)
    stamp = info.field(ALWAYS[1])
    if stamp is None or not stamp.filterable:
        names.append(FALLBACK)
    silent = {name.lower() for name in (*ALWAYS, FALLBACK, *optional)}
    columns, left_out, missing = dict[str, Column](), dict[str, str](), dict[str, None]()
    for name in names:
        if "." in name:
            left_out[name] = f"{name} belongs to another record: mirror that object; its change would not reach this one."
            continue
        found = info.field(name)
        if found is None:
            missing |= {} if name.lower() in silent else {name: None}
        elif reason := why_left_out(found):
            left_out[found.name] = reason
        else:
            columns[found.name] = Column(found.name, found.type, kind_of(found))
    return FieldPlan(tuple(columns.values()), left_out, tuple(missing))


@dataclass(frozen=True, slots=True)
class Stamps:
    """`version` tells which of two readings is newer, `filter` finds what changed; "" where an object has none."""

    version: str
    filter: str
    sentence: str = ""


def choose_stamps(info: ObjectInfo, *, refused: Iterable[str] = ()) -> Stamps:
    """SystemModstamp; LastModifiedDate where that cannot be filtered; else every read compares everything (R-088).

    `refused` are fields that Salesforce would not filter by although their describe says that it can.
    """
    no = set(refused)
    have = [name for name in (ALWAYS[1], FALLBACK) if (found := info.field(name)) is not None and found.type == "datetime"]
    created = [ALWAYS[2]] if info.field(ALWAYS[2]) is not None else []
    version = next(iter([*have, *created]), "")
    by = next((name for name in have if _can_filter(info, name) and name not in no), "")
    if by == ALWAYS[1]:
        return Stamps(version, by)
    if by:
        return Stamps(version, by, f"{info.name} cannot be filtered by {ALWAYS[1]}; changes are found by {by}.")
    return Stamps(version, "", f"{info.name} cannot be filtered by a date of change; every read compares all of its records.")


def _can_filter(info: ObjectInfo, name: str) -> bool:
    found = info.field(name)
    return found is not None and found.filterable


# --- windows -------------------------------------------------------------------------------------------------------------


def months_before(moment: datetime, months: int) -> datetime:
    """The same instant so many calendar months earlier (UTC); the last day of a shorter month (PX-32)."""
    utc = moment.astimezone(UTC)
    year, month = divmod(utc.year * 12 + utc.month - 1 - months, 12)
    for day in range(utc.day, 27, -1):
        try:
            return utc.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return utc.replace(year=year, month=month + 1)


def first_start(*, authorized_at: datetime, months: int | None) -> datetime | None:
    """Where the first read begins: so many calendar months before the authorization; None = everything (PX-D2)."""
    return None if months is None else months_before(authorized_at, months).replace(microsecond=0)


def window_start(*, watermark: datetime | None, reads_from: datetime | None, overlap: timedelta) -> datetime | None:
    """Where a read begins; None = at the oldest record. The overlap, never under 10 minutes, catches late commits (R-041)."""
    if watermark is None:
        return reads_from
    return watermark - max(overlap, LEAST_OVERLAP)


def daily_start(start: datetime | None, *, watermark: datetime | None, server_now: datetime) -> datetime | None:
    """`start`, moved back to the beginning of the previous UTC day if that day has not been read since it ended (PX-33, PX-D2).

    So each day is read once as a whole after it has ended, and further reads of a day cost only their own changes. A watermark
    that lies in Salesforce's future (its clock was wrong, or was set back) says nothing about today either.
    """
    if start is None or watermark is None:
        return start
    today = server_now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    is_sound = today <= watermark <= server_now + CLOCKS_DIFFER
    return start if is_sound else min(start, today - timedelta(days=1))


def newer(first: datetime | None, second: datetime | None) -> datetime | None:
    """The later of two watermarks: they never move backwards (I-03)."""
    known = [each for each in (first, second) if each is not None]
    return max(known) if known else None


Window = tuple[datetime | None, datetime | None]
"""From (inclusive) and until (exclusive); None = open."""


def split_window(window: Window, *, server_now: datetime, parts: int = SLICES) -> list[Window]:
    """The window in equal spans of time, oldest first; the last one stays open where the window was (R-037)."""
    since, until = window[0] or FIRST_STAMP, window[1] or server_now
    if until <= since + timedelta(seconds=parts):
        return [window]
    edges = [since + (until - since) * number / parts for number in range(1, parts)]
    starts = [window[0], *(edge.replace(microsecond=0) for edge in edges)]
    return list(zip(starts, [*starts[1:], window[1]], strict=True))


# --- questions -----------------------------------------------------------------------------------------------------------


def conditions(field: str, window: Window) -> list[str]:
    """The WHERE of a window; nothing where the object has no field to filter by."""
    if not field:
        return []
    since, until = window
    found = [soql.compare(field, ">=", since)] if since is not None else []
    return found + ([soql.compare(field, "<", until)] if until is not None else [])


def after(field: str, window: Window, last: tuple[datetime | None, str]) -> list[str]:
    """The WHERE of what follows the row `last` (its stamp and id) in the order of `question` (R-034)."""
    moment, record_id = last
    if not field or moment is None:
        return [*conditions(field, window), soql.compare("Id", ">", record_id)]
    same = soql.all_of(soql.equals(field, moment), soql.compare("Id", ">", record_id))
    return [soql.any_of(soql.compare(field, ">", moment), same), *conditions(field, (None, window[1]))]


def question(object_: str, names: Sequence[str], *, where: Sequence[str], order_by: str) -> str:
    """The REST query of a window, oldest change first, ties by Id, so that a broken one can go on where it ended."""
    return soql.select(object_, names, where=where, order_by=[order_by, "Id"] if order_by else ["Id"])


def bulk_question(object_: str, names: Sequence[str], *, where: Sequence[str]) -> str:
    """The Bulk query of a window. Without an order: Salesforce cuts only unordered queries into chunks by primary key, and
    pages of a finished job need none, because their locators stay valid."""
    return soql.select(object_, names, where=where)


def fits_address(query: str) -> bool:
    """Whether the query can be asked over REST at all (URLs end at 16 KB)."""
    try:
        return soql.encoded_length(query) <= soql.ROOM_IN_ADDRESS
    except TooLarge:
        return False


# --- ways and costs ------------------------------------------------------------------------------------------------------


def counts_first(*, is_first: bool, last_rows: int) -> bool:
    """Whether to ask COUNT() before anything else. Else the first page of rows tells the number, and often is all."""
    return is_first or last_rows > EXPECT_MANY


def is_for_rest(total: int, *, page_rows: int = WIDE_PAGE_ROWS) -> bool:
    """Whether REST costs no more calls than a Bulk job. `page_rows` is what the first page held, when there was one."""
    return -(-total // max(page_rows, 1)) <= REST_PAGES


def bulk_calls(rows: int) -> int:
    """Calls of a Bulk read: create, ask once, the lists of five result pages, the pages."""
    pages = max(1, -(-rows // RESULT_ROWS))
    return 2 + pages + (-(-pages // 5) if pages > 1 else 0)


def calls_for(rows: int) -> int:
    """Calls of a read of so many rows, the count included."""
    return 1 + (max(1, -(-rows // PAGE_ROWS)) if is_for_rest(rows) else bulk_calls(rows))


def seconds_for(rows: int, *, rows_a_second: float | None = None) -> int:
    """About how long a read takes."""
    return max(1, round(2 + rows / (rows_a_second or ROWS_A_SECOND)))


def first_look(rows: int, *, near: bool) -> float:
    """Seconds before the first question whether a Bulk job is done. Each question is a call, and only those to an org on this
    machine cost nothing; small jobs are done by the first one.
    """
    if rows <= FEW_ROWS:
        return FIRST_LOOK
    return FIRST_LOOK / 2 if near else min(10.0, FIRST_LOOK + rows / 250_000)


def next_pause(taken: float, *, near: bool) -> float:
    """Seconds until the next question about a job that has taken so long: the longer it takes, the longer the pause."""
    least, share = (PAUSE / 16, 16) if near else (PAUSE, 4)
    return min(LONGEST_PAUSE, max(least, taken / share))
