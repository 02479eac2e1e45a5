"""The job `outbox.undo`: before-images against live values, and what is still ours goes back. Heavy to import."""

from dataclasses import replace

from integrations.lake import reading
from integrations.lake.dialect import quote_name
from integrations.models import OutboxPush, Run, Undo
from integrations.sync.outbox import comparing, diffing, door, kinds, live, planning, preparing, pushing
from integrations.sync.outbox.columns import Column
from integrations.sync.outbox.comparing import Plan
from integrations.sync.outbox.intake import KeyRule
from integrations.sync.outbox.landing import LISTED
from integrations.sync.outbox.pushing import Wish, Work
from integrations.sync.outbox.session import Session
from integrations.sync.runs import Recorder, RunStopped

CONFLICT = "The value in Salesforce is not the one that the run wrote any more."
UNKNOWN = "What stood there before is not known."
CREATED = "The run created this record; deleting it was not asked for."


def perform(recorder: Recorder) -> None:
    """Take back every push of a run, the last one first."""
    run = Run.objects.filter(pk=recorder.run.arguments.get("run"), org=recorder.org).first()
    if run is None:
        raise RunStopped("run_gone", "The run that should be taken back is not kept any more.", Run.State.FAILED)
    undo = Undo.objects.filter(run=run).first()
    delete_created = bool(undo and undo.delete_created)
    taken = OutboxPush.objects.filter(run=run, is_dry=False, sent__isnull=False)
    for push in taken.select_related("target__org", "target__accepted", "sent", "answers").order_by("-pk"):
        take_back(recorder, push, delete_created=delete_created)


def take_back(recorder: Recorder, taken: OutboxPush, *, delete_created: bool) -> None:
    """Restore the fields of one push."""
    wish = Wish(name=f"undo {taken.pk}", interactive=True)
    with pushing.opened(recorder, taken.target, wish) as work:
        if work.done:
            return
        if work.error:
            recorder.object(taken.target.object).failed(taken.target.object, "TARGET_CLOSED", work.error)
            return
        if work.stored.fields:
            session = pushing.resume(work)
        else:
            pushing.settle_earlier(work)
            session = _prepare(work, taken, delete_created=delete_created)
        if session is not None:
            pushing.send(session, wish)


def _prepare(work: Work, taken: OutboxPush, *, delete_created: bool) -> Session | None:
    """Compare what was written with what is there now; stage what goes back, list what does not."""
    columns = preparing.columns_of(taken)
    entry = door.check_entry(kinds.get(taken.target.kind), taken.target, work.info, [column.field for column in columns])
    if entry.closed:
        work.recorder.object(taken.target.object).failed(taken.target.object, "TARGET_CLOSED", entry.closed)
        return None
    session = comparing.open_session(work.recorder, work.stored, entry, work.info, work.client, work.engine)
    kept = _same(columns, session.columns)
    session.columns = tuple(column for column, _ in kept)
    session.terms = replace(session.terms, columns=session.columns, may_remove=True)
    session.bind_accepted()
    preparing.begin_push(session)
    _bind(session, taken, [column for column, _ in kept])
    plan = Plan([])
    restored = _stage(session, plan, kept, delete_created=delete_created)
    _tell(session, kept, delete_created=delete_created)
    session.push.rows = restored
    preparing.store_plan(session, plan)
    return session


def _same(columns: tuple[Column, ...], now: tuple[Column, ...]) -> list[tuple[Column, int]]:
    """Columns of the push that may still be written and hold the same kind, with their places in its masks."""
    places = {column.name: place for place, column in enumerate(columns)}
    return [(column, places[column.name]) for column in now if column.name in places and not column.lookup]


def _bind(session: Session, taken: OutboxPush, columns: list[Column]) -> None:
    """What was sent, what was answered, what is there now."""
    assert taken.sent is not None
    assert taken.answers is not None
    session.engine.bind("was", reading.newest(taken.sent))
    session.engine.bind("told", reading.newest(taken.answers))
    keys = session.engine.table(diffing.read_statement("written.sql")).column("key_")
    wish = live.Wish(session.target.object, session.key_field, tuple(columns), KeyRule(by_id=session.by_id))
    with live.read_live(session.client, wish, keys) as rows:
        session.engine.bind("live", rows)


