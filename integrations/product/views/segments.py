"""Pages of segments: list, one segment with members and history, the condition builder, archive and restore."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import Person, Refusal, access, may_change
from integrations.audit import address_of
from integrations.chosen_org import chosen_org
from integrations.lake.failures import EngineError
from integrations.models import Entity
from integrations.product.models.engagements import Engagement
from integrations.product.models.segments import Segment
from integrations.product.segments import asking, explorer, fresh, saving
from integrations.product.segments.builder import Builder, Row, read_builder, write_builder
from integrations.product.segments.conditions import EVERYONE, Group, each_condition, read_tree, say_tree
from integrations.product.segments.counting import keep_count, problem_of
from integrations.product.segments.fieldtypes import Known
from integrations.product.segments.known import know, known_for, words_for
from integrations.product.segments.membership import question_of
from integrations.product.segments.suggesting import suggest
from integrations.sorting import sort_of, sort_rows
from integrations.sync.mapping.problems import ProblemsFound

HISTORY_DAYS = 180
SAMPLE = 10
LIST_KEYS: dict[str, Any] = {
    "name": lambda each: each.name.lower(), "members": lambda each: each.members, "counted": lambda each: each.counted_at,
    "changed": lambda each: each.updated_at,
}  # fmt: skip


@require_safe
@access("member")
def segment_list(request: HttpRequest) -> HttpResponse:
    """All segments, archived ones on request."""
    archived = request.GET.get("show") == "archived"
    entity = request.GET.get("entity", "")
    text = request.GET.get("text", "").replace("\0", "").strip()
    found = Segment.objects.filter(archived_at__isnull=not archived).select_related("owner")
    found = found.filter(entity=entity) if entity in Entity.values else found
    found = found.filter(name__icontains=text) if text else found
    sort = sort_of(request.GET.get("sort", ""), LIST_KEYS)
    rows = sort_rows(found, sort or "name", LIST_KEYS)
    known = {each: know(each) for each in {row.entity for row in rows}}
    context = {
        "rows": [(each, words_for(request.user, say_stored(each, known[each.entity]))) for each in rows],
        "sort": sort, "archived": archived,
        "entity": entity, "text": text, "entities": Entity.choices, "may_save": may_change(request.user, "analyst", "product"),
        "any": Segment.objects.exists(),
    }  # fmt: skip
    return render(request, "product/segments/list.html", context)


def say_stored(segment: Segment, known: Any) -> str:
    """The stored conditions in words, as far as they still fit."""
    try:
        tree = read_tree(segment.conditions, known)
    except ProblemsFound as error:
        return f"Cannot be used: {error.problems[0].message}"
    everybody = "All customers" if segment.entity == Entity.CUSTOMER else "All end users"
    return say_tree(tree, known) or everybody


@require_safe
@access("member")
def segment(request: HttpRequest, pk: int) -> HttpResponse:
    """One segment: its conditions in words, its members now and over time, what uses it."""
    found = get_object_or_404(Segment.objects.select_related("owner"), pk=pk)
    now = timezone.now()
    known = know(found.entity)
    context: dict[str, Any] = {
        "segment": found, "words": words_for(request.user, say_stored(found, known)), "kind": found.entity,
        "may_change": saving.may_change(found, request.user), "may_save": may_change(request.user, "analyst", "product"),
        "segments_naming": saving.segments_naming(found), "engagements": Engagement.objects.filter(segment=found),
    }  # fmt: skip
    try:
        context |= _members(request, found, known, now)
    except explorer.BROKEN as error:
        context["trouble"] = problem_of(error)
    except EngineError as error:
        context["trouble"] = str(error)
    context["history"] = _history(found, now)  # with the count that was just made
    context["chart"] = _chart(context["history"])
    return render(request, "product/segments/detail.html", context)


def _members(request: HttpRequest, found: Segment, known: Known, now: datetime) -> dict[str, Any]:
    """The first members and how many there are; a count on an up-to-date copy is kept."""
    current = fresh.freshen(now=now)
    params = request.GET.copy()
    params["segment"] = str(found.pk)
    read = explorer.read_explorer(params, found.entity, user=request.user, org=chosen_org(request), known=known, segment=found)
    assert read.question is not None
    question_of(found, read.question.known)  # says what is wrong with it, if anything is
    lines, total = explorer.read_lines(read, page=1, now=now)
    if current and found.members != total:
        keep_count(found, total, now=now)
    return {"explorer": read, "lines": lines[:SAMPLE], "total": total, "current": current}


def _history(found: Segment, now: datetime) -> list[Any]:
    return list(found.counts.filter(day__gt=(now - timedelta(days=HISTORY_DAYS)).date()).order_by("day"))  # pyright: ignore


def _chart(history: list[Any]) -> dict[str, Any]:
    values = [each.members for each in history]
    return {"labels": [each.day.isoformat() for each in history], "series": [{"label": "Members", "values": values}]}


# --- The builder --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@access("analyst", changes=True)
def segment_new(request: HttpRequest) -> HttpResponse:
    """A new segment: empty, or with the conditions of an explorer's address, or as a copy of another one."""
    data = request.POST if request.method == "POST" else request.GET
    entity = data.get("entity", Entity.CUSTOMER)
    if entity not in Entity.values:
        raise Http404
    if request.method == "POST":
        return _posted(request, None, entity)
    conditions, name = _begun(request, entity)
    builder = write_builder(conditions, known_for(request.user, entity))
    if not builder.items:
        builder.add_row()
    return _show(request, None, entity, builder, name=name)


