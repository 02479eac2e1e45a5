"""Forms with repeated lines: `part-3-signal` and its like, read into lines and shown again as they were typed. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LINE = re.compile(r"([a-z]+)-(\d{1,4})-([a-z_]+)\Z")
MOST = 40


@dataclass
class Line:
    """One line of a form: its number, what was typed, what is wrong with it."""

    number: int
    values: dict[str, str] = field(default_factory=dict)
    error: str = ""


def read_lines(data: Mapping[str, str], prefix: str, names: Sequence[str], *, needed: str) -> list[Line]:
    """The lines of a form in their order; those without the `needed` value, or ticked to be removed, are left out."""
    numbers = sorted({int(found[2]) for key in data if (found := LINE.match(key)) and found[1] == prefix})
    lines = [
        Line(number, {name: data.get(f"{prefix}-{number}-{name}", "").strip() for name in names})
        for number in numbers if not data.get(f"{prefix}-{number}-remove")
    ]  # fmt: skip
    return [line for line in lines if line.values.get(needed)][:MOST]


def blank_line(lines: Sequence[Line], names: Sequence[str]) -> Line:
    """One more line to fill in."""
    return Line(max([line.number for line in lines], default=-1) + 1, dict.fromkeys(names, ""))


def place_errors(lines: Sequence[Line], errors: Mapping[str, str], name: str) -> dict[str, str]:
    """Put `name[2]` on the second line; what belongs to no line comes back."""
    rest = {}
    for key, text in errors.items():
        found = re.match(rf"{re.escape(name)}\[(\d+)\]\Z", key)
        if found and 0 < int(found[1]) <= len(lines):
            lines[int(found[1]) - 1].error = text
        else:
            rest[key] = text
    return rest


def whole_number(text: str) -> int:
    """A whole number as people type it; -1, which no field takes, when it is none."""
    return int(text) if re.fullmatch(r"\d{1,6}", text.strip()) else -1
