"""The automation of one org: what is active, what a save starts, what happened. Held by the org as `org.automation`."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from integrations.demo_org.automation import running, waiting
from integrations.demo_org.automation.facts import Record, load_records, prior_record, stored
from integrations.demo_org.automation.interview import FlowFault
from integrations.demo_org.automation.messages import MOST_NOTIFICATIONS
from integrations.demo_org.automation.openapi import Service, read_service
from integrations.demo_org.automation.shape import Flow, Path, read_flow
from integrations.demo_org.automation.starting import Rule, Seen, read_rule, starts_flow, starts_rule
from integrations.demo_org.automation.waiting import MESSAGE, RUN, Job
from integrations.demo_org.automation.working import Worker
from integrations.demo_org.nested import Refused, text_of
from integrations.demo_org.rows import RowError, RowsRefused
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.store import has_column

if TYPE_CHECKING:
    from integrations.demo_org.consequences import Part, Written
    from integrations.demo_org.org import DemoOrg

logger = logging.getLogger(__name__)
CHUNK = 200
KEPT_RUNS = 500
DEEPEST = 16
NOT_SAVED = "We can't save this record because the “{}” process failed. Give your Salesforce admin these details. {}"


@dataclass
class Active:
    """The active automation of an object."""

    flows: list[tuple[Flow, int]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


class Automation:
    """Starts flows and messages, and keeps the list of what ran."""

    def __init__(self, org: "DemoOrg") -> None:
        self.org = org
        self.runs: deque[dict[str, Any]] = deque(maxlen=KEPT_RUNS)
        self._known: tuple[int, dict[str, Active], dict[str, Service]] = (-1, {}, {})
        self._local = threading.local()
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._queued = self._closed = False
        self._done: list[tuple[int, dict[str, Any]]] = []  # runs within a transaction that is not committed yet
        org.store.committed.append(self._after_commit)
        org.on_reset(self.forget)
        org.on_close(self.stop)

    # -- what is active ----------------------------------------------------------------------------------------------

    def _parts(self) -> tuple[int, dict[str, Active], dict[str, Service]]:
        """The active flows and rules by object, and the services by name, of the present schema."""
        if self._known[0] != self.org.schema_number:
            self._known = (self.org.schema_number, *read_notes(self.org.draft.notes))
        return self._known

    def active(self, object_name: str) -> Active | None:
        """What is active for an object; None for most."""
        return self._parts()[1].get(object_name.lower())

    def watched_fields(self, kind: ObjectType) -> list[str]:
        """All stored fields of an object whose saves may start something that asks what a record was before; none else."""
        if self.active(kind.name) is None:
            return []
        return [each.name for each in kind.fields if has_column(each) and each.name != "Id"]

    def find_service(self, name: str) -> Service | None:
        """An external service of the org."""
        return self._parts()[2].get(name.lower())

    # -- what a save starts ------------------------------------------------------------------------------------------

    def follow(self, work: "Written", part: "Part") -> None:
        """Start what the saved records start, in the transaction of the save. RowsRefused when a flow does not let one pass."""
        active = self.active(work.stored.name)
        if active is None:
            return
        refused: dict[str, RowError] = {}
        for start in range(0, len(part.ids), CHUNK):
            with self._collecting(work) as sending:
                for seen in self._seen(work, part, part.ids[start : start + CHUNK]):
                    self._start(work, active, seen, sending, refused)
        if refused:
            raise RowsRefused(refused)

    def _seen(self, work: "Written", part: "Part", ids: Sequence[str]) -> list[Seen]:
        """The saved records with what they were before."""
        now, moment = load_records(work.connection, work.stored, ids), self.org.clock.now()
        found = [now[each] for each in ids if each in now]
        return [
            Seen(self.org, each, None if part.is_new else prior_record(work.stored, each, part.before.get(each.id, {})),
                 is_new=part.is_new, now=moment)
            for each in found
        ]  # fmt: skip

    def _start(
        self, work: "Written", active: Active, seen: Seen, sending: dict[str, list[str]], refused: dict[str, RowError]
    ) -> None:
        for rule in active.rules:
            if starts_rule(rule, seen):
                for name in rule.messages:
                    sending.setdefault(name, []).append(seen.record.id)
        for flow, version in active.flows:
            if (flow.name, seen.record.id) in self.chain or not starts_flow(flow, seen):
                continue
            if len(self.chain) >= DEEPEST:
                text = f"Maximum trigger depth exceeded: {DEEPEST} flows have started each other"
                self.note(flow, version, "", seen.record, "Failed", error=text)
                continue
            self._queue_paths(work, flow, version, seen)
            if flow.target:
                try:
                    running.run_now(self, work, flow, version, seen, sending)
                except FlowFault as problem:
                    refused[seen.record.id] = RowError("CANNOT_EXECUTE_FLOW_TRIGGER", NOT_SAVED.format(flow.label, problem), ())

    def _queue_paths(self, work: "Written", flow: Flow, version: int, seen: Seen) -> None:
        """Write down the paths that start later."""
        jobs = []
        for path in flow.paths:
            due = due_at(path, seen)
            if path.target and due is not None:
                jobs.append((RUN, due, self._body(work, flow, version, path, seen)))
        if jobs:
            self._queued = True
            waiting.add_jobs(work.connection, jobs)

    def _body(self, work: "Written", flow: Flow, version: int, path: Path, seen: Seen) -> dict[str, Any]:
        before = {name: stored(value) for name, value in seen.prior.values.items()} if seen.prior is not None else None
        return {
            "flow": flow.name, "version": version, "path": path.name, "object": work.stored.name, "record": seen.record.id,
            "is_new": seen.is_new, "before": before, "user": work.user_id, "chain": [*self.chain, (flow.name, seen.record.id)],
            "at": work.stamp,
        }  # fmt: skip

    @contextmanager
    def _collecting(self, work: "Written") -> Iterator[dict[str, list[str]]]:
        """Messages that a save sends, by name; up to 100 notifications go out together."""
        sending: dict[str, list[str]] = {}
        yield sending
        for name, ids in sending.items():
            self.queue_message(work.connection, name, ids, user_id=work.user_id)

    def queue_message(self, connection: Any, name: str, ids: Sequence[str], *, user_id: str) -> None:
        """Write down an outbound message about records."""
        now = self.org.clock.now().timestamp()
        jobs = []
        for start in range(0, len(ids), MOST_NOTIFICATIONS):
            records = list(ids[start : start + MOST_NOTIFICATIONS])
            keys = running.notification_ids(self.org, len(records))
            jobs.append((MESSAGE, now, {"message": name, "records": records, "keys": keys, "user": user_id, "first": now}))
        self._queued = True
        waiting.add_jobs(connection, jobs)

    # -- chains: who started whom ------------------------------------------------------------------------------------

    @property
    def chain(self) -> tuple[tuple[str, str], ...]:
        """The flows, with their records, because of which this thread saves."""
        return getattr(self._local, "chain", ())

    @contextmanager
    def within(self, chain: Sequence[tuple[str, str]]) -> Iterator[None]:
        """Saves of this thread follow from these runs."""
        before = self.chain
        self._local.chain = tuple((str(flow), str(record)) for flow, record in chain)
        try:
            yield
        finally:
            self._local.chain = before

    # -- the work ----------------------------------------------------------------------------------------------------

    def _after_commit(self) -> None:
        """The store has committed: what ran within it counts, and what was queued with it may start."""
        done, self._done = self._done, []
        self.runs.extend(run for transaction, run in done if transaction == self.org.store.transaction)
        if self._queued:
            self._queued = False
            self.wake()

    def wake(self) -> None:
        """Look what is due (also after the clock was moved). The threads are made at first need."""
        with self._lock:
            if self._worker is None and not self._closed:
                self._worker = Worker(self.org, partial(_do, self))
            worker = self._worker
        if worker is not None:
            worker.wake()

    def resume(self) -> None:
        """Take up what an earlier process left."""
        if waiting.next_due(self.org.store.read(), without=()) is not None:
            self.wake()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until everything that is due is done; False when that takes longer."""
        self.resume()
        return self._worker is None or self._worker.wait_until_idle(seconds)

    def stop(self) -> None:
        """End the threads."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()

    def forget(self) -> None:
        """After a reset: nothing ran."""
        self.runs.clear()
        self._known = (-1, {}, {})

    def note_at_commit(self, run: dict[str, Any]) -> None:
        """Add a run to the list once the transaction in which it ran is committed; never if it is rolled back."""
        self._done.append((self.org.store.transaction, run))

    def note(self, flow: Flow, version: int, path: str, record: Record, state: str, **more: Any) -> dict[str, Any]:
        """A run of a flow; added to the list unless it is part of a save, whose end decides about that."""
        run = {
            "flow": flow.name, "label": flow.label, "version": version, "path": path or "immediate", "object": record.kind.name,
            "record": record.id, "state": state, "at": self.org.clock.stamp(), **more,
        }  # fmt: skip
        if path or state != "Running":
            self.runs.append(run)
        return run


def _do(automation: Automation, job: Job) -> None:
    running.do_job(automation, job)


def read_notes(notes: dict[str, dict[str, Any]]) -> tuple[dict[str, Active], dict[str, Service]]:
    """The active flows and rules by object, and the services by name; what cannot be read any more is passed over."""
    found: dict[str, Active] = {}
    services: dict[str, Service] = {}
    for key, body in notes.items():
        kind, _, name = key.partition(":")
        try:
            if kind == "Flow" and (version := active_version(body)) is not None:
                flow = read_flow({**version["values"], "fullName": name})
                found.setdefault(flow.object.lower(), Active()).flows.append((flow, version["number"]))
            elif kind == "WorkflowRule" and text_of(body, "active").lower() == "true":
                object_name = name.partition(".")[0]
                found.setdefault(object_name.lower(), Active()).rules.append(read_rule(object_name, name, body))
            elif kind == "ExternalServiceRegistration":
                services[name.lower()] = read_service(name, body)
        except Refused:
            logger.warning("The component %s of the demo org cannot be read", key)
    for each in found.values():
        each.flows.sort(key=lambda pair: (pair[0].order, pair[0].name))
    return found, services


def active_version(body: dict[str, Any]) -> dict[str, Any] | None:
    """The active version of a flow, if it has one."""
    return next((each for each in body.get("versions", []) if each["number"] == body.get("active")), None)


def due_at(path: Path, seen: Seen) -> float | None:
    """When a path starts, in epoch seconds; None when the moment is unknown or over."""
    if path.delay is None:
        return seen.now.timestamp()
    if not path.source_field:
        return seen.now.timestamp() + path.delay
    value = seen.record.get(path.source_field)
    if value is None:
        return None
    text = str(stored(value))
    moment = datetime.fromisoformat(f"{text[:10]}T00:00:00+00:00" if len(text) == 10 else f"{text[:19]}+00:00")
    due = moment.timestamp() + path.delay
    return due if due > seen.now.timestamp() else None
