"""Key results: values in their unit, progress, state, and the row of a report that feeds them."""

from decimal import Decimal
from typing import Any

from django import template

from okr import queries as okr_queries
from okr.progress import progress_of
from project import display

register = template.Library()


@register.filter
def measured(value: Decimal | None, key_result: Any) -> str:
    """A value in the unit of `key_result`."""
    return display.measure(value, key_result.unit, key_result.unit_label)


@register.filter
def progress(key_result: Any) -> Decimal | None:
    """Share of the way from start to target; may pass 1 (BW-D11)."""
    return progress_of(start=key_result.start, target=key_result.target, current=key_result.current)


@register.filter
def link_of(key_result: Any) -> Any:
    """The key result's report link, or None; without a query when it was selected along."""
    return getattr(key_result, "link", None)


@register.filter
def key_result_state(key_result: Any) -> str:
    """The one word that matters most: a broken source, else reached, else what its people say."""
    return okr_queries.state_of(key_result)


@register.filter
def path_label(path: Any) -> str:
    """A link's row in words: "EMEA > New Business", or "Grand total"."""
    return " › ".join(str(step.get("label", step.get("value", ""))) for step in path or []) or "Grand total"


@register.filter
def in_unit(value: Decimal | None, choice: Any) -> str:
    """A live value in the unit of a report's summary field."""
    return display.measure(value, choice.unit, choice.unit_label)
