"""Documents: what an analysis found, as typed blocks. Pages draw them, CSV and API give the same numbers.

Everything here is plain data that survives JSON: money as text of a Decimal, rates and other statistics as float, days and
instants as ISO text. A percentage is a rate between 0 and 1 until it is shown (rounded once, half away from zero, 1 decimal).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["text", "count", "rate", "points", "money", "number", "p", "day", "interval"]
"""How a value is shown: rate 0..1 as percent, points = difference of two rates (pp), p = p- or q-value, interval = [low, high]
of the column before, in its unit."""
Cell = Mapping[str, Any]
"""Names one number of a document, for the customers behind it: understood by the kind of analysis that made it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `unit`: currency of money, or what is counted."""

    key: str
    label: str
    kind: Kind = "text"
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a document: a chart with its table, or a table, figures or a note alone.

    `table_columns` and `rows` always hold every number that `chart` draws: they are the table view and the CSV. A row is a
    mapping by column key; the key `_behind` of a row, or `_behind:<column>` for one of its cells, holds the `Cell`.
    `chart` is drawn by its `type`:
      figures   {"figures": [{"label", "value", "kind", "unit", "low", "high", "note", "behind"}]}
      heatmap   {"x_label", "y_label", "columns": [label], "rows": [{"label", "size", "cells": [null | {"rate", "low", "high",
                "n", "kept", "complete_on": null | day, "behind"}]}]}; complete_on set = incomplete until then (hatched)
      lines     {"x_label", "y_kind", "unit", "steps": bool, "series": [{"name", "points": [{"x", "y", "low", "high",
                "at_risk", "incomplete"}]}], "at_risk": [{"name", "at": [[x, n]]}]}; x is a number or an ISO day
      waterfall {"unit", "steps": [{"label", "value", "role": "total"|"up"|"down", "behind"}]}
      forest    {"unit_kind", "floor", "rows": [{"key", "label", "estimate", "low", "high", "raw", "raw_low", "raw_high",
                "with", "without", "verdict", "tone", "url_key", "note"}]}
      bars      {"y_kind", "unit", "categories": [label], "series": [{"name", "values": [value]}], "low", "high"}
      steps     {"steps": [{"label", "n", "rate", "note", "behind"}]}: a funnel
    """

    key: str
    title: str
    explain: str = ""
    chart_type: str = ""
    chart: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[Column] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    empty: str = ""
    """Said instead of the block when there is nothing to show, such as "Not enough data: 12 accounts, 200 are needed"."""


@dataclass(frozen=True, slots=True)
class Document:
    """What one analysis found. `population`: how many are in it and who was left out, in words with numbers."""

    title: str
    as_of: str
    population: int
    population_words: str = ""
    excluded: Sequence[Mapping[str, Any]] = ()
    """[{"reason", "n", "words"}]: nobody is left out silently."""
    blocks: Sequence[Block] = ()
    notes: Sequence[str] = ()
    definition: str = ""
    """Anchor of docs/analytics.md that defines what is shown."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What detail pages of a kind need besides (such as one entry a behaviour); not drawn by the frame."""

    def as_dict(self) -> dict[str, Any]:
        """As stored in `Result.document` and answered by the API."""
        return asdict(self)
