"""Back office of alerts: what needed a person, and the channels that are told besides mail."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from integrations import audit, hooks
from integrations.access import Refusal
from integrations.admin.access import SuperUsersOnly
from integrations.admin.runs import ReadOnlyAdmin
from integrations.fresh import is_fresh
from integrations.models import Alert, AlertChannel, AlertDelivery
from integrations.orgs import vault

COLORS = {"waiting": "info", "sent": "success", "failed": "danger"}
Kind = AlertChannel.Kind


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What needed a person, open ones first."""

    list_display = ["title", "severity", "org", "since", "notified_at", "recovered_at", "code"]
    list_filter = ["severity", "org", ("recovered_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "key"]
    list_select_related = ["org"]
    ordering = ["recovered_at", "-since"]


class AlertChannelForm(forms.ModelForm):
    """The address is typed, checked and never shown again."""

    url = forms.CharField(
        label="Address",
        max_length=2000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": "https://hooks.example.com/…"}),
        help_text="A public https address. Kept encrypted and not shown again; leave empty to keep the present one.",
    )

    class Meta:
        model = AlertChannel
        fields = ["name", "kind", "sends_warnings", "is_active"]

    def clean_url(self) -> str:
        """Refuse what must not be called, and a new channel without an address."""
        url = str(self.cleaned_data["url"]).strip()
        if not url:
            if self.instance.pk is None:
                raise forms.ValidationError("Enter the address that alerts are sent to.")
            return ""
        try:
            hooks.check_address(url)
            vault.seal("check", "")  # without an encryption key nothing can be kept
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from None
        return url


@admin.register(AlertChannel)
class AlertChannelAdmin(SuperUsersOnly):
    """Webhooks and chat hooks of this installation; changed by super users after a fresh sign-in."""

    form = AlertChannelForm
    list_display = ["name", "kind", "host", "sends_warnings", "is_active", "last_delivery"]
    readonly_fields = ["host"]
    actions = ["send_test_alert", "make_new_secret"]

    def get_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> list[str]:
        return ["name", "kind", "url", *(["host"] if obj else []), "sends_warnings", "is_active"]

    @display(description="Last message")
    def last_delivery(self, channel: AlertChannel) -> str:
        """How the newest message fared."""
        last = channel.deliveries.first()  # pyright: ignore[reportAttributeAccessIssue]
        return f"{last.get_state_display()} {last.created_at:%Y-%m-%d %H:%M} UTC" if last else "None yet"

    def save_model(self, request: HttpRequest, obj: AlertChannel, form: Any, change: bool) -> None:
        """Save, encrypt the address, and give a webhook its signing secret, shown once."""
        obj.save()
        url = form.cleaned_data.get("url")
        if url:
            hooks.set_address(obj, url)
        if obj.kind == Kind.WEBHOOK and not obj.secret:
            self._show_secret(request, obj)
        after = {"kind": obj.kind, "host": obj.host, "warnings": obj.sends_warnings, "active": obj.is_active}
        self._note(request, "alert_channel.changed" if change else "alert_channel.created", obj, after)

    def delete_model(self, request: HttpRequest, obj: AlertChannel) -> None:
        """Record, then delete."""
        self._note(request, "alert_channel.deleted", obj, {"host": obj.host})
        super().delete_model(request, obj)

    @admin.action(description="Send a test alert to the selected channels")
    def send_test_alert(self, request: HttpRequest, chosen: QuerySet[AlertChannel]) -> None:
        """One attempt each, at once; says what came of it."""
        for channel in chosen:
            made = hooks.send_test(channel, by=request.user.get_username(), now=timezone.now())
            self._note(request, "alert_channel.tested", channel, {"status": made.status, "state": made.state})
            if made.state == AlertDelivery.State.SENT:
                messages.success(request, f"{channel.name} took the test alert ({made.status}).")
            else:
                messages.error(request, f"{channel.name}: {made.error}")

    @admin.action(description="Make a new signing secret for the selected webhooks")
    def make_new_secret(self, request: HttpRequest, chosen: QuerySet[AlertChannel]) -> None:
        """The old one is void at once."""
        if not is_fresh(request):
            messages.error(request, "Sign in again first: a secret is changed only shortly after signing in.")
            return
        for channel in chosen.filter(kind=Kind.WEBHOOK):
            self._show_secret(request, channel)
            self._note(request, "alert_channel.secret_changed", channel, {"host": channel.host})

    def _show_secret(self, request: HttpRequest, channel: AlertChannel) -> None:
        secret = hooks.new_secret(channel)
        messages.warning(request, f"The signing secret of {channel.name}, shown only this once: {secret}")

    def _note(self, request: HttpRequest, action: str, channel: AlertChannel, after: dict[str, Any]) -> None:
        audit.record(action, actor=request.user, target=channel.name, after=after, address=audit.address_of(request))


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    """Messages to channels with their attempts; failed ones can be sent again."""

    list_display = ["created_at", "channel", "event", "state_label", "attempts", "next_attempt_at", "status", "error"]
    list_filter = ["state", "channel", "event"]
    list_select_related = ["channel"]
    fields = ["created_at", "channel", "event", "state", "attempts", "next_attempt_at", "status", "error", "ended_at", "body"]
    actions = ["send_again"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None and request.user.is_superuser  # the list's action, never the form

    @display(description="State", label=COLORS)
    def state_label(self, delivery: AlertDelivery) -> tuple[str, str]:
        """Word and color."""
        return delivery.state, AlertDelivery.State(delivery.state).label

    @admin.action(description="Send the selected again")
    def send_again(self, request: HttpRequest, chosen: QuerySet[AlertDelivery]) -> None:
        """Back into the queue with all attempts."""
        again = sum(hooks.send_again(each, now=timezone.now()) for each in chosen)
        messages.success(request, f"{again} of {len(chosen)} wait to be sent again.")
