"""The jobs that exist. A domain registers its own in its `apps.py`; the timetable and the pages name them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    from integrations.sync.runs import Recorder


def _always(org: SalesforceOrg) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Job:
    """What a run of this name does. `perform` gets the open ledger and may be called again after a crash.

    `retry_rows` promises that `perform` does only the rows of an earlier run when its arguments name one (`row_retries`).
    `by_hand`: means something only with the arguments that a page gives it, so it is no part of a first sync and no general
    button starts it. `dry`: nothing is written by it; its counts say what would be.
    """

    name: str
    label: str
    domain: str
    perform: "Callable[[Recorder], None]"
    per_org: bool = True
    enabled: Callable[[SalesforceOrg], bool] = _always
    retry_rows: bool = False
    by_hand: bool = False
    dry: bool = False


_jobs: dict[str, Job] = {}


def register(job: Job) -> None:
    """Make `job` known; the name must be free or be the same job again."""
    if job.name in _jobs and _jobs[job.name] != job:
        raise ValueError(f"Two jobs are called {job.name}.")
    _jobs[job.name] = job


def get(name: str) -> Job:
    """The job of that name; KeyError names the known ones."""
    if name not in _jobs:
        raise KeyError(f"No job is called {name!r}; known: {', '.join(sorted(_jobs))}.")
    return _jobs[name]


def is_dry(name: str) -> bool:
    """Whether a job of that name only says what would be written; False for jobs that nobody knows any more."""
    return name in _jobs and _jobs[name].dry


def every() -> list[Job]:
    """All jobs by name."""
    return [_jobs[name] for name in sorted(_jobs)]
