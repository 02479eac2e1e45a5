"""Pairs that the cascade found into links and journal, batch by batch."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from integrations.models import MappingVersion
from integrations.sync.matching import link_store
from integrations.sync.matching.cascade import Found
from integrations.sync.matching.link_store import Match
from integrations.sync.matching.rounds import Round
from integrations.sync.runs import Recorder

STORED_ROWS = 20_000  # pairs a transaction


def store_found(
    recorder: Recorder, about: Round, version: MappingVersion, found: Found, *, replace: bool = False, now: datetime
) -> None:
    """All pairs of one rule; a turn may end after each batch."""
    for batch in _batches(found):
        _store_batch(recorder, about, version, batch, replace=replace, now=now)
        recorder.breathe()


def _batches(found: Found) -> Iterator[list[Match]]:
    pairs = found.matches()
    while batch := list(islice(pairs, STORED_ROWS)):
        yield batch


def _store_batch(
    recorder: Recorder, about: Round, version: MappingVersion, batch: list[Match], *, replace: bool, now: datetime
) -> None:

    def write() -> None:
        link_store.store_matches(
            about.org,
            about.entity,
            about.plan.object,
            batch,
            version=version.number,
            run=recorder.run,
            now=now,
            replace=replace,
        )

    recorder.save(also=write)
