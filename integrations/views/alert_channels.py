"""Pages of channels and rules of alerts: lists, forms, test, secret, pause, deliveries and sending again."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import alert_pages, audit, hooks
from integrations.access import Refusal, access
from integrations.alert_forms import ChannelForm, RuleForm, WatchForm, put_errors
from integrations.alert_rules import saving
from integrations.fresh import ask_again, is_fresh
from integrations.models import AlertChannel, AlertDelivery, AlertRule, RunWatch

PAGE = 50
RECENT = timedelta(days=30)


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"user": request.user, "address": audit.address_of(request)}


# --- channels -------------------------------------------------------------------------------------------------------------


@require_safe
@access("operator")
def alert_channels(request: HttpRequest) -> HttpResponse:
    """Places that are told of alerts, with how their last message fared."""
    return render(request, "alerts/channels.html", {"channels": alert_pages.channels(), "tab": "channels"})


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def alert_channel(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Create or change a channel; asked shortly after signing in, because an address is a password."""
    row = get_object_or_404(AlertChannel, pk=pk) if pk else None
    if not is_fresh(request):
        return ask_again(request, request.path)
    form = ChannelForm.of(row, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = saving.save_channel(row, form.values(), url=form.cleaned_data["url"].strip(), **_by(request))
        except ValidationError as error:
            put_errors(form, error)
        except Refusal as refusal:
            form.add_error("url", refusal.message)
        else:
            if secret:
                return _show_secret(request, made, secret)
            messages.success(request, f"{made.name} is saved. Send a test to be sure.")
            return redirect("integrations:alert_channels")
    status = 400 if form.errors else 200
    return render(request, "alerts/channel.html", {"form": form, "channel": row, "tab": "channels"}, status=status)


def _show_secret(request: HttpRequest, channel: AlertChannel, secret: str) -> HttpResponse:
    return render(request, "alerts/secret.html", {"channel": channel, "secret": secret, "tab": "channels"})


@require_POST
@access("admin")
def alert_channel_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test at once and say what came of it."""
    row = get_object_or_404(AlertChannel, pk=pk)
    made = saving.try_channel(row, now=timezone.now(), **_by(request))
    if made.state == AlertDelivery.State.SENT:
        messages.success(request, f"{row.name} took the test alert ({made.status}).")
    else:
        messages.error(request, f"{row.name}: {made.error}")
    return redirect("integrations:alert_channels")


@require_POST
@access("admin")
def alert_channel_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """A new signing secret, shown once."""
    row = get_object_or_404(AlertChannel, pk=pk)
    if not is_fresh(request):
        return ask_again(request, request.path.removesuffix("secret/"))
    try:
        return _show_secret(request, row, saving.rotate_secret(row, **_by(request)))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("integrations:alert_channels")


@require_POST
@access("admin")
def alert_channel_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause (`active` empty) or resume a channel."""
    row = get_object_or_404(AlertChannel, pk=pk)
    is_active = bool(request.POST.get("active"))
    try:
        saving.pause_channel(row, is_active=is_active, **_by(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{row.name} {'is sent to again' if is_active else 'is paused; what waits stays'}.")
    return redirect("integrations:alert_channels")


@require_POST
@access("admin")
def alert_channel_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a channel away."""
    row = get_object_or_404(AlertChannel, pk=pk)
    saving.delete_channel(row, **_by(request))
    messages.success(request, f"{row.name} is deleted.")
    return redirect("integrations:alert_channels")


@require_safe
@access("operator")
def alert_deliveries(request: HttpRequest) -> HttpResponse:
    """Messages to channels: attempts, the answer, when the next attempt is made."""
    chosen = {name: request.GET.get(name, "") for name in ("channel", "state")}
    rows = AlertDelivery.objects.select_related("channel", "alert")
    if chosen["channel"].isdecimal() and len(chosen["channel"]) < 10:
        rows = rows.filter(channel=int(chosen["channel"]))
    if chosen["state"] in AlertDelivery.State.values:
        rows = rows.filter(state=chosen["state"])
    context: dict[str, Any] = {
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")), "chosen": chosen, "tab": "deliveries",
        "channels": AlertChannel.objects.all(), "states": AlertDelivery.State.choices, "most": hooks.ATTEMPTS,
    }  # fmt: skip
    return render(request, "alerts/deliveries.html", context)


@require_POST
@access("operator")
def alert_resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a message into the queue once more, or make the next attempt of a waiting one due now."""
    row = get_object_or_404(AlertDelivery.objects.select_related("channel"), pk=pk)
    again = hooks.send_again(row, now=timezone.now()) or hooks.send_sooner(row, now=timezone.now())
    audit.record("alert_delivery.sent_again", actor=request.user, target=row.channel.name, after={"delivery": str(row.key)},
                 address=audit.address_of(request))  # fmt: skip
    messages.success(request, "It is sent within a minute." if again else "It was just sent.")
    return redirect("integrations:alert_deliveries")


# --- rules and watches ----------------------------------------------------------------------------------------------------


@require_safe
@access("operator")
def alert_rules(request: HttpRequest) -> HttpResponse:
    """Which alerts go where, and watches over runs."""
    context = {"rules": alert_pages.rules(), "watches": RunWatch.objects.select_related("org"), "tab": "rules"}
    return render(request, "alerts/rules.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def alert_rule(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Create or change a rule."""
    row = get_object_or_404(AlertRule, pk=pk) if pk else None
    form = RuleForm(request.POST if request.method == "POST" else None, instance=row)
    if request.method == "POST" and form.is_valid():
        try:
            made = saving.save_rule(row, form.cleaned_data, **_by(request))
        except ValidationError as error:
            put_errors(form, error)
        else:
            messages.success(request, f"{made.name} is saved.")
            return redirect("integrations:alert_rules")
    recent = alert_pages.recent_matches(row, since=timezone.now() - RECENT) if row else []
    context = {"form": form, "rule": row, "recent": recent, "tab": "rules"}
    return render(request, "alerts/rule.html", context, status=400 if form.errors else 200)


@require_POST
@access("admin")
def alert_rule_test(request: HttpRequest, pk: int) -> HttpResponse:
    """A test message to each place of a rule, and what each answered."""
    row = get_object_or_404(AlertRule, pk=pk)
    answers = saving.try_rule(row, now=timezone.now(), **_by(request))
    for place, went, words in answers:
        (messages.success if went else messages.error)(request, f"{place}: {words}")
    if not answers:
        messages.info(request, "This rule leads to the usual mail only; nothing was sent.")
    return redirect("integrations:alert_rules")


@require_POST
@access("admin")
def alert_rule_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a rule rest (`active` empty) or count again."""
    row = get_object_or_404(AlertRule, pk=pk)
    is_active = bool(request.POST.get("active"))
    saving.pause_rule(row, is_active=is_active, **_by(request))
    messages.success(request, f"{row.name} {'counts again' if is_active else 'rests'}.")
    return redirect("integrations:alert_rules")


@require_POST
@access("admin")
def alert_rule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a rule away."""
    row = get_object_or_404(AlertRule, pk=pk)
    saving.delete_rule(row, **_by(request))
    messages.success(request, f"{row.name} is deleted. Its alerts go where they go without it.")
    return redirect("integrations:alert_rules")


@require_http_methods(["GET", "HEAD", "POST"])
@access("admin")
def run_watch(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Create or change a watch over runs."""
    row = get_object_or_404(RunWatch, pk=pk) if pk else None
    form = WatchForm(request.POST if request.method == "POST" else None, instance=row)
    if request.method == "POST" and form.is_valid():
        try:
            made = saving.save_watch(row, form.cleaned_data, **_by(request))
        except ValidationError as error:
            put_errors(form, error)
        else:
            messages.success(request, f"{made.name} is saved; runs are looked at every ten minutes.")
            return redirect("integrations:alert_rules")
    context = {"form": form, "watch": row, "tab": "rules"}
    return render(request, "alerts/watch.html", context, status=400 if form.errors else 200)


@require_POST
@access("admin")
def run_watch_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a watch away."""
    row = get_object_or_404(RunWatch, pk=pk)
    saving.delete_watch(row, **_by(request))
    messages.success(request, f"{row.name} is deleted.")
    return redirect("integrations:alert_rules")
