"""The job `product.health`: every customer's score, before each push, into the lake and onto an attribute (PX-42).

Computing again gives the same: rows of the same UTC day replace each other, attributes move only when the score does (I-02).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.access import Refusal
from integrations.lake.writing import StagedFile, open_writer, register
from integrations.models import Attribute, Customer, Entity, SalesforceOrg
from integrations.product import signals
from integrations.product.health import alarms, storing
from integrations.product.health.scoring import UNKNOWN, Part, Score, band_of, read_parts, score_of
from integrations.product.models import HealthDay, HealthScore
from integrations.sync.mapping.types import NUMBER, STRING
from integrations.sync.matching.saving import save_customers
from integrations.sync.runs import Recorder

JOB, LABEL, DOMAIN = "product.health", "Health scores", "product"
CRON = "45 2,10,18 * * *"  # after the KPIs of the day, a quarter of an hour before each push
PIECE = 2_000
BAND = "_band"
"""The attribute beside the score that says good, fair or poor."""
WORDS = {"good": "Good", "fair": "Fair", "poor": "Poor"}
Scored = tuple[int, Score, str]


@dataclass
class Computed:
    """What one computation came to."""

    day: date
    bands: Counter[str] = field(default_factory=Counter)
    total: int = 0
    changed: int = 0
    failed: int = 0
    files: list[StagedFile] = field(default_factory=list)

    @property
    def average(self) -> Decimal | None:
        """Mean of the customers that have a score."""
        count = sum(n for band, n in self.bands.items() if band != UNKNOWN)
        return (Decimal(self.total) / count).quantize(Decimal("0.01"), ROUND_HALF_UP) if count else None


def perform(recorder: Recorder) -> None:
    """Compute every active definition; one that cannot be computed fails alone (I-10)."""
    now = timezone.now()
    alarms.settle_gone(now=now)
    done: list[int] = list(recorder.checkpoint.get("done", []))
    for score in HealthScore.objects.filter(state=HealthScore.State.ACTIVE).exclude(pk__in=done).select_related("org"):
        org = org_of(score)
        if org is None:
            recorder.object(score.name).skipped(score.key, "no_connection", "No connection exists yet, so nothing is known.")
        else:
            try:
                compute(score, org, now=now, recorder=recorder)
            except Refusal as refusal:
                signals.wait_for_kpis(recorder, refusal, now=now)
        done.append(score.pk)
        recorder.save({**recorder.checkpoint, "done": done})
        recorder.breathe()


def compute(score: HealthScore, org: SalesforceOrg, *, now: datetime, recorder: Recorder | None = None) -> Computed:
    """Score every customer as of `now`: attributes first, then files, figures and the day in one transaction (I-03)."""
    parts, day = read_parts(score.parts), now.astimezone(UTC).date()
    make_attributes(score)
    found = Computed(day)
    table = storing.table_of(score)
    with open_writer(table) as writer:
        for piece in _pieces(score_customers(score, parts, org, now=now)):
            writer.write(storing.rows_of(piece, now=now, day=day, version=score.version))
            _count(found, score, piece, now, recorder)
    found.files = writer.files

    def keep() -> None:
        register(table, found.files, run=recorder.run if recorder else None, now=now)
        keep_day(score, found, now=now)

    if recorder is not None:
        recorder.save(recorder.checkpoint, also=keep)
    else:
        with transaction.atomic():
            keep()
    alarms.settle_many(score, found.bands["poor"], now=now)
    return found


def score_customers(
    score: HealthScore, parts: Sequence[Part], org: SalesforceOrg, *, now: datetime, only: Sequence[int] | None = None,
    fresh: bool = True,
) -> Iterator[Scored]:  # fmt: skip
    """Every customer (or those with the ids `only`) with score and band. `fresh`: see `signals.read_values`."""
    keys = [part.signal for part in parts]
    for customer, values in signals.read_values(org, keys, now=now, only=only, fresh=fresh):
        made = score_of(parts, values, least_known=score.least_known)
        yield customer, made, band_of(made.value, good_from=score.good_from, fair_from=score.fair_from)


def org_of(score: HealthScore) -> SalesforceOrg | None:
    """The connection whose cases count; without a choice the oldest one."""
    return score.org or SalesforceOrg.objects.order_by("pk").first()


def make_attributes(score: HealthScore) -> None:
    """The attributes that hold the score and its band."""
    for key, kind, label in ((score.key, NUMBER, score.name), (score.key + BAND, STRING, f"{score.name}: band")):
        about = {"label": label[:120], "type": kind, "description": "Computed before each push; 0 to 100." if kind == NUMBER
                 else "Good, Fair or Poor; blank when too little is known."}  # fmt: skip
        Attribute.objects.get_or_create(entity=Entity.CUSTOMER, key=key, defaults=about)


def keep_day(score: HealthScore, found: Computed, *, now: datetime) -> None:
    """The day's figures and when the score was computed last."""
    bands = {name: found.bands[name] for name in ("good", "fair", "poor", "unknown")}
    figures: dict[str, Any] = {**bands, "average": found.average, "version": score.version}
    HealthDay.objects.update_or_create(score=score, day=found.day, defaults=figures)
    HealthScore.objects.filter(pk=score.pk).update(computed_at=now, computed_version=score.version)


