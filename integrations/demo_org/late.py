"""Late commits: a write that becomes visible some time after its SystemModstamp, as long transactions do.

Until it is due it lies outside the object tables, so that nobody who reads needs to know about it.
"""

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from integrations.demo_org import consequences
from integrations.demo_org.rows import RowsRefused

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg
    from integrations.demo_org.saving import Work


def write_rows(work: "Work", sql: str, rows: Iterable[tuple[object, ...]], part: consequences.Part) -> None:
    """Write the rows now, or put them aside when the settings ask for late commits."""
    seconds = work.org.settings.late_commit_seconds
    if seconds <= 0:
        consequences.remember(work, part)
        work.connection.executemany(sql, rows)
        work.parts.append(part)
        return
    body = {
        "object": work.stored.name, "sql": sql, "rows": list(rows), "ids": part.ids, "names": sorted(part.names),
        "is_new": part.is_new, "stamp": work.stamp, "user": work.caller.user_id,
    }  # fmt: skip
    due = work.org.clock.now().timestamp() + seconds
    work.connection.execute("INSERT INTO _late (due, body) VALUES (?, ?)", (due, orjson.dumps(body).decode()))
    work.org.late_due = min(due, work.org.late_due or due)


def next_due(org: "DemoOrg") -> float | None:
    """When the earliest late write becomes visible (epoch seconds), or None."""
    return org.store.read().execute("SELECT MIN(due) FROM _late").fetchone()[0]


def apply_due(org: "DemoOrg") -> int:
    """Make visible what is due; how many writes that were. Quick when nothing is."""
    if org.late_due is None or org.clock.now().timestamp() < org.late_due:
        return 0
    with org.store.write() as connection:
        now = org.clock.now().timestamp()
        found = connection.execute("SELECT number, body FROM _late WHERE due <= ? ORDER BY number", (now,)).fetchall()
        for number, body in found:
            write = orjson.loads(body)
            part = consequences.Part(write["ids"], frozenset(write["names"]), is_new=write["is_new"])
            kind = org.schema.objects[write["object"].lower()]
            work = consequences.Deed(org, connection, kind, write["stamp"], write["user"], [part])
            consequences.remember(work, part)
            connection.executemany(write["sql"], write["rows"])
            with contextlib.suppress(RowsRefused):  # the client has its answer long since
                consequences.follow(work)
            connection.execute("DELETE FROM _late WHERE number = ?", (number,))
        org.late_due = next_due(org)
    return len(found)
