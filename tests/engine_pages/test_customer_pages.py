"""The customers' pages: who is linked with what and why, links by hand and their undo, contested records, exports."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import Attribute, Customer, EndUser, LinkEvent, RecordLink, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync import runs
from integrations.sync.mapping import versions
from integrations.sync.matching import links
from project import customers

pytestmark = pytest.mark.django_db
ONE, TWO = "001dM0000000001QAA", "001dM0000000002QAA"


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(
        name="Acme production", state="connected", instance_url="https://acme.my.salesforce.com"
    )


@pytest.fixture
def acme(org, now) -> Customer:
    return Customer.objects.create(external_id="c-1", name="Acme", website="https://acme.example", last_seen_at=now)


def link(customer: Customer, org: SalesforceOrg, salesforce_id: str = ONE, **extra) -> RecordLink:
    facts = {"entity": "customer", "object": "Account", "rule": "name", **extra}
    return RecordLink.objects.create(org=org, customer=customer, salesforce_id=salesforce_id, **facts)


def read(client, name: str, *args, **query) -> str:
    answer = client.get(reverse(name, args=args), query)
    assert answer.status_code == 200, answer.content.decode()[:500]
    return answer.content.decode()


# --- Lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "names"),
    [("linked", {"Linked", "Several"}), ("unlinked", {"Nobody", "Apart"}), ("ambiguous", {"Several"}), ("suspended", {"Gone"}),
     ("apart", {"Apart"}), ("", {"Linked", "Several", "Nobody", "Apart", "Gone"})],
)  # fmt: skip
def test_the_list_is_narrowed_by_the_state_of_the_link(client, cast, org, state, names) -> None:
    made = {name: Customer.objects.create(external_id=name, name=name) for name in
            ("Linked", "Several", "Nobody", "Apart", "Gone")}  # fmt: skip
    link(made["Linked"], org)
    link(made["Several"], org, TWO, candidates=2, candidate_ids=[TWO, ONE])
    link(made["Apart"], org, "", state="apart", rule="manual")
    link(made["Gone"], org, "001dM0000000003QAA", state="suspended", reason="Deleted in Salesforce.")
    client.force_login(cast.jane)
    page = client.get(reverse("customers"), {"link": state})
    assert {each.name for each in page.context["records"]} == names


def test_the_list_finds_by_name_id_and_website_and_stays_sorted(client, cast, acme) -> None:
    Customer.objects.create(external_id="z-9", name="Zebra", website="stripes.example")
    client.force_login(cast.jane)
    for text, name in (("zeb", "Zebra"), ("c-1", "Acme"), ("STRIPES", "Zebra")):
        assert [each.name for each in client.get(reverse("customers"), {"text": text}).context["records"]] == [name]
    down = client.get(reverse("customers"), {"sort": "-name"}).context["records"]
    assert [each.name for each in down] == ["Zebra", "Acme"]
    assert client.get(reverse("customers"), {"sort": "password", "page": "x"}).status_code == 200


def test_merged_and_erased_customers_are_not_shown(client, cast, acme, now) -> None:
    merged = Customer.objects.create(external_id="old", name="Acme of old", merged_into=acme)
    erased = Customer.objects.create(external_id="gone", name="", erased_at=now)
    client.force_login(cast.jane)
    assert "Acme of old" not in read(client, "customers")
    assert client.get(reverse("customer", args=[merged.pk])).url == reverse("customer", args=[acme.pk])
    assert client.get(reverse("customer", args=[erased.pk])).status_code == 404


def test_the_chosen_connection_narrows_links_and_counts(client, cast, org, acme) -> None:
    other = SalesforceOrg.objects.create(name="Sandbox", state="connected")
    link(acme, org)
    client.force_login(cast.olga)
    client.post(reverse("integrations:connection_choose"), {"org": other.pk, "next": "/"})
    page = client.get(reverse("customers"))
    assert page.context["counts"] == {"linked": 0, "ambiguous": 0, "suspended": 0, "all": 1, "unlinked": 1}
    assert ONE not in page.content.decode()


def test_a_list_of_many_asks_a_fixed_number_of_questions(client, cast, org, django_assert_max_num_queries) -> None:
    for number in range(30):
        link(Customer.objects.create(external_id=f"c{number}", name=f"C {number}"), org, f"001dM00000000{number:02}QAA")
    client.force_login(cast.jane)
    client.get(reverse("customers"))
    with django_assert_max_num_queries(16):
        client.get(reverse("customers"))


def test_s_115_people_are_hidden_from_those_who_repair_nothing(client, cast, acme) -> None:
    person = EndUser.objects.create(external_id="u-1", name="Ann", email="ann.lee@acme.example", phone="+49 30 5550 0123",
                                    customer=acme)  # fmt: skip
    for user, seen in ((cast.jane, False), (cast.ana, False), (cast.olga, True)):
        client.force_login(user)
        for page in (read(client, "end_users"), read(client, "customer", acme.pk), read(client, "end_user", person.pk)):
            assert ("ann.lee@acme.example" in page) is seen
            assert "5550 0123" not in page or seen
    client.force_login(cast.ana)
    assert not client.get(reverse("end_users"), {"text": "ann.lee"}).context["records"], "the search is no way round it"
    text = b"".join(client.get(reverse("end_users_csv")).streaming_content).decode()
    assert "ann.lee" not in text


def test_the_export_is_what_is_shown(client, cast, org, acme) -> None:
    Customer.objects.create(external_id="=1+1", name="Formula")
    link(acme, org, candidates=2, locked=True)
    client.force_login(cast.ana)
    answer = client.get(reverse("customers_csv"), {"text": "acme"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [(row["customer"], row["salesforce_id"], row["candidates"], row["locked"]) for row in rows] == [
        ("c-1", ONE, "2", "yes")
    ]
    everything = b"".join(client.get(reverse("customers_csv")).streaming_content).decode()
    assert "'=1+1" in everything, "no cell is a formula (S-034)"


# --- Links by hand ------------------------------------------------------------------------------------------------------


def test_unlink_locks_out_the_rules_and_undo_brings_the_link_back(client, cast, org, acme) -> None:
    link(acme, org)
    client.force_login(cast.olga)
    change = reverse("link_change", args=["customer", acme.pk, org.pk])
    page = client.post(change, {"verb": "unlink"}, follow=True).content.decode()
    assert "Kept apart" in page
    assert "Let rules match it again" in page
    event = LinkEvent.objects.get(action="unlinked")
    client.post(reverse("link_undo", args=[event.pk]))
    restored = RecordLink.objects.get()
    assert (restored.salesforce_id, restored.state) == (ONE, "active")
    again = client.post(reverse("link_undo", args=[event.pk]), follow=True).content.decode()
    assert "undone already" in again


def test_a_locked_link_offers_only_its_unlocking(client, cast, org, acme) -> None:
    link(acme, org)
    client.force_login(cast.olga)
    change = reverse("link_change", args=["customer", acme.pk, org.pk])
    page = client.post(change, {"verb": "lock"}, follow=True).content.decode()
    assert 'value="unlock"' in page
    assert 'value="unlink"' not in page
    assert 'name="salesforce_id"' not in page
    assert "unlock it first" in client.post(change, {"verb": "unlink"}, follow=True).content.decode()
    assert client.post(change, {"verb": "explode"}).status_code == 404


def test_what_cannot_be_linked_stays_typed_with_the_reason(client, cast, org, acme) -> None:
    client.force_login(cast.olga)
    answer = client.post(reverse("link_change", args=["customer", acme.pk, org.pk]), {"verb": "link", "salesforce_id": "hello"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert 'value="hello"' in page
    assert "15 or 18 characters" in page
    assert not RecordLink.objects.exists()


@pytest.mark.parametrize(
    "pasted",
    [ONE, ONE[:15], f"  {ONE} ", f"https://acme.lightning.force.com/lightning/r/Account/{ONE}/view",
     f"https://acme.my.salesforce.com/{ONE[:15]}?srPos=0"],
)  # fmt: skip
def test_the_address_of_a_record_is_as_good_as_its_id(pasted) -> None:
    assert ONE.startswith(customers.id_in(pasted))


def test_members_look_and_operators_act(client, cast, org, acme) -> None:
    link(acme, org)
    client.force_login(cast.jane)
    page = read(client, "customer", acme.pk)
    assert "Unlink" not in page
    assert "Why this record?" not in page
    assert client.post(reverse("link_change", args=["customer", acme.pk, org.pk]), {"verb": "unlink"}).status_code == 403
    assert RecordLink.objects.get().state == "active"


# --- Contested records ----------------------------------------------------------------------------------------------------


def test_px_d9_a_contested_record_is_listed_and_one_claim_wins(client, cast, org, acme, now) -> None:
    twin = Customer.objects.create(external_id="c-2", name="Acme (old)", last_seen_at=now - timedelta(days=9))
    for each in (acme, twin):
        link(each, org, rule="sfdc_id")
    client.force_login(cast.olga)
    assert "2 records claim this one" in read(client, "customer", acme.pk)
    assert "is claimed by several" in read(client, "customers")
    page = read(client, "customer_conflicts")
    assert page.index("Acme") < page.index("Acme (old)"), "the most recently active claim comes first"
    assert "1 to decide" in page
    page = client.post(reverse("link_wins", args=["customer", twin.pk, org.pk]), follow=True).content.decode()
    assert "All decided" in page
    assert RecordLink.objects.get(customer=twin).wins
    assert LinkEvent.objects.get(customer=twin).action == "chosen"
    assert "it is written to Salesforce" in read(client, "customer", twin.pk)


def test_a_claim_that_is_alone_cannot_win(client, cast, org, acme) -> None:
    link(acme, org)
    client.force_login(cast.olga)
    page = client.post(reverse("link_wins", args=["customer", acme.pk, org.pk]), follow=True).content.decode()
    assert "No other record is linked" in page
    assert "No record is contested" in page


# --- Why ----------------------------------------------------------------------------------------------------------------


def test_the_trace_says_what_each_rule_compared(client, cast, connected_org) -> None:
    with client_for(connected_org, domain="test") as session:
        found = session.query_all("SELECT Id, Name FROM Account WHERE LastModifiedDate = LAST_N_DAYS:100 LIMIT 1")[0]
    matched = Customer.objects.create(external_id="m", name=f"  {found['Name'].upper()} ")
    stranger = Customer.objects.create(external_id="s", name="Nobody knows it", website="https://gmail.com/x")
    Attribute.objects.create(entity="customer", key="sfdc_id", label="Account id")
    mapping = versions.open_mapping(connected_org, "customer", now=timezone.now())
    body = versions.body_of(mapping)
    on = tuple(replace(rule, on=rule.name in ("sfdc_id", "website_domain", "name")) for rule in body.rules)
    versions.save_version(mapping, replace(body, rules=on), user=cast.olga, now=timezone.now())
    for job in ("mirror.read", "mapping.pull"):
        assert runs.request_run(job, org=connected_org, now=timezone.now()).state
    client.force_login(cast.ana)
    page = read(client, "match_trace", "customer", matched.pk, connected_org.pk)
    for text in ("Finds", found["Id"], "Account id", "compared as", "switched off", "version 1"):
        assert text in page, text
    page = read(client, "match_trace", "customer", stranger.pk, connected_org.pk)
    for text in ("Why no record?", "no rule finds a record", "public mail provider", "empty matches nothing"):
        assert text in page, text
    client.force_login(cast.jane)
    assert client.get(reverse("match_trace", args=["customer", matched.pk, connected_org.pk])).status_code == 403


def test_before_the_first_read_the_trace_says_so(client, cast, org, acme) -> None:
    client.force_login(cast.ana)
    page = read(client, "match_trace", "customer", acme.pk, org.pk)
    assert "has not been read from Salesforce yet" in page
    assert client.get(reverse("match_trace", args=["license", acme.pk, org.pk])).status_code == 404


def test_the_newest_entry_of_each_connection_can_be_undone(org, acme, cast, now) -> None:
    link(acme, org)
    links.lock(acme, org=org, actor=cast.olga, now=now)
    links.unlock(acme, org=org, actor=cast.olga, now=now)
    events = list(LinkEvent.objects.all())
    assert customers.newest_of_each(events) == {events[0].pk}
    links.undo(events[0], actor=cast.olga, now=now)
    assert customers.newest_of_each(list(LinkEvent.objects.all())) == set(), "an undo is not undone from the page"
