"""Builds report answers in the shape of the Analytics API, for pure tests."""

from typing import Any

INFO = {
    "s!AMOUNT": ("currency", "Sum of Amount"),
    "a!PROBABILITY": ("percent", "Average Probability (%)"),
    "RowCount": ("int", "Record Count"),
    "s!AGE": ("double", "Sum of Age"),
}


def level(name: str, granularity: str = "None") -> dict[str, Any]:
    return {"name": name, "sortOrder": "Asc", "dateGranularity": granularity}


def group(value: Any, key: str, label: str | None = None, children: list[dict] | None = None) -> dict[str, Any]:
    text = "-" if value is None else str(value)
    return {"value": value, "key": key, "label": label if label is not None else text, "groupings": children or []}


def report(
    cells: dict[str, list[Any]],
    *,
    aggregates: tuple[str, ...] = ("s!AMOUNT", "RowCount"),
    kind: str = "SUMMARY",
    down: list[dict] | None = None,
    across: list[dict] | None = None,
    down_levels: list[dict] | None = None,
    across_levels: list[dict] | None = None,
    currency: str | None = None,
    all_data: bool = True,
    types: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A finished run; `cells` maps fact-map keys to the values of the aggregates in order."""
    types = types or {}
    return {
        "allData": all_data,
        "hasDetailRows": False,
        "factMap": {
            key: {"aggregates": [{"value": value, "label": _label(value)} for value in values]} for key, values in cells.items()
        },
        "groupingsDown": {"groupings": down or []},
        "groupingsAcross": {"groupings": across or []},
        "reportMetadata": {
            "name": "Pipeline",
            "reportFormat": kind,
            "aggregates": list(aggregates),
            "groupingsDown": down_levels or [],
            "groupingsAcross": across_levels or [],
            "currency": currency,
            "reportFilters": [],
            "reportBooleanFilter": None,
        },
        "reportExtendedMetadata": {
            "aggregateColumnInfo": {
                name: {"dataType": types.get(name, INFO.get(name, ("double", name))[0]), "label": INFO.get(name, ("", name))[1]}
                for name in aggregates
            },
            "groupingColumnInfo": {
                each["name"]: {"label": each["name"].title(), "dataType": "string", "groupingLevel": 0}
                for each in (down_levels or []) + (across_levels or [])
            },
        },
    }


def _label(value: Any) -> str:
    """Locale-formatted, as a German user would see it: never to be parsed."""
    if value is None:
        return "-"
    if isinstance(value, (int, float)):
        return f"{value:,.2f} EUR".replace(",", "x").replace(".", ",").replace("x", ".")
    return str(value)


def by_region(amounts: dict[Any, float], **extra: Any) -> dict[str, Any]:
    """A summary report grouped by REGION in the order of `amounts`."""
    down = [group(region, str(index)) for index, region in enumerate(amounts)]
    cells = {f"{index}!T": [amount, index + 1] for index, amount in enumerate(amounts.values())}
    numbers = [value for value in amounts.values() if isinstance(value, int | float)]
    cells["T!T"] = [sum(numbers), len(amounts)]
    return report(cells, down=down, down_levels=[level("REGION")], **extra)


def step(field: str, value: Any, *, across: bool = False, granularity: str = "None") -> dict[str, Any]:
    return {
        "field": field,
        "field_label": field.title(),
        "value": value,
        "label": str(value),
        "across": across,
        "granularity": granularity,
    }
