"""The job `mapping.pull` (PX-15, PX-D1): match what was fetched, then copy the mapped fields onto attributes of linked records.

In pieces: each is written together with its counts and the place to go on from (I-02, I-03). Works on pinned versions (I-13);
a field that no longer fits costs only itself (R-053, R-055).
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone

from integrations.access import Refusal
from integrations.lake.engine import open_engine
from integrations.models import Entity, Mapping, MirrorField
from integrations.sync.mapping import facts, pins, shape, stage, versions
from integrations.sync.mapping.body import PULL, MappingBody
from integrations.sync.mapping.check import Usable
from integrations.sync.mapping.counting import PAIRS_TALLY, TALLIES, Listing, note_dropped
from integrations.sync.mapping.writing import write_attributes
from integrations.sync.matching.match import match_entity
from integrations.sync.mirror import tables
from integrations.sync.runs import Recorder

if TYPE_CHECKING:
    from integrations.sync.mapping.filling import Filled, Filling

JOB, LABEL = "mapping.pull", "Match and map"


def perform(recorder: Recorder) -> None:
    """Match and map every active mapping of the connection that retrieves."""
    now = timezone.now()
    pinned = pins.pin(recorder, wanted=lambda body: body.retrieve)
    if not pinned:
        return
    loaded = [(*pins.load(pk, number), number) for pk, number in pinned.items()]
    if "staged" not in recorder.checkpoint:
        found = stage.await_stage(recorder, [body.object for _, body, _ in loaded], now=now)
        stage.warn(recorder, found, now=now)
        recorder.save({**recorder.checkpoint, "staged": True, "done": []})
    for mapping, body, number in loaded:
        if mapping.pk not in recorder.checkpoint["done"]:
            pull_mapping(recorder, mapping, body, number, now=now)
            done = [*recorder.checkpoint["done"], mapping.pk]
            recorder.save({**recorder.checkpoint, "done": done})
            recorder.breathe()


def pull_mapping(recorder: Recorder, mapping: Mapping, body: MappingBody, number: int, *, now: datetime) -> None:
    """One mapping: judge its shape, match, fill."""
    known = facts.know_object(mapping.org, mapping.entity, body.object)
    usable = shape.judge(mapping, body, known, now=now)
    if known.info is None:
        recorder.object(PAIRS_TALLY).failed(body.object, "unknown_object", mapping.reason)
        recorder.save({**recorder.checkpoint})
        return
    note_dropped(recorder, usable, PULL)
    if mapping.pk not in recorder.checkpoint.get("matched", []):
        match(recorder, mapping, number)
        recorder.save({**recorder.checkpoint, "matched": [*recorder.checkpoint.get("matched", []), mapping.pk]})
        recorder.breathe()
    fill_attributes(recorder, mapping, usable, now=now)


def match(recorder: Recorder, mapping: Mapping, number: int) -> None:
    """Match first (PX-15), by the rules of the pinned version. Doing it again in the same run changes nothing."""
    try:
        match_entity(recorder, versions.version_of(mapping, number))
    except Refusal as refusal:  # never read yet
        recorder.object(PAIRS_TALLY).skipped(f"{mapping.get_entity_display()}: match", refusal.code, refusal.message)


def fill_attributes(recorder: Recorder, mapping: Mapping, usable: Usable, *, now: datetime) -> None:
    """Copy the mapped fields of every linked record, a piece at a time."""
    fillings = fillings_of(recorder, mapping, usable)
    if not fillings:
        return
    try:
        records = tables.live(mapping.org, usable.body.object, ["Id", *dict.fromkeys(each.info.name for each in fillings)])
    except Refusal:  # never read yet: `stage.warn` has said so
        return
    from integrations.sync.mapping.filling import fill_piece
    from integrations.sync.mapping.linked import read_linked

    listing = Listing(recorder.object(TALLIES[Entity(mapping.entity)]))
    keys = [each.pair.source for each in fillings]
    place = recorder.checkpoint.get("after", {}).get(str(mapping.pk), 0)
    with open_engine() as engine:
        engine.bind("records", records)
        for piece in read_linked(mapping.org, mapping.entity, usable.body.object, keys, after=place):
            pins.check(mapping, usable.body)
            filled = fill_piece(engine, piece, fillings, listing)
            place = piece.column("id")[-1].as_py()
            _save_piece(recorder, mapping, filled, place, now=now)
            recorder.breathe()
    pins.check(mapping, usable.body)  # links that were reset meanwhile just ended


def fillings_of(recorder: Recorder, mapping: Mapping, usable: Usable) -> "list[Filling]":
    """The pairs that can be filled now; a field that was added to the mapping and not read yet waits for the next fetch."""
    from integrations.sync.mapping.filling import Filling

    pairs = usable.body.pairs_of(PULL)
    info = facts.describe(mapping.org, usable.body.object)
    mirror = tables.mirror_of(mapping.org, usable.body.object)
    fields = {each.name.lower(): each for each in MirrorField.objects.filter(object=mirror)} if mirror else {}
    kinds = tables.kinds_of(mapping.org, mirror.name) if mirror else {}
    fillings = []
    for pair in pairs:
        mirrored, field = fields.get(pair.target.lower()), info.field(pair.target) if info else None
        if field is None or mirrored is None or field.name not in kinds or mirrored.state == MirrorField.State.GONE:
            text = f"{pair.target} has not been fetched yet; it is filled after the next fetch."
            recorder.object(PAIRS_TALLY).skipped(f"{usable.body.object}: {shape.name_of_pair(pair)}", "not_fetched", text)
        else:
            partly_read = mirrored.state != MirrorField.State.ACTIVE
            fillings.append(Filling(pair, field, partly_read, kept_as=kinds[field.name]))
    return fillings


def _save_piece(recorder: Recorder, mapping: Mapping, filled: "Filled", place: int, *, now: datetime) -> None:
    """The changed rows, their counts and the place to go on from, in one transaction."""
    checkpoint = {**recorder.checkpoint, "after": {**recorder.checkpoint.get("after", {}), str(mapping.pk): place}}
    recorder.save(checkpoint, also=lambda: _write(mapping.entity, filled, now))


def _write(entity: str, filled: "Filled", now: datetime) -> None:
    write_attributes(entity, filled.patches, now=now)
