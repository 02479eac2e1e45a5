"""Open deals before they are closed, dry runs, and the pages of automations, against the demo org."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.automations import authoring, finding
from provisioning.automations.stages import read_choices
from provisioning.intent import preflight
from provisioning.intent.lines import read_deal
from provisioning.intent.loading import load_catalogue, load_running
from provisioning.models import Automation, Provision, Subscription
from tests.cast import Cast
from tests.provisioning.conftest import OPEN, WON, Office

pytestmark = pytest.mark.django_db


def sold(office: Office, *lines, **more) -> str:
    return office.deal(*lines, CloseDate=timezone.now().date() + timedelta(days=30), **more)


def check(office: Office, *ids: str) -> dict[str, preflight.Forecast]:
    found = preflight.check_open_deals(office.org, now=timezone.now(), opportunity_ids=ids)
    return {each.deal.id: each for each in found.forecasts}


def test_st_d4_preflight_says_before_closing_what_would_fail_and_where(office: Office) -> None:
    good = sold(office, ("plan-pro", 5), ("addon-support", 1))
    bad = sold(office, ("plan-pro", 5), ("addon-support", 1), ("", 1))
    empty = sold(office)
    found = check(office, good, bad, empty)
    assert found[good].sentence.startswith(
        "Closed today, this would provision a new subscription of CRM: Pro with 5 seats, 1 × Support, from "
    )
    assert (found[bad].state, found[bad].problems[0].line) == ("blocked", 3)
    assert "would fail: Line 3 (Unmapped) is unmapped." in found[bad].sentence
    assert found[empty].problems[0].code == "no_lines"
    assert found[good].deal.stage == OPEN
    assert not Provision.objects.exists()
    assert not Subscription.objects.exists()


def test_st_d4_preflight_reads_all_open_deals_in_a_few_calls_and_is_bounded(office: Office) -> None:
    preflight.check_open_deals(office.org, now=timezone.now(), most=5)
    office.demo.forget_calls()
    found = preflight.check_open_deals(office.org, now=timezone.now(), most=5)
    assert (len(found.forecasts), found.more) == (5, True)
    assert len(office.demo.calls()) <= 3
    days = [each.deal.close_date for each in found.forecasts]
    assert days == sorted(days, key=str)
    assert all(each.assumed and not each.deal.is_closed for each in found.forecasts)


def test_preflight_asks_the_database_a_few_times_however_many_deals_there_are(office: Office) -> None:
    won = office.deal(("plan-pro", 5), stage=WON)
    assert office.call(won).status_code == 200
    account = office.query(f"SELECT AccountId FROM Opportunity WHERE Id = '{won}'")[0]["AccountId"]
    more = office.deal(("addon-support", 2), account=account, CloseDate="2020-01-01")
    with CaptureQueriesContext(connection) as asked:
        found = preflight.check_open_deals(office.org, now=timezone.now())
    assert len(found.forecasts) > 50
    assert len(asked) < 60
    first = found.forecasts[0]  # the one customer that has something is known
    assert (first.deal.id, first.state) == (more, "ready")
    assert first.intent is not None
    assert first.intent.subscriptions[0].action == "amend"


def test_st_30_dry_run_says_what_the_real_thing_then_does(office: Office) -> None:
    made = sold(office, ("plan-pro", 7), ("feature-calls", 900))
    told = preflight.dry_run(office.org, made, now=timezone.now())
    assert told.intent is not None
    (planned,) = told.intent.subscriptions
    calls = [call["method"] for call in office.demo.calls("/sobjects/Opportunity/") if call["method"] != "GET"]
    office.update("Opportunity", made, StageName=WON, CloseDate=str(timezone.now().date()))
    assert not [call for call in calls if call == "DELETE"]
    assert office.call(made).status_code == 200
    row = office.subscription(made)
    (running,) = load_running(row.customer, now=timezone.now())
    assert running.terms[-1][1] == planned.terms
    assert (running.product, row.customer.external_id) == ("crm", told.intent.customer_id)
    again = preflight.dry_run(office.org, made, now=timezone.now())  # a deal that is done: it changes its own subscription only
    assert again.intent is not None
    assert [each.subscription for each in again.intent.subscriptions] == [row.key]


def test_st_05_dry_run_of_a_trial_stage_shows_the_trial_and_preflight_the_win(office: Office) -> None:
    made = sold(office, ("plan-pro", 3))
    stages = [each.name for each in read_choices(office.org).stages_for("trial")]
    trial = Automation.objects.get(org=office.org, trigger="trial", is_active=True)
    trial.stages, trial.trial_days = [stages[1]], 10
    trial.save()
    office.move(made, stages[1])
    told = preflight.dry_run(office.org, made, now=timezone.now())
    assert told.intent is not None
    assert (told.intent.kind, told.assumed) == ("trial", False)
    step = told.intent.subscriptions[0]
    assert step.trial_ends_at is not None
    assert step.trial_ends_at - step.starts_at == timedelta(days=10)
    closing = check(office, made)[made]
    assert closing.intent is not None
    assert (closing.intent.kind, closing.assumed) == ("won", True)


def test_st_35_dry_run_shows_the_request_but_neither_sends_nor_shows_secrets(office: Office) -> None:
    made = sold(office, ("plan-pro", 3))
    request = {
        "url": "https://api.acme.example.com/w/{{ opportunity.Id }}", "method": "POST", "customer_path": "id",
        "body": '{"name": "{{ account.Name }}", "industry": "{{ account.Industry }}", "lines": {{ lines }}}',
        "headers": [{"name": "Authorization", "value": "Bearer s3cret", "secret": True}],
    }  # fmt: skip
    draft = authoring.Draft("Mine", "won", callout=request)
    mine = authoring.save_automation(None, draft, org=office.org, choices=None, actor=None, now=timezone.now())
    told = preflight.dry_run(office.org, made, now=timezone.now(), automation=mine)
    assert told.request is not None
    assert told.request.url.endswith(made)
    assert '"name": "Acme"' in told.request.body
    assert "s3cret" not in str(told.as_dict())


def test_st_d3_mapping_on_the_line_beats_the_product(office: Office) -> None:
    made = sold(office, ("plan-basic", 2))
    item = office.query(f"SELECT Id FROM OpportunityLineItem WHERE OpportunityId = '{made}'")[0]["Id"]
    office.update("OpportunityLineItem", item, Stigg_Type__c="Plan", Stigg_ID__c="plan-pro")
    deal = read_deal(office.salesforce, office.org, made)
    assert [(str(each.place), each.key) for each in deal.lines[0].mappings if each.key] == [
        ("line item", "plan-pro"), ("product", "plan-basic"),
    ]  # fmt: skip
    found = check(office, made)[made]
    assert found.intent is not None
    assert (found.intent.subscriptions[0].terms.plan, found.intent.lines[0].place) == ("plan-pro", "line item")


def test_st_30_catalogue_as_a_compile_sees_it(catalogue) -> None:
    known = load_catalogue()
    assert known.plans["plan-pro"].per_seat
    assert known.plans["plan-pro"].features == {"feature-sso", "feature-projects", "feature-calls"}
    assert known.features["feature-sso"].kind == "boolean"
    assert known.add_ons["addon-support"].product == "crm"


# --- pages -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(office: Office, cast: Cast) -> Office:
    office.browser.force_login(cast.olga)
    return office


def field_values(**more) -> dict[str, object]:
    return {
        "verb": "save", "name": "Large deals", "trigger": "won", "stage": [WON], "condition-0-field": "Amount",
        "condition-0-operator": "at_least", "condition-0-value": "5000", "method": "POST", "url": "", "body": "{}",
        "write_back": "1", **more,
    }  # fmt: skip


def test_st_34_editor_saves_shows_and_refuses(operator: Office) -> None:
    page = operator.browser.get("/provisioning/automations/new/")
    assert b"Closed Won" in page.content
    wrong = operator.browser.post("/provisioning/automations/new/", field_values(**{"condition-0-operator": "contains"}))
    assert wrong.status_code == 400
    assert b"cannot be asked that way" in wrong.content
    made = operator.browser.post("/provisioning/automations/new/", field_values())
    row = Automation.objects.get(name="Large deals")
    assert made.url == f"/provisioning/automations/{row.pk}/"
    assert (row.stages, row.conditions[0]["value"], row.is_active) == ([WON], "5000", False)
    shown = operator.browser.get(made.url).content.decode()
    assert "Amount is at least 5000" in shown
    assert "could answer to the same deals" in shown


def test_st_37_copy_and_st_38_activate_by_the_pages(operator: Office) -> None:
    first = Automation.objects.get(org=operator.org, trigger="won")
    operator.browser.post(f"/provisioning/automations/{first.pk}/copy/")
    copied = Automation.objects.exclude(pk=first.pk).get(org=operator.org, trigger="won")
    address = f"/provisioning/automations/{copied.pk}/state/"
    refused = operator.browser.post(address, {"verb": "activate"}, follow=True)
    assert first.name.encode() in refused.content
    assert not Automation.objects.get(pk=copied.pk).is_active
    operator.browser.post(address, {"verb": "replace"})
    assert Automation.objects.get(pk=copied.pk).is_active
    assert not Automation.objects.get(pk=first.pk).is_active


def test_st_34_editor_tries_on_a_real_deal_without_saving(operator: Office) -> None:
    made = sold(operator, ("plan-pro", 4))
    tried = operator.browser.post(
        "/provisioning/automations/new/",
        field_values(verb="try", opportunity=f"https://acme.lightning.force.com/lightning/r/Opportunity/{made}/view",
                     url="https://api.acme.example.com/w", body='{"id": "{{ opportunity.Id }}"}',
                     **{"condition-0-remove": "1"}, subscription_path="ids[0]", sample='{"ids": ["ws-9"]}'),
    ).content.decode()  # fmt: skip
    assert "Pro with 4 seats" in tried
    assert "https://api.acme.example.com/w" in tried
    assert "crm: ws-9" in tried
    assert not Automation.objects.filter(name="Large deals").exists()


def test_preflight_page_and_csv(operator: Office) -> None:
    soon = operator.deal(("plan-pro", 2), name="Soonest", CloseDate="2020-01-01")
    operator.deal(("", 2), name="Broken", CloseDate="2020-01-02")
    page = operator.browser.get("/provisioning/preflight/?text=Soonest").content.decode()
    assert "Pro with 2 seats" in page
    assert soon in page
    assert "leads nowhere" in page
    blocked = operator.browser.get("/provisioning/preflight/?state=blocked&text=Broken").content.decode()
    assert "Line 1 (Unmapped) is unmapped." in blocked
    rows = b"".join(operator.browser.get("/provisioning/preflight/open-deals.csv?text=Soonest")).decode()  # type: ignore[arg-type]
    assert "Soonest" in rows
    assert "Broken" not in rows


def test_dry_run_page_finds_deals_by_name(operator: Office) -> None:
    made = sold(operator, ("plan-pro", 2), name="Zebra 100% deal")
    listed = operator.browser.get("/provisioning/dry-run/?opportunity=100%25+deal").content.decode()
    assert made in listed
    shown = operator.browser.get(f"/provisioning/dry-run/?opportunity={made}").content.decode()
    assert "Pro with 2 seats" in shown
    gone = operator.browser.get("/provisioning/dry-run/?opportunity=006000000000ZZZ").content.decode()
    assert "does not exist" in gone


def test_pages_say_when_the_org_cannot_be_asked(operator: Office) -> None:
    operator.org.state = "paused"
    operator.org.save()
    finding.ensure_templates(operator.org, now=timezone.now())
    row = Automation.objects.filter(org=operator.org).first()
    assert row is not None
    for address in ("preflight/", "automations/", f"automations/{row.pk}/", "automations/new/"):
        assert operator.browser.get(f"/provisioning/{address}").status_code == 200


def test_st_09_and_st_23_cpq_quote_lines_with_mapped_products_and_0_cancels(office: Office) -> None:
    office.demo.control("packages", {"package": "cpq"})
    account = office.account()
    first = office.deal(("plan-pro", 10), ("addon-support", 2), account=account, stage=WON)
    office.call(first)
    amendment = office.deal(("plan-pro", 1), account=account, name="Change")
    quote = office.create(
        "SBQQ__Quote__c", SBQQ__Opportunity2__c=amendment, SBQQ__Primary__c=True, SBQQ__Type__c="Amendment",
        SBQQ__StartDate__c=str(timezone.now().date()),
    )  # fmt: skip
    for mapping, quantity in (("plan-pro", 12), ("addon-support", 0)):
        entry = office.sold(mapping)
        product = office.query(f"SELECT Product2Id FROM PricebookEntry WHERE Id = '{entry}'")[0]["Product2Id"]
        office.create("SBQQ__QuoteLine__c", SBQQ__Quote__c=quote, SBQQ__Product__c=product, SBQQ__Quantity__c=quantity)
    office.move(amendment, WON)
    deal = read_deal(office.salesforce, office.org, amendment)
    assert deal.has_quote_lines
    assert [each.quantity for each in deal.lines] == [Decimal(12), Decimal(0)]
    told = preflight.dry_run(office.org, amendment, now=timezone.now())
    assert told.intent is not None, told.problems
    (change,) = told.intent.subscriptions
    assert (told.intent.kind, change.action, change.terms.seats, change.terms.add_ons) == (
        "amendment",
        "amend",
        Decimal(12),
        (),
    )
