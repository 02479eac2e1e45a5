"""The job `outbox.verify`: accepted states against live values by field, and the kind's policy (R-154). Heavy to import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.lake.dialect import quote_name
from integrations.lake.writing import register
from integrations.models import HumanEdit, OutboxPush, OutboxTarget
from integrations.sync.outbox import comparing, diffing, door, kinds, landing, live, preparing, pushing, restored, rowwork
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.comparing import Plan
from integrations.sync.outbox.plain import plain_value
from integrations.sync.outbox.pushing import Wish
from integrations.sync.outbox.session import Session
from integrations.sync.runs import Recorder

WISH = Wish(name="verify")
CHUNK = 500
MOST_REPAIRS = 20_000  # rows that one compare puts right; the next one goes on
KEPT_EDITS = 10_000  # human edits of one compare that are listed; the counts are always full
Decision = HumanEdit.Decision


def perform(recorder: Recorder) -> None:
    """Compare every active target (or the one that was asked for), parents first."""
    assert recorder.org is not None
    targets = OutboxTarget.objects.filter(org=recorder.org, accepted__isnull=False, state=OutboxTarget.State.ACTIVE)
    wanted = recorder.run.arguments.get("target")
    if wanted:
        targets = targets.filter(pk=wanted)
    known = {kind.name for kind in kinds.every()}
    found = {target.pk: target for target in targets.select_related("org", "accepted") if target.kind in known}
    order = [kind.name for kind in kinds.in_order({target.kind for target in found.values()})]
    for target in sorted(found.values(), key=lambda each: (order.index(each.kind), each.pk)):
        verify_target(recorder, target)
        recorder.breathe()


def verify_target(recorder: Recorder, target: OutboxTarget) -> None:
    """Compare one target and do what its kind says about each difference."""
    with pushing.opened(recorder, target, WISH) as work:
        if work.done:
            return
        if work.error:
            recorder.object(target.object).failed(target.object, "TARGET_CLOSED", work.error)
            return
        if work.stored.fields:
            pushing.send(pushing.resume(work), WISH)
            return
        pushing.settle_earlier(work)
        columns = _columns(target)
        entry = door.check_entry(kinds.get(target.kind), target, work.info, [column.field for column in columns])
        if entry.closed or not entry.columns:
            return
        session = comparing.open_session(recorder, work.stored, entry, work.info, work.client, work.engine)
        compare = _Compare(session, lost=restored.is_unverified(target))
        compare.read(entry)
        compare.judge()
        _store(session, compare)
        pushing.send(session, WISH)
        OutboxTarget.objects.filter(pk=target.pk).update(verified_at=session.now())


def _columns(target: OutboxTarget) -> list[Column]:
    """Fields that the latest push wrote; paths over a parent are compared by nobody."""
    pushes = OutboxPush.objects.filter(target=target, is_dry=False).exclude(fields=[]).exclude(name__startswith="undo")
    latest = pushes.order_by("-pk").first()
    return [column for column in preparing.columns_of(latest) if not column.lookup] if latest else []


@dataclass
class _Compare:
    """Differences of one target: what goes back to ours, what stays theirs, which records are gone."""

    session: Session
    repairs: list[dict[str, Any]] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)
    edits: list[HumanEdit] = field(default_factory=list)
    gone: list[tuple[str, str]] = field(default_factory=list)
    lost: bool = False
    """The target was restored and not compared since: every difference may be a write of ours that we forgot."""
    standing: list[int] = field(default_factory=list)
    """Edits of earlier compares that still stand."""
    same: int = 0
    left: int = 0
    later: int = 0

    def read(self, entry: door.Entry) -> None:
        """Accepted states and live values side by side."""
        session = self.session
        session.bind_accepted()
        keys = session.engine.table("SELECT key_ FROM accepted").column("key_")
        rule = comparing.key_rule(entry, session.target)
        wish = live.Wish(session.target.object, session.key_field, session.columns, rule)
        with live.read_live(session.client, wish, keys) as rows:
            session.engine.bind("live", rows)

    def judge(self) -> None:
        """Look at every row that is not as we left it."""
        session = self.session
        total, differing = session.engine.rows(_statement("verify_sums.sql", session.columns))[0]
        self.same = int(total) - int(differing)
        for rows in _chunks(session, _statement("verify.sql", session.columns)):
            decided = self._decided([row["key_"] for row in rows])
            for row in rows:
                self._judge(row, decided)

    def _decided(self, keys: Sequence[str]) -> dict[tuple[str, str], HumanEdit]:
        found = HumanEdit.objects.filter(target=self.session.target, key__in=keys)
        return {(edit.key, edit.field): edit for edit in found}

    def _judge(self, row: dict[str, Any], decided: dict[tuple[str, str], HumanEdit]) -> None:
        if row["gone_"]:
            self.gone.append((row["key_"], row["id_"] or ""))
            return
        ours: dict[str, Any] = {}
        for n, column in enumerate(self.session.columns):
            if row[f"c{n}"] and self._is_ours(row, column, n, decided):
                ours[column.field] = plain_value(row[f"a{n}"])
        if ours and len(self.repairs) >= MOST_REPAIRS:
            self.later += 1
        elif ours:
            self.repairs.append(row)
            self.values.append(ours)
        else:
            self.left += 1

    def _is_ours(self, row: dict[str, Any], column: Column, n: int, decided: dict[tuple[str, str], HumanEdit]) -> bool:
        """Whether our value goes back; notes the edit either way. A person's decision about this very value counts first."""
        theirs, ours = plain_value(row[f"v{n}"]), plain_value(row[f"a{n}"])
        known = decided.get((row["key_"], column.field))
        policy = {"ours": Decision.OURS, "theirs": Decision.THEIRS, "ask": Decision.OPEN}[self.session.kind.human_edits]
        stands = known is not None and (known.decided_by_id is not None or known.lost)
        by_person = stands and known is not None and (known.ours, known.theirs) == (ours, theirs)
        if self.lost and not by_person:
            self.edits.append(self._lost_edit(row, column, ours, theirs))
            return False
        if by_person and known is not None:
            self.standing.append(known.pk)
        decision = known.decision if by_person and known is not None else policy
        if not by_person and len(self.edits) < KEPT_EDITS:
            self.edits.append(HumanEdit(
                target=self.session.target, key=row["key_"], salesforce_id=row["id_"] or "", field=column.field, ours=ours,
                theirs=theirs, decision=decision, seen_at=self.session.now(),
            ))  # fmt: skip
        return decision == Decision.OURS

    def _lost_edit(self, row: dict[str, Any], column: Column, ours: Any, theirs: Any) -> HumanEdit:
        """We may have written it ourselves, after the backup that we were restored from: it stays (I-07)."""
        return HumanEdit(
            target=self.session.target, key=row["key_"], salesforce_id=row["id_"] or "", field=column.field, ours=ours,
            theirs=theirs, decision=Decision.THEIRS, lost=True, seen_at=self.session.now(),
        )  # fmt: skip


