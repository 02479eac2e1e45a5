"""Settings, key and removal of a connection's integration (ST-16, ST-40, ST-D16), and its pages, API and back office."""

import json
import re

import pytest
from django.utils import timezone

from integrations.api_keys import create_key
from integrations.models import AuditEntry, OrgSecret
from integrations.sync.outbox.targets import ensure_target
from project.logs import without_secrets
from provisioning import connection
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import decide
from provisioning.models import Automation, Delivery, Provision, ProvisioningSettings
from provisioning.provision import kinds
from tests.provisioning.conftest import OPEN, WON

pytestmark = pytest.mark.django_db


def page(client, office, name: str) -> str:
    return f"/provisioning/connections/{office.org.pk}/{name}/"


def sell(office, **more) -> str:
    deal = office.deal(("plan-pro", 3), stage=WON, **more)
    office.call(deal)
    return deal


# --- the key ------------------------------------------------------------------------------------------------------------------


def test_st_16_the_page_shows_a_new_key_once(office, client, cast):
    client.force_login(cast.ada)
    answer = client.post(page(client, office, "key"))
    key = re.search(rb"cwp_[0-9a-f]{8}_[A-Za-z0-9_-]{20,}", answer.content)[0].decode()
    assert connection.find_key(key, now=timezone.now()).org_id == office.org.pk
    assert "no-store" in answer["Cache-Control"]
    later = client.get(page(client, office, "settings")).content.decode()
    assert key not in later
    assert key[:12] in later
    assert client.get(page(client, office, "key")).status_code == 405


def test_st_16_a_key_in_an_address_is_hidden_in_the_log(office):
    assert office.key not in without_secrets(f"POST /api/v1/provisioning/salesforce/{office.key}/")


def test_settings_are_checked_and_written_down(office, client, cast):
    client.force_login(cast.olga)
    form = client.get(page(client, office, "settings")).context["form"]
    given = {name: form.initial.get(name) or "" for name in form.fields} | {
        "amendment_types": "Change\nUpgrade",
        "renewal_types": "",
    }
    bad = client.post(page(client, office, "settings"), {**given, "id_field": "no name", "trial_days": 0})
    assert bad.status_code == 400
    assert set(bad.context["form"].errors) == {"id_field", "trial_days"}
    assert client.post(page(client, office, "settings"), {**given, "trial_days": 30}).status_code == 302
    settings = office.settings
    assert (settings.trial_days, settings.amendment_types) == (30, ["Change", "Upgrade"])
    assert AuditEntry.objects.filter(action="provisioning.settings_changed", actor=cast.olga).exists()


# --- removal -----------------------------------------------------------------------------------------------------------------


def test_st_40_removal_needs_the_name_typed(office, client, cast):
    client.force_login(cast.ada)
    assert client.get(page(client, office, "remove")).status_code == 200
    assert client.post(page(client, office, "remove"), {"confirm": "demo"}).status_code == 400
    assert Automation.objects.filter(org=office.org, is_active=True).exists()
    assert client.post(page(client, office, "remove"), {"confirm": office.org.name}).status_code == 302
    assert not Automation.objects.filter(org=office.org, is_active=True).exists()


def test_st_d16_removal_stops_everything_and_leaves_what_customers_have(office, cast):
    account = office.account()
    deal = sell(office, account=account)
    waiting = office.deal(("", 1), stage=WON)
    office.call(waiting)
    connection.remove(office.org, confirm=office.org.name, actor=cast.ada, now=timezone.now())
    assert connection.find_key(office.key, now=timezone.now()) is None
    assert office.call(deal).status_code == 401
    assert office.provision(waiting).state == "stopped"
    customer = office.provision(deal).customer
    assert decide(load_access([customer.pk])[customer.pk], "feature-sso", now=timezone.now()).granted
    written = office.query(f"SELECT Stigg_Customer_ID__c FROM Account WHERE Id = '{account}'")[0]
    assert written["Stigg_Customer_ID__c"] == customer.external_id
    office.org.refresh_from_db()
    assert office.org.is_connected  # other domains use it
    office.demo.forget_calls()
    office.work()
    assert office.demo.calls() == []
    assert AuditEntry.objects.filter(action="provisioning.removed", actor=cast.ada).exists()


