"""Several records with one Salesforce id (PX-07, PX-D9), and why a record is linked or not."""

from datetime import timedelta

import pytest

from integrations.access import Refusal
from integrations.models import LinkEvent
from integrations.sync.matching import duplicates, links
from integrations.sync.matching.explain import explain_match
from integrations.sync.matching.recent import share_of


@pytest.fixture
def rivals(world):
    """Three customers on one account, most recently active last; and one that is alone."""
    account, alone = world.account("Acme"), world.account("Solo")
    for number, name in enumerate(("c1", "c2", "c3")):
        world.customer(name, name="Acme", last_seen_at=world.now - timedelta(days=9 - number))
    world.customer("c4", name="Solo")
    world.rules(name=True)
    world.match()
    assert world.links()["c4"][0] == alone
    return account


def customer(world, external_id):
    from integrations.models import Customer

    return Customer.objects.get(external_id=external_id)


def test_px_07_and_px_d9_none_of_several_claims_is_pushed_until_one_is_chosen(world, rivals, cast):
    (conflict,) = duplicates.conflicts(world.org, "customer")
    assert (conflict.salesforce_id, conflict.object, conflict.winner) == (rivals, "Account", None)
    assert [each.external_id for each in conflict.claims] == ["c3", "c2", "c1"], "most recently active first"
    losers = duplicates.losers_of(world.org, "customer")
    assert set(losers) == {each.record_id for each in conflict.claims}
    assert "choose which one wins" in losers[conflict.claims[0].record_id]


def test_px_d9_a_person_chooses_and_the_journal_says_so(world, rivals, cast):
    chosen = duplicates.choose_winner(customer(world, "c1"), org=world.org, actor=cast.olga, now=world.tick())
    assert (chosen.winner, chosen.how) == (customer(world, "c1").pk, "chosen")
    assert set(duplicates.losers_of(world.org, "customer")) == {customer(world, name).pk for name in ("c2", "c3")}
    assert duplicates.conflicts(world.org, "customer", open_only=True) == []
    event = LinkEvent.objects.get(action="chosen")
    assert (event.customer.external_id, event.actor, event.after_id) == ("c1", cast.olga, rivals)
    duplicates.choose_winner(customer(world, "c1"), org=world.org, actor=cast.olga, now=world.tick())
    assert LinkEvent.objects.filter(action="chosen").count() == 1, "again is nothing"
    duplicates.choose_winner(customer(world, "c2"), org=world.org, actor=cast.olga, now=world.tick())
    assert duplicates.conflicts(world.org, "customer")[0].winner == customer(world, "c2").pk


def test_px_d9_the_most_recently_active_wins_by_itself_if_the_mapping_says_so(world, rivals):
    world.rules(name=True, most_active_wins=True)
    (conflict,) = duplicates.conflicts(world.org, "customer")
    assert (conflict.winner, conflict.how) == (customer(world, "c3").pk, "most_active")
    world.staff("c1", [None], seen=world.now + timedelta(days=1))
    assert duplicates.conflicts(world.org, "customer")[0].winner == customer(world, "c1").pk, (
        "a customer is as active as its users"
    )
    duplicates.choose_winner(customer(world, "c2"), org=world.org, actor=None, now=world.tick())
    assert duplicates.conflicts(world.org, "customer")[0].winner == customer(world, "c2").pk, "a person's choice stands above"


def test_px_d9_a_choice_ends_with_its_link(world, rivals):
    winner = customer(world, "c1")
    duplicates.choose_winner(winner, org=world.org, actor=None, now=world.tick())
    links.unlink(winner, org=world.org, actor=None, now=world.tick())
    (conflict,) = duplicates.conflicts(world.org, "customer")
    assert (conflict.winner, len(conflict.claims)) == (None, 2)


@pytest.mark.parametrize("external_id", ["c4", "unlinked"])
def test_px_d9_only_a_rival_can_be_chosen(world, rivals, external_id):
    world.customer("unlinked")
    with pytest.raises(Refusal) as refused:
        duplicates.choose_winner(customer(world, external_id), org=world.org, actor=None, now=world.tick())
    assert refused.value.code == ("no_conflict" if external_id == "c4" else "not_linked")


def test_records_that_were_never_active_do_not_win_by_themselves(world):
    world.account("Acme")
    world.customer("c1", name="Acme")
    world.customer("c2", name="Acme")
    world.rules(name=True, most_active_wins=True)
    world.match()
    assert duplicates.conflicts(world.org, "customer")[0].winner is None


# --- Why ---------------------------------------------------------------------------------------------------------------------


def outcomes(trace):
    return {step.rule: step.outcome for step in trace.steps}


