"""What can go wrong in the lake, in sentences that give nobody's data away."""

import re

from integrations.access import Refusal

LITERAL = re.compile(r"'(?:[^']|'')*'?|\"[^\"]*\"?|(?<!Code: )\b\d{3,}\b")
ABOUT_STATEMENTS = ("Binder Error", "Catalog Error", "Parser Error")  # before any row is read; values come as parameters
LONGEST = 300


class EngineError(Refusal):
    """A statement failed. The sentence keeps the engine's words and hides every value in quotes (I-14)."""

    def __init__(self, message: str, code: str = "lake_engine") -> None:
        super().__init__(code, message)


class LakeBusy(Refusal):
    """Others change the same table all the time; a later try does it."""

    def __init__(self, message: str) -> None:
        super().__init__("lake_busy", message)


class LakeFull(Refusal, OSError):
    """The disk of the lake is full; nothing of the write is left behind (R-261)."""

    def __init__(self) -> None:
        Refusal.__init__(self, "lake_full", "No room for the lake's files: free some disk space, then run it again.")


def without_values(message: str) -> str:
    """The first line of an engine's message, literals hidden: they can be somebody's data."""
    first = (message.strip().splitlines() or [""])[0]
    shown = first if first.startswith(ABOUT_STATEMENTS) else LITERAL.sub("…", first)
    return shown[:LONGEST]
