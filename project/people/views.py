"""Pages of people, for admins: the list, one person, an invitation. Rights change after a fresh sign-in only (S-060)."""

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.access import DOMAINS, ROLE_LABELS, Refusal, access, role_of
from integrations.audit import address_of
from integrations.fresh import ask_again, is_fresh
from integrations.models import AuditEntry
from integrations.sorting import sort_of
from project.people import changing
from project.people.changing import NotAllowed, WrongField
from project.people.finding import COLUMNS, described, find_people
from project.people.forms import NARROWS, STATES, InviteForm, PeopleFilter, RightsForm
from project.people.meaning import MEANING
from project.people.rights import Rights, grantable, why_not_manage

PAGE = 50
HISTORY = 10
STATE = {"": True, "off": False, "all": None}


def fresh(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator: a POST from a stale session returns to the page that sent it, with nothing done."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_fresh(request):
            return view(request, *args, **kwargs)
        return ask_again(request, reverse("person", kwargs=kwargs) if kwargs else reverse("person_new"))

    return guarded


@require_safe
@access("admin")
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who has an account, with what they may do."""
    given = {name: request.GET.get(name, "") for name in ("q", "role", "state")}
    role = given["role"] if given["role"] in dict(NARROWS) else ""
    state = given["state"] if given["state"] in dict(STATES) else ""
    sort = sort_of(request.GET.get("sort", ""), COLUMNS)
    found = find_people(text=given["q"], role=role, active=STATE[state], sort=sort)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page, "rows": described(page.object_list), "filter": PeopleFilter(request.GET), "sort": sort,
        "is_filtered": any(given.values()), "meaning": MEANING, "grants": bool(grantable(role_of(request.user))),
        "new_people": new_people_role(),
    }  # fmt: skip
    return render(request, "people/list.html", context)


def new_people_role() -> str:
    """The role that "Sign in with Salesforce" gives whoever has no account yet; empty when it makes none."""
    if not settings.SOCIAL_AUTH_SALESFORCE_SIGNIN_CREATE_MEMBERS:
        return ""
    return ROLE_LABELS[settings.SOCIAL_AUTH_SALESFORCE_SIGNIN_NEW_ROLE]


@require_safe
@access("admin")
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: what they may do, how they sign in, what happened."""
    return _show(request, get_object_or_404(find_people(), pk=pk))


def _show(request: HttpRequest, user: User, form: RightsForm | None = None, *, status: int = 200) -> HttpResponse:
    shown, own = described([user])[0], role_of(request.user)
    why_not = why_not_manage(own, shown.rights.role, is_self=user.pk == request.user.pk)
    offered = grantable(own) if not why_not else (shown.rights.role,)
    initial = {"role": shown.rights.role, "domains": shown.rights.domains}
    context = {
        "shown": shown, "form": form or RightsForm(offered=offered, initial=initial), "why_not": why_not, "meaning": MEANING,
        "entries": AuditEntry.objects.filter(target=user.get_username(), action__startswith="user.").order_by("-id")[:HISTORY],
        "keys": user.api_keys.filter(revoked=False).order_by("-created"),  # pyright: ignore[reportAttributeAccessIssue]
    }  # fmt: skip
    return render(request, "people/person.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
@fresh
def person_new(request: HttpRequest) -> HttpResponse:
    """Make an account and show, once, the address at which its person chooses a password."""
    form = InviteForm(request.POST or None, offered=grantable(role_of(request.user)), initial={"role": "member"})
    if request.method != "POST" or not form.is_valid():
        return render(request, "people/new.html", {"form": form, "meaning": MEANING}, status=400 if form.errors else 200)
    data, now = form.cleaned_data, timezone.now()
    try:
        user = changing.invite_person(
            username=data["username"], email=data["email"], first_name=data["first_name"], last_name=data["last_name"],
            rights=form.rights(), actor=request.user, now=now, address=address_of(request),
        )  # fmt: skip
    except WrongField as refusal:
        form.add_error(refusal.field, refusal.message)
        return render(request, "people/new.html", {"form": form, "meaning": MEANING}, status=400)
    return _show_link(request, user, send=data["send"], is_new=True)


@require_POST
@access("admin")
@fresh
def person_rights(request: HttpRequest, pk: int) -> HttpResponse:
    """Another role, other domains."""
    user = get_object_or_404(find_people(), pk=pk)
    form = RightsForm(request.POST, offered=grantable(role_of(request.user)))
    if not form.is_valid():
        return _show(request, user, form, status=400)
    try:
        changed = changing.change_rights(user, form.rights(), actor=request.user, address=address_of(request))
    except WrongField as refusal:
        form.add_error(refusal.field, refusal.message)
        return _show(request, user, form, status=400)
    except Refusal as refusal:
        return _refused(request, user, refusal)
    if changed:
        messages.success(request, f"{user.get_username()} is {changing.rights_of(user).words.lower()} from now on.")
    return redirect("person", pk=pk)


@require_POST
@access("admin")
@fresh
def person_link(request: HttpRequest, pk: int) -> HttpResponse:
    """A new address to choose a password at; shown once."""
    user = get_object_or_404(User, pk=pk)
    return _show_link(request, user, send=request.POST.get("send") == "yes")


@require_POST
@access("admin")
@fresh
def person_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Nobody signs in with this account any more."""
    user = get_object_or_404(User, pk=pk)
    try:
        freed = changing.switch_off(user, actor=request.user, now=timezone.now(), address=address_of(request))
    except Refusal as refusal:
        return _refused(request, user, refusal)
    seats = f" {freed} license{'' if freed == 1 else 's'} freed." if freed else ""
    messages.success(request, f"{user.get_username()} is switched off: sessions ended, API keys stopped.{seats}")
    return redirect("person", pk=pk)


@require_POST
@access("admin")
@fresh
def person_on(request: HttpRequest, pk: int) -> HttpResponse:
    """The account may be used again."""
    user = get_object_or_404(User, pk=pk)
    try:
        changing.switch_on(user, actor=request.user, address=address_of(request))
    except Refusal as refusal:
        return _refused(request, user, refusal)
    messages.success(request, f"{user.get_username()} may sign in again. Licenses are assigned anew.")
    return redirect("person", pk=pk)


def _show_link(request: HttpRequest, user: User, *, send: bool, is_new: bool = False) -> HttpResponse:
    """The page with the link. A mail that could not be sent is said there; the link is made again without."""
    trouble = ""
    verb = functools.partial(changing.make_link, user, actor=request.user, address=address_of(request))
    try:
        link = verb(send=send)
    except NotAllowed as refusal:
        return _refused(request, user, refusal)
    except Refusal as refusal:
        if not send:
            return _refused(request, user, refusal)
        trouble, send, link = refusal.message, False, verb()
    context = {"person": user, "link": link, "sent": send, "is_new": is_new, "trouble": trouble}
    return render(request, "people/link.html", context)


def _refused(request: HttpRequest, user: User, refusal: Refusal) -> HttpResponse:
    messages.error(request, refusal.message)
    if isinstance(refusal, NotAllowed):
        return _show(request, get_object_or_404(find_people(), pk=user.pk), status=403)
    return redirect("person", pk=user.pk)


def rights_named(role: str, domains: list[str]) -> Rights:
    """Rights in the words of a request, domains in the order of the table."""
    known = tuple(each for each in DOMAINS if each in domains)
    return Rights(role, (*known, *(each for each in domains if each not in DOMAINS)))
