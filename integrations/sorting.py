"""Order of a list as its address says it: `?sort=name` upwards, `?sort=-name` downwards. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import F
from django.db.models.expressions import BaseExpression

Row = TypeVar("Row")


def sort_of(text: str, allowed: Iterable[str]) -> str:
    """`text` when it names one of the `allowed` columns, with or without a minus; else "" (the list's usual order)."""
    return text if text.removeprefix("-") in set(allowed) else ""


def order_of(sort: str, columns: Mapping[str, str | BaseExpression], *, usual: Iterable[str]) -> list[Any]:
    """What to hand to `order_by`: the column of `sort`, rows without a value last, then the `usual` order to settle ties."""
    chosen = sort_of(sort, columns)
    if not chosen:
        return list(usual)
    column = columns[chosen.removeprefix("-")]
    value: Any = F(column) if isinstance(column, str) else column
    first = value.desc(nulls_last=True) if chosen.startswith("-") else value.asc(nulls_last=True)
    return [first, *usual]


def sort_rows(rows: Iterable[Row], sort: str, keys: Mapping[str, Callable[[Row], Any]]) -> list[Row]:
    """The same for rows in memory: a stable sort, rows whose key is None last in both directions."""
    listed = list(rows)
    chosen = sort_of(sort, keys)
    if not chosen:
        return listed
    key = keys[chosen.removeprefix("-")]
    known = [row for row in listed if key(row) is not None]
    known.sort(key=key, reverse=chosen.startswith("-"))
    return known + [row for row in listed if key(row) is None]
