"""What a part of the file is: its place, the parts of an entry with their types, and how entries are read, saved and removed.

An entry is plain data. What a file does not say about an entry stays as it is; a new entry begins with the defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg

Entry = dict[str, Any]
LIST, ONE, NAMED = "list", "one", "named"
CONNECTIONS = "connections"
WORDS = {"text": "text", "whole": "a whole number", "number": "a number", "flag": "true or false", "list": "a list",
         "object": "an object with names and values"}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One part of an entry: its kind (a key of `WORDS`), what a new entry has, and whether it may be empty (null)."""

    kind: str
    default: Any = ""
    nullable: bool = False

    def problem_of(self, value: Any) -> str:
        """Why a value cannot stand there; "" when it can."""
        if value is None:
            return "" if self.nullable else f"must be {WORDS[self.kind]}, not empty."
        fits = {
            "text": isinstance(value, str), "flag": isinstance(value, bool),
            "whole": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, int | Decimal) and not isinstance(value, bool),
            "list": isinstance(value, list), "object": isinstance(value, dict),
        }  # fmt: skip
        if fits[self.kind]:
            return ""
        quote = self.kind == "text" and not isinstance(value, list | dict)
        return f"must be {WORDS[self.kind]}{': put it in quotation marks' if quote else ''}."


def text(default: str | None = "") -> Part:
    """A part that is text; None as default: it may be empty."""
    return Part("text", default, nullable=default is None)


def whole(default: int | None = 0) -> Part:
    """A part that is a whole number; None as default: it may be empty."""
    return Part("whole", default, nullable=default is None)


def flag(default: bool) -> Part:
    """A part that is true or false."""
    return Part("flag", default)


@dataclass(frozen=True)
class Work:
    """For whom and when something is done, and in which connection (None: for the whole company)."""

    actor: Person | None
    now: datetime
    org: SalesforceOrg | None = None

    @property
    def place(self) -> SalesforceOrg:
        """The connection of a part that stands below one."""
        assert self.org is not None
        return self.org

    def person(self) -> Any:
        """Who does it, for verbs that ask for the role of a person."""
        if self.actor is None:
            raise Refusal("no_person", "Only a person may do this: name an admin with --user NAME.")
        return self.actor


class Section:
    """One part of the file. `place` is its path in the document, below its connection when `per_org`."""

    place: tuple[str, ...] = ()
    label = ""
    form = LIST
    keys: tuple[str, ...] = ("name",)
    parts: Mapping[str, Part] = {}
    names: tuple[str, ...] = ()
    """What entries of a `NAMED` section can be called."""
    per_org = False
    asks_salesforce = False
    may_hold_ids = False
    removable = False
    stays = False
    """Belongs to its connection alone: left out where a connection of a file stands for another one."""
    own_facts: frozenset[str] = frozenset()
    """Parts that belong to a connection alone, for the same reason."""

    @property
    def title(self) -> str:
        """The place as the file writes it."""
        return ".".join(self.place)

    @property
    def known(self) -> Mapping[str, Part]:
        """All parts of an entry, what names it first."""
        named = {key: text() for key in self.keys if key not in self.parts} if self.form == LIST else {}
        return {**named, **self.parts}

    def key_of(self, entry: Mapping[str, Any]) -> str:
        """What an entry is called among its like."""
        return "/".join(str(entry[key]) for key in self.keys) if self.form == LIST else ""

    def read(self, work: Work) -> dict[str, Entry]:
        """What there is, by key, in an order that does not change."""
        raise NotImplementedError

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Create or change one entry; `entry` is complete. Raises what the domain's verb raises."""
        raise NotImplementedError

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """Take one entry away."""
        raise NotImplementedError

    def may_remove(self, entry: Entry) -> bool:
        """Whether removing this entry would change anything."""
        return True

    def ask_ahead(self, key: str, entry: Entry, work: Work) -> None:
        """Ask Salesforce for what saving will need, so that no transaction waits for it."""

    def in_order(self, entries: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
        """Entries so that each comes after those that it names."""
        return list(entries)

    def complete(self, given: Mapping[str, Any], before: Mapping[str, Any] | None) -> Entry:
        """An entry as the file wants it: what is not said is as before, or as usual when it is new."""
        return {**(before if before is not None else self.usual()), **given}

    def renamed(self, given: Entry, renames: Mapping[str, str]) -> Entry:
        """The entry with other names of connections, where it names any."""
        return given

    def differs(self, entry: Entry, before: Entry | None) -> bool:
        """Whether there is something to save."""
        return before is None or entry != before

    def usual(self) -> Entry:
        """What a new entry has."""
        return {name: part.default for name, part in self.parts.items()}


def plain(value: Any) -> Any:
    """A value as the file has it: dates as ISO text, exact numbers, lists and objects of those."""
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Decimal):
        return value.normalize() if value == value.to_integral_value() else value
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return str(value)


def json_ready(value: Any) -> Any:
    """A value of the file as JSON columns take it: numbers as int or float."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: json_ready(each) for name, each in value.items()}
    if isinstance(value, list):
        return [json_ready(each) for each in value]
    return value