def _begun(request: HttpRequest, entity: str) -> tuple[object, str]:
    copied = request.GET.get("copy", "")
    if copied.isascii() and copied.isdigit() and len(copied) < 10:
        source = Segment.objects.filter(pk=int(copied), entity=entity).first()
        return (source.conditions, f"{source.name} (copy)"[:120]) if source else ({"all": []}, "")
    read = explorer.read_explorer(request.GET, entity, user=request.user)
    return read.conditions, ""


@require_http_methods(["GET", "HEAD", "POST"])
@access("analyst", changes=True)
def segment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a segment."""
    found = get_object_or_404(Segment, pk=pk)
    if not saving.may_change(found, request.user):
        messages.error(request, "Operators change every segment, analysts those that they made. Save a copy of your own.")
        return redirect("product:segment", pk=pk)
    if request.method == "POST":
        return _posted(request, found, found.entity)
    builder = write_builder(found.conditions, known_for(request.user, found.entity))
    version = saving.version_of(found)
    return _show(request, found, found.entity, builder, name=found.name, description=found.description, version=version)


def _posted(request: HttpRequest, found: Segment | None, entity: str) -> HttpResponse:
    builder = read_builder(request.POST, known_for(request.user, entity))
    verb, _, what = request.POST.get("verb", "").partition(":")
    if verb == "save":
        return _save(request, found, entity, builder)
    if verb == "add":
        builder.add_row(int(what) if what.isascii() and what.isdigit() and len(what) < 6 else None)
    elif verb == "group":
        builder.add_group()
    elif verb == "remove":
        builder.remove(what)
    name, description = request.POST.get("name", ""), request.POST.get("description", "")
    preview = _preview(request, found, entity, builder) if verb == "preview" else None
    status = 400 if verb == "preview" and preview is None else 200
    return _show(
        request, found, entity, builder, name=name, description=description, preview=preview, dirty=True, status=status
    )


def _save(request: HttpRequest, found: Segment | None, entity: str, builder: Builder) -> HttpResponse:
    now = timezone.now()
    name, description = request.POST.get("name", ""), request.POST.get("description", "")
    try:
        saved = saving.save_segment(
            found, name=name, description=description, conditions=builder.data(), entity=entity, user=request.user, now=now,
            address=address_of(request), version=request.POST.get("version", ""),
        )  # fmt: skip
    except saving.ChangedMeanwhile as changed:
        clash = read_clash(changed, builder, name=name, description=description, user=request.user)
        return _show(
            request, changed.stored, entity, builder, name=name, description=description, dirty=True, clash=clash, status=409,
            version=saving.version_of(changed.stored),
        )  # fmt: skip
    except ProblemsFound as error:
        others = builder.add_problems(error.problems)
        errors = {each.path: each.message for each in others}
        return _show(
            request, found, entity, builder, name=name, description=description, errors=errors, dirty=True, status=400
        )  # fmt: skip
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("product:segments")
    messages.success(request, "Saved.")
    return redirect("product:segment", pk=saved.pk)


def _preview(request: HttpRequest, found: Segment | None, entity: str, builder: Builder) -> dict[str, Any] | None:
    """How many fulfil what stands in the form now, and the first of them; nothing is saved. None when something is wrong."""
    now = timezone.now()
    try:
        tree = saving.checked_tree(found, entity, builder.data(), name=request.POST.get("name", ""), known=builder.known)
        fresh.freshen(now=now)
        return read_preview(tree, builder, user=request.user, now=now)
    except ProblemsFound as error:
        builder.add_problems(error.problems)
    except (*explorer.BROKEN, EngineError) as error:
        builder.errors.append(problem_of(error))
    return None


def read_preview(tree: Group, builder: Builder, *, user: Person, now: datetime) -> dict[str, Any]:
    """Counts and a few members of conditions that are not saved."""
    read = explorer.read_explorer(QueryDict(), builder.known.entity, user=user)
    known = know(builder.known.entity)
    read.question = asking.Question(known, (tree,), sort="name")
    lines, total = explorer.read_lines(read, page=1, now=now)
    everyone = asking.count(asking.Question(known, (EVERYONE,)), now=now)
    return {"lines": lines[:SAMPLE], "total": total, "of": everyone, "conditions": sum(1 for _ in each_condition(tree))}


def read_clash(
    changed: saving.ChangedMeanwhile, builder: Builder, *, name: str, description: str, user: Person
) -> dict[str, Any]:
    """Who saved meanwhile, and what stands there now beside what this person wrote: (label, stored, theirs)."""
    stored, known = changed.stored, know(changed.stored.entity)
    try:
        theirs = say_tree(read_tree(builder.data(), builder.known), known) or "no condition"
    except ProblemsFound as error:
        theirs = error.problems[0].message
    words = (words_for(user, say_stored(stored, known)), words_for(user, theirs))
    rows = [
        ("Name", stored.name, name.strip()),
        ("What it is for", stored.description, description.strip()),
        ("Conditions", *words),
    ]
    return {"by": changed.by, "at": stored.updated_at, "rows": [row for row in rows if row[1] != row[2]]}


def _show(
    request: HttpRequest, found: Segment | None, entity: str, builder: Builder, *, name: str = "", description: str = "",
    errors: dict[str, str] | None = None, preview: dict[str, Any] | None = None, dirty: bool = False, status: int = 200,
    version: str | None = None, clash: dict[str, Any] | None = None,
) -> HttpResponse:  # fmt: skip
    kept = request.POST.get("version", "") if version is None else version
    context = {
        "version": kept, "clash": clash,
        "segment": found, "kind": entity, "builder": builder, "name": name, "description": description,
        "errors": errors or {}, "preview": preview, "dirty": dirty, "wrong": list(_wrong(builder, errors)),
    }  # fmt: skip
    return render(request, "product/segments/edit.html", context, status=status)


def _wrong(builder: Builder, errors: dict[str, str] | None) -> list[str]:
    found = [*(errors or {}).values(), *builder.errors]
    for item in builder.items:
        found += item.errors
        found += [each for row in getattr(item, "rows", ()) for each in row.errors]
    return found


@require_safe
@access("member")
def segment_parts(request: HttpRequest) -> HttpResponse:
    """Operator and value of one condition after its field or operator changed (a fragment)."""
    entity, prefix = request.GET.get("entity", ""), request.GET.get("prefix", "")
    number = prefix.removeprefix("c-").removesuffix("-")
    if entity not in Entity.values or not (prefix == "new-" or (number.isascii() and number.isdigit() and len(number) < 6)):
        raise Http404
    texts = {name.removeprefix(prefix): request.GET[name] for name in request.GET if name.startswith(prefix)}
    row = Row(0, texts, known_for(request.user, entity), prefix=prefix)
    return render(request, "product/segments/parts.html", {"row": row, "suggestions": suggest(row, now=timezone.now())})


# --- Archive and restore --------------------------------------------------------------------------------------------------


@require_POST
@access("analyst")
def segment_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Hide a segment from lists."""
    return _change(request, pk, saving.archive, "Archived. Engagements and segments that name it go on.")


@require_POST
@access("analyst")
def segment_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring an archived segment back."""
    return _change(request, pk, saving.restore, "Restored.")


def _change(request: HttpRequest, pk: int, verb: Any, done: str) -> HttpResponse:
    found = get_object_or_404(Segment, pk=pk)
    try:
        verb(found, user=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return redirect("product:segment", pk=pk)
