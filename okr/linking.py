"""Ties a key result to one value of a Salesforce report: search, look, link, re-point, unlink (BW-25..BW-33, BW-D12).

Everything that asks Salesforce happens before anything is written, so a page never leaves half a link behind.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.formats import number_format

from integrations import audit
from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce import errors, ids, links
from integrations.salesforce import reports as wire
from integrations.undo import kept_row, row_of
from okr import licenses, periods, readings, rights, sources
from okr import reports_metadata as metadata
from okr.models import Activity, KeyResult, Reading, ReportLink
from okr.objectives import check_goal, plain
from okr.readings import Broken, Value

PAGE_SIZE = 20  # BW-D13
DOMAIN = "okr"
Status = ReportLink.Status


@dataclass(frozen=True, slots=True)
class FoundReport:
    """One search result; `usable` is False, with the reason, for formats that have no value to read."""

    id: str
    name: str
    folder: str
    format: str
    last_run: Any
    usable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of search results, 20 a page."""

    reports: list[FoundReport]
    total: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True)
class Preview:
    """All that the form shows before saving (BW-D12): the live value, where it comes from, and with whose eyes it was read."""

    org: SalesforceOrg
    report_id: str
    report_name: str
    folder: str
    format: str
    url: str
    read_as: str
    read_at: datetime
    fields: list[metadata.FieldChoice]
    reason: str  # why no field can be selected (BW-35)
    groups: metadata.GroupTree
    filter_columns: list[metadata.FilterColumn]
    filters: list[dict[str, str]]
    field: metadata.FieldChoice | None = None
    group_path: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    value: Value | None = None
    broken: Broken | None = None
    all_data: bool = True

    @property
    def notice(self) -> str:
        """Warns what linking makes visible (BW-10, BW-D12)."""
        return (
            f"The value is read with the Salesforce access of {self.read_as or 'the integration user'} and will be visible to "
            "everyone who can see this key result, whatever their own Salesforce access is."
        )

    @property
    def group_label(self) -> str:
        return metadata.path_label(self.group_path)


def check_may_link(user: Any, org: SalesforceOrg) -> None:
    """Refuse people without a seat, and connections whose key-result switch is off."""
    if not org.okr_enabled:
        raise Refusal("okr_off", f"Key results are switched off for {org.name}.")
    licenses.check_seat(user, org)


