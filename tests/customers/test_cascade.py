"""The cascade over real Parquet files: the order of rules, ties, what is compared (PX-49..PX-59, PX-D3..PX-D8)."""

from datetime import timedelta

import pytest

from integrations.models import Customer, RecordLink
from integrations.sync.matching import spine
from tests.customers.world import DAY_ONE, new_id

ALL = dict.fromkeys(("sfdc_id", "website_domain", "name", "recent_user_domain"), True)
CRM = {"source_field": "attributes.crm", "salesforce_field": "Customer_Number__c"}
LEGACY = {"source_field": "attributes.legacy", "salesforce_field": "Legacy_Number__c"}


def test_px_49_the_first_rule_that_finds_takes_it(world, engine_name):
    """Every rule of both entities on both engines, several at a time, and the rule that comes first wins."""
    by_id, by_number, by_web, by_name, by_users = (
        world.account(f"Account {each}", Website=f"https://www.{each}.example/", Customer_Number__c=each.upper())
        for each in ("one", "two", "three", "four", "five")
    )
    world.customer("c-id", name="Account four", attributes={"sfdc_id": by_id[:15], "crm": "TWO"})
    world.customer("c-number", name="Account four", website="three.example", attributes={"crm": " TWO "})
    world.customer("c-web", name="account FOUR", website="http://THREE.example:80/x")
    world.customer("c-name", name=" account  FOUR")
    world.customer("c-users")
    world.customer("c-none", name="Nobody", website="nobody.example")
    world.staff("c-users", ["www.five.example"] * 51 + [None] * 49)
    contact = world.contact("jo@acme.example", Phone="+1 (555) 0100", Member_Number__c=7)
    other = world.contact("al@acme.example", Phone="+1 555 0199", Member_Number__c=8)
    world.user("u-id", attributes={"sfdc_contact_id": contact}, email="al@acme.example")
    world.user("u-number", attributes={"member": 8}, email="jo@acme.example")
    world.user("u-mail", email=" AL@acme.EXAMPLE", phone="+1 555 0100")
    world.user("u-phone", email="nobody@acme.example", phone="+1-555-0100 ext 3")
    world.user("u-none", email="nobody@acme.example", phone="0")
    world.rules(custom_field=CRM, **ALL)
    world.rules("end_user", sfdc_id=True, email=True, phone=True,
                custom_field={"source_field": "attributes.member", "salesforce_field": "Member_Number__c"})  # fmt: skip
    run = world.match()
    assert run.state == "success", run.sentence
    assert world.links() == {
        "c-id": (by_id, "sfdc_id"), "c-number": (by_number, "custom_field"), "c-web": (by_web, "website_domain"),
        "c-name": (by_name, "name"), "c-users": (by_users, "recent_user_domain"),
    }  # fmt: skip
    assert world.links("end_user") == {
        "u-id": (contact, "sfdc_id"), "u-number": (other, "custom_field"), "u-mail": (other, "email"), "u-phone": (contact, "phone"),
    }  # fmt: skip


def test_px_d4_rules_that_are_off_do_not_run(world):
    account = world.account("Acme", Website="acme.example")
    world.customer("c1", name="Acme")
    world.customer("c2", website="acme.example")
    world.rules(website_domain=True)
    world.match()
    assert world.links() == {"c2": (account, "website_domain")}


def test_px_50_px_56_ids_of_15_and_18_characters(world):
    account, contact = world.account(), world.contact()
    world.customer("long", attributes={"sfdc_id": account})
    world.customer("short", attributes={"sfdc_id": account[:15]})
    world.customer("shouted", attributes={"sfdc_id": account.upper()})
    world.customer("wrong case", attributes={"sfdc_id": account[:15].swapcase()})
    world.customer("typo", attributes={"sfdc_id": account[:17] + "?"})
    world.user("user", attributes={"sfdc_contact_id": contact[:15]})
    world.rules(sfdc_id=True)
    world.rules("end_user", sfdc_id=True)
    world.match()
    assert world.links() == dict.fromkeys(("long", "short", "shouted"), (account, "sfdc_id"))
    assert world.links("end_user") == {"user": (contact, "sfdc_id")}


