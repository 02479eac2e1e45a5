"""Links by hand, their journal, and what match runs leave alone (PX-35, PX-D8, PX-D15, R-048, R-049, R-138, I-11)."""

from datetime import timedelta

import pytest

from integrations import alerts
from integrations.access import Refusal
from integrations.models import Alert, GuardRequest, LinkEvent, RecordLink, RecordMerge
from integrations.sync import guard
from integrations.sync.matching import link_store, links
from integrations.sync.matching.explain import explain_match
from integrations.sync.matching.link_store import Match
from tests.customers.world import new_id


def journal(record):
    owner = {"customer": record} if hasattr(record, "website") else {"end_user": record}
    return [
        (each.action, each.before_id, each.after_id, each.rule) for each in LinkEvent.objects.filter(**owner).order_by("id")
    ]


@pytest.fixture
def hand(world, cast):
    """Verbs as Olga."""

    class Hand:
        def __getattr__(self, name):
            verb = getattr(links, name)
            return lambda record, **more: verb(record, org=world.org, actor=cast.olga, now=world.tick(), **more)

    return Hand()


def test_px_d8_a_link_by_hand_wins_over_all_rules_and_stays(world, hand):
    by_rule, by_hand = world.account("Acme"), world.account("Other")
    customer = world.customer("c1", name="Acme", attributes={"sfdc_id": by_rule})
    hand.link(customer, salesforce_id=by_hand[:15])
    world.rules(sfdc_id=True, name=True)
    world.match()
    world.match(recheck=True)
    assert world.links() == {"c1": (by_hand, "manual")}
    assert journal(customer) == [("linked", "", by_hand, "manual")]
    assert LinkEvent.objects.get().actor.username == "olga"


def test_linking_by_hand_again_is_nothing_and_to_another_record_a_move(world, hand):
    one, two = world.account("One"), world.account("Two")
    customer = world.customer("c1")
    hand.link(customer, salesforce_id=one)
    hand.link(customer, salesforce_id=one)
    hand.link(customer, salesforce_id=two)
    assert journal(customer) == [("linked", "", one, "manual"), ("moved", one, two, "manual")]


@pytest.mark.parametrize("text", ["", "nonsense", "001Ab000001234", "001Ab0000012345XXX"])
def test_a_link_by_hand_needs_an_id(world, hand, text):
    with pytest.raises(Refusal) as refused:
        hand.link(world.customer("c1"), salesforce_id=text)
    assert refused.value.code == "not_an_id"


def test_px_d8_what_a_person_unlinked_is_kept_apart_until_unlocked(world, hand):
    account = world.account("Acme")
    customer = world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    hand.unlink(customer)
    world.account("Acme Two")
    world.match()
    assert world.links() == {}
    assert RecordLink.objects.get().state == "apart"
    assert hand.unlock(customer) is None
    world.match()
    assert world.links() == {"c1": (account, "name")}
    assert [each[0] for each in journal(customer)] == ["linked", "unlinked", "unlocked", "linked"]


def test_locked_links_change_by_nothing_but_an_unlock(world, hand):
    one, two = world.account("Acme"), world.account("Other")
    customer = world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    assert hand.lock(customer).locked
    for act in (lambda: hand.link(customer, salesforce_id=two), lambda: hand.unlink(customer)):
        with pytest.raises(Refusal) as refused:
            act()
        assert refused.value.code == "locked"
    world.mirror("Account", [{"Id": one, "Name": "Renamed"}])
    world.match(recheck=True)
    assert world.links() == {"c1": (one, "name")}
    hand.unlock(customer)
    world.match(recheck=True)
    assert world.links() == {}


@pytest.mark.parametrize("verb", ["unlink", "lock", "unlock"])
def test_verbs_on_a_record_without_a_link_are_refused(world, hand, verb):
    with pytest.raises(Refusal) as refused:
        getattr(hand, verb)(world.customer("c1"))
    assert refused.value.code == "not_linked"


def test_an_undo_puts_back_what_the_entry_changed_and_is_an_entry(world, hand, cast):
    one, two = world.account("One"), world.account("Two")
    customer = world.customer("c1")

    def undo():
        last = LinkEvent.objects.order_by("-id").first()
        made = links.undo(last, actor=cast.olga, now=world.tick())
        assert made.undoes == last
        return made

    hand.link(customer, salesforce_id=one)
    hand.link(customer, salesforce_id=two)
    undo()
    assert world.links() == {"c1": (one, "manual")}
    hand.lock(customer)
    undo()
    assert not RecordLink.objects.get().locked
    hand.unlink(customer)
    undo()
    assert world.links() == {"c1": (one, "manual")}
    first = LinkEvent.objects.order_by("id").first()
    with pytest.raises(Refusal, match="changed again"):
        links.undo(first, actor=cast.olga, now=world.tick())


def test_undoing_a_rules_link_keeps_the_record_apart(world, hand, cast):
    world.account("Acme")
    world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    links.undo(LinkEvent.objects.get(), actor=cast.olga, now=world.tick())
    world.match()
    assert world.links() == {}


