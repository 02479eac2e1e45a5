"""Back office of people, groups and API keys. Rights and keys are changed by super users only, after a fresh sign-in."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from rest_framework_api_key.models import APIKey
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from integrations import audit
from integrations.access import SCOPES
from integrations.api_keys import create_key, refuse_bound
from integrations.fresh import ask_again, is_fresh
from integrations.models import ApiKey

RIGHTS = ("is_active", "is_staff", "is_superuser")


class SuperUsersOnly(ModelAdmin):
    """Staff may look; only super users change, and only shortly after signing in (S-060)."""

    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser  # pyright: ignore

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A stale session confirms first; nothing of its POST is done."""
        if self.has_change_permission(request) and not is_fresh(request):
            return ask_again(request, request.path)
        return super().changeform_view(request, *args, **kwargs)


def rights_of(user: User) -> dict[str, Any]:
    """Everything that decides what a person may do."""
    return {name: getattr(user, name) for name in RIGHTS} | {"groups": sorted(user.groups.values_list("name", flat=True))}


admin.site.unregister(User)
admin.site.unregister(Group)
admin.site.unregister(APIKey)


class PersonForm(UserChangeForm):
    """The form of a person; the last super admin cannot stop being one."""

    def clean(self) -> dict[str, Any]:
        """Refuse what would leave nobody who may give rights."""
        data = super().clean() or self.cleaned_data
        stays = data.get("is_superuser") and data.get("is_active")
        others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=self.instance.pk)
        if self.initial.get("is_superuser") and not stays and not others.exists():
            raise forms.ValidationError("This is the last super admin. Make somebody else one first.")
        return data


@admin.register(User)
class UserAdmin(SuperUsersOnly, DjangoUserAdmin):
    """People; each change of rights is in the audit with before and after."""

    form, add_form, change_password_form = PersonForm, UserCreationForm, AdminPasswordChangeForm
    filter_horizontal = ()
    autocomplete_fields = ["groups"]
    # Rights come from roles, which are groups; a permission of one person alone is found by nobody.
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Rights", {"fields": (*RIGHTS, "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ["last_login", "date_joined"]

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Note the rights before the form's values are stored."""
        stored = User.objects.filter(pk=form.instance.pk).first() if change else None
        request.rights_before = rights_of(stored) if stored else {}  # type: ignore[attr-defined]
        return super().save_form(request, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """After groups are stored, compare and record."""
        super().save_related(request, form, formsets, change)
        before, after = request.rights_before, rights_of(form.instance)  # type: ignore[attr-defined]
        action = "user.rights_changed" if change else "user.created"
        if before != after:
            audit.record(
                action, actor=request.user, target=form.instance, before=before, after=after, address=audit.address_of(request)
            )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes themselves, so that a super admin is always left; the list's action could, so it is not offered."""
        return super().has_delete_permission(request, obj) and obj is not None and obj.pk != request.user.pk

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Record, then delete."""
        before, name = rights_of(obj), str(obj)
        super().delete_model(request, obj)
        audit.record("user.deleted", actor=request.user, target=name, before=before, address=audit.address_of(request))


@admin.register(Group)
class GroupAdmin(SuperUsersOnly, DjangoGroupAdmin):
    """Roles: Viewers, Analysts, Operators, Admins, and the admins of each domain."""


class ApiKeyForm(forms.ModelForm):
    """A new key; its scopes are ticked."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {text}") for scope, text in SCOPES.items()], widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ["name", "owner", "scopes", "customers", "expiry_date"]

    def clean(self) -> dict[str, Any]:
        """What is about all customers does not go with a key of some."""
        data = super().clean() or self.cleaned_data
        if data.get("customers") and (wrong := refuse_bound(data.get("scopes", ()))):
            self.add_error("scopes", wrong)
        return data


@admin.register(ApiKey)
class ApiKeyAdmin(SuperUsersOnly):
    """Keys: made and shown once, then only revoked (S-076)."""

    form = ApiKeyForm
    list_display = [
        "name", "prefix", "owner", "scope_list", "bound", "created", "expiry_date", "last_used_at", "is_valid_now",
    ]  # fmt: skip
    list_filter = ["revoked", "bound"]
    search_fields = ["name", "prefix", "owner__username"]
    list_select_related = ["owner"]
    autocomplete_fields = ["owner", "customers"]
    actions = ["revoke"]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        if obj is None:
            return []
        return ["name", "owner", "scope_list", "bound_to", "prefix", "created", "expiry_date", "last_used_at"]

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> list[str]:
        if obj is None:
            return ["name", "owner", "scopes", "customers", "expiry_date"]
        return self.get_readonly_fields(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Scopes")
    def scope_list(self, key: ApiKey) -> str:
        """Scopes as words."""
        return ", ".join(key.scopes)

    @display(description="Customers")
    def bound_to(self, key: ApiKey) -> str:
        """The customers that it may ask about."""
        if not key.bound:
            return "All"
        names = sorted(key.customers.filter(erased_at=None).values_list("external_id", flat=True))
        return ", ".join(names) or "None: its customers are gone"

    @display(description="Usable", boolean=True)
    def is_valid_now(self, key: ApiKey) -> bool:
        """Neither revoked nor expired, and its owner is active."""
        return not key.revoked and not key.has_expired and key.owner.is_active

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """Make the key and show it once; a stored one does not change."""
        if change:
            return
        data = form.cleaned_data
        key, secret = create_key(
            owner=data["owner"], name=data["name"], scopes=data["scopes"], expires=data["expiry_date"],
            customers=list(data["customers"]) or None,
        )  # fmt: skip
        vars(obj).update(vars(key))  # pyright: ignore[reportAttributeAccessIssue]
        names = [each.external_id for each in data["customers"]]
        after = {"scopes": key.scopes, "expires": key.expiry_date, "customers": names}
        audit.record(
            "api_key.created",
            actor=request.user,
            target=f"{key.prefix} of {key.owner}",
            after=after,
            address=audit.address_of(request),
        )
        messages.warning(request, f"The key, shown only this once: {secret}")

    @admin.action(description="Revoke the selected keys at once")
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        """Refused from the next request on."""
        for key in chosen.filter(revoked=False):
            ApiKey.objects.filter(pk=key.pk).update(revoked=True)
            audit.record("api_key.revoked", actor=request.user, target=key.prefix, address=audit.address_of(request))
        messages.success(request, "Revoked.")