def test_px_51_and_px_57_custom_fields_compare_text_with_case_and_numbers_as_numbers(world):
    texts = world.account(Customer_Number__c="Ab-1")
    numbers = world.account(Legacy_Number__c=1007)
    world.customer("same", attributes={"crm": " Ab-1 ", "legacy": 1})
    world.customer("other case", attributes={"crm": "AB-1", "legacy": 1})
    world.rules(custom_field=CRM)
    world.match()
    assert world.links() == {"same": (texts, "custom_field")}
    world.customer("zeros", attributes={"legacy": "001007"})
    world.customer("point", attributes={"legacy": "1007.00"})
    world.customer("fraction", attributes={"legacy": "1007.5"})
    world.rules(custom_field=LEGACY)
    world.match()
    assert {name for name, (id_, _) in world.links().items() if id_ == numbers} == {"zeros", "point"}


def test_px_d5_case_of_a_custom_field_is_a_toggle(world):
    account = world.account(Customer_Number__c="Ab-1")
    world.customer("c1", attributes={"crm": "aB-1"})
    world.rules(custom_field={**CRM, "case_sensitive": False})
    world.match()
    assert world.links() == {"c1": (account, "custom_field")}


@pytest.mark.parametrize(
    ("rule", "code"),
    [({"source_field": "attributes.legacy", "salesforce_field": "Customer_Number__c"}, "types"),
     ({"source_field": "attributes.crm", "salesforce_field": "Legacy_Number__c"}, "types"),
     ({"source_field": "attributes.flag", "salesforce_field": "Customer_Number__c"}, "types"),
     ({"source_field": "attributes.gone", "salesforce_field": "Customer_Number__c"}, "types"),
     ({"source_field": "attributes.crm", "salesforce_field": "Unknown__c"}, "no_field"),
     ({"source_field": "attributes.crm", "salesforce_field": "PX_Number__c"}, "prefixed"),
     ({"source_field": "attributes.crm", "salesforce_field": "acme__px_Number__c"}, "prefixed"),
     ({"source_field": "", "salesforce_field": ""}, "not_chosen")],
)  # fmt: skip
def test_px_37_and_px_51_a_rule_that_cannot_compare_is_left_out_and_the_others_run(world, rule, code):
    from integrations.sync.mapping.body import read_body
    from integrations.sync.matching import rounds

    world.shapes["Account"] |= {"PX_Number__c": "string", "acme__px_Number__c": "string"}
    account = world.account("Acme", Customer_Number__c="1", Legacy_Number__c=1)
    world.customer("c1", name="Acme", attributes={"crm": "1", "legacy": 1, "flag": True})
    version = world.rules(custom_field=rule, name=True)
    plan = rounds.load_plan(world.org, read_body(version.body))
    assert {each.rule: each.code for each in plan.left_out}["custom_field"] == code
    assert world.match().state == "success"
    assert world.links() == {"c1": (account, "name")}


def test_px_52_website_domain_is_compared_whole_unless_the_rule_says_registrable(world):
    shop, home = world.account(Website="https://shop.acme.example"), world.account(Website="acme.example")
    world.customer("shop", website="shop.ACME.example/de")
    world.customer("app", website="app.acme.example")
    world.rules(website_domain=True)
    world.match()
    assert world.links() == {"shop": (shop, "website_domain")}
    world.rules(website_domain={"registrable_domain": True})
    world.match()
    assert world.links()["app"] == (shop, "website_domain"), "both accounts are acme.example now, and the older one is taken"
    assert RecordLink.objects.get(customer__external_id="app").candidate_ids == [shop, home]


def test_px_53_names_without_case_and_blanks_never_match_blanks(world):
    account = world.account(" ACME  ltd ")
    world.account("")
    world.customer("c1", name="Acme Ltd")
    world.customer("c2", name="")
    world.rules(name=True)
    world.match()
    assert world.links() == {"c1": (account, "name")}


