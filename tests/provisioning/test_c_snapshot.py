"""The memory of a web process: what it keeps, and that every change reaches it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.api_keys import create_key
from integrations.models import ApiKey, Customer
from provisioning.entitlements import snapshot as module
from provisioning.entitlements.changed import EVERYBODY, note_change
from provisioning.entitlements.known_keys import KnownKeys
from provisioning.entitlements.snapshot import Snapshot
from provisioning.models import AccessChange, Feature, PromotionalGrant, UsageWindow

pytestmark = pytest.mark.django_db


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock) -> Snapshot:
    memory = Snapshot(clock, background=False)
    memory.start()
    return memory


@pytest.fixture
def acme() -> Customer:
    return Customer.objects.create(external_id="acme", name="Acme")


def test_a_second_question_costs_no_query(memory, acme, django_assert_num_queries):
    first = memory.find("acme")
    with django_assert_num_queries(0):
        assert memory.find("acme") == first
    assert memory.find("nobody") is None


def test_a_noted_change_drops_the_customer_and_its_answers(memory, acme):
    number, access = memory.find("acme")
    memory.remember(number, access, "q", "answer")
    assert memory.answers == {"q": "answer"}
    note_change(acme.pk, now=timezone.now())
    memory.look()
    assert (memory.entries, memory.answers, memory.ids) == ({}, {}, {})
    assert memory.find("acme")[1] is not access


def test_changes_of_others_leave_it_alone(memory, acme):
    memory.find("acme")
    note_change(acme.pk + 1, now=timezone.now())
    memory.look()
    assert acme.pk in memory.entries


def test_a_change_of_everything_drops_everybody(memory, acme):
    memory.find("acme")
    note_change(EVERYBODY, now=timezone.now())
    memory.look()
    assert memory.entries == {}


def test_a_change_whose_number_is_lower_but_commits_later_is_noticed(memory, acme):
    """PostgreSQL gives numbers when they are asked for, not when the transaction ends."""
    AccessChange.objects.create(id=50, customer_id=acme.pk + 1)
    memory.look()
    memory.find("acme")
    AccessChange.objects.create(id=49, customer_id=acme.pk)
    memory.look()
    assert acme.pk not in memory.entries


def test_numbers_are_not_asked_for_without_end(memory, acme, clock):
    for _ in range(3):
        note_change(acme.pk, now=timezone.now())
        memory.look()
        clock.now += module.OVERLAP + 1
    memory.look()
    newest = AccessChange.objects.order_by("-id").first().pk
    assert memory.floor == newest
    assert memory.seen == {}


def test_usage_drops_the_customer_once(memory, acme):
    feature = Feature.objects.create(key="feature-calls", name="Calls", kind="metered")
    memory.find("acme")
    window = UsageWindow.objects.create(customer=acme, feature=feature, window_start=timezone.now(), used=1)
    memory.look()
    assert acme.pk not in memory.entries
    memory.find("acme")
    memory.look()
    assert acme.pk in memory.entries
    UsageWindow.objects.filter(pk=window.pk).update(used=2, updated_at=timezone.now() + timedelta(microseconds=1))
    memory.look()
    assert acme.pk not in memory.entries


def test_what_changed_while_it_was_read_is_not_kept(memory, acme):
    begun = memory.tick
    _, access = memory.find("acme")
    memory.forget([acme.pk])
    memory._keep(acme.pk, access, ["acme"], begun)
    assert memory.entries == {}
    memory.remember(acme.pk, access, "q", "stale")
    assert memory.answers == {}


def test_nothing_is_trusted_when_the_database_does_not_answer(memory, clock):
    memory.look()
    assert clock() < memory.trusted_until
    clock.now += module.TRUSTED + 0.1
    assert clock() > memory.trusted_until


def test_it_stays_within_its_bound(clock, monkeypatch):
    monkeypatch.setattr(module, "MOST_CUSTOMERS", 10)
    monkeypatch.setattr(module, "CHUNK", 3)
    memory = Snapshot(clock, background=False)
    Customer.objects.bulk_create([Customer(external_id=f"c{number}") for number in range(25)])
    for number in range(25):
        memory.find(f"c{number}")
    assert len(memory.entries) <= 10
    assert len(memory.ids) == len(memory.entries)


def test_an_entry_is_read_anew_after_a_while(memory, acme, clock):
    _, first = memory.find("acme")
    clock.now += module.LONGEST
    assert memory.find("acme")[1] is not first


def test_all_customers_with_subscriptions_are_loaded_ahead(memory, acme, catalogue_plan):
    from provisioning.models import Subscription, Term

    now = timezone.now()
    made = Subscription.objects.create(key="sub-1", customer=acme, product=catalogue_plan.offer.product, starts_at=now)
    Term.objects.create(subscription=made, effective_at=now, plan=catalogue_plan)
    memory._load_all()
    assert list(memory.entries) == [acme.pk]
    assert memory.ids == {"acme": acme.pk}


@pytest.fixture
def catalogue_plan():
    from provisioning.models import Offer, OfferVersion, Product

    product = Product.objects.create(key="product-app", name="App")
    offer = Offer.objects.create(key="plan-pro", name="Pro", kind="plan", product=product)
    return OfferVersion.objects.create(offer=offer, number=1, published_at=timezone.now())


def test_customers_of_one_plan_share_what_was_read_of_the_catalogue_until_it_changes(memory, acme, catalogue_plan, clock):
    from provisioning.models import Subscription, Term

    now = timezone.now()
    Feature.objects.create(key="feature-sso", name="SSO", kind="boolean")
    for number, customer in enumerate((acme, *(Customer.objects.create(external_id=f"c{n}", name=f"C {n}") for n in range(3)))):
        made = Subscription.objects.create(
            key=f"s{number}", customer=customer, product=catalogue_plan.offer.product, starts_at=now
        )
        Term.objects.create(subscription=made, effective_at=now, plan=catalogue_plan)
    offer_of = lambda name: memory.find(name)[1].subscriptions[0].terms[0].plan  # noqa: E731
    assert offer_of("acme") is offer_of("c0")
    Feature.objects.update(name="Single sign-on")
    catalogue_plan.offer._meta.model.objects.update(name="Professional")
    note_change(EVERYBODY, now=now)
    memory.look()
    assert (offer_of("c1").name, memory.find("c1")[1].features["feature-sso"].name) == ("Professional", "Single sign-on")
    catalogue_plan.offer._meta.model.objects.update(name="Pro again")
    clock.now += module.LONGEST
    assert offer_of("c2").name == "Pro again"


def test_promotions_are_part_of_it(memory, acme):
    feature = Feature.objects.create(key="feature-sso", name="SSO", kind="boolean")
    PromotionalGrant.objects.create(customer=acme, feature=feature)
    assert len(memory.find("acme")[1].promotions) == 1


# --- keys -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def key(admin_user) -> tuple[ApiKey, str]:
    row, secret = create_key(owner=admin_user, name="k", scopes=["entitlements:read"], expires=None)
    return row, f"Api-Key {secret}"


def test_s_076_a_known_key_is_kept_as_a_digest_only(key):
    row, header = key
    keys = KnownKeys()
    assert not keys.allows(header, "entitlements:read")
    keys.learn(header, row)
    assert keys.allows(header, "entitlements:read")
    assert not keys.allows(header, "entitlements:write")
    assert not keys.allows(header + "x", "entitlements:read")
    assert header.split(".")[1] not in repr(keys.by_digest)


@pytest.mark.parametrize("change", ["revoked", "owner", "scopes", "deleted"])
def test_s_076_a_key_that_stopped_working_is_forgotten(key, admin_user, change):
    row, header = key
    keys = KnownKeys()
    keys.learn(header, row)
    if change == "revoked":
        ApiKey.objects.filter(pk=row.pk).update(revoked=True)
    elif change == "owner":
        type(admin_user).objects.filter(pk=admin_user.pk).update(is_active=False)
    elif change == "scopes":
        ApiKey.objects.filter(pk=row.pk).update(scopes=["okr:read"])
    else:
        row.delete()
    keys.look()
    assert not keys.allows(header, "entitlements:read")


def test_s_076_a_key_ends_at_its_instant(admin_user):
    now = timezone.now()
    row, secret = create_key(owner=admin_user, name="k", scopes=["entitlements:read"], expires=now + timedelta(seconds=60))
    clock = Clock()
    clock.now = now.timestamp()
    keys = KnownKeys(clock)
    keys.learn(f"Api-Key {secret}", row)
    assert keys.allows(f"Api-Key {secret}", "entitlements:read")
    clock.now += 60
    assert not keys.allows(f"Api-Key {secret}", "entitlements:read")


def test_use_of_a_key_is_noted_once_a_minute(key):
    row, header = key
    clock = Clock()
    keys = KnownKeys(clock)
    keys.learn(header, row)
    keys.allows(header, "entitlements:read")
    keys.look()
    assert ApiKey.objects.get(pk=row.pk).last_used_at is None
    clock.now += 61
    keys.look()
    assert ApiKey.objects.get(pk=row.pk).last_used_at is not None
