"""How far the read of one object has come, as it stands in a checkpoint: plain data that survives the process (I-02)."""

from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Self

from integrations.lake.writing import StagedFile
from integrations.sync.mirror.planning import Window


@dataclass
class Pages:
    """What is known of the ids that have landed, to tell without a look at them whether any came twice."""

    ascending: bool = True
    spans: list[list[str]] = field(default_factory=list)

    def note(self, first: str, last: str, *, ascending: bool) -> None:
        """One page with ids from `first` to `last`."""
        self.ascending = self.ascending and ascending
        if self.ascending:
            self.spans.append([first, last])

    @property
    def are_unique(self) -> bool:
        """Whether every page ascends strictly and no two pages overlap."""
        spans = sorted(self.spans)
        return self.ascending and all(left[1] < right[0] for left, right in pairwise(spans))


@dataclass
class ReadState:
    """One object's read: what is asked, which job does it, which pages have landed, what they came to."""

    names: list[str]
    by: str = ""
    windows: list[list[str | None]] = field(default_factory=list)  # [since, until], the current one first
    since: str | None = None  # of the whole read
    started: str = ""  # by Salesforce's clock: the watermark once all has landed
    total: int | None = None
    way: str = ""
    job: str = ""
    asked_at: str = ""  # by our clock: for the deadline
    landed: list[str] = field(default_factory=list)  # locators of the current job
    following: str = ""  # locator after the last page of a job that is read page after page
    page_files: list[dict[str, Any]] = field(default_factory=list)  # of the current job
    files: list[dict[str, Any]] = field(default_factory=list)  # of finished windows
    pages: dict[str, Any] = field(default_factory=dict)
    rows: int = 0  # landed by the current job, bad ones included
    erased: int = 0
    is_split: bool = False
    remade: int = 0
    notes: list[str] = field(default_factory=list)
    committed: bool = False  # rows and watermark are in; what follows from them (deletions, merges, news) may not be
    done: bool = False

    @property
    def window(self) -> Window:
        """The window that is being read."""
        since, until = self.windows[0]
        return _moment(since), _moment(until)

    def set_windows(self, windows: list[Window]) -> None:
        """Replace the current window by these."""
        self.windows = [[_text(since), _text(until)] for since, until in windows] + self.windows[1:]

    def forget_job(self) -> None:
        """Nothing of the current job counts any more."""
        self.job, self.asked_at, self.landed, self.following, self.page_files, self.rows = "", "", [], "", [], 0

    def keep_job(self) -> None:
        """The current job's pages are complete: its window is read."""
        self.files += self.page_files
        self.windows = self.windows[1:]
        self.forget_job()

    def staged(self) -> list[StagedFile]:
        """The files of all finished windows."""
        return [staged_from(each) for each in self.files]

    def note(self, sentence: str) -> None:
        """Something that a person should know, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def as_json(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From the checkpoint; keys of other versions of the program are ignored."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


def staged_as_json(staged: StagedFile) -> dict[str, Any]:
    """A staged file for the checkpoint."""
    return asdict(staged) | {"columns": list(staged.columns), "day": staged.day and staged.day.isoformat()}


def staged_from(data: dict[str, Any]) -> StagedFile:
    """A staged file from the checkpoint."""
    day = data.get("day")
    return StagedFile(**{**data, "columns": tuple(data["columns"]), "day": date.fromisoformat(day) if day else None})


def window_of(since: datetime | None, until: datetime | None = None) -> list[list[str | None]]:
    """The first windows of a state."""
    return [[_text(since), _text(until)]]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