# --- Bulk ------------------------------------------------------------------------------------------------------------------


def test_i_04_storing_matches_again_changes_nothing(world):
    customers = [world.customer(f"c{n}") for n in range(5)]
    batch = [Match(each.pk, new_id(), "name", 2, (new_id(), new_id())) for each in customers]
    run = world.a_run()

    def store():
        from django.db import transaction

        with transaction.atomic():
            return link_store.store_matches(world.org, "customer", "Account", batch, version=3, run=run, now=world.now)

    assert store() == {"name": 5}
    for _ in range(3):
        assert store() == {}
    assert (RecordLink.objects.count(), LinkEvent.objects.count()) == (5, 5)
    link = RecordLink.objects.order_by("id").first()
    assert (link.candidates, tuple(link.candidate_ids), link.mapping_version, link.run) == (2, batch[0].candidates, 3, run)


def test_px_d8_a_match_never_overwrites_what_a_person_decided_meanwhile(world, hand):
    """The guard is in the statements that write: a link that was made after the pairs were found stays."""
    from django.db import transaction

    free, manual, apart, locked, gone = (world.customer(name) for name in ("free", "manual", "apart", "locked", "gone"))
    account = world.account()
    for each in (manual, apart, locked):
        hand.link(each, salesforce_id=account)
    hand.unlink(apart)
    RecordLink.objects.filter(customer=locked).update(locked=True, rule="name", state="suspended")
    pairs = [Match(each.pk, new_id(), "name") for each in (free, manual, apart, locked, gone)]
    gone.delete()
    with transaction.atomic():
        counts = link_store.store_matches(
            world.org, "customer", "Account", pairs, version=1, run=None, now=world.now, replace=True
        )
    assert counts == {"name": 1}
    assert {key: rule for key, (_, rule) in world.links().items()} == {"free": "name", "manual": "manual"}
    assert LinkEvent.objects.filter(rule="name").count() == 1


def test_storing_needs_the_transaction_that_counts(world, transactional_db):
    from django.db.transaction import TransactionManagementError

    with pytest.raises(TransactionManagementError):
        link_store.store_matches(world.org, "customer", "Account", [], version=1, run=None, now=world.now)


# --- What Salesforce does ----------------------------------------------------------------------------------------------------


def test_r_049_and_px_d15_links_follow_merged_records_also_those_by_hand(world, hand):
    loser, winner = world.account("Acme"), world.account("Acme Group")
    by_rule, by_hand = world.customer("c1", name="Acme"), world.customer("c2")
    world.rules(name=True)
    world.match()
    hand.link(by_hand, salesforce_id=loser)
    world.delete("Account", loser, tell=False)
    for _ in range(2):  # the mirror may say it twice
        world.tell("on_merged", "Account", [(loser, winner)])
    assert world.links() == {"c1": (winner, "name"), "c2": (winner, "manual")}
    assert journal(by_rule)[-1] == ("moved", loser, winner, "merge")
    assert len(journal(by_rule)) == 2
    world.match()
    assert world.links()["c1"] == (winner, "name"), "a merge is no reason to match anew"


def test_px_d8_an_id_of_a_merged_record_that_the_product_still_holds_leads_to_the_survivor(world):
    """Before and after the product sends it, and over a chain of merges."""
    loser, middle, winner = new_id(), new_id(), world.account("Acme Group")
    world.customer("early", attributes={"sfdc_id": loser})
    world.rules(sfdc_id=True)
    world.match()
    assert world.links() == {}, "older than the mirror"
    for old, new in ((loser, middle), (middle, winner)):
        RecordMerge.objects.create(org=world.org, object="Account", loser=old, winner=new)
    world.mirror("Account", [{"Id": loser, "IsDeleted": True}])
    late = world.customer("late", attributes={"sfdc_id": middle[:15]})
    assert explain_match(late, org=world.org).finds == winner
    world.match()
    assert world.links() == {"early": (winner, "sfdc_id"), "late": (winner, "sfdc_id")}


def test_px_d15_a_deleted_record_suspends_its_link_with_an_alert(world):
    account = world.account("Acme")
    customer = world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    world.delete("Account", account)
    link = RecordLink.objects.get()
    assert (link.state, link.salesforce_id, link.reason) == ("suspended", account, link_store.GONE)
    assert journal(customer)[-1] == ("suspended", account, account, "name")
    assert "1 customers are linked to deleted records" in alerts.open_alerts().get().title
    assert world.match().state == "success"
    assert RecordLink.objects.get().state == "suspended", "nothing else fits, so the link waits"


def test_r_048_a_restored_record_revives_its_link_and_ends_the_alert(world):
    account = world.account("Acme")
    world.customer("c1", name="Acme")
    world.rules(name=True)
    world.match()
    world.delete("Account", account)
    world.mirror("Account", [{"Id": account, "Name": "Acme"}])
    world.tell("on_revived", "Account", [account])
    assert world.links() == {"c1": (account, "name")}
    assert not alerts.open_alerts().exists()
    assert Alert.objects.exclude(recovered_at=None).count() == 1


