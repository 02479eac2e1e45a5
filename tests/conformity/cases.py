"""One comparison: how to ask the demo org for what was recorded, and where it may differ and why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.conformity.api import Answer
from tests.conformity.world import World


@dataclass(frozen=True)
class Case:
    """`ask` gives our answer. `same` are the paths whose values must be equal, `[0].errorCode`. `allowed` are exceptions to
    the shape with their reasons. `ours` and `theirs` cut out the comparable part. `headers` must be present and of like form.
    """

    file: str
    ask: Callable[[World], Answer]
    same: tuple[str, ...] = ()
    allowed: dict[str, str] = field(default_factory=dict)
    ours: Callable[[Any], Any] = lambda body: body
    theirs: Callable[[Any], Any] = lambda body: body
    headers: tuple[str, ...] = ()
    status: int | None = None
    status_reason: str = ""


def value_at(body: Any, path: str) -> Any:
    """The value at a path such as `[0].fields` or `compositeResponse.[0].body`."""
    for part in path.replace("[", ".[").split("."):
        if not part:
            continue
        body = body[int(part[1:-1])] if part.startswith("[") else body[part]
    return body
