"""The demonstration's mappings are sound, and a whole day of the product sync works on them."""

from collections import Counter

from integrations.models import Attribute, Customer, EndUser, Mapping, RecordLink, Run
from integrations.sync.mapping import demo, synchronize, versions
from tests.mapping.work import counts_of, query


def test_the_demonstration_is_mapped_matched_and_pushed(connected_org, cast, now):
    for key, kind in (("plan", "STRING"), ("health", "STRING"), ("seats", "NUMBER"), ("is_paying", "BOOLEAN")):
        Attribute.objects.create(entity="customer", key=key, label=key.title(), type=kind)
    newest = "ORDER BY LastModifiedDate DESC, Id LIMIT 30"
    accounts = query(connected_org, f"SELECT Id, Name, Website FROM Account WHERE Website != null {newest}")
    for number, record in enumerate(accounts):
        Customer.objects.create(
            external_id=f"c{number}", name="Somebody", website=record["Website"], last_seen_at=now,
            attributes={"plan": "Business", "health": "good", "seats": "12.5", "is_paying": True},
        )  # fmt: skip
    contacts = query(connected_org, f"SELECT Id, Name, Email FROM Contact WHERE Email != null {newest}")
    for number, record in enumerate(contacts):
        EndUser.objects.create(external_id=f"u{number}", name="Jo", email=record["Email"], last_seen_at=now)
    assert [each.number for each in demo.fill(connected_org, user=cast.ada, now=now)] == [1, 1]
    assert demo.fill(connected_org, user=cast.ada, now=now) == [], "filling it again changes nothing"
    body = versions.body_of(Mapping.objects.get(entity="customer"))
    assert {"PX_Plan__c", "PX_Health__c", "PX_Active_Users_30d__c", "PX_Is_Active__c", "PX_Last_Seen__c"} <= {
        pair.target for pair in body.pairs_of("push")
    }
    run = synchronize.synchronize(connected_org, user=cast.ada, now=now)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    linked = RecordLink.objects.filter(state="active", entity="customer")
    assert linked.filter(rule="website_domain").count() > 10
    pushed = Run.objects.get(job="mapping.push")
    assert counts_of(pushed, "Account")["written"] > 10
    assert counts_of(pushed, "Contact")["written"] > 10
    claims = Counter(linked.values_list("salesforce_id", flat=True))
    one = next(link for link in linked.order_by("pk") if claims[link.salesforce_id] == 1)
    soql = f"SELECT PX_Plan__c, PX_Active_Users_30d__c, Industry FROM Account WHERE Id = '{one.salesforce_id}'"
    held = query(connected_org, soql)[0]
    assert (held["PX_Plan__c"], held["PX_Active_Users_30d__c"]) == ("Team", 13)
    assert one.customer is not None
    assert one.customer.attributes.get("industry") == held["Industry"]
