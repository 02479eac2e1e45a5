"""The kinds of analyses that exist. Each room registers its own in `analytics.registering`; pages, API and the job ask here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from analytics.analyses.documents import Document
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.lake.engine import Engine


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a parameter."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One question of the form above an analysis. `choices(org)` are read when the form is shown (None: free input).

    `many`: a list of values. `advanced`: folded away. The kind's `read` checks values and says what is wrong.
    """

    key: str
    label: str
    kind: Literal["choice", "whole", "number", "text", "flag", "month", "day"] = "choice"
    default: Any = None
    choices: Callable[[SalesforceOrg], Sequence[Choice]] | None = None
    help: str = ""
    many: bool = False
    advanced: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What `compute` and `behind` get: the connection, checked parameters, the midnight that ends every window, the seed."""

    org: SalesforceOrg
    parameters: Mapping[str, Any]
    as_of: datetime
    seed: int = 0
    currency: str = ""
    breathe: Callable[[], None] = field(default=lambda: None)
    """Call between long steps: keeps the run alive and lets a person cancel it."""


@dataclass(frozen=True, slots=True)
class AnalysisKind:
    """One kind of analysis.

    `read(org, data)` turns form or API values into complete parameters (every default filled in, JSON-able, sorted so that
    equal questions are equal); raises `ProblemsFound` (integrations.sync.mapping.problems) with all problems by parameter key.
    `compute(engine, asked)` runs only in a job; `engine` has nothing bound: call `facts.reading.bind`.
    `behind(engine, asked, cell)` gives the subjects of one number as an Arrow table with the column `subject`; it may run in a
    web request, so it imports neither statsmodels nor lifelines nor pandas.
    `lacks(org)` gives "" or the sentence why it cannot be asked yet (an attribute that is not mapped: FZ-D2).
    """

    name: str
    label: str
    title: str
    question: str
    """In one sentence, what it answers."""
    parameters: Sequence[Parameter]
    read: "Callable[[SalesforceOrg, Mapping[str, Any]], dict[str, Any]]"
    compute: "Callable[[Engine, Asked], Document]"
    behind: "Callable[[Engine, Asked, Mapping[str, Any]], pa.Table] | None" = None
    lacks: Callable[[SalesforceOrg], str] = lambda org: ""
    nightly: Sequence[Mapping[str, Any]] = ({},)
    """Parameters of the analyses that every sync computes."""
    icon: str = "chart-line"


_kinds: dict[str, AnalysisKind] = {}


def register(kind: AnalysisKind) -> None:
    """Make `kind` known; the name must be free or be the same kind again."""
    if kind.name in _kinds and _kinds[kind.name] != kind:
        raise ValueError(f"Two kinds of analyses are called {kind.name}.")
    _kinds[kind.name] = kind


def get(name: str) -> AnalysisKind:
    """The kind of that name; KeyError names the known ones."""
    if name not in _kinds:
        raise KeyError(f"No analysis is called {name!r}; known: {', '.join(_kinds) or 'none'}.")
    return _kinds[name]


def every() -> list[AnalysisKind]:
    """All kinds in the order of registration, which is that of the pages."""
    return list(_kinds.values())
