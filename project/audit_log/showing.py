"""How an entry reads: its action in words, the difference between before and after, the page of what it is about. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 400  # characters of one value on the page; the export has all

PAGES = {
    "integrations.salesforceorg": "integrations:connection",
    "integrations.run": "integrations:run",
    "integrations.customer": "customer",
    "integrations.enduser": "end_user",
    "okr.objective": "okr:objective",
    "okr.keyresult": "okr:key_result",
    "provisioning.provision": "provisioning:provision",
    "product.segment": "product:segment",
}
"""Rows with a page of their own: model and name of the address, which takes the row's number."""
_RUN, _DEAL = re.compile(r"\brun (\d{1,18})\b"), re.compile(r"provision (\d{1,18})")
_VERBS = {"api_key": "API key", "kpi_settings": "KPI settings", "signin": "sign-in", "login": "sign-in"}


@dataclass(frozen=True)
class Difference:
    """One value before and after. `kind` is added, removed, changed or same."""

    name: str
    before: str
    after: str
    kind: str


def words_of(action: str) -> str:
    """`connection.credentials_changed` -> "Connection: credentials changed"."""
    noun, _, verb = action.partition(".")
    noun = _VERBS.get(noun, noun.replace("_", " "))
    return f"{noun[:1].upper()}{noun[1:]}: {verb.replace('_', ' ').replace('.', ' ')}" if verb else noun


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The values of both sides by name, those that differ first; values inside values are named with dots."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = []
    for name in dict.fromkeys((*old, *new)):
        left, right = _text(old[name]) if name in old else "", _text(new[name]) if name in new else ""
        kind = "added" if name not in old else "removed" if name not in new else "same" if left == right else "changed"
        found.append(Difference(name, left, right, kind))
    if not before:  # a plain fact, nothing was there to be changed
        return [Difference(each.name, "", each.after, "fact") for each in found]
    return sorted(found, key=lambda each: each.kind == "same")


def _flat(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and value and depth < 4:
            rows += _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def _text(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "none"
    return str(value) if value != "" else "empty"


def page_of(subject: str, target: str) -> tuple[str, int] | None:
    """Name of the address and number of the page of what an entry is about; None when there is none."""
    model, _, number = subject.partition(":")
    if model in PAGES and number.isascii() and number.isdigit():
        return PAGES[model], int(number)
    if deal := _DEAL.fullmatch(target):
        return "provisioning:provision", int(deal[1])
    run = _RUN.search(target)
    return ("integrations:run", int(run[1])) if run else None


def is_subscription(action: str, target: str) -> bool:
    """Whether an entry's target is the key of a subscription, which reads better as a name."""
    return action.startswith("subscription.") or target.startswith("sub-")
