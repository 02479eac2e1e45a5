"""From values to a health score, and why it is what it is. Pure.

Each part turns a value into points from 0 to 100, straight between its worst and its best value (either may be the larger one);
yes or no and chosen texts count 100 or 0. The score is the weighted mean of the parts that are known, rounded half up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

LEAVE_OUT, AS_WORST, AS_BEST = "leave_out", "worst", "best"
MISSING = {LEAVE_OUT: "Leave the part out", AS_WORST: "Count as worst", AS_BEST: "Count as best"}
GOOD, FAIR, POOR, UNKNOWN = "good", "fair", "poor", "unknown"
MOST_PARTS, MOST_WEIGHT = 20, 1000
HUNDRED = Decimal(100)
DIGITS = Decimal("0.01")
LARGEST = Decimal(10) ** 15


@dataclass(frozen=True, slots=True)
class Part:
    """One ingredient. For numbers `worst` and `best` bound the scale; for texts and flags `best_values` count fully."""

    signal: str
    weight: int = 1
    worst: Decimal | None = None
    best: Decimal | None = None
    best_values: tuple[str, ...] = ()
    missing: str = LEAVE_OUT

    @property
    def is_scale(self) -> bool:
        """Whether values lie between a worst and a best one."""
        return not self.best_values


@dataclass(frozen=True, slots=True)
class PartResult:
    """What one part came to. `points` is None when it was left out; `share` is its part of the score's weights in percent."""

    signal: str
    value: str
    points: Decimal | None
    weight: int
    share: Decimal = Decimal(0)

    @property
    def contribution(self) -> Decimal:
        """How many points of the score come from it."""
        return Decimal(0) if self.points is None else (self.points * self.share / HUNDRED).quantize(DIGITS, ROUND_HALF_UP)

    @property
    def lost(self) -> Decimal:
        """How many points of the score are missing because of it."""
        return Decimal(0) if self.points is None else (self.share - self.contribution).quantize(DIGITS, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Score:
    """A whole number from 0 to 100, or None when too little is known (never 0 for that)."""

    value: int | None
    parts: tuple[PartResult, ...] = field(default_factory=tuple)
    known: Decimal = Decimal(0)
    """Percent of the weights that are known."""


class BadParts(ValueError):
    """A definition that cannot be used; `errors` name the part (from 1) or the field with the fix."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


def score_of(parts: Sequence[Part], values: Mapping[str, Any], *, least_known: int = 50) -> Score:
    """The score of one customer. `least_known`: percent of the weights below which there is none."""
    results = [_result(part, values.get(part.signal)) for part in parts]
    whole = sum(each.weight for each in results)
    counted = sum(each.weight for each in results if each.points is not None)
    known = (HUNDRED * counted / whole).quantize(DIGITS, ROUND_HALF_UP) if whole else Decimal(0)
    if not counted or known < least_known:
        return Score(None, tuple(results), known)
    mean = sum((each.points * each.weight for each in results if each.points is not None), Decimal(0)) / counted
    shared = [replace(each, share=HUNDRED * each.weight / counted) if each.points is not None else each for each in results]
    return Score(int(mean.quantize(Decimal(1), ROUND_HALF_UP)), tuple(shared), known)


def points_of(part: Part, value: Any) -> Decimal | None:
    """Points of one value; None when the part is left out."""
    if value is None or value == "":
        return {AS_WORST: Decimal(0), AS_BEST: HUNDRED}.get(part.missing)
    if not part.is_scale:
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        return HUNDRED if text.strip().casefold() in {each.casefold() for each in part.best_values} else Decimal(0)
    if isinstance(value, bool) or not isinstance(value, Decimal | int) or part.worst is None or part.best is None:
        return None
    way = (Decimal(value) - part.worst) / (part.best - part.worst)
    return (max(Decimal(0), min(Decimal(1), way)) * HUNDRED).quantize(DIGITS, ROUND_HALF_UP)


def band_of(value: int | None, *, good_from: int, fair_from: int) -> str:
    """good, fair, poor, or unknown without a score."""
    if value is None:
        return UNKNOWN
    return GOOD if value >= good_from else FAIR if value >= fair_from else POOR


def read_parts(data: Any, *, known: Mapping[str, str] | None = None) -> tuple[Part, ...]:
    """Parts from JSON. `known` gives the types of the signals that there are; `BadParts` names what cannot be used."""
    if not isinstance(data, list) or not data:
        raise BadParts({"parts": "Is a list with at least one part."})
    if len(data) > MOST_PARTS:
        raise BadParts({"parts": f"Has at most {MOST_PARTS} parts."})
    errors: dict[str, str] = {}
    parts = []
    for place, each in enumerate(data, 1):
        try:
            parts.append(_read_part(each, known))
        except ValueError as error:
            errors[f"parts[{place}]"] = str(error)
    seen = [part.signal for part in parts]
    for name in {name for name in seen if seen.count(name) > 1}:
        errors[name] = "Is named twice; give it one weight."
    if errors:
        raise BadParts(errors)
    return tuple(parts)


def write_parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Parts as JSON."""
    return [
        {**asdict(part), "worst": _text(part.worst), "best": _text(part.best), "best_values": list(part.best_values)}
        for part in parts
    ]


def shown(value: Any) -> str:
    """A value for people and for the record."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _result(part: Part, value: Any) -> PartResult:
    told = value.quantize(DIGITS, ROUND_HALF_UP) if isinstance(value, Decimal) and value.is_finite() else value
    return PartResult(part.signal, shown(told), points_of(part, value), part.weight)


def _read_part(data: Any, known: Mapping[str, str] | None) -> Part:
    if not isinstance(data, Mapping):
        raise ValueError("Is an object with signal, weight, worst and best.")
    if unknown := sorted(set(data) - {"signal", "weight", "worst", "best", "best_values", "missing"}):
        raise ValueError(f"Has unknown fields: {', '.join(map(str, unknown))[:200]}.")
    signal = data.get("signal")
    if not isinstance(signal, str) or not signal:
        raise ValueError("Needs a signal.")
    if known is not None and signal not in known:
        raise ValueError(f"There is no signal {signal[:80]!r}.")
    weight = data.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MOST_WEIGHT:
        raise ValueError(f"weight is a whole number from 1 to {MOST_WEIGHT}.")
    missing = data.get("missing", LEAVE_OUT)
    if missing not in MISSING:
        raise ValueError(f"missing is one of {', '.join(MISSING)}.")
    best_values = _best_values(data.get("best_values") or [])
    kind = known.get(signal) if known is not None else None
    if best_values:
        if kind == "NUMBER":
            raise ValueError("A number needs worst and best, not best_values.")
        return Part(signal, weight, None, None, best_values, missing)
    if kind not in (None, "NUMBER"):
        raise ValueError("Needs best_values: the texts (yes or no for flags) that count fully.")
    worst, best = _number(data.get("worst"), "worst"), _number(data.get("best"), "best")
    if worst == best:
        raise ValueError("worst and best must differ.")
    return Part(signal, weight, worst, best, (), missing)


def _best_values(data: Any) -> tuple[str, ...]:
    if not isinstance(data, list) or len(data) > 50 or not all(isinstance(each, str) and each.strip() for each in data):
        raise ValueError("best_values is a list of texts.")
    return tuple(each.strip() for each in data)


def _number(value: Any, name: str) -> Decimal:
    if value is None or value == "":
        raise ValueError(f"{name} is missing: the value that counts {'0' if name == 'worst' else '100'} points.")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} is no number.") from None
    if isinstance(value, bool) or not number.is_finite() or abs(number) > LARGEST:
        raise ValueError(f"{name} is no usable number.")
    return number


def _text(value: Decimal | None) -> str | None:
    return None if value is None else shown(value)