def _statement(name: str, columns: Sequence[Column]) -> str:
    """Differences where we wrote a value: c0 says whether the first field differs, a0 is ours, v0 theirs."""
    cells = "".join(
        f", a.{quote_name(column.name)} AS a{n}, v.{quote_name(column.name)} AS v{n}, {_differs(column)} AS c{n}"
        for n, column in enumerate(columns)
    )
    some = diffing.any_of(f"c{n}" for n in range(len(columns)))
    return diffing.read_statement(name, beside=diffing.read_statement("beside.sql", cells=cells), some=some)


def _differs(column: Column) -> str:
    ours, theirs = f"a.{quote_name(column.name)}", f"v.{quote_name(column.name)}"
    return f"({ours} IS NOT NULL AND NOT {diffing.equal(ours, theirs)})"


def _chunks(session: Session, statement: str) -> Iterator[list[dict[str, Any]]]:
    for batch in session.engine.batches(statement, rows=CHUNK):
        yield batch.to_pylist()


def _store(session: Session, compare: _Compare) -> None:
    """Keep the edits, forget records that are gone, stage what goes back; one transaction."""
    preparing.begin_push(session)
    plan, now = Plan([]), session.now()
    if compare.repairs:
        about = [{"key_": row["key_"], "id_": row["id_"], "label_": None} for row in compare.repairs]
        table = rowwork.rows_table(session.columns, about, compare.values, after=0)
        preparing.stage_table(session, plan, table)
    session.push.rows = compare.same + compare.left + compare.later + len(compare.repairs) + len(compare.gone)
    session.count("unchanged", compare.same)
    by_people = session.recorder.object(f"{session.target.object}: changed by people"[:80])
    for edit in [each for each in compare.edits if each.decision != Decision.OURS][: landing.LISTED]:
        sentence, about = f"{edit.field} was changed in Salesforce.", {"salesforce_id": edit.salesforce_id}
        by_people.skipped(f"{edit.key} {edit.field}", "HUMAN_EDIT", sentence, **about)
    session.count("skipped", compare.left, name="left_theirs")
    session.count("not_attempted", compare.later, name="later")
    gone = landing.stage_gone(session.accepted, compare.gone) if compare.gone else None
    for key, salesforce_id in compare.gone[: landing.LISTED]:
        session.list_row("skipped", key, "DELETED", "The record is not there any more.", salesforce_id=salesforce_id)
    session.count("skipped", max(0, len(compare.gone) - landing.LISTED))

    def also() -> None:
        _keep_edits(session.target, compare)
        if gone is not None:
            register(session.accepted, gone, run=session.run, now=now)
            kinds.tell_deleted(session.target, compare.gone, run=session.run, now=now)

    preparing.store_plan(session, plan, also=also)


def _keep_edits(target: OutboxTarget, compare: _Compare) -> None:
    """What people changed, by cell; edits that are no longer there are settled by their next look."""
    HumanEdit.objects.filter(target=target, decided_by=None, lost=False).exclude(decision=Decision.OURS).delete()
    HumanEdit.objects.filter(target=target, decided_by=None, lost=True).exclude(pk__in=compare.standing).delete()
    restored.keep_edits(compare.edits)
