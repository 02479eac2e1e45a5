"""How a push travels: which way, in how many parts, in which order, how patiently. Pure: numbers in, numbers out."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

COMPOSITE, BULK = "composite", "bulk"
ROWS_A_CALL = 200
CALL_BYTES = 8_000_000  # of one composite call: well below Salesforce's 50 MB, so that one slow call is never much
PART_BYTES = 99_000_000  # of one Bulk upload: Salesforce takes 100 MB
LONGEST_CELL, LONGEST_ROW = 32_000, 400_000  # characters that Bulk takes
BULK_CALLS = 6  # create, upload, close, look once or twice, read the good answers
SECOND = 0.2  # what a second of waiting is worth, in calls
COMPOSITE_SECONDS, BULK_SECONDS, BULK_ROWS_A_SECOND = 0.4, 20.0, 1_500
LOCK_WAITS = (1.0, 3.0, 9.0)  # seconds before each further try of locked rows (R-132: at least three)
LOCK_SIZES = (50, 25, 10)  # rows a call in those tries
RETRIED_ROWS = 5_000  # at most so many refused rows of a push are tried again in the same run
WATCHED, MOST_FAILED = 5_000, 0.5  # of the first rows sent
UNUSUAL_FACTOR, UNUSUAL_POINTS, UNUSUAL_FROM, UNUSUAL_RUNS = 3.0, 0.10, 50, 3
ALERT_SHARE, ALERT_ROWS = 0.10, 100
FIRST_POLL, LONGEST_POLL = 0.1, 30.0  # seconds
SOON, SLOWER = 0.6, 2.0  # the second pause is shorter than the first, each further one longer, while a job tells nothing
QUICK_PACE = 1 / 85_000  # seconds a row of a Bulk job in the quickest org, until we know better
EARLY = 0.9  # part of the usual time after which is looked first, so that an org that became quicker is noticed
COARSE = 0.7  # part of the rest after which a job is looked at that did less than half: it tells of whole chunks only
SLACK, SPARE = 1.1, 0.1  # how much later than it should be done, in parts of the rest and in seconds
LONGEST_REST = 300.0  # seconds between two looks when no worker waits

T = TypeVar("T")


def composite_calls(rows: int) -> int:
    """API requests that `rows` take in collections."""
    return -(-rows // ROWS_A_CALL)


def cost_of(way: str, rows: int, size: int = 0) -> float:
    """What sending costs, in calls; waiting counts by the second. `size` in bytes decides how many uploads it takes."""
    if way == COMPOSITE:
        calls = max(composite_calls(rows), -(-size // CALL_BYTES))
        return calls * (1 + SECOND * COMPOSITE_SECONDS)
    parts = max(1, -(-size // PART_BYTES))
    return parts * BULK_CALLS + SECOND * (BULK_SECONDS + rows / BULK_ROWS_A_SECOND)


def choose_way(rows: int, size: int = 0) -> str:
    """The cheaper way for `rows` of together `size` bytes: collections up to about 2,000 rows, Bulk 2.0 above."""
    return COMPOSITE if cost_of(COMPOSITE, rows, size) <= cost_of(BULK, rows, size) else BULK


def calls_of(way: str, rows: int, size: int = 0) -> int:
    """API requests that a push of `rows` takes, as far as it can be known before."""
    if not rows:
        return 0
    if way == COMPOSITE:
        return max(composite_calls(rows), -(-size // CALL_BYTES))
    return max(1, -(-size // PART_BYTES)) * BULK_CALLS


def in_calls(
    rows: Sequence[T], sizes: Sequence[int], *, most: int = ROWS_A_CALL, most_bytes: int = CALL_BYTES
) -> Iterator[list[T]]:
    """Rows in their order, at most `most` and `most_bytes` a call; a single row may be larger."""
    call: list[T] = []
    total = 0
    for row, size in zip(rows, sizes, strict=True):
        if call and (len(call) >= most or total + size > most_bytes):
            yield call
            call, total = [], 0
        call.append(row)
        total += size
    if call:
        yield call


def halves(rows: Sequence[T]) -> list[list[T]]:
    """Two halves of what was too heavy for one transaction (R-140)."""
    middle = (len(rows) + 1) // 2
    return [list(part) for part in (rows[:middle], rows[middle:]) if part]


def batches_of(rows: Iterator[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size`, one in memory at a time."""
    while batch := list(islice(rows, size)):
        yield batch


# --- masks: which of a batch's fields a row holds, one sign for each field ---------------------------------------------


def fields_in(mask: str, fields: Sequence[str]) -> list[str]:
    """The fields whose sign is 1."""
    return [name for name, sign in zip(fields, mask, strict=True) if sign == "1"]


# --- patience ----------------------------------------------------------------------------------------------------------


def first_poll(rows: int, seconds_a_row: float | None) -> float:
    """Seconds until a Bulk job of `rows` is looked at first: nearly its usual time. Of an org whose pace nobody knows the first
    look tells it, so it comes as early as the quickest one could be done."""
    usual = rows * (QUICK_PACE if seconds_a_row is None else seconds_a_row * EARLY)
    return min(LONGEST_POLL, max(FIRST_POLL, usual))


def next_poll(pause: float, *, looks: int = 2, rows: int = 0, processed: int = 0, seconds: float = 0.0) -> float:
    """The pause after `looks` looks: until the job should be done, when it tells how far it is after `seconds`; else growing,
    and bounded."""
    if (left := seconds_left(rows, processed, seconds)) is not None:
        soon = left * COARSE if 2 * processed < rows else left * SLACK + SPARE
        return min(LONGEST_POLL, max(FIRST_POLL, soon))
    if 0 < rows <= processed:  # all is read, and the job is about to say so
        return min(LONGEST_POLL, max(FIRST_POLL, seconds / 10))
    return min(LONGEST_POLL, max(FIRST_POLL * SOON, pause * (SOON if looks == 1 else SLOWER)))


def seconds_left(rows: int, processed: int, seconds: float) -> float | None:
    """How long a job will still take, by what it did in `seconds`; None while it tells nothing."""
    if not 0 < processed < rows or seconds <= 0:
        return None
    return (rows - processed) * seconds / processed


def rest_of(rows: int, processed: int, seconds: float, *, least: float) -> float:
    """Seconds until a job is looked at again that no worker waits for: when it should be done, or after half as long again as
    it took until now (so that looks become rare), within bounds."""
    left = seconds_left(rows, processed, seconds)
    return min(LONGEST_REST, max(least, seconds / 2 if left is None else left))


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what was compared one push changed."""

    changed: int
    rows: int

    @property
    def part(self) -> float:
        return self.changed / self.rows if self.rows else 0.0


def is_unusual(now: Share, earlier: Sequence[Share]) -> bool:
    """Whether far more changes than in the last runs: three times the usual share and ten points above it."""
    if now.changed < UNUSUAL_FROM or len(earlier) < UNUSUAL_RUNS:
        return False
    usual = statistics.median(share.part for share in earlier)
    return now.part > usual * UNUSUAL_FACTOR and now.part > usual + UNUSUAL_POINTS


def is_hopeless(sent: int, failed: int) -> bool:
    """Whether more than half of at least the first 5,000 rows failed: the cause is not in the rows (R-269)."""
    return sent >= WATCHED and failed > MOST_FAILED * sent


def is_alarming(rows: int, failed: int) -> bool:
    """Whether failed rows deserve a message: over a tenth, over 100, or all of them (R-149)."""
    return failed > 0 and (failed > ALERT_ROWS or failed > ALERT_SHARE * rows or failed == rows)
