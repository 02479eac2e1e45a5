"""The columns of the joint model: what is held constant, and the behaviors that can be told apart. Pure.

Each column needs ten accounts with and ten without the outcome (methods, 8.2). Where there are too few, what is held constant
takes at most half of the columns, the most telling first, and behaviors are dropped by rarity; both are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analytics.drivers import design as limits
from analytics.drivers.linear import independent_columns, products
from analytics.drivers.study import Levels, Study, value_behavior, value_key

Floats = np.ndarray
MOST_LEVELS = 15
"""Values of an attribute that get a column; rarer ones count as one."""


@dataclass(frozen=True)
class Column:
    """One column. `place`: of the behavior it stands for; `attribute` and `code`: of the value."""

    name: str
    place: int | None = None
    attribute: str = ""
    code: int = -1


@dataclass
class Prepared:
    """The model's matrix with its columns, which behaviors it can test, and what was left out.

    `groups`: the behaviors that a tested one stands for, by its place. `values`: for each tested value its attribute and code.
    """

    matrix: Floats
    columns: list[Column]
    tested: list[int] = field(default_factory=list)
    groups: dict[int, list[int]] = field(default_factory=dict)
    values: list[tuple[str, int]] = field(default_factory=list)
    dropped: list[tuple[str, str, str]] = field(default_factory=list)
    """Key, label and reason of behaviors that are not tested."""
    not_held: list[str] = field(default_factory=list)
    """What could not be held constant because there are too few accounts."""

    def place_of(self, behavior: int) -> int | None:
        """The column of a behavior."""
        return next((number for number, each in enumerate(self.columns) if each.place == behavior), None)

    def columns_of(self, attribute: str) -> dict[int, int]:
        """The column of each value of an attribute, by code."""
        return {each.code: number for number, each in enumerate(self.columns) if each.attribute == attribute}


def prepare(study: Study, places: Sequence[int], budget: int) -> Prepared:
    """Columns for a study and those of its behaviors that have enough accounts on both sides."""
    constant, not_held = _held_constant(study, max(budget // 2, 1))
    groups = group_alike(study, places)
    extra, rare = _behavior_columns(study, groups, budget - len(constant))
    columns = [Column("constant"), *(each for each, _ in constant), *extra]
    matrix = np.empty((study.size, len(columns)))
    matrix[:, 0] = 1.0
    for number, (_, values) in enumerate(constant, start=1):
        matrix[:, number] = values
    for number, column in enumerate(extra, start=1 + len(constant)):
        matrix[:, number] = _values_of(study, column)
    kept = independent_columns(products(matrix))
    matrix = matrix if len(kept) == len(columns) else np.ascontiguousarray(matrix[:, kept])
    made = Prepared(matrix, [columns[each] for each in kept], groups=groups, not_held=not_held)
    made.tested = [each.place for each in made.columns if each.place is not None]
    left = [each for number, each in enumerate(columns) if number not in set(kept)]
    made.not_held += [each.name for each in left if each.place is None and not each.attribute]
    made.dropped = [_named(study, each, "Too rare: ten accounts with and ten without the outcome are needed for each column of "
                           "the model.") for each in rare]  # fmt: skip
    made.dropped += [_named(study, each, "It cannot be told apart from what is held constant.") for each in left
                     if each.place is not None]  # fmt: skip
    if "attribute" in study.design.families:
        _add_values(study, made, [each for each in rare if each.attribute])
    return made


def standardized(values: Floats) -> Floats:
    """With mean 0 and deviation 1; zeros where nothing differs."""
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


def group_alike(study: Study, places: Sequence[int]) -> dict[int, list[int]]:
    """Behaviors with a correlation above 0.8 in either direction, by the one that most accounts adopted."""
    if not places:
        return {}
    logs = np.log1p(study.counts[:, list(places)].astype(float))
    logs -= logs.mean(axis=0)
    scale = np.sqrt((logs * logs).sum(axis=0))
    related = np.abs(logs.T @ logs) / np.maximum(np.outer(scale, scale), 1e-300)
    many = [int(study.adopted(each).sum()) for each in places]
    groups: dict[int, list[int]] = {}
    for index in sorted(range(len(places)), key=lambda each: (-many[each], study.behaviors[places[each]].key)):
        leader = next((each for each in groups if related[index, each] > limits.ALIKE), None)
        groups.setdefault(index if leader is None else leader, []).append(index)
    return {places[leader]: [places[each] for each in members] for leader, members in groups.items()}


def kept_codes(levels: Levels, size: int) -> list[int]:
    """Codes of values that enough accounts have, and enough have not, the most frequent first."""
    counts = np.bincount(levels.codes, minlength=len(levels.labels))
    least = limits.fewest_of(size)
    order = sorted(range(len(counts)), key=lambda each: (-int(counts[each]), levels.labels[each]))
    return [each for each in order if counts[each] >= least][:MOST_LEVELS]


def _held_constant(study: Study, most: int) -> tuple[list[tuple[Column, Floats]], list[str]]:
    """Columns of size, activity and account type, the most telling first; names of those beyond `most`."""
    known = ~np.isnan(study.seats)
    seats = np.log1p(np.where(known, np.maximum(study.seats, 0), 0.0))
    mean = seats[known].mean() if known.any() else 0.0
    centered = np.where(known, seats - mean, 0.0)
    found = [
        (Column("active days in the window"), standardized(study.active_days.astype(float))),
        (Column("size (log of seats)"), standardized(centered)),
        (Column("activity before the window"), standardized(np.log1p(study.active_before.astype(float)))),
        *_value_columns(study, limits.ADJUSTED),
        (Column("size squared"), standardized(centered**2)),
        (Column("active days in the window (log)"), standardized(np.log1p(study.active_days.astype(float)))),
        (Column("seats not known"), standardized(1.0 - known)),
    ]
    found = [each for each in found if each[1].any()]
    return found[:most], [each.name for each, _ in found[most:]]


def _value_columns(study: Study, attributes: Sequence[str]) -> list[tuple[Column, Floats]]:
    """A column for each value but the most frequent one, with which the others are compared."""
    found = []
    for name in attributes:
        levels = study.attributes.get(name)
        if levels is None:
            continue
        codes = kept_codes(levels, study.size)
        for code in codes[1:]:
            column = Column(f"{name.replace('_', ' ')} {levels.labels[code] or '(not known)'}", None, name, code)
            found.append((column, (levels.codes == code).astype(float)))
    return found


def _behavior_columns(study: Study, groups: dict[int, list[int]], most: int) -> tuple[list[Column], list[Column]]:
    """Columns of behaviors and of values that are not held constant, the most frequent first, and those beyond `most`."""
    ranked: list[tuple[int, Column]] = []
    for place in groups:
        many = int(study.adopted(place).sum())
        ranked.append((min(many, study.size - many), Column(study.behaviors[place].key, place)))
    if "attribute" in study.design.families:
        others = [each for each in limits.ATTRIBUTES if each not in limits.ADJUSTED]
        ranked += [(int(values.sum()), column) for column, values in _value_columns(study, others)]
    ranked.sort(key=lambda each: (-each[0], each[1].name))
    columns = [column for _, column in ranked]
    return columns[: max(most, 0)], columns[max(most, 0) :]


def _values_of(study: Study, column: Column) -> Floats:
    if column.place is not None:
        return standardized(np.log1p(study.counts[:, column.place].astype(float)))
    return (study.attributes[column.attribute].codes == column.code).astype(float)


def _named(study: Study, column: Column, reason: str) -> tuple[str, str, str]:
    if column.place is not None:
        behavior = study.behaviors[column.place]
    else:
        behavior = value_behavior(column.attribute, study.attributes[column.attribute].labels[column.code])
    return behavior.key, behavior.label, reason


def _add_values(study: Study, made: Prepared, rare: Sequence[Column]) -> None:
    """Values that can be compared with the mean of the others, and those that too few accounts have."""
    unplaced = {(each.attribute, each.code) for each in rare}
    for name in limits.ATTRIBUTES:
        levels = study.attributes.get(name)
        if levels is None:
            continue
        codes, placed = kept_codes(levels, study.size), made.columns_of(name)
        told = {value_key(name, label) for _, label, _ in made.dropped}
        for code, label in enumerate(levels.labels):
            many = int((levels.codes == code).sum())
            if not label or not many:
                continue
            behavior = value_behavior(name, label)
            is_enough = code in codes and study.size - many >= limits.fewest_of(study.size)
            if is_enough and placed and (code in placed or code == codes[0]):
                made.values.append((name, code))
            elif (name, code) not in unplaced and behavior.key not in told:
                reason = "Too few accounts have this value, or too few have another." if not is_enough else (
                    "It cannot be told apart from what is held constant.")  # fmt: skip
                made.dropped.append((behavior.key, behavior.label, reason))
