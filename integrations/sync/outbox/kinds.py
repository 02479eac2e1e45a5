"""What may be written to Salesforce: the kinds of rows that domains hand to the outbox, and the rules of each.

A domain registers its kinds in its `apps.py`. The door itself (`door`) asks them which fields they may write.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.models import OutboxTarget, Run, SalesforceOrg
from integrations.orgs import posture
from integrations.salesforce.describe import ObjectInfo

OPERATIONS = frozenset(("update", "upsert", "delete"))
BLANKS = frozenset(("clear_if_written", "clear", "leave"))
HUMAN_EDITS = frozenset(("ours", "theirs", "ask"))
MayWrite = Callable[[OutboxTarget, ObjectInfo, str], str]
GoneRecords = Sequence[tuple[str, str]]
"""(key, Salesforce id) of rows whose record is deleted in Salesforce."""


@dataclass(frozen=True, slots=True)
class OutboxKind:
    """One kind of desired rows. `domain` pays for the calls (see `orgs.budget`).

    `may_write(target, object, field)` gives "" or the reason why the field must not be written; the door adds its own rules.
    `operations`: update (by Salesforce id), upsert (by an external id), delete (rows whose `remove` column is true).
    `parent_of`: the kind of the rows that `parent_key` names (may be this one): they are sent first, and a row waits while its
    parent is not accepted; "" when parents are not ours.
    `blank`: what a blank value does. `clear_if_written` clears a field only when we had written a value (PX-D13), `clear`
    clears it also in rows that we never wrote, `leave` never clears.
    `human_edits`: what `outbox.verify` does with a value that somebody changed in Salesforce (R-154): write over it (`ours`),
    leave it until our own value changes (`theirs`), or `ask`.
    `desired(target)` gives the rows of a dry run (see `intake.Desired`), or `Prepared` when some are left out; `targets(org)`
    the targets that there are or would be.
    `on_deleted(target, records, *, run, now)` hears of records that no longer exist, in the transaction that notes it (R-138).
    `fix(code, fields)` says how a person cures rows that came with a `problem`; `page(target)` is the address where.
    `job` pushes its rows: it is asked for when a person retries rows that must be made anew.
    `needs` are shown by the access check of every connection.
    """

    name: str
    label: str
    domain: str
    may_write: MayWrite
    operations: tuple[str, ...] = ("update",)
    parent_of: str = ""
    blank: str = "clear_if_written"
    human_edits: str = "ours"
    desired: Callable[[OutboxTarget], Any] | None = None
    targets: Callable[[SalesforceOrg], Iterable[OutboxTarget]] | None = None
    on_deleted: Callable[..., None] | None = None
    fix: Callable[[str, Sequence[str]], str] | None = None
    page: Callable[[OutboxTarget], str] | None = None
    job: str = ""
    needs: tuple[posture.Need, ...] = ()

    def __post_init__(self) -> None:
        if not self.operations or not set(self.operations) <= OPERATIONS:
            raise ValueError(f"{self.name}: operations are some of {', '.join(sorted(OPERATIONS))}.")
        if {"update", "upsert"} <= set(self.operations):
            raise ValueError(f"{self.name}: rows are either updated by id or upserted by an external id.")
        if self.blank not in BLANKS:
            raise ValueError(f"{self.name}: blank is one of {', '.join(sorted(BLANKS))}, not {self.blank!r}.")
        if self.human_edits not in HUMAN_EDITS:
            raise ValueError(f"{self.name}: human_edits is one of {', '.join(sorted(HUMAN_EDITS))}, not {self.human_edits!r}.")

    @property
    def saves_by(self) -> str:
        """`update` or `upsert`; "" for a kind that only deletes."""
        return next((name for name in ("update", "upsert") if name in self.operations), "")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Desired rows of a dry run, and how those that are left out are counted in its ledger (as a real run counts them)."""

    rows: Any
    tell: Callable[..., None]
    """`tell(recorder)`"""


_kinds: dict[str, OutboxKind] = {}


def register(kind: OutboxKind) -> None:
    """Make `kind` known; the name must be free or be the same kind again."""
    if kind.name in _kinds and _kinds[kind.name] != kind:
        raise ValueError(f"Two outbox kinds are called {kind.name}.")
    _kinds[kind.name] = kind
    for need in kind.needs:
        posture.register_need(need)


def get(name: str) -> OutboxKind:
    """The kind of that name; KeyError names the known ones."""
    if name not in _kinds:
        raise KeyError(f"No outbox kind is called {name!r}; known: {', '.join(sorted(_kinds)) or 'none'}.")
    return _kinds[name]


def every() -> list[OutboxKind]:
    """All kinds by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def in_order(names: Iterable[str]) -> list[OutboxKind]:
    """Those kinds, parents before children (R-147); kinds that wait for each other keep their order by name."""
    wanted = {name: get(name) for name in sorted(set(names))}
    placed: dict[str, OutboxKind] = {}

    def place(kind: OutboxKind, path: Mapping[str, None]) -> None:
        if kind.name in placed or kind.name in path:
            return
        if kind.parent_of in wanted:
            place(wanted[kind.parent_of], {**path, kind.name: None})
        placed.setdefault(kind.name, kind)

    for kind in wanted.values():
        place(kind, {})
    return list(placed.values())


def tell_deleted(target: OutboxTarget, records: GoneRecords, *, run: Run | None, now: datetime) -> None:
    """Tell the kind that these records are gone; call it inside the transaction that stores it."""
    heard = get(target.kind).on_deleted
    if heard is not None and records:
        heard(target, records, run=run, now=now)
