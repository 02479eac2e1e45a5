"""Where the two engagement figures come from: the engagements register how they count themselves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Active = Callable[[datetime], Any]
Shown = Callable[[], Any]


@dataclass(frozen=True)
class Counts:
    """`active(now)` and `shown()` give Arrow tables with customer_id and n."""

    active: Active
    shown: Shown


_registered: list[Counts] = []


def register_counts(active: Active, shown: Shown) -> None:
    """Say how engagements are counted by customer; the last one counts."""
    _registered[:] = [Counts(active, shown)]


def count_active(now: datetime) -> Any:
    """Engagements that are live at `now`, by customer whose end users can see them."""
    return _registered[0].active(now) if _registered else _none()


def count_shown() -> Any:
    """Distinct engagements ever shown, by customer."""
    return _registered[0].shown() if _registered else _none()


@dataclass(frozen=True, slots=True)
class Engagements:
    """Both counts as Arrow tables with customer_id and n."""

    active: Any
    shown: Any


def count_engagements(now: datetime) -> Engagements:
    """Both, before an engine is opened: who counts may open one, and chDB allows one in a process."""
    return Engagements(count_active(now), count_shown())


def _none() -> Any:
    import pyarrow as pa

    return pa.table({"customer_id": pa.array([], pa.int64()), "n": pa.array([], pa.int64())})
