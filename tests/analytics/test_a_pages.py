"""Pages of set-up, attributes, data health and security, as people use them."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from analytics.attributes.authoring import current_map, lacking
from analytics.connecting import access_asked, starting
from analytics.models import AnalyticsSettings, AttributeMap, FactsState
from integrations.models import Customer, Run
from integrations.orgs.connect import client_for
from integrations.product.models import QuarantinedEvent
from integrations.salesforce.login import API_SCOPE
from tests.analytics.cast import write_facts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _queue_with_a_worker(settings, monkeypatch):
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "sync": False}
    monkeypatch.setattr("django_q.conf.Conf.SYNC", False)


@pytest.fixture
def operator(client, cast):
    client.force_login(cast.olga)
    return client


@pytest.fixture
def mapped(connected_org):
    """A connection whose attributes are mapped by the preset that fits."""
    from analytics.attributes.authoring import save_map

    body, preset = starting.map_to_start_with(connected_org)
    save_map(connected_org, body, actor=None, now=timezone.now(), preset=preset)
    return connected_org


def text_of(answer) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def address(name: str, org, **more) -> str:
    return reverse(f"analytics:{name}", kwargs={"org_id": org.pk, **more})


def test_fz_05_the_set_up_page_counts_first_and_starts_with_one_button(operator, connected_org):
    page = operator.get(address("set_up", connected_org))
    assert "Nothing is read yet" in text_of(page)
    found = text_of(operator.get(address("set_up_estimate", connected_org)))
    for words in ("Connect and go", "Records to read", "API calls", "OpportunityLineItem", "Customer service"):
        assert words in found
    assert not Run.objects.exists()
    answer = operator.post(address("set_up_start", connected_org))
    assert answer.status_code == 302
    assert Run.objects.filter(org=connected_org, job="analytics.connect").count() == 1
    shown = text_of(operator.get(address("set_up", connected_org)))
    assert "Reading" in shown
    assert "of 25 wanted attributes" in shown or "wanted attributes have a field" in shown
    part = operator.get(address("set_up_progress", connected_org))
    assert b'hx-trigger="every 3s"' in part.content
    operator.post(address("set_up_act", connected_org, action="pause"))
    assert AnalyticsSettings.objects.get().paused_at is not None
    assert b"every 3s" not in operator.get(address("set_up_progress", connected_org)).content
    operator.post(address("set_up_act", connected_org, action="resume"))
    operator.post(address("set_up_act", connected_org, action="stop"))
    assert AnalyticsSettings.objects.get().started_at is None


def test_fz_06_a_connection_that_nobody_logged_into_cannot_be_started(operator, org):
    org.state = org.State.NEEDS_REAUTHORIZATION
    org.save()
    assert "connect it first" in text_of(operator.get(address("set_up", org)))
    operator.post(address("set_up_start", org))
    assert not AnalyticsSettings.objects.exists()
    org.state = org.State.NEW
    org.save()
    assert operator.get(address("set_up", org)).status_code == 404


def test_fz_d7_the_hour_of_the_sync_is_a_setting(operator, org):
    data = {"sync_hour": "5", "linking": "both", "preference": "derived", "grace_days": "45", "currency": "eur"}
    assert operator.post(address("set_up_settings", org), data).status_code == 302
    found = AnalyticsSettings.objects.get(org=org)
    assert (found.sync_hour, found.preference, found.grace_days, found.currency) == (5, "derived", 45, "EUR")
    answer = operator.post(address("set_up_settings", org), data | {"sync_hour": "24", "currency": "Euro"})
    assert answer.status_code == 422
    assert AnalyticsSettings.objects.get(org=org).sync_hour == 5


def test_fz_d13_hashing_of_contact_addresses_is_a_setting_of_the_page(operator, org):
    assert "digests only" in text_of(operator.get(address("set_up", org)))
    data = {"sync_hour": "2", "linking": "both", "preference": "field", "grace_days": "30", "currency": ""}
    operator.post(address("set_up_settings", org), data | {"hash_contacts": "on"})
    assert AnalyticsSettings.objects.get(org=org).hash_contacts
    operator.post(address("set_up_settings", org), data)
    assert not AnalyticsSettings.objects.get(org=org).hash_contacts


def test_members_see_and_operators_act(client, cast, connected_org):
    client.force_login(cast.jane)
    assert client.get(address("set_up", connected_org)).status_code == 200
    assert client.get(address("map", connected_org)).status_code == 403
    assert client.post(address("set_up_start", connected_org)).status_code == 403
    client.force_login(cast.ana)
    assert client.get(address("map", connected_org)).status_code == 200
    assert client.get(address("map_attribute", connected_org, key="industry")).status_code == 403


def test_fz_d2_the_map_shows_every_attribute_with_coverage_and_examples(operator, mapped):
    page = text_of(operator.get(address("map", mapped)))
    for label in ("Linking ID", "Seats allocation", "Winback date", "NPS score", "Delivered, open, click", "Contact e-mail"):
        assert label in page
    covered = text_of(operator.get(address("map_coverage", mapped)))
    assert "200 of 200 sampled" in covered
    assert "OpportunityLineItem › Product2 › Name" in covered
    assert re.search(r"Industry Account › Industry 200 of 200 sampled [A-Z]", covered)


def test_fz_d2_one_attribute_is_changed_and_unmapped(operator, mapped):
    url = address("map_attribute", mapped, key="plan")
    editor = operator.get(url, {"object": "Account", "field-0": "Segment__c"})
    assert "Mid-Market" in text_of(editor)
    number = current_map(mapped)[1]
    data = {
        "object": "Account", "field-0": "Segment__c", "number": number, "value-0-from": "Enterprise", "value-0-to": "Large",
        "where-0-field": "IsDeleted", "where-0-op": "=", "where-0-value": "false",
    }  # fmt: skip
    assert operator.post(url, data).status_code == 302
    source = current_map(mapped)[0].get("plan")
    assert (source.fields, source.values) == (("Segment__c",), {"Enterprise": "Large"})
    assert source.where[0].values == ("false",)
    late = operator.post(url, data | {"field-0": "Region__c"})
    assert "saved meanwhile" in text_of(late)
    operator.post(url, {"number": number + 1, "unmap": "1"})
    assert not current_map(mapped)[0].is_mapped("plan")
    assert AttributeMap.objects.filter(org=mapped).count() == 3
    operator.post(address("map_revert", mapped), {"number": str(number + 1)})
    assert current_map(mapped)[0].get("plan") == source


def test_fz_d2_a_field_of_the_wrong_type_cannot_be_saved(operator, mapped):
    url = address("map_attribute", mapped, key="churn_date")
    answer = operator.post(url, {"object": "Account", "field-0": "Industry", "number": current_map(mapped)[1]})
    assert answer.status_code == 422
    assert "A date is needed here: Industry is a picklist." in text_of(answer)
    shown = operator.get(url).content.decode()
    assert re.search(r'<option value="Industry" disabled>[^<]*A date is needed here', shown)


def test_fz_d2_unmapped_attributes_say_which_analyses_they_grey_out(operator, mapped):
    operator.post(address("map_attribute", mapped, key="ticket_created"), {"number": current_map(mapped)[1], "unmap": "1"})
    assert lacking(mapped, "ticket_created") == "Support ticket creation date is not mapped: choose where Salesforce holds it."
    assert lacking(mapped, "industry") == ""
    assert "Greyed out without it: Support" in text_of(operator.get(address("map", mapped)))


def test_fz_d2_a_preset_is_shown_before_it_is_used(operator, mapped):
    shown = text_of(operator.get(address("map", mapped), {"preset": "orders_assets"}))
    assert "OrderItem › TotalPrice" in shown
    assert current_map(mapped)[0].group("transactions").object == "OpportunityLineItem"
    operator.post(address("map_preset", mapped), {"preset": "orders_assets"})
    assert current_map(mapped)[0].group("transactions").object == "OrderItem"
    operator.post(address("map_preset", mapped), {"preset": "nothing"})
    assert AttributeMap.objects.filter(org=mapped).count() == 2


def test_fz_d5_fields_are_ranked_by_how_many_accounts_they_match(operator, connected_org):
    with client_for(connected_org, domain="test") as client:
        keys = [
            row["External_Id__c"] for row in client.query_all("SELECT External_Id__c FROM Account WHERE External_Id__c != null")
        ]
    Customer.objects.bulk_create(Customer(external_id=key, name=key) for key in keys)
    body, _ = starting.map_to_start_with(connected_org)
    assert body.get("linking_id").fields == ("External_Id__c",)
    page = text_of(operator.get(address("map_attribute", connected_org, key="linking_id")))
    assert page.index("External_Id__c") < page.index("Product_Account_Id__c")
    assert f"{len(keys)} of 200, {len(keys)} customers" in page


def test_the_preset_of_the_demo_org_finds_its_own_fields(connected_org):
    body, preset = starting.map_to_start_with(connected_org)
    wanted = {
        "seats": "Seats__c", "trial_start": "Trial_Start__c", "trial_end": "Trial_End__c", "paid_start": "Customer_Since__c",
        "churn_date": "Churned_On__c", "nps_score": "Score__c", "nps_date": "Answered_On__c", "csat_score": "Satisfaction__c",
        "tx_months": "Term_Months__c", "product_name": "Name", "tx_amount": "TotalPrice",
    }  # fmt: skip
    assert preset == "standard_sales"
    assert {key: body.get(key).fields[0] for key in wanted} == wanted


def test_fz_d5_unlinked_accounts_are_counted_and_listed(operator, org):
    write_facts(org, subjects=[
        {"subject": "c1", "account_id": "001000000000001AAA", "name": "Known", "linked_by": "linking_id", "accounts": 2, "mrr": "5"},
        {"subject": "001000000000002AAA", "account_id": "001000000000002AAA", "name": "=Lost", "linked_by": "none", "accounts": 1,
         "mrr": "20"},
    ])  # fmt: skip
    counts = {
        "accounts": 3, "linked_by_linking_id": 2, "linked_by_link": 0, "unlinked_accounts": 1, "spans_with_default_term": 7,
        "refused_currencies": {"CHF": 4}, "missing_objects": ["Case"],
    }  # fmt: skip
    FactsState.objects.filter(org=org).update(health=counts)
    page = text_of(operator.get(address("health", org)))
    for words in (
        "67%",
        "=Lost",
        "20.00",
        "7 transactions name no end",
        "4 transactions in CHF",
        "Case is not here yet",
        "Known 2",
    ):
        assert words in page, words
    export = b"".join(operator.get(address("health_unlinked_csv", org)).streaming_content).decode()
    assert export.splitlines()[1].startswith("001000000000002AAA,'=Lost,20")
    assert len(export.splitlines()) == 2


def test_r_239_quarantined_events_stand_on_the_health_page_with_their_reason(operator, org):
    now = timezone.now()
    for number, reason in enumerate(("future", "future", "too_old")):
        QuarantinedEvent.objects.create(event_id=f"e{number}", received_at=now, reason=reason)
    page = text_of(operator.get(address("health", org)))
    assert re.search(r"Dated in the future 2 Dated more than five minutes in the future", page)
    assert re.search(r"Older than events are kept 1 Older than events are kept", page)


def test_fz_10_fz_11_fz_12_fz_13_the_security_page_names_each_scope_and_why(client, cast, org):
    client.force_login(cast.jane)
    page = text_of(client.get(reverse("analytics:security")))
    for words in (
        "OAuth 2.0",
        "api covers chatter_api",
        "id covers profile, email, address, phone",
        "refresh_token",
        "About scopes",
    ):
        assert words in page
    assert {each.name for each in access_asked.SCOPES} == set(API_SCOPE.split())


def test_fz_d1_missing_and_excessive_scopes_are_told(client, cast, org):
    org.scope, org.login_method = "api id web", org.LoginMethod.WEB
    org.save()
    client.force_login(cast.jane)
    page = text_of(client.get(reverse("analytics:security")))
    assert "Not granted: refresh_token" in page
    assert "The app grants web" in page
    assert access_asked.missing_scopes("jwt", ["api", "profile"]) == []
    assert access_asked.missing_scopes("web", ["chatter_api", "offline_access"]) == ["id"]


def test_fz_14_the_security_page_says_what_is_read_and_how_it_goes_away(client, cast, mapped):
    client.force_login(cast.jane)
    page = text_of(client.get(reverse("analytics:security")))
    assert "CampaignMember" in page
    assert "are erased here with the next sync" in page
    assert "audit trail" in page
