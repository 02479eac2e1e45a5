"""Matching one entity of one connection (PX-49, PX-55, PX-D8), and the job `customers.match`.

Only records without a link are looked at, and of those only the ones that a change can concern. Pairs are stored in batches
with the journal; a run that dies goes on where the links are, and ends equal to one that was not killed (I-02).
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count
from django.utils import timezone

from integrations.access import Refusal
from integrations.lake.engine import Engine, open_engine
from integrations.models import Entity, LinkEvent, Mapping, MappingVersion, MatchState, RecordLink, Run, SalesforceOrg
from integrations.sync.mapping.body import RULES_OF, MappingBody, read_body
from integrations.sync.matching import changes, following, link_store, rechecking, rounds, spine
from integrations.sync.matching.cascade import FOLDER, Cascade
from integrations.sync.matching.plan import LABELS, LeftOut
from integrations.sync.matching.rounds import Round
from integrations.sync.matching.storing import store_found
from integrations.sync.runs import Recorder

JOB, DOMAIN = "customers.match", "product"
SAMPLES = 100  # unmatched records that a run names
NAMES = {Entity.CUSTOMER: "customers", Entity.END_USER: "end_users"}
RECHECK = "recheck"


@dataclass
class MatchReport:
    """What a match did and how things stand now."""

    entity: str
    written: dict[str, int] = field(default_factory=dict)
    ambiguous: int = 0
    held_back: int = 0
    looked_at: int | None = None
    waiting: int = 0
    linked: int = 0
    suspended: int = 0
    apart: int = 0
    removed: int = 0
    needs_yes: int = 0
    left_out: tuple[LeftOut, ...] = ()


def perform(recorder: Recorder) -> None:
    """The job: both entities on pinned versions (I-13); with the argument `recheck` links of rules are judged anew (PX-D8)."""
    assert recorder.org is not None
    pinned = recorder.checkpoint.get("versions")
    if pinned is None:
        pinned = _pin(recorder, recorder.org)
    for entity, number in pinned.items():
        if entity in recorder.checkpoint.get("done", []):
            continue
        version = MappingVersion.objects.filter(mapping__org=recorder.org, mapping__entity=entity, number=number).first()
        if version is not None:
            try:
                match_entity(recorder, version, recheck=bool(recorder.run.arguments.get(RECHECK)))
            except Refusal as error:  # of this entity; the other one goes on (I-10)
                recorder.object(NAMES[Entity(entity)]).failed(entity, error.code, error.message)
        recorder.save({**recorder.checkpoint, "done": [*recorder.checkpoint.get("done", []), entity]})
        recorder.breathe()


def is_enabled(org: SalesforceOrg) -> bool:
    """Whether there is anything to match for this connection."""
    return org.product_enabled and Mapping.objects.filter(org=org, state=Mapping.State.ACTIVE, version__gt=0).exists()


def _pin(recorder: Recorder, org: SalesforceOrg) -> dict[str, int]:
    active = Mapping.objects.filter(org=org, state=Mapping.State.ACTIVE, version__gt=0)
    found = dict(active.values_list("entity", "version"))
    pinned = {str(entity): found[entity] for entity in (Entity.CUSTOMER, Entity.END_USER) if entity in found}
    words = ", ".join(f"{entity} v{number}" for entity, number in pinned.items())

    def write() -> None:
        Run.objects.filter(pk=recorder.run.pk).update(configuration=words[:64])

    recorder.save({**recorder.checkpoint, "versions": pinned}, also=write)
    return pinned


def match_entity(
    recorder: Recorder, version: MappingVersion, *, recheck: bool = False, now: datetime | None = None
) -> MatchReport:
    """Match an entity by the rules of a mapping version, counted in `recorder`; leaves its checkpoint alone.

    `Refusal` not_mirrored before the first read of the object. Called again in the same run it only reports.
    """
    now = now or timezone.now()
    org, body = recorder.org, read_body(version.body)
    assert org is not None
    state = changes.state_of(org, body.entity)
    if not body.retrieve or (state is not None and state.run_id == recorder.run.pk):
        return _standing(org, body.entity, state)
    table = changes.mirrored(org, body.object)
    if table is None:
        raise Refusal("not_mirrored", f"{body.object} of {org} has not been read yet; start a read of the mirror first.")
    spine.refresh_spine(now=now, run=recorder.run)
    following.settle_allowed(org, body.entity, body.object, run=recorder.run, now=now)
    plan = rounds.load_plan(org, body)
    about = rounds.open_round(org, plan, table, state=state)
    with open_engine() as engine:
        report = _evaluate(engine, recorder, about, version, body, recheck=recheck, now=now)
    report.left_out = plan.left_out
    return report


def _evaluate(
    engine: Engine,
    recorder: Recorder,
    about: Round,
    version: MappingVersion,
    body: MappingBody,
    *,
    recheck: bool,
    now: datetime,
) -> MatchReport:
    engine.bind("spine", about.ours.relation)
    if about.users is not None:
        engine.bind("users", about.users.relation)
    theirs = rounds.refresh_keys(engine, about)
    chosen = None if recheck else rounds.affected_records(engine, about, theirs)
    engine.bind("theirs", theirs.relation)
    held = rounds.held_records(about, chosen, recheck=recheck)
    survivors = changes.survivors(about.org, about.plan.object)
    cascade = Cascade(engine, about.plan, chosen=chosen, done=held, survivors=survivors)
    report = MatchReport(about.entity, looked_at=None if chosen is None else chosen.num_rows)
    if recheck:
        outcome = rechecking.store(engine, recorder, about, version, cascade, now=now)
        report.ambiguous, report.held_back = outcome.ambiguous, outcome.held_back
        report.removed, report.needs_yes = outcome.removed, outcome.needs_yes
    else:
        for found in cascade.found():
            report.ambiguous += found.ambiguous
            report.held_back += found.held_back
            store_found(recorder, about, version, found, now=now)
    waiting = rounds.write_waiting(engine, about, cascade, chosen, number=recorder.run.pk)
    whole = chosen is None
    report.waiting = rounds.count_waiting(engine, about, waiting, whole=whole)
    samples = _samples(engine, cascade, about.entity)

    def keep() -> None:
        rounds.keep_file(theirs.table, theirs.staged, whole=theirs.fresh is None, run=recorder.run, now=now)
        rounds.keep_file(rounds.keys.waiting_table(about.org, about.entity), waiting, whole=whole, run=recorder.run, now=now)
        own = changes.own_events(about.org, about.entity, recorder.run, after=about.event)
        seen = {"digest": about.plan.digest, "seen": about.now_seen() | own, "last_event": about.event,
                "waiting": report.waiting, "matched_at": now, "run": recorder.run}  # fmt: skip
        MatchState.objects.update_or_create(org=about.org, entity=about.entity, defaults=seen)

    _count(recorder, about, report, samples)
    recorder.save(also=keep)
    return report


# --- Counting (I-01): each record of ours is in exactly one class ----------------------------------------------------------


def _samples(engine: Engine, cascade: Cascade, entity: str) -> list[tuple[str, bool]]:
    """External ids of some records without a match, and whether several records fitted one."""
    engine.bind("held_back", cascade.held_back)
    statement = engine.sql(f"{FOLDER}/samples.sql").replace("<rest>", cascade.rest())
    return [(key, bool(several)) for key, several in engine.rows(statement, most=SAMPLES)]


def _count(recorder: Recorder, about: Round, report: MatchReport, samples: list[tuple[str, bool]]) -> None:
    """Counts from the journal and the links themselves, so that a resumed run counts the same as one that was not killed."""
    report.written = written_by(recorder.run, about.entity)
    _take_stock(about.org, about.entity, report)
    name = NAMES[Entity(about.entity)]
    for rule in RULES_OF[about.entity]:
        label = f"{name}: {LABELS[rule].lower()}"
        if report.written.get(rule):
            recorder.object(label).counted("written", report.written[rule])
    if report.needs_yes:
        asked = recorder.object(f"{name}: needs a yes")
        asked.not_attempted("links", "needs_yes", "Too many links would change or go at once; somebody must allow it.")
        asked.counted("not_attempted", report.needs_yes - 1)
    kept = recorder.object(f"{name}: linked before")
    kept.unchanged(max(report.linked - sum(report.written.values()) - report.needs_yes, 0))
    left = recorder.object(f"{name}: without a match")
    unmatched = max(report.waiting - _free_suspended(about.org, about.entity), 0)
    named = samples[: min(unmatched, SAMPLES)]
    for key, several in named:
        if several:
            left.skipped(key, "ambiguous", "Several records fit; this rule then matches none (set per rule).")
        else:
            left.skipped(key, "no_match", "No rule found a record.")
    left.counted("skipped", unmatched - len(named) + report.suspended + report.apart)


def written_by(run: Run, entity: str) -> dict[str, int]:
    """Links that a run made or moved, by rule."""
    events = LinkEvent.objects.filter(run=run, entity=entity, rule__in=RULES_OF[entity])
    events = events.filter(action__in=(LinkEvent.Action.LINKED, LinkEvent.Action.MOVED)).order_by()
    key = link_store.KEY_OF[Entity(entity)]
    return dict(events.values_list("rule").annotate(n=Count(key, distinct=True)))


def _take_stock(org: SalesforceOrg, entity: str, report: MatchReport) -> None:
    links = RecordLink.objects.filter(org=org, entity=entity).order_by()
    states = dict(links.values_list("state").annotate(n=Count("id")))
    report.linked, report.suspended, report.apart = (states.get(each, 0) for each in ("active", "suspended", "apart"))


def _free_suspended(org: SalesforceOrg, entity: str) -> int:
    """Suspended links whose records rules may match again: they are among the waiting."""
    links = RecordLink.objects.filter(org=org, entity=entity, state=RecordLink.State.SUSPENDED, locked=False)
    return links.exclude(rule="manual").count()


def _standing(org: SalesforceOrg, entity: str, state: MatchState | None) -> MatchReport:
    report = MatchReport(entity, waiting=state.waiting if state else 0)
    _take_stock(org, entity, report)
    return report
