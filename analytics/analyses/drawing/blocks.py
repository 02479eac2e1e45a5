"""A stored document as its pages draw it: each block with its chart, its table and its CSV. Pure."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from analytics.analyses import finding, writing
from analytics.analyses.documents import Kind
from analytics.analyses.drawing.bars import draw_bars
from analytics.analyses.drawing.heatmap import draw_heatmap
from analytics.analyses.drawing.lines import draw_lines
from analytics.analyses.drawing.rows import cell_of, draw_forest, draw_steps, draw_waterfall

MOST_ROWS = 500
"""Rows of a table on a page; the CSV has all."""
FOLDED_FROM = 15
"""Longer tables and lists show so many rows until they are opened."""
LONGEST_NOTE = 240
"""A longer note that lists things shows its beginning until it is opened."""
CENTS_UNTIL = 1_000
"""Money from there on is shown without cents in headline figures; tables and CSV have them."""


def write_figure(value: Any, kind: Kind, unit: str = "") -> str:
    """A headline figure: as elsewhere, but large money in whole units, rounded once from the exact amount."""
    number = writing.exact(value) if kind == "money" else None
    if number is None or abs(number) < CENTS_UNTIL:
        return writing.write(value, kind, unit)
    whole = writing.rounded(number, Decimal(1))
    return f"{writing.MINUS if whole < 0 else ''}{abs(whole):,f}" + (f"\u00a0{unit}" if unit else "")


def fold_note(note: str) -> dict[str, str]:
    """A note as `lead` and `rest`; long lists stand in the rest, which a page folds."""
    lead, _, rest = note.partition(": ")
    return {"lead": f"{lead}.", "rest": rest} if rest and len(note) > LONGEST_NOTE else {"lead": note, "rest": ""}


def draw_figures(chart: Mapping[str, Any]) -> dict[str, Any]:
    """Figures with their intervals and notes."""
    found = []
    for each in chart.get("figures") or ():
        kind, unit = each.get("kind") or "number", each.get("unit", "")
        interval = [each.get("low"), each.get("high")]
        has_interval = each.get("low") is not None or each.get("high") is not None
        found.append({
            "label": each.get("label", ""), "value": write_figure(each.get("value"), kind, unit), "note": each.get("note", ""),
            "interval": writing.write_interval(interval, kind, unit) if has_interval else "", "cell": cell_of(each),
        })  # fmt: skip
    return {"figures": found}


DRAWN: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "figures": draw_figures, "heatmap": draw_heatmap, "lines": draw_lines, "waterfall": draw_waterfall, "forest": draw_forest,
    "bars": draw_bars, "steps": draw_steps,
}  # fmt: skip


def draw_block(block: Mapping[str, Any]) -> dict[str, Any]:
    """One block for its template: `chart` is None for a table or a note alone."""
    draw = DRAWN.get(block.get("chart_type", ""))
    chart = draw(block.get("chart") or {}) if draw is not None and not block.get("empty") else None
    rows = list(finding.table_rows(block))
    return {
        "key": block.get("key", ""), "title": block.get("title", ""), "explain": block.get("explain", ""),
        "notes": list(block.get("notes") or ()), "empty": block.get("empty", ""),
        "type": block.get("chart_type", "") if chart else "",
        "template": f"analytics/blocks/{block['chart_type']}.html" if chart else "", "chart": chart, "rows": rows[:MOST_ROWS],
        "heads": [{"label": each["label"], "is_number": finding.is_number(each)} for each in block.get("columns") or ()],
        "row_count": len(rows), "more_rows": max(0, len(rows) - MOST_ROWS),
        "is_long": len(rows) > FOLDED_FROM,
    }  # fmt: skip


def draw_document(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All blocks of a stored document in their order."""
    return [draw_block(block) for block in document.get("blocks") or ()]
