"""Merge fields: texts with `{!reference}` in them, as text templates, interview labels and custom headers have."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from integrations.demo_org.automation.formulas import MERGE, as_text


def merge_text(text: str, value_of: Callable[[str], Any]) -> str:
    """The text with the values of its references put in."""
    return MERGE.sub(lambda match: as_shown(value_of(match.group(1))), text)


def references_in(text: str) -> set[str]:
    """The references of a text."""
    return set(MERGE.findall(text))


def as_shown(value: Any) -> str:
    """A value as people read it in a merged text: dates in words, as an English-speaking org shows them."""
    if isinstance(value, datetime):
        return f"{value:%B} {value.day}, {value.year} {value:%I:%M %p}"
    if isinstance(value, date):
        return f"{value:%B} {value.day}, {value.year}"
    if isinstance(value, list):
        return ", ".join(map(as_shown, value))
    return as_text(value)
