"""The back office of billing: every list opens with records in it, and its actions work."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from billing import linking
from billing.models import AccountLink, BillingCustomer, Deduction, Invoice, InvoiceCounter, Price, UsageRecord
from billing.preflight import settings_of

pytestmark = pytest.mark.django_db
MODELS = [model for model in apps.get_app_config("billing").get_models() if admin.site.is_registered(model)]


@pytest.fixture
def full(acme):
    """At least one record of each model."""
    now = timezone.now()
    Price.objects.create(key="p", plan_key="plan-pro", name="Fee", model="fixed", amount=1)
    UsageRecord.objects.create(key="u", customer_key="acme", metric_key="m-api", quantity=1, at=now)
    Deduction.objects.create(grant_key="g-1", invoice_key="inv-1", amount=1)
    InvoiceCounter.objects.create(year=2026, last=1)
    linking.link_account(BillingCustomer.objects.get(), org=acme.org, account_id="001000000000001AAA", actor=None, now=now)
    settings_of(acme.org)
    return acme


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.model_name)
def test_every_list_opens_searches_and_shows_its_records(full, admin_client, model):
    assert model.objects.exists()
    path = reverse(f"admin:billing_{model._meta.model_name}_changelist")
    assert admin_client.get(path).status_code == 200
    assert admin_client.get(path, {"q": "acme"}).status_code in (200, 302)
    one = reverse(f"admin:billing_{model._meta.model_name}_change", args=[model.objects.first().pk])
    assert admin_client.get(one).status_code == 200


def test_the_lists_do_not_ask_again_for_each_row(full, admin_client, django_assert_max_num_queries):
    full.save("customers", *({"id": f"c{n}", "name": f"C {n}"} for n in range(60)))
    with django_assert_max_num_queries(25):
        admin_client.get(reverse("admin:billing_billingcustomer_changelist"))


def test_mt_d10_invoices_are_voided_and_links_taken_away_from_the_lists(full, admin_client):
    for model, action in ((Invoice, "void"), (AccountLink, "unlink")):
        path = reverse(f"admin:billing_{model._meta.model_name}_changelist")
        admin_client.post(path, {"action": action, "_selected_action": [model.objects.get().pk]})
    assert Invoice.objects.get().status == "VOID"
    assert AccountLink.objects.get().state == "removed"


def test_members_do_not_get_in(full, client, cast):
    client.force_login(cast.jane)
    for model in MODELS:
        assert client.get(reverse(f"admin:billing_{model._meta.model_name}_changelist")).status_code in (302, 403)
