"""Everybody's own page: name, password, where one is signed in, keys that act in one's name."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from integrations import audit
from integrations.access import Refusal, access, may_change
from integrations.fresh import ask_again, is_fresh
from okr.models import License
from project.people import changing, own_keys
from project.people.forms import NameForm, OwnKeyForm, OwnPasswordForm
from project.people.meaning import MEANING


@require_safe
@access("viewer")
def me(request: HttpRequest) -> HttpResponse:
    """Who one is here."""
    return _show(request)


def _show(request: HttpRequest, *, status: int = 200, **forms: Any) -> HttpResponse:
    user: Any = request.user
    now = timezone.now()
    rights, usable = changing.rights_of(user), own_keys.usable_scopes(user)
    context = {
        "rights": rights, "meaning": dict(MEANING)[rights.role], "name_form": forms.get("name") or NameForm(instance=user),
        "password_form": forms.get("password") or OwnPasswordForm(user),
        "sessions": [
            {"is_this": each.session_key == request.session.session_key, "ends": each.expire_date,
             "since": each.get_decoded().get("signed_in_at", "")}
            for each in changing.sessions_of(user, now=now)
        ],
        "keys": [(key, [each for each in key.scopes if each not in usable]) for key in own_keys.keys_of(user, now=now)],
        "key_form": (forms.get("key") or OwnKeyForm(usable=usable)) if may_change(user) else None,
        "made": forms.get("made"),
        "seats": License.objects.filter(user=user).select_related("org"),
        "identities": user.salesforce_identities.all(),
    }  # fmt: skip
    return render(request, "people/me.html", context, status=status)


@require_POST
@access("viewer")
def me_name(request: HttpRequest) -> HttpResponse:
    """What others read as one's name."""
    user: Any = request.user
    before = {"first_name": user.first_name, "last_name": user.last_name}
    form = NameForm(request.POST, instance=user)
    if not form.is_valid():
        return _show(request, name=form, status=400)
    form.save()
    audit.record("user.renamed", actor=user, target=user, before=before, after=dict(form.cleaned_data))
    messages.success(request, "Saved.")
    return redirect("me")


@sensitive_post_parameters()
@require_POST
@access("viewer")
def me_password(request: HttpRequest) -> HttpResponse:
    """A new password; asks for the present one, and ends every other session."""
    user: Any = request.user
    form = OwnPasswordForm(user, request.POST)
    if not user.has_usable_password() or not form.is_valid():
        return _show(request, password=form, status=400)
    form.save()
    update_session_auth_hash(request, user)
    changing.end_sessions(user, now=timezone.now(), but=request.session.session_key)
    audit.record("user.password_changed", actor=user, target=user, address=audit.address_of(request))
    messages.success(request, "The password is changed. You are signed out everywhere else.")
    return redirect("me")


@require_POST
@access("viewer")
def me_sign_out(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    user: Any = request.user
    ended = changing.end_sessions(user, now=timezone.now(), but=request.session.session_key)
    audit.record("user.signed_out", actor=user, target=user, after={"sessions": ended}, address=audit.address_of(request))
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("me")


@never_cache
@require_POST
@access("member")
def me_key_new(request: HttpRequest) -> HttpResponse:
    """A key of one's own, shown once in the answer."""
    user: Any = request.user
    if not is_fresh(request):
        return ask_again(request, reverse("me"))
    now = timezone.now()
    form = OwnKeyForm(request.POST, usable=own_keys.usable_scopes(user))
    if not form.is_valid():
        return _show(request, key=form, status=400)
    data = form.cleaned_data
    try:
        made = own_keys.make_key(
            user, name=data["name"], scopes=data["scopes"], expires=now + timedelta(days=data["days"]), now=now,
            address=audit.address_of(request),
        )  # fmt: skip
    except Refusal as refusal:
        form.add_error(None, refusal.message.removeprefix("name: ").removeprefix("scopes: "))
        return _show(request, key=form, status=400)
    return _show(request, made=made)


@require_POST
@access("viewer")
def me_key_revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """One of one's own keys stops working at once."""
    user: Any = request.user
    key = own_keys.revoke_key(user, prefix, address=audit.address_of(request))
    if key is None:
        raise Http404
    messages.success(request, f"The key {key.name} is revoked.")
    return redirect("me")


class SetPassword(PasswordResetConfirmView):
    """Where the link of an invitation leads: works once, for three days, for people who may sign in."""

    template_name = "registration/set_password.html"
    success_url = reverse_lazy("login")

    def get_user(self, uidb64: str) -> Any:
        """The person of the link; nobody when they are switched off."""
        user = super().get_user(uidb64)
        return user if user is not None and user.is_active else None

    def form_valid(self, form: Any) -> HttpResponse:
        """Stored; the link is dead from now on."""
        response = super().form_valid(form)
        audit.record("user.password_set", actor=form.user, target=form.user, address=audit.address_of(self.request))
        messages.success(self.request, "Your password is set. Sign in with it.")
        return response
