"""What of the last computation is taken over: rows of subjects of which nothing changed that their rows are made of.

The spans of a subject depend on its transactions, the rates and the settings; its movements on its spans, the gaps that are
bridged and the midnight. Both steps are computed for the subjects that differ in that, and the stored rows of the others stay.
When rates, settings or the rules themselves are others, everything is computed.
"""
# ruff: noqa: S608 - names are ours

import hashlib
import json
from datetime import timedelta
from typing import Any

from analytics.facts import tables
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.working import Work
from integrations.lake.reading import Relation

RULES = 1
"""Number of the rules by which spans and movements are made; a new one computes everything anew."""


def takes_over(work: Work, step: str, depends: Any) -> bool:
    """Whether stored rows of a step can stay: all that its rows depend on besides their subjects is as it was, and time did
    not go back. Notes it for the next computation."""
    digest = hashlib.sha256(json.dumps([RULES, depends], sort_keys=True).encode()).hexdigest()[:20]
    work.inputs[step] = digest
    if work.seen.get(step) != digest or work.before is None or work.before > work.as_of:
        return False
    work.taken_over.add(step)
    return True


def bind_changed_subjects(work: Work, *, is_again: bool) -> None:
    """`changed_subjects`: those whose transactions are others than at the last computation; all of them unless `is_again`."""
    if not is_again:
        keep(work.engine, "changed_subjects", "SELECT DISTINCT subject FROM transactions")
        return
    work.engine.bind("old_transactions", tables.facts(work.org, "transactions"))
    names = ", ".join(f'"{name}"' for name, _ in tables.WORKING["transactions"])
    now, old = (f"SELECT {names} FROM {name}" for name in ("transactions", "old_transactions"))
    came, went = (f"SELECT subject FROM ({a} EXCEPT {b}) AS d" for a, b in ((now, old), (old, now)))
    keep(work.engine, "changed_subjects", f"SELECT DISTINCT subject FROM ({came} UNION ALL {went}) AS changed")


def bind_moved_subjects(work: Work, *, is_again: bool) -> None:
    """`moved_subjects`: those whose spans changed, and those of which a term begins or ends in the days since the last
    computation, because movements of days to come are not stored; all of them unless `is_again`."""
    if not is_again or work.before is None:
        keep(work.engine, "moved_subjects", "SELECT DISTINCT subject FROM spans")
        return
    since = work.before.date() - timedelta(days=1)
    keep(work.engine, "moved_subjects", sql_of(work.engine, "moved_subjects"), since=since, until=work.today)


def keep_with_stored(work: Work, name: str, stored: Relation, changed: str, *, is_again: bool) -> None:
    """The rows `new_<name>` as `name`, with the stored ones of subjects that are not in `changed` while `is_again`."""
    names = ", ".join(f'"{each}"' for each in stored.names)
    text = f"SELECT {names} FROM new_{name}"
    if is_again:
        work.engine.bind(f"old_{name}", stored)
        text += f" UNION ALL SELECT {names} FROM old_{name} WHERE subject NOT IN (SELECT subject FROM {changed})"
    keep(work.engine, name, text)
    let_go(work.engine, f"new_{name}")
