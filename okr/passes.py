"""One pass over a connection's due reports: run them, settle each, stop when that is wiser, remember what was learned."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.connect import NotConnected, OrgClient, client_for
from integrations.salesforce import errors
from integrations.sync.runs import Defer, Recorder
from integrations.sync.tally import Tally
from okr import reports_metadata as metadata
from okr import results, running, sources
from okr.models import ReportLink, ReportSource
from okr.readings import Broken
from okr.rounds import DueSource
from okr.running import Clock, Outcome, Ran, Refused, Started

DOMAIN, ROWS = "okr", "key results"
PASS_SECONDS = 90  # nothing new starts later: with a run's own 180 s that ends before the queue's 300
COLLECT_SECONDS = 20  # patience with asynchronous runs within a pass
LIMIT_WAIT = timedelta(minutes=15)
HOPELESS_AFTER = timedelta(minutes=30)
UPSTREAM_STOP = 3  # reports in a row that Salesforce did not answer: it is down, not the report
Status = ReportLink.Status


@dataclass
class Round:
    """Which links a pass is for: those not checked since `start`. Travels in the checkpoint and to follow-up runs.

    `rows_of`: only the links that the run of this number could not read (0 = all).
    """

    start: str
    everything: bool = False
    slice: int = 0
    part: int = 0
    rows_of: int = 0

    @property
    def began(self) -> datetime:
        return datetime.fromisoformat(self.start)


@dataclass
class Pass:
    """The work of one pass: which sources are still open, what was learned about them, when to stop."""

    recorder: Recorder
    org: SalesforceOrg
    round: Round
    clock: Clock = field(default_factory=lambda: Clock(PASS_SECONDS))
    open: dict[str, DueSource] = field(default_factory=dict)
    learned: list[ReportSource] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    unanswered: int = 0
    beyond_limit: list[DueSource] = field(default_factory=list)

    @property
    def tally(self) -> Tally:
        return self.recorder.object(ROWS)

    def work(self, part: Sequence[DueSource]) -> bool:
        """Read every source of `part`; True when some are under way or unread and a follow-up run must go on."""
        self.open = {source.key: source for source in part}
        try:
            client = client_for(self.org, domain=DOMAIN)
            with client:
                try:
                    self._read(client, list(part))
                finally:
                    self.recorder.spent(client.calls)
                    self._keep_learned()
        except (NotConnected, errors.AuthError) as error:
            self._give_up(Status.CONNECTION, str(error), error)
            results.write_unreachable(self.org, status=Status.CONNECTION, reason=str(error), now=timezone.now())
            raise
        except errors.LimitReached as error:
            self._give_up(Status.LIMIT, sources.status_of(error)[1], error)
            raise
        except errors.UpstreamUnavailable as error:
            self._give_up(Status.UPSTREAM, sources.status_of(error)[1], error)
            raise
        if self.beyond_limit:
            self._give_up(
                Status.LIMIT, "This hour's Salesforce report runs are used up; the pass goes on when they are free again."
            )
            raise Defer("report_limit", "This hour's report runs are used up.", until=timezone.now() + LIMIT_WAIT)
        return bool(self.open)

    def _read(self, client: OrgClient, part: list[DueSource]) -> None:
        now = timezone.now()
        if not budget.may_spend(self.org, calls=len(part), domain=DOMAIN, interactive=False, now=now):
            raise errors.DailyLimitReached("Our share of the org's daily API calls is used up.", code="OUR_SHARE")
        self._prepare_filters(client, [source for source in part if source.filters])
        left = budget.report_runs_left(self.org, now=now, interactive=False)
        mine = [source for source in part if source.key in self.open]
        quick = [source for source in mine if not source.instance_id and not source.is_slow]
        slow = [source for source in mine if not source.instance_id and source.is_slow]
        turned_out_slow = self._run_quick(client, quick[: left.sync])
        to_start = [*turned_out_slow, *slow, *quick[left.sync :]]
        self.beyond_limit = to_start[left.instances :]
        started = self._start(client, to_start[: left.instances])
        self._collect(client, [*(source for source in mine if source.instance_id and source not in started), *started])

    def _run_quick(self, client: OrgClient, quick: Sequence[DueSource]) -> list[DueSource]:
        """Synchronous runs; gives back those that must run asynchronously instead."""
        asynchronous: list[DueSource] = []
        for source, outcome in running.do_all(lambda each: running.run_now(client, each), quick, clock=self.clock):
            if isinstance(outcome, Refused) and isinstance(outcome.error, errors.ReportTooSlow):
                self._learn(source, slow_at=timezone.now())
                asynchronous.append(source)
            elif isinstance(outcome, Refused) and isinstance(
                outcome.error, (errors.ReportLimitReached, errors.ConcurrentLimitReached)
            ):
                asynchronous.append(source)  # others in the org used the runs up; the asynchronous ones are counted apart
            else:
                self._settle(source, outcome)
        return asynchronous

    def _start(self, client: OrgClient, wanted: Sequence[DueSource]) -> list[DueSource]:
        """Start asynchronous runs; each id is stored at once, so that a killed pass collects instead of running twice."""
        started = []
        for source, outcome in running.do_all(lambda each: running.start(client, each), wanted, clock=self.clock):
            if isinstance(outcome, Started):
                source.instance_id, source.instance_at = outcome.instance_id, timezone.now()
                sources.note_source(
                    self.org, source.report_id, source.key, instance_id=outcome.instance_id, instance_at=source.instance_at
                )
                started.append(source)
            elif isinstance(outcome, Refused) and isinstance(outcome.error, errors.ReportLimitReached):
                self.beyond_limit.append(source)
            else:
                self._settle(source, outcome)
        return started

    def _collect(self, client: OrgClient, started: Sequence[DueSource]) -> None:
        for source, outcome in running.collect_all(client, started, patience=COLLECT_SECONDS, clock=self.clock):
            if isinstance(outcome, Started):
                if not _is_hopeless(source, timezone.now()):
                    continue
                outcome = Refused(
                    errors.ReportTooSlow("It still runs in the background after half an hour.", code="STILL_RUNNING")
                )
            self._learn(source, instance_id="", instance_at=None)
            if isinstance(outcome, Refused) and isinstance(outcome.error, errors.NotFound):
                continue  # the result is gone, not the report: the follow-up run asks anew
            self._settle(source, outcome)

    def _settle(self, source: DueSource, outcome: Outcome) -> None:
        """Write what became of a source; an error that concerns everything is raised instead."""
        run, at = self.recorder.run, timezone.now()
        if isinstance(outcome, Ran):
            self.unanswered = 0
            told = results.told_by(outcome.report, self.org, at=at, run=run)
            results.write_answer(source, outcome.report, told, tally=self.tally, save=self._save)
            self.digests[source.report_id] = metadata.digest_of(outcome.report)
            self._learn(source, last_run_at=at, seconds=round(outcome.seconds, 3))
        elif isinstance(outcome, Refused):
            self._raise_if_general(outcome.error)
            status, reason = sources.status_of(outcome.error, filtered=bool(source.filters))
            told = results.Told(self.org, at, run, call=running.said_by(outcome.error, outcome.request))
            results.write_refusal(source, Broken(status, reason), told, tally=self.tally, save=self._save)
        self.open.pop(source.key, None)

    def _raise_if_general(self, error: errors.SalesforceError) -> None:
        if isinstance(error, (errors.AuthError, errors.LimitReached, errors.TlsRefused, errors.OrgReadOnly)):
            raise error
        if isinstance(error, errors.UpstreamUnavailable):
            self.unanswered += 1
            if self.unanswered >= UPSTREAM_STOP:
                raise error

    def _prepare_filters(self, client: OrgClient, filtered: Sequence[DueSource]) -> None:
        """What to send with filtered runs; a describe only for reports that changed since they were described."""
        if not filtered:
            return
        report_ids = sorted({source.report_id for source in filtered})
        changed = sources.changed_descriptions(client, self.org, report_ids)
        described: dict[str, dict[str, Any] | errors.SalesforceError] = {}
        for source in filtered:
            known = described.get(source.report_id)
            if known is None:
                known = described[source.report_id] = self._describe(client, source.report_id, changed)
            if isinstance(known, errors.SalesforceError):
                self._settle(source, Refused(known, "report_describe"))
            else:
                source.body = sources.run_metadata(known, source.filters)

    def _describe(self, client: OrgClient, report_id: str, changed: dict[str, str]) -> dict[str, Any] | errors.SalesforceError:
        try:
            if report_id in changed:
                stamp = changed[report_id]
                return sources.describe_anew(client, self.org, report_id, now=timezone.now(), modified_at=stamp)
            return sources.kept_description(self.org, report_id) or sources.describe_anew(
                client, self.org, report_id, now=timezone.now()
            )
        except errors.SalesforceError as error:
            return error

    def _give_up(self, status: str, reason: str, error: Exception | None = None) -> None:
        """Links that this pass does not come to keep their value and say why; the ledger names each as not attempted."""
        ids = [pk for source in self.open.values() for pk in source.link_ids]
        for start in range(0, len(ids), results.BATCH):
            rows = ReportLink.objects.filter(pk__in=ids[start : start + results.BATCH], frozen_at=None)
            rows.exclude(status=status).update(status=status, status_reason=reason, status_since=timezone.now())
        for pk in ids:
            self.tally.not_attempted(str(pk), status, reason, detail=running.said_by(error))

    def _save(self) -> None:
        self.recorder.save(asdict(self.round))

    def _learn(self, source: DueSource, **facts: Any) -> None:
        self.learned.append(ReportSource(org=self.org, source_key=source.key, report_id=source.report_id, **facts))

    def _keep_learned(self) -> None:
        """Store what was learned, a few statements for all: rows are grouped by the facts they carry."""
        kept, self.learned = self.learned, []
        keep_learned(kept)
        sources.note_structures(self.org, self.digests, now=timezone.now())


def _is_hopeless(source: DueSource, now: datetime) -> bool:
    """Whether we no longer wait for an asynchronous run."""
    return source.instance_at is not None and now - source.instance_at > HOPELESS_AFTER


def keep_learned(learned: Iterable[ReportSource]) -> None:
    """Upsert facts about sources, grouped by which facts they carry so that no fact overwrites another."""
    groups: dict[tuple[str, ...], dict[str, ReportSource]] = {}
    for each in learned:
        names = tuple(name for name in ("slow_at", "last_run_at", "seconds") if getattr(each, name) is not None)
        names = names or ("instance_id", "instance_at")
        groups.setdefault(names, {})[each.source_key] = each
    for names, rows in groups.items():
        ReportSource.objects.bulk_create(
            rows.values(), update_conflicts=True, unique_fields=["org", "source_key"], update_fields=list(names), batch_size=500
        )
