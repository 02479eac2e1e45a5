"""The trace from Salesforce's side: an id or an address is pasted, and the page says whose record it is and why."""

from dataclasses import replace

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import Attribute, Customer, EndUser, RecordLink, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from integrations.sync.mapping import versions
from project import why_views

pytestmark = pytest.mark.django_db


@pytest.fixture
def accounts(connected_org, cast):
    """Three mirrored accounts; customers are matched by name, users by e-mail."""
    for entity, wanted in (("customer", ("sfdc_id", "website_domain", "name")), ("end_user", ("sfdc_id", "email"))):
        Attribute.objects.create(entity=entity, key="sfdc_id" if entity == "customer" else "sfdc_contact_id", label="Their id")
        mapping = versions.open_mapping(connected_org, entity, now=timezone.now())
        body = versions.body_of(mapping)
        rules = tuple(replace(rule, on=rule.name in wanted) for rule in body.rules)
        versions.save_version(mapping, replace(body, rules=rules), user=cast.olga, now=timezone.now())
    with client_for(connected_org, domain="test") as session:
        found = session.query_all("SELECT Id, Name FROM Account WHERE LastModifiedDate = LAST_N_DAYS:100 ORDER BY Id LIMIT 3")
    run(connected_org, "mirror.read")
    return found


def run(org, name: str) -> None:
    assert runs.request_run(name, org=org, now=timezone.now()).pk


def why(client, record: str, **more) -> str:
    answer = client.get(reverse("record_why"), {"record": record, **more})
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_says_who_is_linked_and_which_rule_fits(client, cast, connected_org, accounts) -> None:
    matched = Customer.objects.create(external_id="m", name=f"  {accounts[0]['Name'].upper()} ")
    run(connected_org, "mapping.pull")
    client.force_login(cast.ana)
    page = why(client, accounts[0]["Id"])
    for text in (
        "Linked to m.",
        reverse("customer", args=[matched.pk]),
        "Their id",
        "compared as",
        "switched off",
        "version 1",
    ):
        assert text in page, text
    page = why(client, f"{connected_org.instance_url}/lightning/r/Account/{accounts[1]['Id'][:15]}/view")
    for text in ("No record of ours is linked to it.", "None of our records has this value.", accounts[1]["Id"]):
        assert text in page, text


def test_of_several_claims_all_are_named(client, cast, connected_org, accounts) -> None:
    for number in range(2):
        customer = Customer.objects.create(external_id=f"c{number}", name=f"Claim {number}")
        RecordLink.objects.create(org=connected_org, entity="customer", customer=customer, object="Account", rule="manual",
                                  salesforce_id=accounts[0]["Id"])  # fmt: skip
    client.force_login(cast.olga)
    page = why(client, accounts[0]["Id"])
    assert "2 records are linked to it." in page
    assert page.count("Claim ") >= 2
    assert reverse("customer_conflicts") in page
    contested = client.get(reverse("customer_conflicts")).content.decode()
    assert f"{reverse('record_why')}?record={accounts[0]['Id']}" in contested
    outbox = client.get(reverse("integrations:outbox")).content.decode()
    assert "1 Salesforce record is claimed by several" in outbox
    assert f'href="{reverse("customer_conflicts")}"' in outbox


def test_deleted_merged_and_unknown_records_say_so(client, cast, connected_org, accounts, demo_org) -> None:
    client.force_login(cast.ana)
    demo_org.control("merge", {"object": "Account", "master": accounts[0]["Id"], "losers": [accounts[1]["Id"]]})
    demo_org.control("delete", {"object": "Account", "id": accounts[2]["Id"]})
    demo_org.clock(advance=120)
    run(connected_org, "mirror.read")
    assert f"was merged into {accounts[0]['Id']}" in why(client, accounts[1]["Id"])
    assert "was deleted in Salesforce" in why(client, accounts[2]["Id"])
    assert "The mirror has no Account with this id" in why(client, "001000000000999")
    assert "This is no id of a Salesforce record" in why(client, "Acme Ltd")
    assert "This is no id" in why(client, "<script>alert(1)</script>")


def test_s_115_values_and_names_of_people_are_for_operators(client, cast, connected_org, accounts) -> None:
    with client_for(connected_org, domain="test") as session:
        found = session.query_all("SELECT Id, Email FROM Contact WHERE Email != null ORDER BY LastModifiedDate DESC LIMIT 1")[0]
    EndUser.objects.create(external_id="u-77", name="Somebody Special", email=found["Email"])
    run(connected_org, "mapping.pull")
    for user, sees in ((cast.ana, False), (cast.olga, True)):
        client.force_login(user)
        page = why(client, found["Id"])
        assert (found["Email"].lower() in page.lower()) is sees
        assert ("Somebody Special" in page) is sees


def test_the_address_tells_the_connection(db) -> None:
    addresses = ("https://acme.my.salesforce.com/001", "https://ACME.lightning.force.com/lightning/r/Account/001/view")
    assert {why_views._domain_of(each) for each in addresses} == {"acme"}
    assert why_views._domain_of("http://127.0.0.1:8600/001") == "127.0.0.1:8600"
    for none in ("001dM0000000001QAA", "", "javascript:alert(1)", "https://[", "https://acme:x/"):
        assert why_views._domain_of(none) == ""


def test_without_a_connection_or_a_read_the_page_still_answers(client, cast) -> None:
    client.force_login(cast.ana)
    assert "Id or address of the record" in client.get(reverse("record_why")).content.decode()
    assert "no connection to look in" in why(client, "001dM0000000001QAA")
    SalesforceOrg.objects.create(name="New one", state="connected")
    assert "has not been read yet" in why(client, "001dM0000000001QAA")
    assert "no connection to look in" in why(client, "001dM0000000001QAA", org="999999")
    client.force_login(cast.jane)
    assert client.get(reverse("record_why")).status_code == 403
    client.force_login(cast.ana)
    assert reverse("record_why") in client.get(reverse("customers")).content.decode()
