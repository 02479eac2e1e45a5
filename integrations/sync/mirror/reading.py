"""Job mirror.read: everything that the domains need of one connection, each object read once, incrementally (DESIGN, idea 1).

Per object: describe (kept an hour), find out how many rows changed, bring them in over REST or Bulk 2.0, drop what is known,
register the rest and move the watermark in one transaction (I-03). The watermark is the time by Salesforce's clock at which
the read began, because it is compared with stamps of that clock; it never moves backwards. All Bulk jobs are started before the
first one is waited for. A killed, deferred or paused run goes on from its checkpoint, with the needs that it started with.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.lake.types import SchemaError
from integrations.models import MirrorObject, Run
from integrations.orgs.connect import client_for
from integrations.salesforce.errors import (
    AuthError,
    InvalidType,
    LimitReached,
    NotFound,
    SalesforceError,
    UpstreamUnavailable,
)
from integrations.sync import runs
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import backfill, drift, objects
from integrations.sync.mirror.needs import ObjectNeed, needs_of
from integrations.sync.mirror.object_read import ObjectRead
from integrations.sync.mirror.pulling import ObjectFailed
from integrations.sync.mirror.session import DOMAIN, Session
from integrations.sync.mirror.state import ReadState
from integrations.sync.runs import Recorder

JOB = "mirror.read"
KEY = "mirror"  # of the checkpoint: a run that reads and then does something else keeps its own keys beside it
PATIENCE = 15.0  # seconds that a worker waits for Bulk jobs before it is given back
SHORT_WAIT, LONG_WAIT = timedelta(seconds=20), timedelta(minutes=2)
MOST_UPSTREAM = 2  # objects in a row that Salesforce could not answer for, before we stop asking
WORST = (Run.State.FAILED, Run.State.CANCELLED, Run.State.PARTIAL)


def perform(recorder: Recorder) -> None:
    """One read of the connection's mirror."""
    read_mirror(recorder)


def read_mirror(recorder: Recorder) -> None:
    """Read what is still unread of this run. Raises what ends the run otherwise than by its counts (`RunStopped`, `Defer`)."""
    MirrorRead(recorder).work()


