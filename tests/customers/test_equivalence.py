"""Made-up worlds: the cascade in SQL agrees with the trace worked out in Python, and a partial match misses nothing."""

import random
from datetime import timedelta

import pytest

from integrations.models import Customer, EndUser, MatchState, RecordLink
from integrations.sync.matching import links
from integrations.sync.matching.explain import explain_match
from tests.customers.world import DAY_ONE

HOSTS = [
    "acme.example",
    "www.acme.example",
    "app.acme.example",
    "bolt.co.uk",
    "shop.bolt.co.uk",
    "gmail.com",
    "münchen.example",
    "",
]
NAMES = ["Acme", " ACME ", "Acme  Ltd", "acme ltd", "Straße", "STRASSE", "Bolt", "ＢＯＬＴ", ""]
NUMBERS = ["A1", "a1", " A1 ", "B2", "é", "e\u0301", ""]
PHONES = ["+1 555", "+1555 x9", "1555", "0", "", *(f"77-{number}" for number in range(9))]
SEEDS = 2
RULES = ("sfdc_id", "custom_field", "website_domain", "name", "recent_user_domain")


def shuffled_rules(chance):
    rules = {name: {"when_several": chance.choice(["first", "none"])} for name in RULES if chance.random() < 0.8}
    rules["name"] = {"when_several": chance.choice(["first", "none"])}
    if "custom_field" in rules:
        rules["custom_field"] |= {"source_field": "attributes.crm", "salesforce_field": "Customer_Number__c",
                                  "case_sensitive": chance.random() < 0.5}  # fmt: skip
    if "website_domain" in rules:
        rules["website_domain"]["registrable_domain"] = chance.random() < 0.5
    if "recent_user_domain" in rules:
        rules["recent_user_domain"] |= {"majority": True, "registrable_domain": chance.random() < 0.5}
    return rules


def account(chance):
    return {"Name": chance.choice(NAMES), "Website": chance.choice(HOSTS) or None,
            "Customer_Number__c": chance.choice(NUMBERS) or None, "CreatedDate": DAY_ONE + timedelta(days=chance.randrange(3))}  # fmt: skip


def customer(chance, number, ids):
    crm = chance.choice(NUMBERS)
    attributes = {"crm": crm} | ({"sfdc_id": chance.choice(ids)[: chance.choice([15, 18])]} if chance.random() < 0.15 else {})
    return {
        "external_id": f"c{number}",
        "name": chance.choice(NAMES),
        "website": chance.choice(HOSTS),
        "attributes": attributes,
    }


def user(chance, number, customers):
    host = chance.choice(HOSTS)
    return {"external_id": f"u{number}", "customer": f"c{chance.randrange(customers)}", "phone": chance.choice(PHONES),
            "email": f"{chance.choice('xyz')}@{host}" if host else "",
            "last_seen_at": DAY_ONE + timedelta(minutes=chance.randrange(50))}  # fmt: skip


def found_by_explaining(world, model):
    traces = {each: explain_match(each, org=world.org) for each in model.objects.all()}
    return {each.external_id: (trace.finds, next(step.rule for step in trace.steps if step.outcome == "matched"))
            for each, trace in traces.items() if trace.finds}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_cascade_finds_what_the_trace_says_for_customers(world, seed):
    chance = random.Random(seed)
    ids = world.mirror("Account", [account(chance) for _ in range(12)])
    world.customers(customer(chance, number, ids) for number in range(16))
    world.users(user(chance, number, 16) for number in range(80))
    world.rules(**shuffled_rules(chance))
    assert world.match().state == "success"
    linked = world.links()
    assert linked, "a world in which nothing matches proves nothing"
    assert found_by_explaining(world, Customer) == linked


def test_the_cascade_finds_what_the_trace_says_for_end_users(world):
    chance = random.Random(9)
    mails = [f"{name}@{host}" for name in "xy" for host in HOSTS if host]
    world.mirror(
        "Contact", [{"Email": chance.choice([*mails, None]), "Phone": chance.choice(PHONES) or None} for _ in range(25)]
    )
    world.customer("c0")
    world.users(user(chance, number, 1) for number in range(18))
    world.rules("end_user", email=True, phone=True)
    world.match()
    linked = world.links("end_user")
    assert {rule for _, rule in linked.values()} == {"email", "phone"}
    assert found_by_explaining(world, EndUser) == linked


@pytest.mark.parametrize("seed", range(SEEDS))
def test_px_d8_a_partial_match_ends_where_a_full_one_would(world, seed):
    """After random changes on both sides, a match that looks at everything finds nothing that the partial one has missed."""
    chance = random.Random(seed)
    ids = world.mirror("Account", [account(chance) for _ in range(8)], kind="base")
    world.customers(customer(chance, number, ids) for number in range(20))
    world.users(user(chance, number, 20) for number in range(60))
    world.rules(**shuffled_rules(chance))
    world.match()
    looked_at = []
    for turn in range(4):
        change_something(world, chance, ids, turn)
        run = world.match()
        assert run.state == "success", [row.message for each in run.objects_touched.all() for row in each.rows.all()]
        looked_at.append(run)
        before = world.links()
        MatchState.objects.all().delete()
        world.match()
        assert world.links() == before, f"turn {turn}"


def change_something(world, chance, ids, turn):
    for _ in range(3):
        what = chance.randrange(7)
        if what == 0:
            ids += world.mirror("Account", [account(chance) for _ in range(2)])
        elif what == 1:
            world.mirror("Account", [{"Id": chance.choice(ids), **account(chance)}])
        elif what == 2:
            world.delete("Account", chance.choice(ids))
        elif what == 3:
            world.customers([customer(chance, chance.randrange(24), ids)])
        elif what == 4:
            existing = Customer.objects.count()
            world.users(user(chance, chance.randrange(70), existing) for _ in range(5))
        elif what == 5:
            link = RecordLink.objects.filter(state="active").order_by("?").first()
            if link is not None and not link.locked:
                links.unlink(link.customer, org=world.org, actor=None, now=world.tick(), keep_apart=chance.random() < 0.5)
        else:
            EndUser.objects.filter(pk__in=EndUser.objects.order_by("id").values("pk")[turn : turn + 2]).delete()
