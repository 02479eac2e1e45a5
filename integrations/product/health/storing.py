"""Where scores stand: one lake table a definition, each customer once a UTC day, with the parts that made the score (PX-42)."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import orjson

from integrations.lake import reading, tables
from integrations.lake.reading import Relation
from integrations.lake.types import Column, arrow_schema
from integrations.models import LakeTable
from integrations.product.health.scoring import PartResult, Score
from integrations.product.models import HealthScore

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: tuple[Column, ...] = (
    ("customer_id", "whole"), ("day", "day"), ("computed_at", "moment"), ("score", "whole"), ("band", "text"),
    ("known", "number"), ("parts", "text"), ("version", "whole"),
)  # fmt: skip
KEEP_DAYS = 400


def table_of(score: HealthScore) -> LakeTable:
    """The lake table of a definition."""
    return tables.ensure_table(
        f"product/health/{score.pk}", columns=COLUMNS, key="customer_id", version="computed_at", day="day", keep_days=KEEP_DAYS,
        subjects={"customer_id": "customer.id"},
    )  # fmt: skip


def scores_on(score: HealthScore, day: date, *, columns: Iterable[str] | None = None) -> Relation:
    """The scores of one UTC day."""
    return reading.newest(table_of(score), columns=columns, since=day, until=day)


def rows_of(scored: Iterable[tuple[int, Score, str]], *, now: datetime, day: date, version: int) -> "pa.Table":
    """Rows for the lake: customer, score and band each."""
    import pyarrow as pa

    listed = list(scored)
    return pa.Table.from_pydict(
        {
            "customer_id": [customer for customer, _, _ in listed], "day": [day] * len(listed),
            "computed_at": [now] * len(listed), "score": [score.value for _, score, _ in listed],
            "band": [band for _, _, band in listed], "known": [score.known for _, score, _ in listed],
            "parts": [write_results(score.parts) for _, score, _ in listed], "version": [version] * len(listed),
        },
        schema=arrow_schema(COLUMNS),
    )  # fmt: skip


def write_results(results: Iterable[PartResult]) -> str:
    """What the parts came to, as JSON."""
    return orjson.dumps(
        [[each.signal, each.value, each.points, each.weight, each.share] for each in results], default=str
    ).decode()


def read_results(text: str) -> list[PartResult]:
    """What `write_results` made."""
    return [
        PartResult(signal, value, None if points is None else Decimal(points), weight, Decimal(share))
        for signal, value, points, weight, share in orjson.loads(text or "[]")
    ]
