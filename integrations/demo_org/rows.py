"""What the save engine hands around: row results, errors, and frames (rows held column by column)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter

UNSET = "\x00"  # "leave this field as it is"; a value that no client can store
SYSTEM_FIELDS = frozenset({"attributes"})


@dataclass(slots=True)
class RowError:
    """Why a row was refused: Salesforce's status code, its text, the fields concerned."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


@dataclass(slots=True)
class RowResult:
    """What became of one row. `id` is None if it failed."""

    id: str | None = None
    success: bool = True
    created: bool = False
    errors: Sequence[RowError] = ()


class RowsRefused(Exception):
    """Records that must not be saved after all (by id), because automation that the save started failed."""

    def __init__(self, errors: Mapping[str, RowError]) -> None:
        super().__init__(f"{len(errors)} records refused")
        self.errors = errors


@dataclass(slots=True)
class Frame:
    """Rows of one shape, as columns by field name. `positions` are the rows' places in the caller's list."""

    positions: Sequence[int]
    columns: dict[str, Sequence[object]]
    errors: dict[int, list[RowError]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def fail(self, row: int, error: RowError) -> None:
        """Refuse a row (0 = the frame's first)."""
        self.errors.setdefault(row, []).append(error)

    def fail_all(self, error: RowError) -> None:
        """Refuse every row."""
        for row in range(len(self)):
            self.fail(row, error)

    def keep(self, mask: Sequence[bool]) -> "Frame":
        """A frame of the rows whose mask is true, without their errors."""
        kept: dict[str, Sequence[object]] = {name: list(compress(values, mask)) for name, values in self.columns.items()}
        return Frame(list(compress(self.positions, mask)), kept)

    def cut(self, begin: int, end: int) -> "Frame":
        """A frame of the rows from `begin` to `end - 1`, without their errors."""
        return Frame(self.positions[begin:end], {name: values[begin:end] for name, values in self.columns.items()})

    def without_failed(self) -> "Frame":
        """A frame of the rows that have no error; the frame itself when none failed."""
        if not self.errors:
            return self
        return self.keep([row not in self.errors for row in range(len(self))])


def frames_of(rows: Sequence[Mapping[str, object]]) -> list[Frame]:
    """Rows grouped by their keys; a row's key order counts, so that equal rows of one client make one frame."""
    shapes: dict[tuple[str, ...], list[int]] = {}
    for position, row in enumerate(rows):
        shapes.setdefault(tuple(row), []).append(position)
    frames = []
    for shape, positions in shapes.items():
        members: Iterable[Mapping[str, object]] = rows if len(positions) == len(rows) else itemgetter_all(positions, rows)
        members = list(members)
        columns: dict[str, Sequence[object]] = {
            name: list(map(itemgetter(name), members)) for name in shape if name not in SYSTEM_FIELDS
        }
        frames.append(Frame(positions, columns))
    return frames


def itemgetter_all(positions: Sequence[int], rows: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The rows at the given positions."""
    return [rows[position] for position in positions]
