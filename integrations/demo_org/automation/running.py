"""Running flows: in the transaction of a save, or afterwards by a thread. And sending what waits to be sent."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

from integrations.demo_org import ids, saving
from integrations.demo_org.automation import messages, waiting
from integrations.demo_org.automation.callouts import CalloutFailed
from integrations.demo_org.automation.facts import Record, load_records, typed
from integrations.demo_org.automation.interview import FlowFault, Interview, Step
from integrations.demo_org.automation.shape import Flow, Path
from integrations.demo_org.automation.starting import Seen, meets_start
from integrations.demo_org.automation.waiting import RUN, Job
from integrations.demo_org.caller import Caller
from integrations.demo_org.formulas.reading import BadFormula
from integrations.demo_org.rows import RowResult
from integrations.demo_org.schema.types import ObjectType

if TYPE_CHECKING:
    from integrations.demo_org.automation.active import Automation
    from integrations.demo_org.consequences import Written
    from integrations.demo_org.org import DemoOrg

logger = logging.getLogger(__name__)
OPERATIONS = {"create": "insert", "update": "update", "delete": "delete"}
NOTIFICATION, ACTION = "04l", "04k"


def notification_ids(org: "DemoOrg", count: int) -> list[str]:
    """Fresh ids of notifications. Call inside a transaction."""
    return ids.make_ids(NOTIFICATION, org.store.instance, org.store.next_numbers("_notification", count), count)


def system_caller(user_id: str) -> Caller:
    """The user in whose name a flow runs, with a view of everything: flows that records start run in system mode."""
    return Caller(user_id, is_admin=True, sees_all=True)


def save_records(org: "DemoOrg", caller: "Caller", kind: ObjectType, rows: list[dict[str, Any]], deed: str) -> list[str]:
    """Save all rows or none; their ids. FlowFault with the first error."""
    results: Sequence[RowResult] = saving.save(
        org, caller, kind.name, rows, operation=OPERATIONS[deed], all_or_none=True, source="flow"
    )
    for each in results:
        bad = next((error for error in each.errors if error.code != "ALL_OR_NONE_OPERATION_ROLLED_BACK"), None)
        if bad is not None:
            raise FlowFault(f"{bad.code}: {bad.message}")
    return [str(each.id) for each in results]


def run_now(
    automation: "Automation", work: "Written", flow: Flow, version: int, seen: Seen, sending: dict[str, list[str]]
) -> None:
    """The path that runs at once, in the save's own transaction. FlowFault when it fails: then the record is not saved."""
    caller = system_caller(work.user_id)
    step = Step(
        save=lambda kind, rows, deed: save_records(automation.org, caller, kind, rows, deed),
        notify=lambda name, record: sending.setdefault(name, []).append(record.id),
        may_call_out=False,
    )
    interview = make_interview(automation, flow, caller, seen, step)
    with automation.within([*automation.chain, (flow.name, seen.record.id)]):
        _finish(automation, flow, version, "", interview, flow.target)


def make_interview(automation: "Automation", flow: Flow, caller: "Caller", seen: Seen, step: Step) -> Interview:
    """A run of a flow for a record, not begun."""
    return Interview(automation.org, flow, caller, seen.record, seen.prior, step, automation.org.clock.now(), seen.is_new,
                     automation.find_service)  # fmt: skip


def _finish(automation: "Automation", flow: Flow, version: int, path: str, interview: Interview, target: str) -> None:
    """Run it and add it to the list of runs, however it ends."""
    run = automation.note(flow, version, path, interview.record, "Running", guid=interview.guid)
    try:
        interview.run(target)
        run["state"] = "Finished"
        if not path:
            automation.note_at_commit(run)
    except (FlowFault, BadFormula) as problem:
        run |= {"state": "Failed", "error": str(problem)}
        if not path:
            automation.runs.append(run)
        raise FlowFault(str(problem)) from problem
    except Exception as problem:
        run |= {"state": "Failed", "error": f"Unexpected: {type(problem).__name__}"}
        raise
    finally:
        run |= {"elements": interview.elements, "faults": interview.faults, "callouts": interview.calls,
                "ended": automation.org.clock.stamp()}  # fmt: skip