def _count(found: Computed, score: HealthScore, piece: Sequence[Scored], now: datetime, recorder: Recorder | None) -> None:
    """Write the attributes that differ, and count each customer in exactly one class (I-01)."""
    live = Customer.objects.filter(pk__in=[customer for customer, _, _ in piece])
    known = {pk: (name, attributes) for pk, name, attributes in live.values_list("pk", "external_id", "attributes")}
    rows = [
        row for customer, made, band in piece
        if customer in known and _differs(row := _attributes(score, known[customer][0], made, band), known[customer][1])
    ]  # fmt: skip
    _tell(score, piece, {pk: attributes for pk, (_, attributes) in known.items()}, now)
    said = {row.external_id: row for row in save_customers(rows, now=now).rows}
    found.changed += sum(row.status == "updated" for row in said.values())
    tally = recorder.object(score.name) if recorder is not None else None
    for customer, made, band in piece:
        found.bands[band] += 1
        found.total += made.value or 0
        name = known[customer][0] if customer in known else str(customer)
        row = said.get(name)
        if row is not None and row.status == "failed":
            found.failed += 1
            if tally is not None:
                tally.failed(name, "not_saved", "; ".join(text for each in row.errors.values() for text in each))
        elif tally is not None and band == UNKNOWN:
            tally.skipped(name, "too_little_known", "Too little is known for a score.")
        elif tally is not None:
            tally.counted("written" if row is not None else "unchanged", 1)
    if recorder is not None:
        recorder.save()


def _tell(score: HealthScore, piece: Sequence[Scored], known: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
    """Say whose band became poor and whose is not any more, by the attribute that still has the band of before."""
    was = {pk: str(attributes.get(score.key + BAND) or "") for pk, attributes in known.items()}
    fallen = [pk for pk, _, band in piece if band == "poor" and was.get(pk) in (WORDS["good"], WORDS["fair"])]
    names = {each.pk: str(each) for each in Customer.objects.filter(pk__in=fallen)}
    alarms.tell_fallen(score, [(pk, names[pk], was[pk]) for pk in fallen if pk in names], now=now)
    alarms.settle_risen(score, {pk for pk, _, band in piece if band != "poor"}, now=now)


def _differs(row: dict[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether the attributes stand otherwise in the database."""
    return any(stored.get(key) != (None if value is None else str(value)) for key, value in row["attributes"].items())


def _attributes(score: HealthScore, external_id: str, made: Score, band: str) -> dict[str, Any]:
    return {"external_id": external_id, "attributes": {score.key: made.value, score.key + BAND: WORDS.get(band)}}


def _pieces(scored: Iterable[Scored]) -> Iterator[list[Scored]]:
    rows = iter(scored)
    while piece := list(islice(rows, PIECE)):
        yield piece
