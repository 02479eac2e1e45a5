"""The accounts and audience explorers: who fulfils what, any field as a column, slices by a field, CSV."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations.access import access, may_change
from integrations.audit import address_of, record
from integrations.chosen_org import chosen_org
from integrations.exports import stream_csv
from integrations.fresh import ask_again, is_fresh
from integrations.lake.failures import EngineError
from integrations.models import Entity
from integrations.product.models.segments import Segment
from integrations.product.segments import asking, explorer, fresh
from integrations.product.segments.builder import Row
from integrations.product.segments.conditions import Condition, read_tree
from integrations.product.segments.explorer import Explorer
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.types import NUMBER

LARGE_EXPORT = 10_000  # rows; more need a fresh sign-in (S-060)
NEW = "new-"
MOST_PAGES = 2000


@require_safe
@access("member")
def accounts(request: HttpRequest) -> HttpResponse:
    """The accounts explorer: customers."""
    return _explore(request, Entity.CUSTOMER)


@require_safe
@access("member")
def audience(request: HttpRequest) -> HttpResponse:
    """The audience explorer: end users."""
    return _explore(request, Entity.END_USER)


@require_safe
@access("analyst")
def accounts_csv(request: HttpRequest) -> HttpResponseBase:
    """The customers of the accounts explorer, as filtered and sorted, with its columns."""
    return _export(request, Entity.CUSTOMER, "accounts")


@require_safe
@access("analyst")
def audience_csv(request: HttpRequest) -> HttpResponseBase:
    """The end users of the audience explorer."""
    return _export(request, Entity.END_USER, "audience")


def _explore(request: HttpRequest, entity: str) -> HttpResponse:
    now = timezone.now()
    current = fresh.freshen(now=now)
    read = explorer.read_explorer(request.GET, entity, user=request.user, org=chosen_org(request))
    draft = _draft(request, read)
    if draft is not None and not draft.errors:
        return redirect(explorer.with_condition(request.GET, _condition(draft, read)))
    context: dict[str, Any] = {
        "explorer": read, "kind": entity, "draft": draft or Row(0, {}, read.known, prefix=NEW), "current": current,
        "sort": read.sort, "groups": groups_of(read), "numbers": [each for each in _shown(read) if each.type == NUMBER],
        "may_save": may_change(request.user, "analyst", "product"), "chosen": [each.key for each in read.columns],
        "segments": Segment.objects.filter(entity=entity, archived_at=None), "query": kept_query(request),
    }  # fmt: skip
    try:
        context |= _slices(read, now) if read.group else _page(request, read, now)
    except explorer.BROKEN as error:
        context["trouble"] = explorer.words_of(error)
    except EngineError as error:
        context["trouble"] = str(error)
    return render(request, "product/explorer.html", context, status=400 if draft is not None else 200)


def _page(request: HttpRequest, read: Explorer, now: Any) -> dict[str, Any]:
    number = request.GET.get("page", "1")
    page = min(max(int(number), 1), MOST_PAGES) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    lines, total = explorer.read_lines(read, page=page, now=now)
    if page > 1 and not lines:
        page = max(1, -(-total // explorer.ROWS))
        lines, total = explorer.read_lines(read, page=page, now=now)
    paginator = Paginator(range(total), explorer.ROWS)
    return {"lines": lines, "total": total, "page": paginator.get_page(page)}


def _slices(read: Explorer, now: Any) -> dict[str, Any]:
    lines, groups, total = explorer.read_slices(read, now=now)
    return {"slices": lines, "group_count": groups, "total": total}


def _draft(request: HttpRequest, read: Explorer) -> Row | None:
    """The condition that is being typed, with what is wrong with it; None when there is none."""
    texts = {name.removeprefix(NEW): request.GET[name] for name in request.GET if name.startswith(NEW)}
    if not texts.get("field"):
        return None
    row = Row(0, texts, read.known, prefix=NEW)
    try:
        read_tree({"all": [row.raw()]}, read.known)
    except ProblemsFound as error:
        row.errors = [each.message.removeprefix("Condition 1").lstrip(": ") for each in error.problems]
    return row


def _condition(row: Row, read: Explorer) -> Condition:
    found = read_tree({"all": [row.raw()]}, read.known).of[0]
    assert isinstance(found, Condition)
    return found


def _shown(read: Explorer) -> list[Any]:
    return [each for each in read.known.fields.values() if each.shown]


def groups_of(read: Explorer) -> dict[str, list[Any]]:
    """The fields that can be columns, by group."""
    found: dict[str, list[Any]] = {}
    for each in _shown(read):
        found.setdefault(f"Customer: {each.group}" if each.of_customer else each.group, []).append(each)
    return found


def kept_query(request: HttpRequest) -> list[tuple[str, str]]:
    """What forms of the page must send along: every parameter but page and what is being typed."""
    return [
        (name, value) for name, values in request.GET.lists() if name != "page" and not name.startswith(NEW) for value in values
    ]  # fmt: skip


def _export(request: HttpRequest, entity: str, name: str) -> HttpResponseBase:
    now = timezone.now()
    fresh.freshen(now=now)
    read = explorer.read_explorer(request.GET, entity, user=request.user, org=chosen_org(request))
    assert read.question is not None
    try:
        large = asking.count(read.question, now=now) > LARGE_EXPORT
    except explorer.BROKEN as error:
        return HttpResponse(explorer.words_of(error), status=400, content_type="text/plain; charset=utf-8")
    if large and not is_fresh(request):
        return ask_again(request, request.get_full_path())
    record(f"export.{name}", actor=request.user, target=name, address=address_of(request))
    return stream_csv(name, explorer.header(read), explorer.export_lines(read, now=now))
