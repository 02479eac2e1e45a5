"""What does not fit, in one shape for forms, API, files and rows: where it is, a stable code, a sentence with the fix."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit. `path` names the place in a body (`pairs[2].target`), empty for a value of a row."""

    path: str
    code: str
    message: str

    def below(self, path: str) -> "Problem":
        """The same problem, seen from the thing that contains its place."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return replace(self, path=f"{path}{joint}{self.path}")


class ProblemsFound(ValueError):
    """A body that cannot be used, with everything that is wrong with it, not only the first thing."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__("; ".join(f"{each.path or 'body'}: {each.message}" for each in self.problems))

    def by_path(self) -> dict[str, list[str]]:
        """The sentences by place, as forms and the API show them."""
        found: dict[str, list[str]] = {}
        for each in self.problems:
            found.setdefault(each.path or "body", []).append(each.message)
        return found
