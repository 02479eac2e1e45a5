"""A change of the catalogue never alters what a customer already has unless a person asks for it."""

from decimal import Decimal

import pytest

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from provisioning.catalogue import archiving, authoring, files, finding, holders, moving
from provisioning.models import Offer, SubscriptionEvent
from provisioning.subscriptions import changes, endings
from tests.provisioning.shelf import DAY, NOW, ask, customer, spec, stock, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shop(db):
    stock()


def new_version(key: str = "plan-team", **limits: int):
    """Publish another version with these limits of its features."""
    offer = Offer.objects.get(key=key)
    given = authoring.as_given(finding.contents_of(finding.published_of(offer)))
    for line in given["entitlements"]:
        name = line["feature"].removeprefix("feature-")
        if name in limits:
            line["limit"] = str(limits[name])
    return authoring.publish(authoring.save_draft(offer, **given, actor=None, now=NOW), actor=None, now=NOW)


def limit(who, feature: str = "projects", **options):
    return ask(who, feature, **options).limit


def only(version, *subscriptions):
    return moving.waiting_for(version, keys=[each.key for each in subscriptions], now=NOW)


def counts(key: str = "plan-team") -> dict[int, int]:
    offer = Offer.objects.get(key=key)
    found = holders.count_holders([offer], now=NOW)
    return {each.number: found.get(each.pk, 0) for each in offer.versions.exclude(number=0)}


def test_a_change_never_alters_what_a_customer_already_has(db):
    old, bought = customer("old"), customer("bought")
    subscribe(old)
    authoring.save_draft(Offer.objects.get(key="plan-team"), actor=None, now=NOW)  # a draft that takes everything away
    assert limit(old) == 5
    authoring.discard(finding.draft_of(Offer.objects.get(key="plan-team")), actor=None, now=NOW)
    new_version(projects=50)
    subscribe(bought)
    assert (limit(old), limit(bought)) == (5, 50)
    assert counts() == {1: 1, 2: 1}
    archiving.archive(Offer.objects.get(key="plan-team"), actor=None, now=NOW)
    assert (limit(old), limit(bought)) == (5, 50)
    files.load(files.dump().replace("limit: 50\n", "limit: 1\n"), actor=None, now=NOW)
    assert (limit(old), limit(bought)) == (5, 50)


def test_an_amendment_keeps_the_version_that_was_sold():
    who = customer()
    subscription = subscribe(who)
    new_version(projects=50)
    changes.amend(subscription, terms=spec("plan-team", overrides={"calls": 7}), effective_at=NOW, now=NOW)
    assert limit(who) == 5
    assert limit(who, "calls") == 7


def test_the_preview_tells_who_would_change_and_how_and_changes_nothing():
    first, second, lost = customer("first"), customer("second"), customer("lost")
    for each in (first, second, lost):
        subscribe(each)
    gone = subscribe(customer("gone"))
    endings.cancel(gone, at=NOW, now=NOW)
    middle = new_version(projects=8)
    subscribe(customer("late"))
    version = new_version(projects=3)
    groups = moving.preview_move(version, now=NOW)
    assert [(each.version.number, each.count, each.loses) for each in groups] == [(1, 3, True), (2, 1, True)]
    assert [each.words for each in groups[0].changes] == ["Projects: 5 projects → 3 projects."]
    assert {each.customer for each in groups[0].subscriptions} == {first, second, lost}
    assert limit(first) == 5
    assert [each.version.number for each in moving.preview_move(middle, now=NOW)] == [1]


def test_only_the_chosen_ones_move_and_what_is_their_own_stays():
    chosen, left = customer("chosen"), customer("left")
    mine = subscribe(chosen, overrides={"calls": 77}, add_ons={"addon-calls": 2})
    subscribe(left)
    version = new_version(projects=50)
    done = moving.move_subscriptions(version, only(version, mine), actor=None, now=NOW)
    assert (done.moved, done.left, done.refused) == (1, False, [])
    assert (limit(chosen), limit(left)) == (50, 5)
    assert limit(chosen, "calls") == 77 + 10
    assert counts() == {1: 1, 2: 1}
    assert SubscriptionEvent.objects.filter(subscription=mine, action="version_changed").count() == 1
    assert moving.move_subscriptions(version, only(version, mine), actor=None, now=NOW).moved == 0  # again changes nothing


def test_a_move_may_take_effect_later():
    who = customer()
    subscribe(who)
    version = new_version(projects=50)
    moving.move_subscriptions(version, effective_at=NOW + DAY, actor=None, now=NOW)
    assert limit(who) == 5
    assert limit(who, at=NOW + 2 * DAY) == 50


def test_customers_of_chosen_versions_move():
    first, second = customer("first"), customer("second")
    subscribe(first)
    middle = new_version(projects=6)
    subscribe(second)
    version = new_version(projects=7)
    waiting = moving.waiting_for(version, versions=[middle.pk], now=NOW)
    moving.move_subscriptions(version, waiting, actor=None, now=NOW)
    assert (limit(first), limit(second)) == (5, 7)


def test_add_ons_move_too():
    who = customer()
    subscribe(who, add_ons={"addon-calls": 3})
    version = new_version("addon-calls", calls=100)
    assert limit(who, "calls") == 10 + 15
    assert counts("addon-calls") == {1: 1, 2: 0}
    assert moving.move_subscriptions(version, actor=None, now=NOW).moved == 1
    assert limit(who, "calls") == 10 + 300
    assert counts("addon-calls") == {1: 0, 2: 1}


def test_one_that_cannot_move_is_refused_alone_and_drafts_are_refused():
    who, seats = customer("who"), customer("seats")
    subscribe(who)
    subscribe(seats)
    offer = Offer.objects.get(key="plan-team")
    draft = authoring.save_draft(offer, per_seat=True, actor=None, now=NOW)
    with pytest.raises(Refusal, match="published versions"):
        moving.preview_move(draft, now=NOW)
    version = authoring.publish(draft, actor=None, now=NOW)
    done = moving.move_subscriptions(version, actor=None, now=NOW)
    assert done.moved == 0
    assert len(done.refused) == 2
    assert "how many" in done.refused[0][1]
    assert limit(who) == 5


def test_st_04_the_same_catalogue_serves_every_way_of_selling(db):
    """Self-service by the API, sales-led from a deal, and a mix: same plan, same answers."""
    org = SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)
    alone, sold, both = customer("alone"), customer("sold"), customer("both")
    deal = {"org": org, "account_id": "001000000000001AAA", "opportunity_id": "006000000000001AAA"}
    subscribe(alone, "plan-pro")
    subscribe(sold, "plan-pro", **deal)
    subscribe(both, "plan-team")
    changes.amend(both.subscriptions.get(), terms=spec("plan-pro"), effective_at=NOW, now=NOW)
    for feature in ("sso", "projects", "calls", "storage"):
        answers = {
            (found.granted, found.limit, found.unlimited, found.reason)
            for found in (ask(each, feature) for each in (alone, sold, both))
        }
        assert len(answers) == 1, (feature, answers)
    assert counts("plan-pro") == {1: 3}
    assert not {"salesforce", "org", "channel"} & set(authoring.as_given(finding.contents_of(finding.latest("plan-pro"))))


def test_scheduled_and_ended_subscriptions_are_counted_as_people_expect():
    subscribe(customer("later"), starts_at=NOW + DAY)
    subscribe(customer("trial"), trial_ends_at=NOW - DAY)
    subscribe(customer("ended"), ends_at=NOW - DAY)
    subscribe(customer("runs"), seats=None)
    assert counts() == {1: 2}
    assert Decimal(0) == sum(counts("plan-pro").values())
