"""Writes what a report run said to all links of its source: set-based, one transaction a batch, with the ledger's counts.

Only a value that differs makes a `Reading` (R-227); a link that cannot be read keeps its value, says why and since when (I-21).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from integrations.models import Run, SalesforceOrg
from integrations.sync.tally import Tally
from okr import notices, readings, sources
from okr.models import Activity, KeyResult, Reading, ReportLink
from okr.readings import Broken, Value
from okr.rounds import DueSource, final_links

Status = ReportLink.Status
BATCH = 500
DAILY = timedelta(hours=24) - timedelta(minutes=10)  # a daily check must not slip by an hour each day
Verdict = Callable[[ReportLink], Value | Broken]


@dataclass(frozen=True, slots=True)
class Told:
    """What is the same for all links of one answer. `call`: what the ledger keeps of the call for rows that fail."""

    org: SalesforceOrg
    at: datetime
    run: Run | None = None
    report_name: str = ""
    report_format: str = ""
    call: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Batch:
    """Links of one batch by what happened to them."""

    good: list[tuple[ReportLink, Value]] = field(default_factory=list)
    old: dict[int, Decimal | None] = field(default_factory=dict)  # link -> value of its key result before
    broken: list[tuple[ReportLink, Broken]] = field(default_factory=list)
    passed_over: list[tuple[ReportLink, str]] = field(default_factory=list)


def write_answer(
    source: DueSource,
    report: Mapping[str, Any],
    told: Told,
    *,
    tally: Tally | None = None,
    save: Callable[[], None] | None = None,
) -> None:
    """Give every waiting link of `source` its value, or its own reason for having none."""

    def decide(link: ReportLink) -> Value | Broken:
        counts_in = link.key_result.unit_label if link.key_result.unit == KeyResult.Unit.CURRENCY else ""
        return readings.value_from(
            report,
            field=link.field,
            group_path=link.group_path,
            expected_type=link.field_type,
            expected_currency=link.currency,
            unit_currency=counts_in,
            missing_row_is_zero=link.missing_row_is_zero,
            field_label=link.field_label,
        )

    _write(source, decide, told, tally=tally, save=save)


def write_refusal(
    source: DueSource, broken: Broken, told: Told, *, tally: Tally | None = None, save: Callable[[], None] | None = None
) -> None:
    """The whole report could not be read: only its own links say so, each keeps its value (I-10)."""
    _write(source, lambda _: broken, told, tally=tally, save=save)


def write_unreachable(org: SalesforceOrg, *, status: str, reason: str, now: datetime) -> int:
    """The connection is down: every open link keeps its value and says so; one statement. Returns links changed."""
    links = ReportLink.objects.filter(org=org, frozen_at=None).exclude(status=status)
    return links.update(status=status, status_reason=reason, status_since=now)


def _write(source: DueSource, decide: Verdict, told: Told, *, tally: Tally | None, save: Callable[[], None] | None) -> None:
    finals = final_links(source.link_ids, now=told.at)
    for start in range(0, len(source.link_ids), BATCH):
        with transaction.atomic():
            wanted = source.link_ids[start : start + BATCH]
            links = _locked(source, wanted)
            batch = _sort(links, decide, told)
            before = {link.pk: link.status for link in links}
            _write_good(batch, told, finals)
            _write_broken(batch.broken, told)
            if save:
                save()
        # Counted only once it is committed: a stopped run must not count rows that were rolled back.
        if tally:
            _count(batch, tally, told.call)
            _count_gone(set(wanted) - set(before), tally)
        _tell(batch, before, told)


def _locked(source: DueSource, link_ids: Sequence[int]) -> list[ReportLink]:
    """The links as they are now, locked (key results first, as everywhere); re-pointed and cut ones are not among them."""
    wanted = ReportLink.objects.filter(pk__in=link_ids, source_key=source.key, frozen_at=None)
    results = {
        each.pk: each
        for each in KeyResult.objects.select_for_update(of=("self",)).filter(link__in=wanted.values("pk")).order_by("pk")
    }
    links = list(wanted.select_for_update(of=("self",)).order_by("pk"))
    for link in links:
        if link.key_result_id in results:
            link.key_result = results[link.key_result_id]
    return [link for link in links if link.key_result_id in results]


def _sort(links: Iterable[ReportLink], decide: Verdict, told: Told) -> Batch:
    batch = Batch()
    for link in links:
        if link.last_checked_at is not None and link.last_checked_at > told.at:  # I-07: somebody read it after us
            batch.passed_over.append((link, "read_meanwhile"))
            continue
        result = decide(link)
        if isinstance(result, Value):
            batch.good.append((link, result))
            batch.old[link.pk] = link.key_result.current
        else:
            batch.broken.append((link, result))
    return batch


# --- Values ----------------------------------------------------------------------------------------------------------


def _write_good(batch: Batch, told: Told, finals: set[int]) -> None:
    good = batch.good
    if not good:
        return
    ids = [link.pk for link, _ in good]
    about = {"report_name": told.report_name, "report_format": told.report_format} if told.report_name else {}
    rows = ReportLink.objects.filter(pk__in=ids)
    rows.exclude(status=Status.FRESH).update(status_since=told.at)
    rows.update(
        status=Status.FRESH,
        status_reason="",
        failed_passes=0,
        next_check_at=None,
        last_checked_at=told.at,
        last_value_at=told.at,
        **about,
    )
    last = [pk for pk in ids if pk in finals]
    if last:
        ReportLink.objects.filter(pk__in=last).update(status=Status.FROZEN, status_since=told.at, frozen_at=told.at)
    _adopt_currencies(good)
    _keep_readings([(link, value) for link, value in good if readings.differs(batch.old[link.pk], value.amount)], told, finals)
    _mark_final(
        [
            link.key_result_id
            for link, value in good
            if link.pk in finals and not readings.differs(batch.old[link.pk], value.amount)
        ]
    )
    _note_changes([link for link, _ in good if link.status not in {Status.FRESH, Status.NOT_READ}], told)


def _keep_readings(changed: Sequence[tuple[ReportLink, Value]], told: Told, finals: set[int]) -> None:
    """History and current value of the key results whose number moved."""
    Reading.objects.bulk_create(
        Reading(
            key_result_id=link.key_result_id,
            value=value.amount,
            at=told.at,
            source=Reading.Source.REPORT,
            run=told.run,
            report_id=link.report_id,
            report_name=told.report_name or link.report_name,
            field=link.field,
            group_path=link.group_path,
            read_as=told.org.user_name,
            all_data=value.all_data,
            is_final=link.pk in finals,
        )
        for link, value in changed
    )
    moved = []
    for link, value in changed:
        result = link.key_result
        if result.start_from_first_reading and link.last_value_at is None and value.amount != result.target:
            result.start = value.amount
        result.current, result.current_at = value.amount, told.at
        moved.append(result)
    KeyResult.objects.bulk_update(moved, ["current", "current_at", "start"], batch_size=BATCH)


def _mark_final(key_results: Sequence[int]) -> None:
    """An unchanged last value makes no new point in the history: the newest one is the final one."""
    newest = Reading.objects.filter(key_result_id__in=key_results).values("key_result_id").annotate(pk_max=Max("pk"))
    if key_results:
        Reading.objects.filter(pk__in=[row["pk_max"] for row in newest]).update(is_final=True)


def _adopt_currencies(good: Sequence[tuple[ReportLink, Value]]) -> None:
    """A report that names its currency for the first time: from now on it must stay that one."""
    named: dict[str, list[int]] = defaultdict(list)
    for link, value in good:
        if value.currency and not link.currency:
            named[value.currency].append(link.pk)
    for code, pks in named.items():
        ReportLink.objects.filter(pk__in=pks).update(currency=code)


# --- Reasons ---------------------------------------------------------------------------------------------------------


def _write_broken(broken: Sequence[tuple[ReportLink, Broken]], told: Told) -> None:
    by_verdict: dict[Broken, list[ReportLink]] = defaultdict(list)
    for link, why in broken:
        by_verdict[why].append(link)
    for why, links in by_verdict.items():
        rows = ReportLink.objects.filter(pk__in=[link.pk for link in links])
        rows.exclude(status=why.status).update(status_since=told.at)
        rows.update(
            status=why.status, status_reason=why.reason, last_checked_at=told.at, failed_passes=F("failed_passes") + 1,
            next_check_at=_not_before(why.status, links[0].failed_passes + 1, told.at),
        )  # fmt: skip
        _note_changes([link for link in links if link.status != why.status], told, why)


def _not_before(status: str, passes: int, at: datetime) -> datetime | None:
    """Lost access is looked at once a day (R-214); a deleted report after three passes likewise."""
    if status == Status.NO_ACCESS or (status == Status.REPORT_GONE and passes >= notices.PASSES_BEFORE_ADMINS):
        return at + DAILY
    return None


def _note_changes(links: Sequence[ReportLink], told: Told, why: Broken | None = None) -> None:
    """One line in the story per change of state, not per pass."""
    text = f"Not updating: {why.reason}" if why else "Updating again."
    Activity.objects.bulk_create(
        Activity(key_result_id=link.key_result_id, at=told.at, verb="stopped" if why else "recovered", text=text)
        for link in links
    )


# --- Ledger and messages ---------------------------------------------------------------------------------------------


def _count(batch: Batch, tally: Tally, call: Mapping[str, Any]) -> None:
    unchanged = 0
    for link, value in batch.good:
        old = batch.old[link.pk]
        if not readings.differs(old, value.amount):
            unchanged += 1
            continue
        tally.written(
            str(link.pk), link.key_result.title, salesforce_id=link.report_id,
            detail={"before": None if old is None else str(old), "value": str(value.amount)},
        )  # fmt: skip
    if unchanged:
        tally.unchanged(unchanged)
    for link, why in batch.broken:
        tally.failed(
            str(link.pk), why.status, why.reason, label=link.key_result.title, salesforce_id=link.report_id, detail=dict(call)
        )
    for link, code in batch.passed_over:
        tally.skipped(str(link.pk), code, "A newer reading was there already.", label=link.key_result.title)


def _count_gone(link_ids: set[int], tally: Tally) -> None:
    for pk in link_ids:
        tally.skipped(str(pk), "link_changed", "The link was changed or cut while the report ran.")


def _tell(batch: Batch, before: Mapping[int, str], told: Told) -> None:
    newly = [(link, why.status, why.reason) for link, why in batch.broken if before[link.pk] != why.status]
    well_again = [link for link, _ in batch.good if before[link.pk] not in {Status.FRESH, Status.NOT_READ}]
    if newly or well_again:
        notices.tell_changes(told.org, broken=newly, recovered=well_again, now=told.at)


def told_by(report: Mapping[str, Any], org: SalesforceOrg, *, at: datetime, run: Run | None) -> Told:
    """What an answer says about the report itself."""
    call = {"request": "report_run", "http_status": 200}
    return Told(org, at, run, sources.name_of(report), sources.format_of(report), call)
