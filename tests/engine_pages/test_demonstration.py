"""The demonstration's customers against a real demo org: every rule finds some, and what needs a person is there to look at."""

from collections import Counter

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations import product_demo
from integrations.models import Customer, EndUser, OutboxRow, RecordLink
from integrations.sync.mapping import demo as mapping_demo
from integrations.sync.mapping.body import CUSTOMER_RULES, END_USER_RULES
from integrations.sync.matching import duplicates
from integrations.sync.outbox import preview
from tests.mapping.work import run_job

pytestmark = pytest.mark.django_db


def test_every_rule_finds_some_and_some_need_a_person(connected_org, cast) -> None:
    cache.clear()
    now = timezone.now()
    assert product_demo.fill(connected_org, now=now) > 60
    assert product_demo.fill(connected_org, now=now) == 0, "safe to repeat"
    assert len(mapping_demo.fill(connected_org, user=cast.ada, now=now)) == 2
    product_demo.add_rule()
    for job in ("mirror.read", "mapping.pull", "mapping.push"):
        assert run_job(job, connected_org).state in ("success", "partial"), job

    links = RecordLink.objects.filter(state="active")
    rules = Counter(links.values_list("entity", "rule"))
    for rule in CUSTOMER_RULES:
        assert rules["customer", rule], rule
    for rule in END_USER_RULES:
        assert rules["end_user", rule], rule
    assert links.filter(candidates__gt=1).exists()
    assert Customer.objects.filter(links=None).count() >= len(product_demo.STRANGERS)
    assert EndUser.objects.filter(links=None).exists()
    (conflict,) = duplicates.conflicts(connected_org, "customer")
    assert (len(conflict.claims), conflict.winner) == (2, None)
    (waiting,) = OutboxRow.objects.all()
    assert (waiting.code, waiting.fields) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", ["PX_NPS_Score__c"])

    changed = product_demo.change_some(now=timezone.now())
    dry = preview.dry_run(connected_org, "mapping.customer", user=cast.ada, now=timezone.now())
    assert 0 < dry.counts["Account"]["written"] <= changed
    assert {change.field for change in dry.samples} <= {"PX_Health__c", "PX_Active_Users_30d__c", *waiting.values}