def test_px_54_literally_51_of_the_100_most_recently_seen_users(world):
    """50 are not enough, older users do not count, users without e-mail fill the hundred."""
    account = world.account(Website="acme.example")
    for name in ("fifty", "fifty-one", "old", "small", "crowded out"):
        world.customer(name)
    world.staff("fifty", ["acme.example"] * 50 + ["other.example"] * 50)
    world.staff("fifty-one", ["acme.example"] * 51 + ["other.example"] * 49)
    world.staff("old", [None] * 60 + ["acme.example"] * 60)
    world.staff("small", ["acme.example"] * 50)
    world.staff("crowded out", ["other.example"] * 50 + ["acme.example"] * 90)
    world.rules(recent_user_domain=True)
    world.match()
    assert world.links() == {"fifty-one": (account, "recent_user_domain")}


def test_px_54_last_seen_first_and_then_the_lower_id_when_users_were_seen_at_once(world):
    """Users never seen come last; of equal instants the earlier made counts first."""
    account = world.account(Website="acme.example")
    world.customer("never")
    world.customer("tie")
    rows = [{"external_id": f"n{i}", "customer": "never", "email": f"a{i}@acme.example"} for i in range(60)]
    rows += [
        {"external_id": f"m{i}", "customer": "never", "email": "x@o.example", "last_seen_at": world.now} for i in range(60)
    ]
    rows += [
        {"external_id": f"t{i}", "customer": "tie", "email": f"a{i}@acme.example", "last_seen_at": world.now} for i in range(60)
    ]
    rows += [{"external_id": f"s{i}", "customer": "tie", "email": "x@o.example", "last_seen_at": world.now} for i in range(60)]
    world.users(rows)
    world.rules(recent_user_domain=True)
    world.match()
    assert world.links() == {"tie": (account, "recent_user_domain")}


def test_px_d7_majority_is_an_option_for_small_accounts(world):
    account = world.account(Website="acme.example")
    for name in ("three of five", "two of two", "half"):
        world.customer(name)
    world.staff("three of five", ["acme.example"] * 3 + [None] * 2)
    world.staff("two of two", ["acme.example"] * 2)
    world.staff("half", ["acme.example"] * 3 + ["other.example"] * 3)
    world.rules(recent_user_domain={"majority": True})
    world.match()
    assert world.links() == {"three of five": (account, "recent_user_domain")}


def test_r_103_public_mail_providers_match_nothing_unless_the_list_says_so(world):
    web, mail = world.account(Website="https://www.gmail.com/"), world.account(Website="gmx.net")
    world.customer("web", website="GMAIL.com")
    world.customer("users")
    world.staff("users", ["gmx.net"] * 60)
    version = world.rules(website_domain=True, recent_user_domain=True)
    world.match()
    assert world.links() == {}
    world.rules(website_domain=True, recent_user_domain=True, mail_providers=["gmail.com"])
    world.match()
    assert world.links() == {"users": (mail, "recent_user_domain")}
    world.rules(website_domain=True, recent_user_domain=True, mail_providers=[])
    world.match()
    assert world.links()["web"] == (web, "website_domain")
    assert version.number == 1


def test_r_100_ties_take_the_oldest_then_the_lowest_id_and_name_all_candidates(world, engine_name):
    low, high = sorted([new_id(), new_id()])
    world.mirror("Account", [
        {"Id": high, "Name": "Acme", "CreatedDate": DAY_ONE}, {"Id": low, "Name": "ACME", "CreatedDate": DAY_ONE},
    ])  # fmt: skip
    later = world.account("acme", CreatedDate=DAY_ONE + timedelta(milliseconds=1))
    undated = world.account("Acme ", CreatedDate=None)
    world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    link = RecordLink.objects.get()
    assert (link.salesforce_id, link.candidates, link.candidate_ids) == (low, 4, [low, high, later, undated])
    assert link.customer.link_events.get().candidates == [low, high, later, undated]


def test_px_d3_no_match_at_one_rule_lets_the_next_rule_run(world, engine_name):
    world.account("Acme", Website="acme.example")
    world.account("Acme", Website="acme.test")
    third = world.account("Bolt", Website="bolt.example")
    world.customer("c1", name="Acme")
    world.customer("c2", name="Bolt", website="acme.example")
    world.account("Other", Website="acme.example")
    world.rules(website_domain={"when_several": "none"}, name={"when_several": "none"})
    run = world.match()
    assert world.links() == {"c2": (third, "name")}
    skipped = run.objects_touched.get(name="customers: without a match")
    assert [(row.key, row.code) for row in skipped.rows.all()] == [("c1", "ambiguous")]