def test_st_d16_where_nothing_else_uses_the_connection_its_tokens_go_too(office, cast):
    for name in connection.SWITCHES:
        setattr(office.org, name, False)
    office.org.save()
    connection.remove(office.org, confirm=office.org.name, actor=cast.ada, now=timezone.now())
    office.org.refresh_from_db()
    assert office.org.state == "disconnected"
    assert not OrgSecret.objects.filter(org=office.org, kind="access_token").exists()


def test_st_d16_the_fields_can_be_cleared(office, cast):
    account = office.account()
    deal = sell(office, account=account)
    untouched = office.account("Other", Stigg_Customer_ID__c="theirs")
    connection.remove(office.org, confirm=office.org.name, clear=True, actor=cast.ada, now=timezone.now())
    rows = office.query(f"SELECT Stigg_Customer_ID__c, Stigg_Customer_URL__c FROM Account WHERE Id = '{account}'")
    assert (rows[0]["Stigg_Customer_ID__c"], rows[0]["Stigg_Customer_URL__c"]) == (None, None)
    rows = office.query(f"SELECT Stigg_Subscription_ID__c FROM Opportunity WHERE Id = '{deal}'")
    assert rows[0]["Stigg_Subscription_ID__c"] is None
    kept = office.query(f"SELECT Stigg_Customer_ID__c FROM Account WHERE Id = '{untouched}'")
    assert kept[0]["Stigg_Customer_ID__c"] == "theirs"


def test_a_removed_integration_can_be_set_up_again(office, client, cast):
    connection.remove(office.org, confirm=office.org.name, actor=cast.ada, now=timezone.now())
    client.force_login(cast.ada)
    assert client.post(page(client, office, "key")).status_code == 302
    assert client.post(page(client, office, "set-up-again")).status_code == 302
    office.org.refresh_from_db()
    assert (office.org.provisioning_enabled, office.settings.removed_at) == (True, None)
    assert not Automation.objects.filter(org=office.org, is_active=True).exists()


def test_only_the_fields_of_the_settings_are_written(office):
    target = ensure_target(office.org, kind=kinds.ACCOUNT, object="Account")
    info = type("Info", (), {"name": "Account"})()
    assert kinds.may_write(target, info, "stigg_customer_id__c") == ""
    assert kinds.may_write(target, info, "Name")


# --- pages, API, back office -----------------------------------------------------------------------------------------------


@pytest.fixture
def busy(office):
    """A done deal, a blocked one and an undone one."""
    done = sell(office, name="<b>Acme</b> & Co")
    blocked = office.deal(("plan-none", 1), ("plan-pro", 1), stage=WON, name="Blocked")
    office.call(blocked)
    undone = sell(office, name="Undone")
    office.move(undone, OPEN)
    office.poll()
    return office, {name: office.provision(deal) for name, deal in (("done", done), ("blocked", blocked), ("undone", undone))}


def test_pages_show_deals_with_their_steps(busy, client, cast):
    _, found = busy
    client.force_login(cast.olga)
    overview = client.get("/provisioning/").content.decode()
    assert "2 deals need a person" in overview
    assert "&lt;b&gt;Acme&lt;/b&gt;" in overview
    assert "<b>Acme</b>" not in overview
    assert "Blocked" in client.get("/provisioning/provisions/?state=needs").content.decode()
    assert "Undone" not in client.get("/provisioning/provisions/?state=blocked").content.decode()
    one = client.get(f"/provisioning/provisions/{found['done'].pk}/").content.decode()
    assert found["done"].result["subscription_ids"][0] in one
    assert f"/{found['done'].opportunity_id}" in one
    text = client.get(f"/provisioning/provisions/{found['blocked'].pk}/").content.decode()
    assert "plan-none" in text
    assert "Try again" in text
    part = client.get(f"/provisioning/provisions/{found['done'].pk}/progress/")
    assert part.status_code == 286


def test_st_d13_a_person_answers_on_the_page(busy, client, cast):
    _, found = busy
    pk = found["undone"].pk
    client.force_login(cast.marsha)
    assert client.post(f"/provisioning/provisions/{pk}/answer/", {"answer": "keep"}).status_code == 403
    client.force_login(cast.olga)
    assert "Keep what the customer has" in client.get(f"/provisioning/provisions/{pk}/").content.decode()
    client.post(f"/provisioning/provisions/{pk}/answer/", {"answer": "keep"})
    assert Provision.objects.get(pk=pk).flag_answer == "keep"


