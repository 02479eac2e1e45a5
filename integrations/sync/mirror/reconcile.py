"""Job mirror.reconcile: is everything here that is there, and nothing else (I-05)?

Daily, for each object: ask the list of deletions, ask COUNT() and count the same records here. Only when the numbers differ, or
once a week, or when the object is so small that it costs no more, all ids and versions are listed and compared. What is
missing or older than it should be is fetched; what is nowhere in Salesforce is marked as deleted, which needs a person's yes
when it is a fifth of the object (I-11). A record that left a part of the org that we may see looks just like a deleted one: the
mark keeps its values, and takes itself back when the record can be seen again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.lake import erasures
from integrations.models import LakeTable, MirrorObject, SalesforceOrg
from integrations.salesforce import soql
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import MalformedQuery, QueryTooSlow
from integrations.sync import guard
from integrations.sync.mirror import comparing, deletions, drift, fetching, news, tables
from integrations.sync.mirror.comparing import CREATED, Difference, Scope
from integrations.sync.mirror.planning import Column, choose_fields
from integrations.sync.mirror.rounds import go_round
from integrations.sync.mirror.sweeping import Round, listed, open_round
from integrations.sync.mirror.tables import KEY, REMOVED
from integrations.sync.runs import Recorder

JOB = "mirror.reconcile"
SMALL = 2_000  # records: listing them is one call, as counting is
IDS_EVERY = timedelta(days=7)
MOST_REPAIRED = 100_000  # of one object and run: about 200 calls
NAMED = 100  # repaired records that the ledger names; all are counted


def perform(recorder: Recorder) -> None:
    """Reconcile every mirrored object of the connection, or those that the run's arguments name (`objects`).

    With the argument `ids` every id is compared, whatever the counts say.
    """
    now = timezone.now()
    with open_round(recorder) as going:
        org = going.client.org
        go_round(going, mirrored_objects(org, recorder.run.arguments.get("objects", ())), reconcile_object, now=now)
    drift.report(org, now=timezone.now())


def mirrored_objects(org: SalesforceOrg, names: Sequence[str] = ()) -> list[MirrorObject]:
    """What was read at least once and is still needed; hidden objects too, because they may be back."""
    states = [MirrorObject.State.ACTIVE, MirrorObject.State.NO_ACCESS, MirrorObject.State.GONE]
    found = MirrorObject.objects.filter(org=org, state__in=states, watermark__isnull=False, table__isnull=False)
    chosen = {name.lower() for name in names}
    return [each for each in found.select_related("org", "table").order_by("name") if not chosen or each.name.lower() in chosen]


def has_mirror(org: SalesforceOrg) -> bool:
    """Whether there is anything to reconcile."""
    return bool(mirrored_objects(org))


@dataclass
class Repair:
    """What one reconciliation put right, and what it had to leave."""

    fetched: int = 0
    buried: int = 0
    waiting: int = 0
    left: int = 0


def reconcile_object(going: Round, mirror: MirrorObject, info: ObjectInfo) -> None:
    """Make the mirror of one object equal to the org, and keep what was found on it."""
    now = timezone.now()
    table = fetching.table_of(mirror)
    scope = comparing.scope_of(mirror, table, info)
    theirs, recorder = _ask_count(going, mirror, scope), going.recorder
    server_now = going.session.server_now()
    complete = deletions.mark_removed(recorder, going.client, mirror, info, server_now=server_now, now=now)
    ours = comparing.count_ours(table, scope)
    tally, repair, compared = recorder.object(mirror.name), Repair(), False
    asked, forgotten = bool(recorder.run.arguments.get("ids")), mirror.parity_erased
    expected = None if theirs is None else theirs - forgotten  # Salesforce's count has whom we must forget (I-23)
    if asked or needs_ids(mirror, theirs=expected, ours=ours, complete=complete, now=now):
        difference, repair = _compare_and_repair(going, mirror, info, table, scope, now)
        forgotten = count_forgotten(mirror, counted=theirs, listed=difference.theirs)
        expected, compared = difference.theirs, True
        tally.unchanged(max(0, difference.theirs - len(difference.missing) - len(difference.stale)))
        ours = comparing.count_ours(table, scope) if not difference.is_none else difference.ours
    else:
        tally.unchanged(ours)
    news.tell_news(recorder, going.client, mirror, now=now)
    _keep(going, mirror, table, (expected, ours, forgotten), repair, compared, now)


def count_forgotten(mirror: MirrorObject, *, counted: int | None, listed: int) -> int:
    """How many records Salesforce counts that were erased here: what it counts and the list without them differ by so many, at
    most as many as were ever erased."""
    erased = len(erasures.erased_digests(mirror.name, org=mirror.org))
    return min(erased, max(0, (counted or 0) - listed))


def needs_ids(mirror: MirrorObject, *, theirs: int | None, ours: int, complete: bool, now: datetime) -> bool:
    """Whether counting is not enough. Equal counts may hide a missing record and an orphan, hence the weekly look."""
    if theirs is None or theirs != ours or not complete or ours <= SMALL:
        return True
    return mirror.ids_at is None or now - mirror.ids_at >= IDS_EVERY


def _ask_count(going: Round, mirror: MirrorObject, scope: Scope) -> int | None:
    """COUNT() of the scope; None where Salesforce cannot say."""
    try:
        return going.client.count(soql.count(mirror.name, where=scope.where()))
    except (QueryTooSlow, MalformedQuery):
        return None


def _compare_and_repair(
    going: Round, mirror: MirrorObject, info: ObjectInfo, table: LakeTable, scope: Scope, now: datetime
) -> tuple[Difference, Repair]:
    columns = _columns_to_list(mirror, table, info, scope)  # whom we must forget is not listed either (S-112)
    with listed(going, table, columns, by=scope.field, since=scope.since, expected=mirror.rows) as files:
        difference = comparing.compare_ids(table, files, scope, read_until=mirror.watermark)
    repair = Repair()
    _fetch(going, mirror, info, [*difference.missing, *difference.stale], repair, now)
    _bury(going, mirror, info, difference, repair, now)
    return difference, repair


def _columns_to_list(mirror: MirrorObject, table: LakeTable, info: ObjectInfo, scope: Scope) -> list[Column]:
    wanted = [KEY, table.version, scope.field, REMOVED, CREATED if scope.until else ""]
    have = {column.name: column for column in fetching.columns_to_read(mirror, info)}
    plan = choose_fields(info, [name for name in dict.fromkeys(wanted) if name])
    return [have[column.name] for column in plan.columns if column.name in have and column.name in wanted]


def _fetch(going: Round, mirror: MirrorObject, info: ObjectInfo, ids: Sequence[str], repair: Repair, now: datetime) -> None:
    """Bring in what is missing or stale. Records that are gone by now, or do not fit, are not written."""
    tally = going.recorder.object(mirror.name)
    for part in _parts(ids[:MOST_REPAIRED]):
        found = fetching.fetch_records(going.recorder, going.client, mirror, info, part, now=now)
        for record_id in part:
            if record_id in found.bad:
                continue
            if record_id in found.found:
                repair.fetched += 1
                _count_written(tally, record_id, "fetched", repair.fetched)
            else:
                tally.skipped(record_id, "gone_meanwhile", "It was deleted while we compared.", salesforce_id=record_id)
    _leave(going, mirror, len(ids) - MOST_REPAIRED, repair)


def _bury(going: Round, mirror: MirrorObject, info: ObjectInfo, difference: Difference, repair: Repair, now: datetime) -> None:
    """Look at each orphan once more: in the bin, it comes in as deleted; live after all, it stays; else it is marked."""
    tally, absent = going.recorder.object(mirror.name), list[str]()
    for part in _parts(difference.orphans[:MOST_REPAIRED]):
        found = fetching.fetch_records(going.recorder, going.client, mirror, info, part, now=now)
        for record_id in (each for each in part if each in found.found and each not in found.bad):
            repair.buried += record_id in found.deleted
            _count_written(tally, record_id, "deleted" if record_id in found.deleted else "fetched", repair.buried)
        absent += [each for each in part if each not in found.found]
    _leave(going, mirror, len(difference.orphans) - MOST_REPAIRED, repair)
    if not guard.ask(
        mirror.org, subject=f"mirror/{mirror.name}", effect="delete", rows=len(absent), of_rows=difference.ours,
        digest=guard.digest_of(absent), examples=absent, run=going.recorder.run, now=now,
    ):  # fmt: skip
        repair.waiting = len(absent)
        _count_waiting(going, mirror, absent)
        return
    fetching.bury_records(going.recorder, mirror, absent, now=now)
    for record_id in absent:
        repair.buried += 1
        _count_written(tally, record_id, "purged", repair.buried)


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + fetching.MOST] for start in range(0, len(ids), fetching.MOST)]


def _count_written(tally: object, record_id: str, repair: str, number: int) -> None:
    if number <= NAMED:
        tally.written(record_id, salesforce_id=record_id, detail={"repair": repair})  # type: ignore[attr-defined]
    else:
        tally.counted("written", 1)  # type: ignore[attr-defined]


def _count_waiting(going: Round, mirror: MirrorObject, absent: Sequence[str]) -> None:
    tally = going.recorder.object(mirror.name)
    sentence = "Not in Salesforce any more. So many would be marked as deleted that a person must allow it first."
    for record_id in absent[:NAMED]:
        tally.not_attempted(record_id, "guard", sentence, salesforce_id=record_id)
    tally.counted("not_attempted", max(0, len(absent) - NAMED))


def _leave(going: Round, mirror: MirrorObject, rest_of: int, repair: Repair) -> None:
    """So many differ that the next runs, or a backfill, must do the rest."""
    if rest_of > 0:
        repair.left += rest_of
        sentence = f"{rest_of:,} more differ than one run repairs; the next run goes on. A backfill is quicker."
        going.recorder.object(mirror.name).not_attempted("the rest", "too_many", sentence)
        going.recorder.object(mirror.name).counted("not_attempted", rest_of - 1)


def _keep(
    going: Round, mirror: MirrorObject, table: LakeTable, counts: tuple[int | None, int, int], repair: Repair, compared: bool,
    now: datetime,
) -> None:  # fmt: skip
    """What the page shows: both counts after the repair, how much was repaired, when."""
    (theirs, ours, forgotten), (live, deleted) = counts, tables.count_rows(table)
    changes = {
        "parity_at": now, "parity_theirs": theirs, "parity_ours": ours, "parity_repaired": repair.fetched + repair.buried,
        "parity_erased": forgotten, "rows": live, "deleted_rows": deleted,
    }  # fmt: skip
    if compared and not repair.left:
        changes["ids_at"] = now

    def write() -> None:
        MirrorObject.objects.filter(pk=mirror.pk).update(**changes)

    going.session.save(also=write)
