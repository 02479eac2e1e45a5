"""One demo org: its schema, records, clock, settings, sessions, faults and ledger of calls, held together."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from integrations.demo_org import late
from integrations.demo_org.caller import Caller
from integrations.demo_org.clock import Clock
from integrations.demo_org.faults import Faults
from integrations.demo_org.hindrances import Locks
from integrations.demo_org.ids import make_ids
from integrations.demo_org.ledger import Ledger
from integrations.demo_org.recent import Recent
from integrations.demo_org.rights import Rights
from integrations.demo_org.schema.changes import Draft, with_currency
from integrations.demo_org.schema.stored import field_to_json, object_to_json
from integrations.demo_org.schema.types import Field, ObjectType, Schema
from integrations.demo_org.settings import Settings
from integrations.demo_org.store import Store
from integrations.demo_org.usage import Usage
from integrations.demo_org.visibility import Visibility

if TYPE_CHECKING:
    from integrations.demo_org.automation.active import Automation
    from integrations.demo_org.oauth.sessions import Sessions

__all__ = ["Caller", "DemoOrg", "OrgInfo", "Writes"]
INSTANCE = "dM"
ORG_NUMBER = 7_154_321


@dataclass
class OrgInfo:
    """Facts of the org itself. `base_url` is set when the server starts and is only a default: links use the request's."""

    org_id: str
    name: str = "Harbor & Pine Demo"
    base_url: str = ""


@dataclass
class Writes:
    """What saves changed since the last reset, for tests that count."""

    saves: int = 0
    rows: int = 0
    failed: int = 0
    by_object: dict[str, int] = field(default_factory=dict)

    def clear(self) -> None:
        """Start counting anew."""
        self.saves = self.rows = self.failed = 0
        self.by_object = {}


class DemoOrg:
    """Everything that belongs to one org. Open it with `open_org`."""

    def __init__(self, directory: Path, *, objects: Iterable[ObjectType]) -> None:
        """Use the data in `directory`, with the given object types plus what was deployed there earlier."""
        self.directory = directory
        self._standard = tuple(objects)
        self.clock = Clock()
        self.settings = Settings()
        self.faults = Faults()
        self.rights = Rights()
        self.locks = Locks()
        self.calls = Ledger()
        self.usage = Usage(self.clock, self.settings)
        self.writes = Writes()
        self.recent = Recent()
        self.sessions: Sessions
        self.automation: Automation
        self.info = OrgInfo(make_ids("00D", INSTANCE, ORG_NUMBER, 1)[0])
        self.schema = Schema(self._standard)
        self.draft = Draft({})
        self.schema_number = 0
        self.visibility = Visibility(self)
        self._on_reset: list[Callable[[], None]] = []
        self._on_close: list[Callable[[], None]] = []
        self.store = Store(directory, self.schema, instance=INSTANCE)
        self.load_schema()
        self.late_due: float | None = late.next_due(self)

    def schema_for(self, caller: Caller | None) -> Schema:
        """What the caller can see: without hidden objects and fields, deployed fields only where they are granted."""
        if caller is not None and caller.sees_all:
            return self.schema
        return self.visibility.of(caller).schema

    def schema_changed_at(self, caller: Caller | None) -> str:
        """Since when the caller's schema is as it is."""
        return self.visibility.of(caller).since

    def load_schema(self) -> None:
        """Build the schema from the catalogue and the deployed metadata of the data file."""
        catalogue = {each.name.lower(): with_currency(each) for each in self._standard}
        draft = Draft(catalogue).apply(orjson.loads(self.store.get_meta("metadata") or "[]"))
        self.store.create_tables(draft.objects.values())
        self._use(draft)

    def _use(self, draft: Draft) -> None:
        """Make a draft the org's schema."""
        self.draft, self.schema = draft, draft.schema()
        self.schema_number += 1
        self.store.schema = self.schema

    def add_object(self, kind: ObjectType) -> None:
        """Create (or replace the description of) a custom object; kept over restarts. Standard fields must be included."""
        self.change_schema([{"kind": "object", "body": object_to_json(kind)}])

    def add_field(self, object_name: str, made: Field) -> None:
        """Create (or change) a custom field; kept over restarts."""
        self.change_schema([{"kind": "field", "object": object_name, "body": field_to_json(made)}])

    def change_schema(self, rows: Sequence[Mapping[str, Any]], *, also: Callable[[], None] | None = None) -> None:
        """Remember changes of the schema (see `schema.changes`) and make, rename or drop the tables and columns.

        `also` runs in the same transaction: if it raises, nothing changes. Others see the new schema once it is committed.
        """
        draft = self.draft.copy().apply(rows)
        with self.store.write():
            if rows:
                known = orjson.loads(self.store.get_meta("metadata") or "[]")
                self.store.set_meta("metadata", orjson.dumps([*known, *rows]).decode())
                for row in rows:
                    self.store.follow_change(row)
                self.store.create_tables(draft.objects.values())
            if also is not None:
                also()
        if rows:
            self._use(draft)

    def next_custom_prefix(self) -> str:
        """A free key prefix for a new custom object: a00, a01, ..."""
        taken = {each.key_prefix for each in self.schema.objects.values()}
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        return next(f"a{a}{b}" for a in digits for b in digits if f"a{a}{b}" not in taken)

    def on_reset(self, forget: Callable[[], None]) -> None:
        """Call `forget` after each reset (for what a feature keeps in memory)."""
        self._on_reset.append(forget)

    def on_close(self, end: Callable[[], None]) -> None:
        """Call `end` before the files are closed (for what works in the background)."""
        self._on_close.append(end)

    def reset(self) -> None:
        """Everything as freshly seeded: records, settings, clock, faults, ledger, counters."""
        self.store.reset()
        self.clock.use_real()
        fresh = Settings()
        self.settings.update(fresh.as_dict())
        self.faults.clear()
        self.rights.clear()
        self.locks.clear()
        self.calls.clear()
        self.usage.clear()
        self.writes.clear()
        self.recent.clear()
        self.load_schema()
        self.late_due = late.next_due(self)
        for forget in self._on_reset:
            forget()

    def close(self) -> None:
        """Stop what runs in the background and close the files."""
        for end in self._on_close:
            end()
        self.store.close()