def test_r_138_a_vanished_record_is_matched_again_by_the_rules_but_not_a_link_by_hand(world, hand):
    first, second = world.account("Acme"), world.account("acme")
    by_rule, by_hand = world.customer("c1", name="Acme"), world.customer("c2", name="Acme")
    world.rules(name=True)
    world.match()
    hand.link(by_hand, salesforce_id=first)
    world.delete("Account", first)
    world.match()
    assert world.links() == {"c1": (second, "name")}
    assert journal(by_rule)[-1] == ("moved", first, second, "name")
    assert RecordLink.objects.get(customer=by_hand).state == "suspended"


def many(world, count):
    ids = world.mirror("Account", [{"Name": f"Account {n}"} for n in range(count)])
    world.customers({"external_id": f"c{n}", "name": f"Account {n}"} for n in range(count))
    world.rules(name=True)
    world.match()
    assert len(world.links()) == count
    return ids


def test_i_11_a_deletion_of_more_than_a_fifth_waits_for_a_yes(world, cast, engine_name):
    ids = many(world, 120)
    world.delete("Account", *ids[:60])
    assert len(world.links()) == 120, "nothing is suspended unasked"
    request = GuardRequest.objects.get()
    assert (request.effect, request.rows, request.of_rows) == ("unlink", 60, 120)
    world.match()
    assert len(world.links()) == 120
    guard.answer(request, yes=True, user=cast.ada, now=world.tick())
    world.match()
    assert len(world.links()) == 60
    assert RecordLink.objects.filter(state="suspended").count() == 60


def test_i_11_a_few_deletions_need_no_yes(world):
    ids = many(world, 120)
    world.delete("Account", *ids[:49])
    assert len(world.links()) == 71
    assert not GuardRequest.objects.exists()


# --- Re-check ----------------------------------------------------------------------------------------------------------------


def test_px_d8_only_a_recheck_judges_standing_links_anew(world, engine_name):
    stays, changes, goes = world.account("Stays"), world.account("Changes"), world.account("Goes")
    for name in ("Stays", "Changes", "Goes"):
        world.customer(name.lower(), name=name)
    world.rules(name=True)
    world.match()
    world.mirror("Account", [{"Id": changes, "Name": "else"}, {"Id": goes, "Name": "also else"}])
    other = world.account("changes")
    world.match()
    assert {key: id_ for key, (id_, _) in world.links().items()} == {"stays": stays, "changes": changes, "goes": goes}
    run = world.match(recheck=True)
    assert run.state == "success", run.sentence
    assert world.links() == {"stays": (stays, "name"), "changes": (other, "name")}
    assert LinkEvent.objects.filter(action="unlinked").get().customer.external_id == "goes"
    again = world.match(recheck=True)
    assert (again.state, LinkEvent.objects.count()) == ("success", 5)


def test_i_11_a_recheck_that_would_unlink_too_many_waits_for_a_yes(world, cast):
    ids = many(world, 100)
    world.mirror("Account", [{"Id": each, "Name": "renamed"} for each in ids[:60]])
    run = world.match(recheck=True)
    assert run.state == "partial"
    assert len(world.links()) == 100
    counts = {each.name: each for each in run.objects_touched.all()}
    assert counts["customers: needs a yes"].not_attempted == 60
    assert counts["customers: linked before"].unchanged == 40
    request = GuardRequest.objects.get()
    assert (request.rows, request.of_rows, len(request.examples)) == (60, 100, guard.EXAMPLES)
    asked_again = guard.answer(request, yes=True, user=cast.ada, now=world.tick() + timedelta(minutes=1))
    asked_again.refresh_from_db()
    assert asked_again.state == "success", asked_again.sentence
    assert len(world.links()) == 40
    assert LinkEvent.objects.filter(action="unlinked").count() == 60


def test_px_d12_changing_the_object_resets_the_links_of_the_entity(world, hand):
    world.account("Acme")
    contact = world.contact("a@b.example")
    world.customer("c1", name="Acme")
    by_hand = world.customer("c2")
    world.user("u1", email="a@b.example")
    world.rules(name=True)
    world.rules("end_user", email=True)
    world.match()
    hand.link(by_hand, salesforce_id=world.account("Other"))
    assert link_store.reset_links(world.org, "customer", reason="Company__c replaces Account.", now=world.tick()) == 2
    assert world.links() == {}
    assert world.links("end_user") == {"u1": (contact, "email")}
    assert LinkEvent.objects.filter(action="unlinked", reason="Company__c replaces Account.").count() == 2
    world.shapes["Company__c"] = {"Name": "string"}
    world.mirrored("Company__c")
    company = world.mirror("Company__c", [{"Name": "acme"}])[0]
    world.rules(object_="Company__c", name=True)
    world.match()
    assert world.links() == {"c1": (company, "name")}