def do_job(automation: "Automation", job: Job) -> None:
    """Do what waits; a flow that fails is noted and never tried again, a message is tried for 24 hours."""
    org, generation = automation.org, automation.org.store.generation
    try:
        if job.kind == RUN:
            run_later(automation, job)
        else:
            send_message(automation, job)
            return
    except FlowFault:
        pass  # it is in the list of runs
    except Exception:
        logger.exception("The flow %s of the demo org broke", job.body.get("flow"))
    with org.store.write() as connection:
        if org.store.generation == generation:
            waiting.finish(connection, job.number)


def run_later(automation: "Automation", job: Job) -> None:
    """A path that runs after the commit, with the record as it is now."""
    body, org = job.body, automation.org
    kind = org.schema.find(body["object"])
    found = next((pair for pair in (automation.active(body["object"]) or _NOTHING).flows if pair[0].name == body["flow"]), None)
    path = next((each for each in found[0].paths if each.name == body["path"]), None) if found else None
    record = load_records(org.store.read(), kind, [body["record"]]).get(body["record"]) if kind else None
    if kind is None or found is None or path is None:
        return  # the flow was switched off or changed meanwhile
    flow, version = found
    if record is None or record.values.get("IsDeleted") is True:
        automation.note(flow, version, path.name, Record(kind, {"Id": body["record"]}), "Skipped", error="The record is gone")
        return
    prior = None
    if body["before"] is not None:
        before = {name: typed(made, value) for name, value in body["before"].items() if (made := kind.find(name)) is not None}
        prior = Record(kind, {**record.values, **before})
    seen = Seen(org, record, prior, is_new=body["is_new"], now=org.clock.now())
    if not _still_wanted(path, flow, seen):
        automation.note(flow, version, path.name, record, "Skipped", error="The record does not meet the conditions any more")
        return
    _run_path(automation, flow, version, path, seen, body)


def _still_wanted(path: Path, flow: Flow, seen: Seen) -> bool:
    """A path with a delay runs only if the record still meets the conditions when its time has come."""
    return path.delay is None or meets_start(flow, seen)


def _run_path(automation: "Automation", flow: Flow, version: int, path: Path, seen: Seen, body: dict[str, Any]) -> None:
    org, caller = automation.org, system_caller(body["user"])

    def notify(name: str, record: Record) -> None:
        with org.store.write() as connection:
            automation.queue_message(connection, name, [record.id], user_id=body["user"])

    step = Step(save=lambda kind, rows, deed: save_records(org, caller, kind, rows, deed), notify=notify, may_call_out=True)
    interview = make_interview(automation, flow, caller, seen, step)
    with automation.within(body["chain"]):
        _finish(automation, flow, version, path.name, interview, path.target)


class _Nothing:
    """An object without automation."""

    flows: tuple[Any, ...] = ()


_NOTHING = _Nothing()


def send_message(automation: "Automation", job: Job) -> None:
    """One try of an outbound message. Without an acknowledgment it waits, longer each time, until a day is over."""
    org, body = automation.org, job.body
    generation = org.store.generation
    found = messages.find_message(org, body["message"])
    problem = "The outbound message was deleted"
    if found is not None:
        name, values = found
        kind = org.schema.objects[name.partition(".")[0].lower()]
        records = load_records(org.store.read(), kind, body["records"])
        pairs = [(key, records[each]) for key, each in zip(body["keys"], body["records"], strict=True) if each in records]
        action = ids.make_ids(ACTION, org.store.instance, crc32(name.lower().encode()), 1)[0]
        try:
            messages.deliver(org, values, messages.write_message(org, name, values, pairs, action_id=action))
            problem = ""
        except CalloutFailed as failure:
            problem = str(failure)
    now = org.clock.now().timestamp()
    given_up = found is None or now - body["first"] >= messages.KEEP_TRYING_SECONDS
    _note_message(automation, body, job.attempts + 1, problem, given_up=given_up)
    with org.store.write() as connection:
        if org.store.generation != generation:
            return
        if problem and not given_up:
            wait = messages.next_wait(org.settings.outbound_retry_seconds, job.attempts + 1)
            waiting.postpone(connection, job.number, due=now + wait, problem=problem)
        else:
            waiting.finish(connection, job.number)


def _note_message(automation: "Automation", body: dict[str, Any], attempts: int, problem: str, *, given_up: bool) -> None:
    state = "Delivered" if not problem else "Failed" if given_up else "Retrying"
    automation.runs.append({
        "message": body["message"], "records": body["records"], "state": state, "attempts": attempts, "error": problem or None,
        "at": automation.org.clock.stamp(),
    })  # fmt: skip
