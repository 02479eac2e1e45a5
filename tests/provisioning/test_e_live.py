"""The whole way over real HTTP: the org's own flow, and its outbound message, call a running server of ours (ST-02, ST-26, ST-28)."""

import pytest
from django.utils import timezone

from provisioning.models import Delivery, Subscription
from provisioning.salesforce import calling, deploying, flow
from tests.provisioning.conftest import OPEN, WON

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def live(office, live_server, settings):
    """The office, with our side deployed into the org for the address of the running server."""
    settings.BASE_URL = live_server.url
    run = deploying.request_deploy(office.org, user=None, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    return office


def finished(office) -> list[dict]:
    """The org's flow runs, once everything that it started has ended."""
    told = office.demo.control("flows?wait=30")
    assert told["idle"], told
    return told["runs"]


def test_st_26_st_29_the_flow_template_provisions_when_an_opportunity_is_won(live):
    _, problem = calling.renew_key(live.org, actor=None, now=timezone.now())
    assert problem == ""
    calling.activate(live.org, flow.NAME, actor=None, now=timezone.now())
    deal = live.deal(("plan-pro", 4), stage=OPEN)
    live.update("Opportunity", deal, Description="Not won yet")
    assert finished(live) == []
    live.move(deal, WON)
    assert len(finished(live)) == 1
    made = live.subscription(deal)
    assert (live.provision(deal).source, made.terms.get().seats) == ("callout", 4)
    assert Delivery.objects.get().verdict == "done"
    live.update("Opportunity", deal, Description="Still won")
    finished(live)
    assert Subscription.objects.count() == 1


def test_an_outbound_message_of_the_org_is_repeated_until_it_is_acknowledged(live):
    key, _ = calling.renew_key(live.org, actor=None, now=timezone.now())
    calling.use_message(live.org, key, actor=None, now=timezone.now())
    calling.activate(live.org, flow.MESSAGE_NAME, actor=None, now=timezone.now())
    deal = live.deal(("plan-pro", 4), stage=WON)
    finished(live)
    assert live.provision(deal).source == "message"
    assert live.subscription(deal)
    assert not live.demo.control("flows?wait=5")["waiting"]