def _statement(kept: list[tuple[Column, int]], *, delete_created: bool) -> str:
    """Each written row with what may go back: r0 says whether the first field is restored, f0 why not ("" when it is)."""
    cells = ""
    for n, (column, place) in enumerate(kept):
        name, sent = quote_name(column.name), diffing.sign("w.sent_", place)
        before, known = f"w.{quote_name(column.before)}", diffing.sign("w.known_", place)
        ours = diffing.equal(f"v.{name}", f"w.{name}")
        back = diffing.equal(f"v.{name}", before)
        why = (
            f"CASE WHEN NOT ({sent}) THEN '' WHEN NOT ({known}) THEN 'UNKNOWN_BEFORE' WHEN {back} THEN '' "
            f"WHEN {ours} THEN '' ELSE 'CONFLICT' END"
        )
        cells += (
            f", ({sent} AND {known} AND {ours} AND NOT {back}) AS r{n}, {why} AS f{n}, ({sent} AND NOT {ours}) AS o{n}, "
            f"{before} AS b{n}, v.{name} AS v{n}"
        )
    numbers = range(len(kept))
    return diffing.read_statement(
        "undo.sql",
        cells=cells,
        mask=diffing.mask_of(f"r{n}" for n in numbers),
        whys=" || ".join(f"CASE WHEN f{n} = '' THEN '' ELSE f{n} || ' ' END" for n in numbers) or "''",
        touched=diffing.any_of(f"o{n}" for n in numbers),
        delete="true" if delete_created else "false",
    )


def _stage(session: Session, plan: Plan, kept: list[tuple[Column, int]], *, delete_created: bool) -> int:
    """Rows to restore, and records to delete, as batches; how many rows."""
    inner = _statement(kept, delete_created=delete_created)
    total = 0
    for removes in (False, True):
        values = "".join(
            f", CASE WHEN r{n} THEN b{n} END AS {quote_name(column.name)}, "
            f"CASE WHEN r{n} THEN v{n} END AS {quote_name(column.before)}"
            for n, (column, _) in enumerate(kept)
        )
        statement = diffing.read_statement(
            "restore.sql", undo=inner, values=values, fate="'remove'" if removes else "'restore'",
            removes="true" if removes else "false", known="'" + "1" * len(kept) + "'",
        )  # fmt: skip
        staged = session.engine.copy_to(statement, session.sent, after=total)
        if staged.rows:
            plan.staged.append(staged)
            way = planning.choose_way(staged.rows)
            preparing.add_batches(plan, session, total + 1, staged.rows, removes, way)
            total += staged.rows
    session.push.changed = total
    return total


def _tell(session: Session, kept: list[tuple[Column, int]], *, delete_created: bool) -> None:
    """List rows that stay as they are, with the reason; conflicts of rows that go back in part are listed apart."""
    inner = _statement(kept, delete_created=delete_created)
    sql = diffing.read_statement("not_restored.sql", undo=inner)
    apart = session.recorder.object(f"{session.target.object}: conflicts"[:80])
    listed = 0
    for batch in session.engine.batches(sql, rows=1_000):
        for row in batch.to_pylist():
            if row["fate_"] == "same":
                session.count("unchanged", 1)
                continue
            code = "CREATED" if row["fate_"] == "created" else (row["whys_"] or "CONFLICT").split()[0]
            sentence = {"CREATED": CREATED, "UNKNOWN_BEFORE": UNKNOWN}.get(code, CONFLICT)
            about = {"label": row["label_"] or "", "salesforce_id": row["id_"] or ""}
            listed += 1
            if row["fate_"] in ("restore", "remove"):
                apart.skipped(row["key_"], code, sentence, **about)
            elif listed <= LISTED:
                session.list_row("skipped", row["key_"], code, sentence, **about)
            else:
                session.count("skipped", 1)