class MirrorRead:
    """One turn of a run that reads a connection's mirror."""

    def __init__(self, recorder: Recorder) -> None:
        assert recorder.org is not None
        self.recorder, self.org, self.now = recorder, recorder.org, timezone.now()
        known = recorder.checkpoint.get(KEY) or {}
        self.began = datetime.fromisoformat(known["began"]) if known else self.now
        self.needs = _needs_from(known["needs"]) if known else self._needs_now()
        self.states = {name: ReadState.from_json(each) for name, each in known.get("reads", {}).items()}
        self.problems: list[dict[str, str]] = list(known.get("problems", []))
        self.settings = objects.settings_of(self.org)
        self.reads: dict[str, ObjectRead] = {}

    def checkpoint(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        mine = {
            "began": self.began.isoformat(), "needs": [asdict(need) for need in self.needs.values()],
            "reads": {name: state.as_json() for name, state in self.states.items()}, "problems": self.problems,
        }  # fmt: skip
        return {**self.recorder.checkpoint, KEY: mine}

    def work(self) -> None:
        """Read every object; then say how it ended."""
        self._pin()
        if not self.needs:
            objects.match_objects(self.org, {}, now=self.now)
            return
        client = client_for(self.org, domain=DOMAIN)
        limit, overlap = timedelta(minutes=self.settings.job_minutes), objects.overlap_of(self.settings)
        self.session = Session(self.recorder, client, limit, self.checkpoint, overlap=overlap, began=self.began)
        try:
            self._read_all()
        except (LimitReached, UpstreamUnavailable) as error:
            raise self.session.deferral(error) from error
        finally:
            self.session.note_calls()
            client.close()
        self._ask_for_backfills()
        drift.report(self.org, now=timezone.now())
        self._conclude()

    def _pin(self) -> None:
        """The run works on the needs that it started with, and shows which (I-13)."""
        text = json.dumps([asdict(need) for need in self.needs.values()], sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:12]
        if self.recorder.run.configuration != version:
            Run.objects.filter(pk=self.recorder.run.pk).update(configuration=version)

    def _needs_now(self) -> dict[str, ObjectNeed]:
        needs = needs_of(self.org)
        chosen = {str(name).lower() for name in self.recorder.run.arguments.get("objects", ())}
        return {name: need for name, need in needs.items() if not chosen or name.lower() in chosen}

    # --- all objects ---

    def _read_all(self) -> None:
        if "objects" not in self.recorder.run.arguments:
            mirrors = objects.match_objects(self.org, self.needs, now=self.now)
        else:
            mirrors = objects.match_objects(self.org, needs_of(self.org), now=self.now)
            mirrors = {name: mirrors[name] for name in self.needs if name in mirrors}
        failures = 0
        for name, need in self.needs.items():
            mirror = mirrors.get(name)
            if mirror is None or self._is_over(name) or mirror.state == MirrorObject.State.PAUSED:
                continue
            read = self.reads[name] = ObjectRead(self.session, mirror, need, self.states)
            failures = 0 if self._try(read, read.begin) else failures + 1
            if failures >= MOST_UPSTREAM and self.upstream is not None:
                raise self.upstream
            self.recorder.breathe()
        self._collect_all()
        if self.upstream is not None:
            raise self.upstream

    upstream: UpstreamUnavailable | None = None

    def _is_over(self, name: str) -> bool:
        failed = any(each["object"] == name for each in self.problems)
        return failed or (name in self.states and self.states[name].done)

    def _collect_all(self) -> None:
        """Land Bulk jobs as they complete; give the worker back when none does for a while (R-036)."""
        until = time.monotonic() + PATIENCE
        while waiting := [read for read in self.reads.values() if read.is_waiting]:
            due = [read for read in waiting if read.pull is not None and read.pull.next_look <= time.monotonic()]
            for read in due:
                if self._try(read, read.look) and not read.is_waiting:
                    until = time.monotonic() + PATIENCE
                self.recorder.breathe()
            if not due:
                self._rest(waiting, until)

    def _rest(self, waiting: Sequence[ObjectRead], until: float) -> None:
        nearest = min((read.pull.next_look for read in waiting if read.pull is not None), default=0.0)
        if nearest > until:
            self.session.save()
            names = ", ".join(read.mirror.name for read in waiting)
            since = min(read.waiting_since for read in waiting)
            pause = min(LONG_WAIT, max(SHORT_WAIT, (timezone.now() - since) / 4))
            self.recorder.wait(until=timezone.now() + pause, sentence=f"Salesforce is still preparing: {names}.")
        time.sleep(max(0.0, min(nearest - time.monotonic(), 1.0)))
        self.session.look()

    def _try(self, read: ObjectRead, step: Callable[[], None]) -> bool:
        """One step of one object. What concerns only this object does not stop the others (I-10); False: nobody answered."""
        try:
            step()
        except (AuthError, LimitReached):
            raise
        except UpstreamUnavailable as error:
            self.upstream = error
            self.reads.pop(read.name, None)
            return False
        except ObjectFailed as problem:
            self._note_problem(read, problem.code, problem.sentence, problem.state)
        except (NotFound, InvalidType) as error:
            if read.need.is_optional:
                drift.leave_object(read.mirror, error)
                self.states.pop(read.name, None)
                return True
            drift.hide_object(self.recorder, read.mirror, error, now=self.now)
            sentence = f"{read.name} was skipped: it is gone, or the connected user may not see it."
            self._note_problem(read, "no_access", sentence, Run.State.PARTIAL)
        except (SalesforceError, SchemaError) as error:
            self._fail_object(read, error)
        return True

    def _fail_object(self, read: ObjectRead, error: SalesforceError | SchemaError) -> None:
        code = getattr(error, "code", "") or type(error).__name__
        self.recorder.object(read.name).failed(read.name, code, str(error))
        self._note_problem(read, code, f"{read.name} could not be read: {error}", Run.State.PARTIAL)

    def _note_problem(self, read: ObjectRead, code: str, sentence: str, state: str) -> None:
        self.problems.append({"object": read.name, "code": code, "sentence": sentence, "state": state})
        self.states.pop(read.name, None)
        self.reads.pop(read.name, None)
        self.session.save()

    # --- the end ---

    def _ask_for_backfills(self) -> None:
        mirrors = MirrorObject.objects.filter(org=self.org, state=MirrorObject.State.ACTIVE, watermark__isnull=False)
        for mirror in mirrors:
            objects.ask_for_backfill(mirror, now=self.now)
        if backfill.is_waiting(self.org):
            runs.request_run(backfill.JOB, org=self.org, trigger=Run.Trigger.SYSTEM, now=timezone.now())

    def _conclude(self) -> None:
        if not self.problems:
            return
        worst = min(self.problems, key=lambda each: WORST.index(Run.State(each["state"])))
        sentence = " ".join(dict.fromkeys(each["sentence"] for each in self.problems))
        raise RunStopped(worst["code"], sentence, worst["state"])


def _needs_from(data: Sequence[dict[str, Any]]) -> dict[str, ObjectNeed]:
    """The pinned needs of a checkpoint."""
    needs = {}
    for each in data:
        fields = {name: tuple(asking) for name, asking in each["fields"].items()}
        need = ObjectNeed(
            each["object"], fields, tuple(each["domains"]), each["since_months"], tuple(each.get("hashed", ())),
            tuple(each.get("optional", ())), bool(each.get("is_optional")),
        )  # fmt: skip
        needs[need.object] = need
    return needs
