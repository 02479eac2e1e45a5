"""Records in Salesforce that belong to nobody in scope any more (MT-D2): listed, and removed only by an explicit order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from django.utils import timezone

from billing import kinds, preflight
from billing.models import BillingSettings
from billing.objects import BY_KEY, CUSTOMER_ACCOUNT, BillingObject
from billing.records import objects_of
from billing.rows import Told, stream
from integrations.access import Refusal
from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import OutboxTarget, SalesforceOrg
from integrations.sync.outbox.push import push_rows
from integrations.sync.outbox.targets import is_planned
from integrations.sync.runs import Recorder

LEFT = """
SELECT a.key_ AS key FROM accepted AS a LEFT JOIN wanted AS w ON w.key = a.key_
WHERE w.key IS NULL AND NOT coalesce(a.gone_, false) ORDER BY a.key_
"""
SHOWN = 20


@dataclass(frozen=True)
class Leftover:
    """Records of one object that would be removed."""

    object: BillingObject
    rows: int
    examples: list[str]


def find_leftovers(org: SalesforceOrg, *, now: datetime) -> list[Leftover]:
    """What is left over in each object, children first, as a removal would take it."""
    settings = preflight.settings_of(org)
    settings.org = org
    targets = {
        (each.kind, each.object): each
        for each in OutboxTarget.objects.filter(org=org, kind__startswith="billing.").select_related("accepted", "org")
    }
    found = []
    for billing_object in _objects(settings):
        place = kinds.kind_of(billing_object.key), billing_object.api_name(settings.prefix)
        if place not in targets:
            continue  # nothing was ever written there
        keys = leftover_keys(settings, billing_object.key, now=now, target=targets[place])
        if len(keys):
            found.append(Leftover(billing_object, len(keys), keys.slice(0, SHOWN).to_pylist()))
    return found


def _objects(settings: BillingSettings) -> list[BillingObject]:
    """What may have records there, children first: also the junction of a connection that has extra rows by now (MT-D1)."""
    pushed = objects_of(settings)
    kind = kinds.kind_of(CUSTOMER_ACCOUNT.key)
    former = CUSTOMER_ACCOUNT not in pushed and OutboxTarget.objects.filter(org=settings.org, kind=kind).exists()
    return [*((CUSTOMER_ACCOUNT,) if former else ()), *reversed(pushed)]


def leftover_keys(settings: BillingSettings, key: str, *, now: datetime, target: OutboxTarget | None = None) -> pa.ChunkedArray:
    """Keys that Salesforce accepted once and that nothing in scope has. `target`: where they go, if that was read before."""
    empty = pa.chunked_array([pa.array([], pa.string())])
    if not settings.prefix_known:
        return empty
    target = target or kinds.target_of(settings.org, settings, key)
    if target.accepted is None:
        return empty
    relation = reading.newest(target.accepted, columns=["key_", "gone_"])
    if not relation.files:
        return empty
    # Read to the end first: the engine would pull the stream from a thread of its own, with a connection of its own.
    schema = pa.schema([pa.field("key", pa.string())])
    used = BY_KEY[key] in objects_of(settings)
    wanted = pa.Table.from_batches(_keys(settings, key, now), schema) if used else schema.empty_table()
    with open_engine() as engine:
        engine.bind("accepted", relation)
        engine.bind("wanted", wanted)
        return engine.table(LEFT).column("key")


def _keys(settings: BillingSettings, key: str, now: datetime) -> Iterator[pa.RecordBatch]:
    for batch in stream(settings.org, settings, key, now=now, told=Told(), scoped=True):
        yield batch.select(["key"])


def perform(recorder: Recorder) -> None:
    """Remove what is left over, children before their parents. What came back into scope meanwhile stays."""
    org, now = recorder.org, timezone.now()
    assert org is not None
    settings = preflight.settings_of(org)
    if not settings.prefix_known or settings.missing:
        raise Refusal("not_ready", f"{org} does not have the billing objects.")
    for key in [each.key for each in _objects(settings)]:
        if key in recorder.checkpoint.get("done", []):
            continue
        keys = pa.chunked_array([pa.array([], pa.string())])
        target = kinds.target_of(org, settings, key)
        if target.accepted is None:
            continue
        if not is_planned(recorder.run, target):
            keys = leftover_keys(settings, key, now=now)
        rows = pa.table({"key": keys, "remove": pa.array([True] * len(keys), pa.bool_())})
        report = push_rows(recorder, target, rows, complete=False)
        if report.error:
            recorder.object(BY_KEY[key].plural).skipped(target.object, "not_removed", report.error)
        recorder.save({**recorder.checkpoint, "done": [*recorder.checkpoint.get("done", []), key]})
        recorder.breathe()
