"""The back office of provisioning: lists and entries are told in words, not as objects with numbers."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from provisioning.models import Feature, OfferVersion, PromotionalGrant, Provision
from tests.provisioning.conftest import WON
from tests.provisioning.shelf import customer, subscribe
from tests.provisioning.test_metering_using import tell

pytestmark = pytest.mark.django_db
NAMES = (
    "product", "feature", "offer", "offerversion", "productmapping", "automation", "automationversion", "provision", "delivery",
    "provisioningsettings", "subscription", "promotionalgrant", "usagewindow", "usagereport",
)  # fmt: skip


def test_no_list_or_entry_names_a_row_as_an_object(office, client, cast):
    office.call(office.deal(("plan-pro", 3), stage=WON))
    stock_of_another_shop()
    client.force_login(cast.ada)
    for name in NAMES:
        listed = client.get(reverse(f"admin:provisioning_{name}_changelist"))
        assert listed.status_code == 200, name
        assert not re.search(r"\w+ object \(\d+\)", listed.content.decode()), name
        model = listed.context["cl"].model
        for row in model.objects.all()[:2]:
            page = client.get(reverse(f"admin:provisioning_{name}_change", args=[row.pk])).content.decode()
            assert not re.search(r"\w+ object \(\d+\)", page), name


def stock_of_another_shop() -> None:
    who, now = customer("shop"), timezone.now()
    sso = Feature.objects.get(key="feature-sso")
    PromotionalGrant.objects.create(customer=who, feature=sso)
    subscribe(who, "plan-basic", now=now)
    assert tell(1, who="shop", now=now).status == "accepted"


def test_a_deal_links_to_its_page_and_drafts_are_called_so(office, client, cast):
    office.call(office.deal(("plan-pro", 3), stage=WON))
    provision = Provision.objects.get()
    OfferVersion.objects.create(offer=OfferVersion.objects.first().offer, number=0)
    client.force_login(cast.ada)
    page = client.get(reverse("admin:provisioning_provision_change", args=[provision.pk])).content.decode()
    assert reverse("provisioning:provision", args=[provision.pk]) in page
    assert "SystemModstamp&quot;" not in page
    assert ">Draft<" in client.get(reverse("admin:provisioning_offerversion_changelist")).content.decode()
    assert "Done" in client.get(reverse("admin:provisioning_delivery_changelist")).content.decode()
