"""What the pages of the outbox show: targets, waiting rows by cause, questions of the guard, edits by people."""

from collections import Counter
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from integrations.masking import hide_people, may_see_people
from integrations.models import HumanEdit, OutboxPush, OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.sync import guard
from integrations.sync.matching import duplicates
from integrations.sync.outbox import kinds, preview, rows, undo

PAGE = 50


def read_overview(*, org: SalesforceOrg | None) -> dict[str, Any]:
    """Everything that waits, and why, for one connection or all."""
    targets = OutboxTarget.objects.select_related("org", "last_run").defer("last_run__checkpoint")
    edits, groups = open_edits(org), rows.groups(org)
    if org is not None:
        targets = targets.filter(org=org)
    labels = {kind.name: kind.label for kind in kinds.every()}
    waiting = Counter[int]()
    for group in groups:
        waiting[group.target.pk] += group.rows
    return {
        "groups": groups,
        "guards": guard.pending(org),
        "edits": edits.count(),
        "contested": duplicates.count_contested(org),
        "targets": [
            {"target": each, "label": labels.get(each.kind, each.kind), "waiting": waiting[each.pk]} for each in targets
        ],
    }


def open_edits(org: SalesforceOrg | None) -> "QuerySet[HumanEdit]":
    """Values of ours that people changed in Salesforce and nobody decided about."""
    found = HumanEdit.objects.filter(decision=HumanEdit.Decision.OPEN).select_related("target", "target__org")
    return found if org is None else found.filter(target__org=org)


def decided_edits(org: SalesforceOrg | None) -> "QuerySet[HumanEdit]":
    """Such values that a person, or the rule of their kind, has decided about; the latest first."""
    found = HumanEdit.objects.exclude(decision=HumanEdit.Decision.OPEN).select_related("target", "target__org", "decided_by")
    return (found if org is None else found.filter(target__org=org)).order_by("-seen_at")


def find_rows(*, org: SalesforceOrg | None, target: str, code: str, state: str) -> "QuerySet[OutboxRow]":
    """Waiting rows, newest failure first; every filter is a text from the address and may be empty."""
    found = OutboxRow.objects.select_related("target", "target__org", "run")
    found = found.filter(state=state) if state in OutboxRow.State.values else found.filter(state__in=rows.WAITING)
    if org is not None:
        found = found.filter(target__org=org)
    if target:
        found = found.filter(target_id=int(target) if target.isascii() and target.isdigit() and len(target) < 19 else 0)
    if code:
        found = found.filter(code=code.replace("\0", ""))
    return found.order_by("-last_failed_at", "-pk")


def page_of_rows(found: "QuerySet[OutboxRow]", number: str | None, user: Any) -> Page:
    """One page; people without the right to see personal data see it masked (S-115)."""
    page = Paginator(found, PAGE).get_page(number)
    if not may_see_people(user):
        for row in page.object_list:
            row.label, row.message = hide_people(row.label), hide_people(row.message)
    return page


def read_row(row: OutboxRow) -> dict[str, Any]:
    """One waiting row with what it wants to write, what a person set instead and what to do."""
    wanted = {**dict.fromkeys(row.fields), **row.values}  # fields that were named but have no value of ours can be given one
    fields = [
        {
            "name": name,
            "text": text_of(row.edited.get(name, value)),
            "says": text_of(value),
            "is_edited": name in row.edited,
            "is_flag": isinstance(value, bool),
            "named": name in row.fields,
        }
        for name, value in wanted.items()
    ]
    return {"row": row, "fields": fields, "fix": rows.fix_of(row), "fix_page": rows.page_of(row)}


def text_of(value: Any) -> str:
    """A stored value as a form field holds it."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def read_run(run: Run) -> dict[str, Any]:
    """What the outbox adds to a run's page: the outcome of a dry run, pushes with their batches, whether it can be undone."""
    if run.job == preview.JOB:
        return {"dry_run": preview.read_dry_run(run)}
    pushes = OutboxPush.objects.filter(run=run, is_dry=False).select_related("target").prefetch_related("batches")
    if not pushes:
        return {}
    code, sentence = undo.why_not(run)
    return {"pushes": pushes, "can_undo": not code, "why_no_undo": sentence, "undo_code": code}