def search(org: SalesforceOrg, text: str, *, user: Any, page: int = 1) -> Found:
    """Reports with `text` in their name or folder, of all that the integration user can read (BW-28, BW-D13). Needs a seat."""
    check_may_link(user, org)
    page = max(page, 1)
    with client_for(org, domain=DOMAIN) as client:
        try:
            answer = wire.search_reports(client, text.strip(), page=page, page_size=PAGE_SIZE)
        except errors.SalesforceError as error:
            raise sources.refusal_of(error) from error
    return Found([_found(each) for each in answer.reports], answer.total, page, max(1, -(-answer.total // PAGE_SIZE)))


def preview(
    org: SalesforceOrg, report_id: str, *, user: Any, now: datetime, field_name: str = "",
    group_path: Sequence[Mapping[str, Any]] = (), filters: Sequence[Mapping[str, Any]] = (), missing_row_is_zero: bool = False,
) -> Preview:  # fmt: skip
    """Run the report once and show what it offers and, with a field, the value that a link would read. Needs a seat."""
    check_may_link(user, org)
    report_id = _report_id(report_id)
    sources.check_allowance(org, now=now)
    client = client_for(org, domain=DOMAIN)
    with client:
        return _look(
            client, org, report_id, field_name=field_name, group_path=group_path, filters=filters, now=now,
            missing_row_is_zero=missing_row_is_zero,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose, looked up live and found good; `attach` writes it. Nothing is written before."""

    preview: Preview
    missing_row_is_zero: bool
    settle_days: int
    start_from_first_reading: bool | None
    unit: str | None
    unit_label: str


def choose(
    org: SalesforceOrg,
    report_id: str,
    *,
    field_name: str,
    user: Any,
    now: datetime,
    group_path: Sequence[Mapping[str, Any]] = (),
    filters: Sequence[Mapping[str, Any]] = (),
    missing_row_is_zero: bool = False,
    settle_days: int = 0,
    start_from_first_reading: bool | None = None,
    unit: str | None = None,
    unit_label: str = "",
) -> Choice:
    """Check a choice against the live report. Refuses what could never be read; a row that is only empty now is accepted.

    `unit` None imports the field's own unit (BW-30); "custom" with a `unit_label` overrides it. `start_from_first_reading` None
    leaves the key result's own setting.
    """
    periods.check_settle_days(settle_days)
    if not field_name:
        raise Refusal("field_missing", "Choose a summary field.")
    if missing_row_is_zero and not readings.zero_is_true(field_name):
        raise Refusal(
            "zero_is_wrong", "A missing row can count as zero for sums and counts only, not for averages or formulas."
        )
    if unit is not None and unit not in KeyResult.Unit.values:
        raise Refusal("unknown_unit", f"The unit is one of: {', '.join(KeyResult.Unit.values)}.")
    seen = preview(
        org, report_id, user=user, now=now, field_name=field_name, group_path=group_path, filters=filters,
        missing_row_is_zero=missing_row_is_zero,
    )  # fmt: skip
    if seen.broken and seen.broken.status != Status.NO_VALUE:
        raise Refusal(seen.broken.status, seen.broken.reason)
    return Choice(seen, missing_row_is_zero, settle_days, start_from_first_reading, unit, unit_label.strip())


def attach(key_result: KeyResult, choice: Choice, *, user: Any, now: datetime) -> ReportLink:
    """Write a checked choice: link or re-point `key_result`, import the unit, keep the first reading. No calls are made."""
    rights.check_key_result(user, key_result)
    check_may_link(user, choice.preview.org)
    with transaction.atomic():
        current = KeyResult.objects.select_for_update(of=("self",)).get(pk=key_result.pk)
        before = ReportLink.objects.select_related("org").filter(key_result=current).first()
        _apply_choice(current, choice, is_first=before is None, now=now)
        link = _write_link(current, before, choice, user=user, now=now)
        _note_linked(current, before, link, user=user, now=now)
        licenses.note_use(user, choice.preview.org, now=now)
        sources.note_source(link.org, link.report_id, link.source_key, last_run_at=now)
    return link


def link(
    key_result: KeyResult, *, org: SalesforceOrg, report_id: str, field_name: str, user: Any, now: datetime, **options: Any
) -> ReportLink:
    """Choose and attach in one step; `options` as for `choose`. Only holders of a seat (BW-25); refused when linked already."""
    rights.check_key_result(user, key_result)
    if ReportLink.objects.filter(key_result=key_result).exists():
        raise Refusal("already_linked", "This key result is linked already; re-point it instead.")
    chosen = choose(org, report_id, field_name=field_name, user=user, now=now, **options)
    return attach(key_result, chosen, user=user, now=now)


def repoint(
    key_result: KeyResult, *, org: SalesforceOrg, report_id: str, field_name: str, user: Any, now: datetime, **options: Any
) -> ReportLink:
    """Choose another report, field, row or options for a linked key result; readings so far stay. Needs a seat."""
    rights.check_key_result(user, key_result)
    if not ReportLink.objects.filter(key_result=key_result).exists():
        raise Refusal("not_linked", "This key result is not linked yet.")
    chosen = choose(org, report_id, field_name=field_name, user=user, now=now, **options)
    return attach(key_result, chosen, user=user, now=now)


def unlink(key_result: KeyResult, *, user: Any, now: datetime) -> None:
    """Cut the link; value, readings and story stay, and values can be entered by hand again. Needs no seat (BW-D3, BW-D15)."""
    rights.check_key_result(user, key_result)
    with transaction.atomic():
        KeyResult.objects.select_for_update(of=("self",)).get(pk=key_result.pk)  # the same order of locks everywhere
        old = ReportLink.objects.select_for_update(of=("self",)).filter(key_result=key_result).first()
        if old is None:
            raise Refusal("not_linked", "This key result is not linked.")
        text = f"No longer fed by {old.report_name}: {old.field_label}, {metadata.path_label(old.group_path)}."
        Activity.objects.create(key_result=key_result, actor=user, at=now, verb="unlinked", text=text)
        audit.record("key_result.unlinked", actor=user, target=key_result.title, before=_facts(old))
        old.delete()


def link_kept(key_result: KeyResult) -> dict[str, Any] | None:
    """The link of a key result as plain data, to be put back by `relink`; None when there is none."""
    row = ReportLink.objects.filter(key_result=key_result).first()
    return kept_row(row) if row else None


def relink(kept: dict[str, Any], *, user: Any, now: datetime) -> str:
    """Put back a link that `unlink` has just cut, exactly as it was. Needs the rights of unlinking, no seat.

    Refusals: `gone` (key result or connection), `already_linked`.
    """
    row = row_of(ReportLink, kept)
    with transaction.atomic():
        key_result = KeyResult.objects.select_for_update(of=("self",)).filter(pk=row.key_result_id).first()
        if key_result is None or not SalesforceOrg.objects.filter(pk=row.org_id).exists():
            raise Refusal("gone", "The key result or its connection is gone, so the link cannot be put back.")
        rights.check_key_result(user, key_result)
        if ReportLink.objects.filter(key_result=key_result).exists():
            raise Refusal("already_linked", "This key result was linked again meanwhile.")
        if row.linked_by_id and not get_user_model().objects.filter(pk=row.linked_by_id).exists():
            row.linked_by_id = None
        row.save(force_insert=True)
        _note_linked(key_result, None, row, user=user, now=now)
    return f"{key_result.title} is linked again."


def describe(org: SalesforceOrg, report_id: str, *, user: Any, now: datetime) -> metadata.FieldReport:
    """The summary fields of a report without running it, or why there is none (BW-29, BW-35). Needs a seat."""
    check_may_link(user, org)
    with client_for(org, domain=DOMAIN) as client:
        try:
            body = sources.description_of(client, org, _report_id(report_id), now=now)
        except errors.SalesforceError as error:
            raise sources.refusal_of(error) from error
    return metadata.fields_or_reason(body)


# --- Looking ---------------------------------------------------------------------------------------------------------


def _look(
    client: OrgClient, org: SalesforceOrg, report_id: str, *, field_name: str, group_path: Sequence[Mapping[str, Any]],
    filters: Sequence[Mapping[str, Any]], now: datetime, missing_row_is_zero: bool,
) -> Preview:  # fmt: skip
    clean = _clean_filters(filters)
    try:
        folder, modified_at = sources.folder_and_stamp(client, report_id)
        description = sources.description_of(client, org, report_id, now=now, modified_at=modified_at)
        offered = metadata.fields_or_reason(description)
        _check_filters(description, clean)
        report = (
            wire.run_report(client, report_id, metadata=sources.run_metadata(description, clean))
            if offered.fields
            else description
        )
    except errors.ReportTooSlow as error:
        raise Refusal(
            Status.TIMEOUT, "The report takes over two minutes; make it smaller in Salesforce to preview it."
        ) from error
    except errors.SalesforceError as error:
        raise sources.refusal_of(error, filtered=bool(clean)) from error
    return _preview_of(
        org, report_id, report, description, folder, field_name=field_name, group_path=group_path, filters=clean, now=now,
        missing_row_is_zero=missing_row_is_zero,
    )  # fmt: skip


def _preview_of(
    org: SalesforceOrg,
    report_id: str,
    report: Mapping[str, Any],
    description: Mapping[str, Any],
    folder: str,
    *,
    field_name: str,
    group_path: Sequence[Mapping[str, Any]],
    filters: list[dict[str, str]],
    now: datetime,
    missing_row_is_zero: bool,
) -> Preview:
    offered = metadata.fields_or_reason(report)
    chosen = next((each for each in offered.fields if each.name == field_name), None)
    path = metadata.find_path(report, group_path) or [dict(step) for step in group_path]
    result = None
    if field_name:
        result = readings.value_from(report, field=field_name, group_path=path, missing_row_is_zero=missing_row_is_zero)
    return Preview(
        org=org, report_id=report_id, report_name=sources.name_of(report), folder=folder, format=sources.format_of(report),
        url=links.report_url(org.instance_url, report_id), read_as=org.user_name, read_at=now,
        fields=offered.fields, reason=offered.reason, groups=metadata.group_choices(report),
        filter_columns=sorted(metadata.filter_columns(description).values(), key=lambda each: each.label), filters=filters,
        field=chosen, group_path=path, value=result if isinstance(result, Value) else None,
        broken=result if isinstance(result, Broken) else None, all_data=bool(report.get("allData", True)),
    )  # fmt: skip


def _found(each: wire.ReportSummary) -> FoundReport:
    kind = str(each.format or "").upper().replace(" ", "_")
    usable = kind not in {"MULTI_BLOCK", "MULTIBLOCK"}
    reason = "" if usable else "Joined report: it has no single summary value."
    if kind == "TABULAR":
        reason = "Tabular report: only its record count can be used."
    return FoundReport(each.id, each.name, each.folder or "", kind, each.last_run, usable, reason)


def _report_id(text: str) -> str:
    try:
        found = ids.to_18(text)
    except ValueError as error:
        raise Refusal("not_a_report", "That is not the id of a Salesforce report.") from error
    if not found.startswith("00O"):
        raise Refusal("not_a_report", "Only reports can be linked, no other Salesforce records.")  # BW-37
    return found


def _clean_filters(filters: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    try:
        return [
            {"column": str(each["column"])[:255], "operator": str(each["operator"])[:40], "value": each["value"]}
            for each in filters
        ]
    except (KeyError, TypeError) as error:
        raise Refusal("filter_incomplete", "A filter has a column, an operator and a value.") from error


def _check_filters(description: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> None:
    problem = metadata.filter_problem(description, filters)
    if problem:
        raise Refusal(problem.code, problem.message)


# --- Writing ---------------------------------------------------------------------------------------------------------


def _apply_choice(key_result: KeyResult, choice: Choice, *, is_first: bool, now: datetime) -> None:
    """Unit, start and current value of the key result. Refuses a start that equals the target (BW-D11).

    Re-pointing moves the start only when that is asked for.
    """
    seen = choice.preview
    assert seen.field is not None
    if choice.unit is not None:
        key_result.unit, key_result.unit_label = choice.unit, choice.unit_label or key_result.unit_label
    elif seen.field.unit != metadata.NUMBER:
        key_result.unit = seen.field.unit
        currency = (seen.value.currency if seen.value else "") or seen.field.unit_label
        if seen.field.unit == metadata.CURRENCY:
            currency = currency or seen.org.currency
        key_result.unit_label = currency or key_result.unit_label
    if choice.start_from_first_reading is not None:
        key_result.start_from_first_reading = choice.start_from_first_reading
    if seen.value is not None:
        if key_result.start_from_first_reading and (is_first or choice.start_from_first_reading):
            check_goal(start=seen.value.amount, target=key_result.target)
            key_result.start = seen.value.amount
        key_result.current, key_result.current_at = seen.value.amount, now
    key_result.save()


def _write_link(key_result: KeyResult, before: ReportLink | None, choice: Choice, *, user: Any, now: datetime) -> ReportLink:
    seen, value = choice.preview, choice.preview.value
    assert seen.field is not None
    broken = seen.broken or Broken(Status.NO_VALUE, "")
    row = before or ReportLink(key_result=key_result)
    row.org, row.report_id, row.report_name, row.folder_name = seen.org, seen.report_id, seen.report_name, seen.folder[:255]
    row.report_format, row.field, row.field_label = seen.format, seen.field.name, seen.field.label[:255]
    row.field_type = seen.field.type[:20]
    row.currency = value.currency if value else (seen.field.unit_label if seen.field.unit == metadata.CURRENCY else "")
    row.group_path, row.filters = seen.group_path, seen.filters
    row.source_key = sources.source_key(seen.org, seen.report_id, seen.filters)
    row.missing_row_is_zero, row.settle_days = choice.missing_row_is_zero, choice.settle_days
    row.status = Status.FRESH if value else broken.status
    row.status_reason, row.status_since = ("" if value else broken.reason), now
    row.failed_passes, row.next_check_at, row.frozen_at = 0, None, None
    row.last_checked_at, row.last_value_at = now, (now if value else None)
    row.linked_by, row.linked_at = user, now
    row.save()
    if value:
        Reading.objects.create(
            key_result=key_result,
            value=value.amount,
            at=now,
            source=Reading.Source.REPORT,
            report_id=row.report_id,
            report_name=row.report_name,
            field=row.field,
            group_path=row.group_path,
            read_as=seen.read_as,
            all_data=value.all_data,
        )
    return row


def _note_linked(key_result: KeyResult, before: ReportLink | None, after: ReportLink, *, user: Any, now: datetime) -> None:
    verb = "re-pointed" if before else "linked"
    text = f"Fed by {after.report_name}: {after.field_label}, {metadata.path_label(after.group_path)}."
    if after.settle_days:
        text += f" Last reading {after.settle_days} days after the period's end."
    Activity.objects.create(key_result=key_result, actor=user, at=now, verb=verb, text=text)
    audit.record(f"key_result.{verb.replace('-', '')}", actor=user, target=key_result.title, after=_facts(after))


def _facts(row: ReportLink) -> dict[str, Any]:
    return {
        "connection": row.org_id, "report_id": row.report_id, "report": row.report_name, "field": row.field,
        "row": metadata.path_label(row.group_path), "filters": row.filters,
    }  # fmt: skip


def amount_text(value: Decimal, *, unit: str, unit_label: str) -> str:
    """A value with its unit in words: `510,000 USD`, `45 %`, `12 deals`. The number is never rescaled."""
    number = number_format(plain(value), use_l10n=False, force_grouping=True)
    return f"{number} %" if unit == KeyResult.Unit.PERCENT else f"{number} {unit_label}".strip()
