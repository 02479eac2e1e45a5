"""What runs of flows share: their fault, what a moment allows, literals, and what an assignment makes of the old value."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.demo_org.automation.facts import Record
from integrations.demo_org.automation.formulas import as_text
from integrations.demo_org.schema.types import ObjectType

Saver = Callable[[ObjectType, list[dict[str, Any]], str], list[str]]


class FlowFault(Exception):
    """An element that failed. The text becomes $Flow.FaultMessage, or ends the interview."""


@dataclass
class Step:
    """What a flow may do at its moment: `save` writes records, `notify` sends an outbound message about a record."""

    save: Saver
    notify: Callable[[str, Record], None]
    may_call_out: bool


class _Never:
    """A value that nothing equals."""


NEVER = _Never()


def copied(value: Any) -> Any:
    """A structured value of its own, so that a variable that is filled again does not change what was added before."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [each if isinstance(each, Record) else copied(each) for each in value]
    return Record(value.kind, dict(value.values), set(value.changed)) if isinstance(value, Record) else value


def combined(old: Any, value: Any, operator: str) -> Any:
    """What a variable holds after an assignment."""
    if operator in {"Add", "AddItem"}:
        if isinstance(old, list):
            return [*old, *(value if isinstance(value, list) else [value])]
        if isinstance(value, dict | Record):
            return [*([] if old is None else [old]), value]
        if isinstance(old, str) or isinstance(value, str):
            return as_text(old) + as_text(value)
        return (old or 0) + (value or 0)
    if operator == "AddAtStart":
        return [*(value if isinstance(value, list) else [value]), *(old or [])]
    if operator == "Subtract":
        return (old or 0) - (value or 0)
    if operator == "AssignCount":
        return float(len(value)) if isinstance(value, list) else 0.0
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as problem:
        raise FlowFault(f"{text[:40]} is not a number") from problem


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as problem:
        raise FlowFault(f"{text[:40]} is not a date") from problem


LITERALS: dict[str, Callable[[str], Any]] = {
    "numberValue": _number, "booleanValue": lambda text: text.lower() == "true",
    "dateValue": lambda text: _moment(text[:10]).date(),
    "dateTimeValue": _moment,
}  # fmt: skip
