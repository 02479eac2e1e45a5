"""What differs between two states of an entry, place by place, for people. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMES = ("key", "name")  # what entries of a list are told apart by
MOST = 200
LONGEST = 120
MISSING = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place of an entry, before and after, in words; "" stands for nothing there."""

    path: str
    before: str
    after: str


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """Every place that differs, at most 200."""
    found: list[Difference] = []
    _compare("", dict(before or {}), dict(after or {}), found)
    return found[:MOST]


def _compare(path: str, before: Any, after: Any, found: list[Difference]) -> None:
    if before == after and before is not MISSING:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inner = f"{path}.{name}" if path else str(name)
            _compare(inner, before.get(name, MISSING), after.get(name, MISSING), found)
        return
    old, new = _by_name(before), _by_name(after)
    if old is not None and new is not None and (list(old) != list(new) or old):
        for name in dict.fromkeys([*old, *new]):
            _compare(f"{path}[{name}]", old.get(name, MISSING), new.get(name, MISSING), found)
        if set(old) == set(new) and list(old) != list(new):
            found.append(Difference(path, ", ".join(old), ", ".join(new)))
        return
    found.append(Difference(path, in_words(before), in_words(after)))


def _by_name(value: Any) -> dict[str, Any] | None:
    """Entries of a list by their key or name; None when it is another list, or two share a name."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return None
    for key in NAMES:
        if all(isinstance(each.get(key), str) for each in value):
            found = {each[key]: each for each in value}
            return found if len(found) == len(value) else None
    return None


def in_words(value: Any) -> str:
    """A value as one short line."""
    if value is MISSING or value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        words = ", ".join(f"{name}: {in_words(each) or 'empty'}" for name, each in value.items())
        return _short("{" + words + "}")
    if isinstance(value, list):
        return _short("[" + ", ".join(in_words(each) or "empty" for each in value) + "]")
    return _short(str(value))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