def test_the_trace_names_each_rule_what_it_compared_and_why_later_ones_did_not_run(world):
    account = world.account("Acme", Website="acme.example")
    world.account("Bolt", Website="bolt.example")
    record = world.customer(
        "c1", name="Nobody", website="https://WWW.acme.example/", attributes={"sfdc_id": "nonsense", "crm": "7"}
    )
    world.rules(
        sfdc_id=True,
        website_domain=True,
        name=True,
        custom_field={"source_field": "attributes.crm", "salesforce_field": "Customer_Number__c"},
    )
    trace = explain_match(record, org=world.org)
    assert outcomes(trace) == {"sfdc_id": "blank", "custom_field": "no_candidate", "website_domain": "matched",
                               "name": "not_reached", "recent_user_domain": "off"}  # fmt: skip
    step = trace.steps[2]
    assert (step.number, step.source, step.field, step.compared, step.form) == (
        3, "website", "Website", "https://WWW.acme.example/", "acme.example",
    )  # fmt: skip
    assert (step.count, step.candidates) == (1, (account,))
    assert trace.finds == account
    assert "next match links it" in trace.sentence
    world.match()
    trace = explain_match(record, org=world.org)
    assert (trace.salesforce_id, trace.rule, trace.state) == (account, "website_domain", "active")
    assert "carries the link" in trace.sentence


def test_the_trace_tells_what_the_rules_would_find_now_beside_a_standing_link(world):
    first = world.account("Acme")
    record = world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    world.mirror("Account", [{"Id": first, "Name": "Renamed"}])
    second = world.account("Acme")
    trace = explain_match(record, org=world.org)
    assert (trace.salesforce_id, trace.finds) == (first, second)
    assert "kept until it is re-checked" in trace.sentence


def test_the_trace_tells_several_stops_shares_and_kept_apart(world):
    a, b = world.account("Acme", Website="gmail.com"), world.account("acme")
    record = world.customer("c1", name="Acme", website="gmail.com")
    world.staff("c1", ["acme.example"] * 40)
    world.rules(website_domain=True, name={"when_several": "none"}, recent_user_domain=True)
    trace = explain_match(record, org=world.org)
    assert outcomes(trace) | {"sfdc_id": "off"} == {
        "sfdc_id": "off", "custom_field": "off", "website_domain": "stop_list", "name": "several", "recent_user_domain": "blank",
    }  # fmt: skip
    steps = {step.rule: step for step in trace.steps}
    assert steps["name"].candidates == (a, b)
    assert steps["recent_user_domain"].sentence == "40 of the 40 most recently seen users share acme.example; needed are 51."
    links.link(record, org=world.org, salesforce_id=a, actor=None, now=world.now)
    links.unlink(record, org=world.org, actor=None, now=world.now)
    assert "Kept apart" in explain_match(record, org=world.org).sentence


def test_the_trace_of_a_salesforce_record_names_our_records_that_fit(world, engine_name):
    account = world.account("Acme", Website="acme.example")
    world.customer("c1", name="ACME")
    world.customer("c2", website="acme.example")
    world.customer("c3", name="acme", website="other.example")
    world.customer("c4")
    world.staff("c4", ["acme.example"] * 60)
    world.rules(website_domain=True, name=True, recent_user_domain=True)
    from integrations.sync.matching import spine

    spine.refresh_spine(now=world.now)
    trace = explain_match(account[:15], org=world.org)
    steps = {step.rule: step for step in trace.steps}
    assert steps["website_domain"].candidates == ("c2",)
    assert steps["name"].candidates == ("c1", "c3")
    assert trace.sentence == "No record of ours is linked to it."
    world.match()
    trace = explain_match(account, org=world.org)
    assert {each["external_id"] for each in trace.links} == {"c1", "c2", "c3", "c4"}
    assert "4 records are linked" in trace.sentence


@pytest.mark.parametrize(
    ("text", "code"), [("nonsense", "not_an_id"), ("001Ab00000123456AA", "not_an_id"), ("001000000000000", "no_such_record")]
)
def test_a_trace_needs_a_record_of_the_mirror(world, text, code):
    with pytest.raises(Refusal) as refused:
        explain_match(text, org=world.org)
    assert refused.value.code == code


def test_a_trace_before_the_first_read_says_so(world):
    from integrations.models import MirrorObject

    record = world.customer("c1")
    MirrorObject.objects.all().delete()
    trace = explain_match(record, org=world.org)
    assert trace.sentence == "Account has not been read from Salesforce yet."
    assert trace.steps == ()


def test_a_trace_leaves_nothing_behind(world, tmp_path):
    world.account("Acme")
    record = world.customer("c1", name="Acme")
    world.rules(name=True)
    before = sorted(each for each in (tmp_path / "lake").rglob("*") if each.is_file())
    explain_match(record, org=world.org)
    assert sorted(each for each in (tmp_path / "lake").rglob("*") if each.is_file()) == before


def test_px_54_the_share_of_recent_users_is_decided_purely():
    assert share_of(["a"] * 51 + ["b"] * 49, at_least=51, majority=False).domain == "a"
    assert share_of(["a"] * 50 + ["b"] * 50, at_least=51, majority=False).domain is None
    assert share_of([None] * 50 + ["a"] * 60, at_least=51, majority=False).count == 50, "only the first hundred"
    assert share_of(["a"] * 3 + ["b"] * 3, at_least=3, majority=True).domain is None
    assert share_of(["a"] * 51, at_least=51, majority=False, providers={"a"}).stopped
    assert share_of([], at_least=3, majority=True).looked_at == 0
