"""What the demonstration shows: a whole catalogue, and products of the demo org that lead to it, with two things to put right."""

import pytest
from django.utils import timezone

from integrations.sync import runs
from provisioning.catalogue import demo, files, finding
from provisioning.mapping import demo as mapping_demo
from provisioning.mapping import leads
from provisioning.models import Feature, Offer, OfferVersion

pytestmark = pytest.mark.django_db


def test_the_catalogue_has_every_kind_of_feature_and_filling_again_changes_nothing(now):
    assert demo.fill(now)
    assert not demo.fill(now)
    assert set(Feature.objects.values_list("kind", flat=True)) == {"boolean", "numeric", "metered"}
    lines = [line for version in OfferVersion.objects.all() for line in finding.contents_of(version).lines]
    assert {line.reset for line in lines} >= {"", "hour", "day", "month", "year"}
    assert any(line.soft for line in lines)
    assert any(line.unlimited for line in lines)
    assert finding.latest("plan-planning-business").number == 2
    assert finding.draft_of(Offer.objects.get(key="plan-planning-team")) is not None
    assert files.load(files.dump(), actor=None, now=now).is_quiet


def test_products_of_the_demo_org_lead_to_the_catalogue(connected_org, demo_org, now):
    demo.fill(now)
    assert mapping_demo.fill(connected_org, now=now)
    assert not mapping_demo.fill(connected_org, now=now)
    run = runs.request_run("mirror.read", org=connected_org, arguments={"objects": list(leads.OBJECTS)}, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    judged = {each.product.name: each for each in leads.judge_products(connected_org)}
    assert judged["Planning Business"].name == "Planning Business"
    assert {name for name in mapping_demo.wanted() if judged[name].state == "mapped"} == set(mapping_demo.wanted()) - {
        "Regional Data Mirror"
    }
    assert [each.code for each in judged["Regional Data Mirror"].troubles] == ["prefix_mismatch"]
    assert judged["Model Library"].state == "unmapped"
