"""The back office of subscriptions, grants and usage."""

from decimal import Decimal

import pytest
from django.utils import timezone

from provisioning.entitlements import promotions
from provisioning.metering.using import consume
from provisioning.models import PromotionalGrant, Subscription
from tests.provisioning.shelf import DAY, customer, stock, subscribe

pytestmark = pytest.mark.django_db
BASE = "/admin/provisioning"


@pytest.fixture
def acme(client, cast):
    stock()
    client.force_login(cast.ada)
    return customer()


def act(client, model: str, action: str, pk: int):
    return client.post(f"{BASE}/{model}/", {"action": action, "_selected_action": [pk]}, follow=True)


def test_lists_and_details_open(client, acme):
    made = subscribe(acme, now=timezone.now(), ends_at=timezone.now() + DAY)
    promotions.grant(acme, feature="feature-calls", limit=Decimal(2), now=timezone.now())
    consume({"customer": "acme", "feature": "feature-calls"}, now=timezone.now())
    for model in ("subscription", "promotionalgrant", "usagewindow", "usagereport"):
        assert b"Acme" in client.get(f"{BASE}/{model}/").content
    assert made.key.encode() in client.get(f"{BASE}/subscription/{made.pk}/change/").content
    assert made.key.encode() in client.get(f"{BASE}/subscription/", {"state": "active"}).content
    assert made.key.encode() not in client.get(f"{BASE}/subscription/", {"state": "trial"}).content


def test_actions_call_the_verbs(client, acme):
    made = subscribe(acme, now=timezone.now(), ends_at=timezone.now() + DAY)
    act(client, "subscription", "cancel_at_end", made.pk)
    assert Subscription.objects.get().cancelled_at == made.ends_at
    act(client, "subscription", "take_back", made.pk)
    act(client, "subscription", "cancel_now", made.pk)
    assert Subscription.objects.get().running_key is None
    assert [each.actor.username for each in made.events.all()[:3]] == ["ada"] * 3
    grant = promotions.grant(acme, feature="feature-sso", now=timezone.now())
    act(client, "promotionalgrant", "take_back", grant.pk)
    assert PromotionalGrant.objects.get().revoked_at
    wrong = act(client, "subscription", "take_back", subscribe(customer("b"), now=timezone.now()).pk)
    assert "is not cancelled" in wrong.content.decode()
