"""Reading the parameters of the analyses of outcomes: every value checked, all problems told at once by parameter key."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analytics.analyses.kinds import Choice
from analytics.models import FactsState
from analytics.outcomes.groupings import GROUPINGS
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import Problem, ProblemsFound

TRUE, FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no", "")
NO_FACTS = "The facts of this connection have not been computed yet: start the sync of analytics first."


class Reader:
    """One body of parameters. Ask for each, then call `result`, which raises `ProblemsFound` if anything was wrong."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._problems: list[Problem] = []
        self.values: dict[str, Any] = {}

    def choice(self, key: str, allowed: Iterable[str], default: str) -> str:
        """One of a few words."""
        return self._keep(key, self._of(key, self._text(key, default), list(allowed), default))

    def choices(self, key: str, allowed: Iterable[str], default: Sequence[str] = ()) -> list[str]:
        """Any of a few words, in the order of `allowed`, each once."""
        raw = self._data.get(key)
        listed = [raw] if isinstance(raw, str) else list(raw) if isinstance(raw, list | tuple) else list(default)
        known = list(allowed)
        chosen = {self._of(key, str(each).strip(), known, "") for each in listed if str(each).strip()}
        return self._keep(key, [each for each in known if each in chosen])

    def whole(self, key: str, low: int, high: int, default: int) -> int:
        """A whole number within limits."""
        text = self._text(key, str(default))
        try:
            value = int(text)
        except ValueError:
            self.problem(key, "not_whole", f"{text[:40]!r} is no whole number; give one from {low} to {high}.")
            return self._keep(key, default)
        if not low <= value <= high:
            self.problem(key, "out_of_range", f"Give a whole number from {low} to {high}, not {value}.")
        return self._keep(key, value)

    def flag(self, key: str, default: bool) -> bool:
        """Yes or no."""
        raw = self._data.get(key, default)
        text = str(raw[-1] if isinstance(raw, list | tuple) and raw else raw).strip().lower()
        if text not in (*TRUE, *FALSE):
            self.problem(key, "not_a_flag", f"{text[:40]!r} is neither yes nor no; give true or false.")
        return self._keep(key, text in TRUE)

    def text(self, key: str, default: str, *, longest: int = 400) -> str:
        """Free text."""
        value = self._text(key, default)
        if len(value) > longest:
            self.problem(key, "too_long", f"At most {longest} characters.")
        return self._keep(key, value)

    def grouping(self, key: str, *, others: Iterable[str] = (), default: str = "") -> str:
        """An attribute of customers, or one of some other words; empty: none."""
        return self.choice(key, ["", *others, *GROUPINGS], default)

    def problem(self, key: str, code: str, message: str) -> None:
        """Something is wrong with a parameter."""
        self._problems.append(Problem(key, code, message))

    @property
    def is_fine(self) -> bool:
        """Whether nothing was wrong so far."""
        return not self._problems

    def result(self) -> dict[str, Any]:
        """All values that were asked for; `ProblemsFound` when any was wrong."""
        if self._problems:
            raise ProblemsFound(self._problems)
        return dict(sorted(self.values.items()))

    def _text(self, key: str, default: str) -> str:
        raw = self._data.get(key)
        if isinstance(raw, list | tuple):
            raw = raw[-1] if raw else None
        return default if raw is None or str(raw).strip() == "" else str(raw).strip()

    def _of(self, key: str, value: str, allowed: Sequence[str], default: str) -> str:
        if value in allowed:
            return value
        named = ", ".join(each for each in allowed if each)
        self.problem(key, "unknown_choice", f"{value[:60]!r} is not offered; choose one of {named}.")
        return default

    def _keep(self, key: str, value: Any) -> Any:
        self.values[key] = value
        return value


def lacks_facts(org: SalesforceOrg) -> str:
    """The sentence that nothing was computed yet, else nothing."""
    return "" if FactsState.objects.filter(org=org).exists() else NO_FACTS


def grouping_choices(org: SalesforceOrg) -> list[Choice]:
    """The attributes by which customers can be told apart."""
    return [Choice(key, label) for key, label in GROUPINGS.items()]
