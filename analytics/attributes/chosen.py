"""What was chosen for record groups of a map: handed from the choosers to the preset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics.attributes.body import Source


@dataclass(frozen=True)
class Chosen:
    """Sources by attribute, which of them are guesses, settings that go with them, names that fit with types that do not."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    guessed: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
