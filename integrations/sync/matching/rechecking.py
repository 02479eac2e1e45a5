"""Judging links of rules anew, because an admin asked (PX-D8): the same stay, others move, those that nothing finds go.

Links made by hand, locked and kept-apart ones are not touched. More than a fifth at once waits for a person's yes (I-11).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from integrations.lake.engine import Engine
from integrations.models import MappingVersion
from integrations.sync import guard
from integrations.sync.matching import keys, link_store
from integrations.sync.matching.cascade import FOLDER, Cascade, Found
from integrations.sync.matching.rounds import Round
from integrations.sync.matching.storing import store_found
from integrations.sync.runs import Recorder

if TYPE_CHECKING:
    import pyarrow as pa

REASON = "No rule finds this record any more."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a re-check came to: pairs for which several records fitted or were held back, links that went, or wait for a yes."""

    ambiguous: int
    held_back: int
    removed: int
    needs_yes: int


def store(
    engine: Engine, recorder: Recorder, about: Round, version: MappingVersion, cascade: Cascade, *, now: datetime
) -> Outcome:
    """Evaluate everything, compare with the links, ask if need be, and store."""
    everything = list(cascade.found())
    moves, gone, active = _compare(engine, about, everything)
    changes = [f"{record}:{old}>{new}" for record, old, new in moves] + [f"{record}:{old}>" for record, old in gone]
    allowed = guard.ask(
        about.org, subject=f"links/{about.plan.object} re-check"[:120], effect="unlink", rows=len(changes), of_rows=active,
        digest=guard.digest_of(changes), examples=changes[: guard.EXAMPLES], run=recorder.run, now=now,
    )  # fmt: skip
    for found in everything:
        store_found(recorder, about, version, found, replace=allowed, now=now)
    ids = [record for record, _ in gone]
    if allowed:
        link_store.remove_links(about.org, about.entity, ids, reason=REASON, run=recorder.run, now=now)
    else:
        cascade.leave_out(ids)
    ambiguous, held_back = sum(each.ambiguous for each in everything), sum(each.held_back for each in everything)
    return Outcome(ambiguous, held_back, len(gone) if allowed else 0, 0 if allowed else len(changes))


def _compare(
    engine: Engine, about: Round, everything: list[Found]
) -> tuple[list[tuple[int, str, str]], list[tuple[int, str]], int]:
    """Links that would lead elsewhere (record, old, new), links that nothing finds, and how many active links there are."""
    links = link_store.link_table(about.org, about.entity, active=True)
    pc = keys.arrow_functions()
    engine.bind("links", links.filter(links.column("free")))
    engine.bind("pairs", _pairs(everything))
    moves = engine.rows(engine.sql(f"{FOLDER}/recheck_moves.sql"))
    gone = engine.rows(engine.sql(f"{FOLDER}/recheck_gone.sql"))
    return moves, gone, pc.sum(pc.equal(links.column("state"), "active")).as_py() or 0  # type: ignore[return-value]


def _pairs(everything: list[Found]) -> "pa.Table":
    import pyarrow as pa

    tables = [each.pairs.select(["id", "best"]) for each in everything]
    schema = pa.schema([("id", pa.int64()), ("best", pa.string())])
    return pa.concat_tables([each.cast(schema) for each in tables]) if tables else schema.empty_table()