def test_px_58_and_px_59_several_contacts_with_one_mail_or_phone_are_no_match(world):
    world.contact("team@acme.example", Phone="1")
    world.contact("TEAM@acme.example", Phone="2")
    single = world.contact("solo@acme.example", Phone="0100-22")
    world.contact("any@acme.example", Phone="555")
    world.contact("else@acme.example", Phone="5-5-5")
    world.user("mail", email="team@acme.example", phone="555")
    world.user("falls to phone", email="team@acme.example", phone="010022")
    world.rules("end_user", email=True, phone=True)
    world.match()
    assert world.links("end_user") == {"falls to phone": (single, "phone")}


def test_px_55_px_56_the_contact_id_that_a_user_carries_comes_before_the_mail(world):
    own, other = world.contact("old@acme.example"), world.contact("jo@acme.example")
    world.user("u1", email="jo@acme.example", attributes={"sfdc_contact_id": own[:15]})
    world.user("u2", email="jo@acme.example")
    world.rules("end_user", sfdc_id=True, email=True)
    world.match()
    assert world.links("end_user") == {"u1": (own, "sfdc_id"), "u2": (other, "email")}


def test_px_55_contacts_may_be_told_to_take_the_first(world):
    old, new = world.contact("team@acme.example"), world.contact("team@acme.example")
    world.user("u1", email="team@acme.example")
    world.rules("end_user", email={"when_several": "first"})
    world.match()
    assert world.links("end_user") == {"u1": (old, "email")}
    assert RecordLink.objects.get().candidate_ids == [old, new]


def test_px_44_a_custom_object_stands_for_the_entity_with_fields_of_its_own(world):
    world.shapes["Company__c"] = {"Name": "string", "Web__c": "url", "Account__c": "reference"}
    account = world.account("Acme")
    world.mirrored("Company__c")
    company = world.mirror("Company__c", [{"Name": "Acme", "Web__c": "acme.example", "Account__c": account}])[0]
    world.customer("c1", name="Acme")
    world.customer("c2", website="https://acme.example")
    world.customer("c3", attributes={"account": account[:15]})
    world.rules(object_="Company__c", name=True, website_domain={"salesforce_field": "Web__c"},
                custom_field={"source_field": "attributes.account", "salesforce_field": "Account__c"})  # fmt: skip
    world.match()
    assert world.links() == {"c1": (company, "name"), "c2": (company, "website_domain"), "c3": (company, "custom_field")}
    assert set(RecordLink.objects.values_list("object", flat=True)) == {"Company__c"}


def test_px_20_nothing_is_matched_while_retrieving_is_off(world):
    world.account("Acme")
    world.customer("c1", name="Acme")
    world.rules(name=True, retrieve=False)
    assert world.match().state == "success"
    assert world.links() == {}


def test_r_046_deleted_records_and_erased_or_merged_customers_are_not_matched(world):
    gone = world.account("Acme")
    world.delete("Account", gone, tell=False)
    world.account("Bolt")
    world.customer("c1", name="Acme")
    merged, survivor = world.customer("c2", name="Bolt"), world.customer("c3", name="Other")
    Customer.objects.filter(pk=merged.pk).update(merged_into=survivor, updated_at=world.tick())
    world.rules(name=True)
    world.match()
    assert world.links() == {}
    assert spine.save_customers([{"external_id": "c2", "name": "Bolt"}], now=world.tick()).rows[0].id == survivor.pk


def test_px_07_two_customers_may_find_the_same_account(world):
    account = world.account("Acme")
    world.customer("c1", name="Acme")
    world.customer("c2", name="ACME")
    world.rules(name=True)
    world.match()
    assert world.links() == {"c1": (account, "name"), "c2": (account, "name")}


def test_a_mapping_whose_object_was_never_read_fails_alone(world):
    account = world.account("Acme")
    world.shapes["Never__c"] = {}
    world.customer("c1", name="Acme")
    world.user("u1", email="a@b.example")
    world.rules(name=True)
    world.rules("end_user", object_="Never__c", email=True)
    run = world.match()
    assert run.state == "partial"
    assert world.links() == {"c1": (account, "name")}
    assert run.objects_touched.get(name="end_users").rows.get().code == "not_mirrored"
