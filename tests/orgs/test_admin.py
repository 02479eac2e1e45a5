"""The back office of connections, people, keys, alerts and audit."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.utils import timezone
from unfold.admin import ModelAdmin

from integrations import audit
from integrations.models import ApiKey, AuditEntry, SalesforceOrg
from integrations.orgs import lifecycle

CHANGE = "/admin/integrations/salesforceorg/"


def test_every_page_of_the_back_office_has_the_same_look_and_opens(ada, org):
    audit.record("test.done", target="x")
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, ModelAdmin), model
        answer = ada.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/")
        assert answer.status_code == 200, model


def test_i_14_social_tables_are_not_in_the_back_office():
    assert not [model for model in admin.site._registry if model._meta.app_label == "social_django"]


def test_seats_and_switches_change_through_the_verb(ada, org):
    form = {
        "name": "Acme",
        "environment": "production",
        "seats": "40",
        "okr_enabled": "on",
        "product_enabled": "on",
        "billing_enabled": "on",
    }
    assert ada.post(f"{CHANGE}{org.pk}/change/", form).status_code == 302
    org.refresh_from_db()
    assert org.seats == 40
    entry = AuditEntry.objects.get(action="connection.changed")
    assert (entry.before, entry.after, entry.actor_name) == ({"seats": 30}, {"seats": 40}, "ada")


def test_s_072_state_and_ids_cannot_be_set_by_form(ada, org):
    form = {"name": "Acme", "environment": "production", "seats": "30", "okr_enabled": "on", "product_enabled": "on",
            "billing_enabled": "on", "state": "connected", "org_id": "x",
            "login_url": "https://evil.example", "instance_url": "https://evil.example"}  # fmt: skip
    ada.post(f"{CHANGE}{org.pk}/change/", form)
    org.refresh_from_db()
    assert (org.state, org.org_id, org.login_url, org.instance_url) == ("new", "", "https://acme.my.salesforce.com", "")


def test_connections_are_neither_made_nor_deleted_here(ada, org):
    assert ada.get(f"{CHANGE}add/").status_code == 403
    assert ada.get(f"{CHANGE}{org.pk}/delete/").status_code == 403
    ada.post(CHANGE, {"action": "delete_selected", "_selected_action": [org.pk], "post": "yes"})
    assert SalesforceOrg.objects.filter(pk=org.pk).exists()


def test_actions_call_the_verbs(ada, demo_org, now):
    org = lifecycle.connect_demo_org(name="Demo", now=now, method="jwt")
    for action, state in (("pause", "paused"), ("resume", "connected"), ("test", "connected")):
        ada.post(CHANGE, {"action": action, "_selected_action": [org.pk]})
        org.refresh_from_db()
        assert org.state == state


def test_s_110_a_change_of_rights_is_one_entry_with_before_and_after(ada, cast):
    group = Group.objects.get(name="Operators")
    user = cast.jane
    joined = timezone.localtime(user.date_joined)
    form = {"username": "jane", "email": user.email, "is_active": "on", "is_staff": "on", "groups": [group.pk],
            "date_joined_0": f"{joined:%Y-%m-%d}", "date_joined_1": f"{joined:%H:%M:%S}"}  # fmt: skip
    answer = ada.post(f"/admin/auth/user/{user.pk}/change/", form)
    assert answer.status_code == 302, answer.content[-2000:]
    entry = AuditEntry.objects.get(action="user.rights_changed")
    assert (entry.before["groups"], entry.after["groups"]) == ([], ["Operators"])
    assert (entry.before["is_staff"], entry.after["is_staff"]) == (False, True)


def test_staff_who_are_no_super_users_cannot_change_people(client, cast):
    User.objects.filter(pk=cast.olga.pk).update(is_staff=True)
    client.force_login(cast.olga, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/auth/user/add/").status_code == 403
    assert client.get("/admin/integrations/apikey/add/").status_code == 403


@pytest.mark.parametrize("path", ["/admin/integrations/apikey/add/", "/admin/auth/user/add/"])
def test_s_060_keys_and_rights_ask_for_a_fresh_sign_in(ada, path):
    with time_machine.travel(timezone.now() + timedelta(minutes=20), tick=True):
        assert ada.get(path)["Location"].startswith("/accounts/confirm/")
        assert ada.post(path, {"name": "x"})["Location"].startswith("/accounts/confirm/")
    assert not ApiKey.objects.exists()


def test_s_076_a_key_is_shown_once_and_revoked_at_once(ada, cast, client):
    form = {
        "name": "Warehouse",
        "owner": cast.olga.pk,
        "scopes": ["connections:read"],
        "expiry_date_0": "",
        "expiry_date_1": "",
    }
    page = ada.post("/admin/integrations/apikey/add/", form, follow=True).content.decode()
    key = ApiKey.objects.get()
    start = page.index(f"{key.prefix}.")
    secret = page[start : start + len(key.prefix) + 1 + 32]
    assert (key.name, key.owner, key.scopes) == ("Warehouse", cast.olga, ["connections:read"])
    headers = {"Authorization": f"Api-Key {secret}"}
    ada.logout()
    assert client.get("/api/v1/connections/", headers=headers).status_code == 200
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    assert secret not in client.get("/admin/integrations/apikey/").content.decode()
    assert secret not in client.get(f"/admin/integrations/apikey/{key.pk}/change/").content.decode()
    client.post("/admin/integrations/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    client.logout()
    assert client.get("/api/v1/connections/", headers=headers).status_code == 401
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"api_key.created", "api_key.revoked"}


def test_i_24_the_audit_is_read_only_and_can_be_verified(ada):
    entry = audit.record("test.done", target="x")
    path = "/admin/integrations/auditentry/"
    assert ada.get(f"{path}add/").status_code == 403
    assert ada.post(f"{path}{entry.pk}/change/", {"action": "x"}).status_code == 403
    page = ada.post(path, {"action": "verify_chain", "_selected_action": [entry.pk]}, follow=True)
    assert b"The chain holds" in page.content