def test_the_list_filters_and_searches(busy, client, cast):
    _, found = busy
    client.force_login(cast.marsha)
    for query, names in (
        (f"q={found['done'].opportunity_id}", ["Acme"]), (f"q={found['done'].opportunity_id[:15]}", ["Acme"]), ("q=block", ["Blocked"]),
        ("kind=trial", []), ("state=nonsense", []), ("org=x", []), ("q=%27%3B--", []), ("page=999", ["Acme", "Blocked", "Undone"]),
    ):  # fmt: skip
        text = client.get(f"/provisioning/provisions/?{query}").content.decode()
        assert [name for name in ("Acme", "Blocked", "Undone") if f"{name}</a>" in text or f"{name}&lt;" in text] == names, (
            query
        )


def test_the_api_lists_shows_resumes_and_answers(busy, client, cast):
    _, found = busy
    _, key = create_key(owner=cast.olga, name="Test", scopes=["provisioning:read", "provisioning:write"], expires=None)
    headers = {"Authorization": f"Api-Key {key}"}
    listed = client.get("/api/v1/provisions/?state=needs", headers=headers).json()
    assert {each["id"] for each in listed["results"]} == {found["blocked"].pk, found["undone"].pk}
    one = client.get(f"/api/v1/provisions/{found['done'].pk}/", headers=headers).json()
    assert [each["name"] for each in one["steps"]] == ["compile", "callout", "customer", "subscription", "write_back"]
    assert one["subscription_ids"] == found["done"].result["subscription_ids"]

    def send(pk: int, what: str, body: dict):
        return client.post(
            f"/api/v1/provisions/{pk}/{what}/", json.dumps(body), content_type="application/json", headers=headers
        )

    assert send(found["undone"].pk, "answer", {"answer": "cancel_now"}).json()["flag_answer"] == "cancel_now"
    assert send(found["undone"].pk, "answer", {"answer": "cancel_now"}).status_code == 409
    assert send(found["undone"].pk, "answer", {"answer": "burn"}).status_code == 400
    assert send(found["blocked"].pk, "resume", {}).json()["state"] == "blocked"
    assert send(found["done"].pk, "resume", {}).status_code == 409
    assert client.get("/api/v1/provisions/999999/", headers=headers).status_code == 404
    _, reader = create_key(owner=cast.olga, name="Reader", scopes=["provisioning:read"], expires=None)
    refused = client.post(f"/api/v1/provisions/{found['blocked'].pk}/resume/", headers={"Authorization": f"Api-Key {reader}"})
    assert refused.status_code == 403


def test_l_10_pages_take_few_queries_with_many_deals(office, client, cast, django_assert_max_num_queries):
    Provision.objects.bulk_create(
        Provision(
            org=office.org,
            opportunity_id=f"006{n:012d}AAA",
            slot="contract",
            kind="won",
            source="poll",
            state="done",
            name=f"D {n}",
        )
        for n in range(500)
    )
    Delivery.objects.bulk_create(Delivery(org=office.org, source="callout", verdict="done") for _ in range(500))
    client.force_login(cast.olga)
    for path in ("/provisioning/", "/provisioning/provisions/"):
        with django_assert_max_num_queries(30):
            assert client.get(path).status_code == 200


def test_the_back_office_lists_deals_and_hides_digests(busy, client, cast):
    office, found = busy
    client.force_login(cast.ada)
    for path in ("provision/", f"provision/{found['done'].pk}/change/", "delivery/", "provisioningsettings/"):
        assert client.get(f"/admin/provisioning/{path}").status_code == 200, path
    text = client.get(f"/admin/provisioning/provisioningsettings/{office.settings.pk}/change/").content.decode()
    assert office.settings.callout_key_digest not in text


def test_s_059_looking_at_pages_stores_nothing(connected_org, client, cast):
    client.force_login(cast.ada)
    for path in (
        "/provisioning/",
        f"/provisioning/connections/{connected_org.pk}/settings/",
        f"/provisioning/connections/{connected_org.pk}/remove/",
    ):
        assert client.get(path).status_code == 200, path
    assert not ProvisioningSettings.objects.exists()


def test_look_now_polls_at_once(office, client, cast):
    deal = office.deal(("plan-pro", 3), stage=WON)
    client.force_login(cast.olga)
    client.post(page(client, office, "look"))
    assert office.provision(deal).state == "done"
