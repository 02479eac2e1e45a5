"""The poll: cheap, complete, and never a second time (ST-D1, ST-D2, ST-D11, ST-D14, I-03, I-05, I-18)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import ApiUsage
from integrations.orgs.usage import USAGE
from provisioning.intent.kinds import is_trial_stage
from provisioning.models import OfferVersion, Provision, ProvisioningSettings, Subscription
from provisioning.provision import queries
from provisioning.provision.sorting import Found, Seen, Watch, sort_row
from tests.provisioning.conftest import OPEN, POC, WON

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)


def test_st_d2_a_won_deal_is_found_without_any_call(office):
    office.poll()
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.work()
    provision = office.provision(deal)
    assert (provision.source, provision.state) == ("poll", "done")
    assert office.subscription(deal)


def test_st_05_a_trial_stage_is_found_by_the_poll(office):
    office.poll()
    deal = office.deal(("plan-pro", 3), stage=POC)
    office.work()
    assert (office.provision(deal, "trial").state, office.provision(deal, "trial").source) == ("done", "poll")
    assert office.subscription(deal).trial_ends_at is not None
    office.work()
    assert Provision.objects.count() == 1


def test_st_d2_one_query_a_minute_when_nothing_changed(office):
    office.poll()
    office.demo.forget_calls()
    found = office.poll()
    assert (len(office.demo.calls()), found.calls, found.opened) == (1, 1, 0)
    assert "/queryAll" in office.demo.calls()[0]["path"]


def test_st_d2_polled_twice_in_a_minute_is_polled_once(office):
    from provisioning.provision import poll

    office.poll()
    office.demo.forget_calls()
    poll.poll(office.org, now=timezone.now())
    assert office.demo.calls() == []


def test_st_d14_both_paths_provision_once_and_the_page_says_so(office, cast, client):
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.call(deal)
    office.work()
    office.call(deal)
    assert (Subscription.objects.count(), Provision.objects.count()) == (1, 1)
    assert queries.has_both_paths(office.org, office.settings, now=timezone.now())
    client.force_login(cast.marsha)
    assert b'data-notice="both-paths"' in client.get("/provisioning/").content
    quiet = timezone.now() + timedelta(hours=25)
    assert not queries.has_both_paths(office.org, office.settings, now=quiet)


def test_st_38_the_overview_names_two_ways_that_told_of_the_same_deal_and_only_then(office, cast, client):
    first, second = (office.deal(("plan-pro", 3), stage=WON) for _ in range(2))
    client.force_login(cast.marsha)
    office.call(first)
    office.message(second)
    assert b'data-notice="told-twice"' not in client.get("/provisioning/").content
    office.message(first)
    page = client.get("/provisioning/").content.decode()
    assert 'data-notice="told-twice"' in page
    assert "By flow callout (last " in page
    assert "and by outbound message (last " in page
    later = timezone.now() + timedelta(hours=25)
    assert queries.calls_twice(office.org, now=later) == []


def win_many(office, count: int) -> set[str]:
    """So many deals, won when they are made."""
    values = {"attributes": {"type": "Opportunity"}, "StageName": WON, "CloseDate": str(NOW.date())}
    made: set[str] = set()
    for start in range(0, count, 200):
        records = [{**values, "Name": f"Deal {number}"} for number in range(start, min(start + 200, count))]
        answer = office.salesforce.request("POST", "composite/sobjects", json={"allOrNone": True, "records": records})
        made |= {each["id"] for each in answer.data}
    return made


def test_i_03_more_changed_deals_than_a_page_are_all_found_once_also_when_a_page_fails(office):
    office.poll()
    office.demo.settings(query_page_size=200)
    deals = win_many(office, 450)
    before = office.settings.polled_until
    office.demo.fault(path="/query/01g", times=20, status=503)  # the address of every further page
    cut = office.poll()
    first = set(Provision.objects.values_list("opportunity_id", flat=True))
    assert (bool(cut.trouble), len(first), cut.rows) == (True, 200, 200)
    assert office.settings.polled_until >= before
    office.demo.no_faults()
    office.demo.forget_calls()
    found = office.poll()
    pages = [call["path"] for call in office.demo.calls("/query/01g")]
    assert (found.trouble, len(pages)) == ("", found.calls - 1)
    assert len(pages) >= 2
    assert found.opened == 250
    assert set(Provision.objects.values_list("opportunity_id", flat=True)) == deals
    assert Provision.objects.count() == 450
    again = office.poll()
    assert (again.opened, Provision.objects.count()) == (0, 450)


def test_st_d1_deals_won_before_the_connection_was_watched_are_left_alone(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    later = timezone.now() + timedelta(hours=1)
    ProvisioningSettings.objects.update(watching_since=later, polled_until=None)
    office.update("Opportunity", deal, Description="Touched")
    office.poll()
    assert not Provision.objects.exists()
    ProvisioningSettings.objects.update(polled_until=timezone.now() - timedelta(days=1))
    office.poll()
    assert not Provision.objects.exists()


def test_i_03_the_watermark_is_salesforces_time_and_stays_when_the_poll_fails(office):
    office.poll()
    first = office.settings.polled_until
    office.demo.fault(path="/queryAll", times=10, status=503)
    deal = office.deal(("plan-pro", 3), stage=WON)
    assert office.poll().trouble
    assert office.settings.polled_until == first
    assert office.settings.poll_trouble
    office.demo.no_faults()
    office.work()
    assert office.provision(deal).state == "done"
    assert office.settings.polled_until >= first
    assert office.settings.poll_trouble == ""


def test_i_05_a_deal_that_commits_late_is_found(office):
    deal = office.deal(("plan-pro", 3))
    office.poll()
    office.demo.settings(late_commit_seconds=120)
    office.move(deal, WON)
    office.poll()
    assert not Provision.objects.exists()
    office.demo.clock(advance=150)
    ProvisioningSettings.objects.update(polled_until=timezone.now() + timedelta(seconds=150))  # the watermark went past it
    office.work()
    assert office.provision(deal).state == "done"


def test_i_18_the_poll_counts_its_calls_and_stops_when_our_share_is_used_up(office, settings):
    office.poll()
    USAGE.flush()
    assert ApiUsage.objects.filter(org=office.org, domain="provisioning").exists()
    settings.API_BUDGET_SHARE = 0.0
    office.demo.forget_calls()
    found = office.poll()
    assert (office.demo.calls(), "share" in found.trouble) == ([], True)


def test_a_deal_that_no_automation_wants_is_looked_at_again_only_when_it_changes(office):
    office.automate("won", conditions=[{"field": "Amount", "operator": "above", "value": "1000000000", "kind": "number"}])
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.work()
    provision = office.provision(deal)
    assert (provision.state, provision.reason_code) == ("skipped", "no_automation")
    office.demo.forget_calls()
    office.work()
    assert len(office.demo.calls()) == 1
    office.automate("won", conditions=[])
    office.demo.clock(advance=5)
    office.update("Opportunity", deal, Description="Now")
    office.work()
    assert office.provision(deal).state == "done"


def test_where_an_org_calls_us_its_objects_are_described_before_a_call_must_wait_for_it(office):
    office.work()
    assert office.demo.calls("/describe") == []
    office.call(office.deal(("plan-pro", 3), stage=WON))
    office.demo.forget_calls()
    office.work()
    described = len(office.demo.calls("/describe"))
    office.work()
    assert (described, len(office.demo.calls("/describe"))) == (6, 6)


def test_a_paused_connection_is_not_polled(office):
    office.org.provisioning_enabled = False
    office.org.save()
    office.demo.forget_calls()
    office.work()
    assert office.demo.calls() == []


def test_many_changed_deals_come_in_pages_and_each_is_opened_once(office, monkeypatch):
    from provisioning.provision import poll

    account = office.account()
    deals = [office.deal(account=account, stage=WON, name=f"D {n}") for n in range(7)]
    real = poll.query_page

    def small(client, query="", *, cursor="", all_rows=False):
        return real(client, f"{query} LIMIT 2000" if query else "", cursor=cursor, all_rows=all_rows)

    monkeypatch.setattr(poll, "query_page", small)
    assert office.poll().opened == 7
    assert office.poll().opened == 0
    assert Provision.objects.filter(opportunity_id__in=deals).count() == 7


# --- what a changed row means (pure) --------------------------------------------------------------------------------------


class Past:
    def __init__(self, state="done", flag="", changed_at=NOW):
        self.id, self.state, self.flag, self.flag_answer, self.changed_at = 7, state, flag, "", changed_at


WATCH = Watch(NOW - timedelta(days=1), wins=True, won_stages=None, trials=True, trial_stages=None)


def row(stage=WON, *, won=True, closed=True, deleted=False, modified=NOW, stage_at=NOW) -> Seen:
    return Seen("006000000000001AAA", "Acme", "", stage, won, closed, deleted, modified, stage_at)


def said(found: Found | None) -> tuple:
    return () if found is None else (found.action, found.slot or found.flag or found.provision_id)


LATER, OLD = NOW + timedelta(minutes=1), NOW - timedelta(days=2)


@pytest.mark.parametrize(
    ("seen", "known", "wanted"),
    [
        (row(), {}, ("open", "contract")),
        (row(stage_at=OLD), {}, ()),
        (row(OPEN, won=False, closed=False), {}, ()),
        (row(POC, won=False, closed=False), {}, ("open", "trial")),
        (row(POC, won=False, closed=False), {"trial": Past()}, ()),
        (row(POC, won=False, closed=True), {"trial": Past()}, ("lost_trial", 7)),
        (row(), {"trial": Past()}, ("open", "contract")),
        (row(), {"contract": Past()}, ()),
        (row(), {"contract": Past("blocked")}, ()),
        (row(modified=LATER), {"contract": Past("blocked")}, ("again", 7)),
        (row(modified=LATER), {"contract": Past("skipped")}, ("again", 7)),
        (row(modified=LATER), {"contract": Past("waiting")}, ()),
        (row(OPEN, won=False, closed=False), {"contract": Past()}, ("flag", "reopened")),
        (row(OPEN, won=False, closed=False), {"contract": Past(flag="reopened")}, ()),
        (row(OPEN, won=False, closed=True), {"contract": Past(flag="reopened")}, ("flag", "lost")),
        (row(deleted=True), {"contract": Past("incomplete")}, ("flag", "deleted")),
        (row(), {"contract": Past(flag="lost")}, ("unflag", 7)),
        (row(), {"contract": Past(flag="merged")}, ()),
        (row(deleted=True), {}, ()),
    ],
)  # fmt: skip
def test_st_d11_st_d13_what_a_changed_row_means(seen, known, wanted):
    assert said(sort_row(seen, known, WATCH)) == wanted


def test_st_d11_a_stage_list_narrows_the_watch():
    rules = [
        type("Rule", (), {"trigger": "won", "stages": ["Signed"]})(),
        type("Rule", (), {"trigger": "trial", "stages": ["Pilot"]})(),
    ]
    settings = type("Settings", (), {"watching_since": OLD, "lost_trials": "at_end"})()
    watch = Watch.of(settings, rules)
    assert said(sort_row(row("signed"), {}, watch)) == ("open", "contract")
    assert said(sort_row(row("Closed Won"), {}, watch)) == ()
    assert said(sort_row(row("Pilot", won=False, closed=False), {}, watch)) == ("open", "trial")
    assert said(sort_row(row(POC, won=False, closed=False), {}, watch)) == ()
    assert is_trial_stage(POC)


def test_a_connection_that_nobody_set_up_for_provisioning_is_not_asked(office):
    ProvisioningSettings.objects.filter(org=office.org).update(callout_key_digest="", checked_at=None)
    office.deal(("plan-basic", 1), stage=WON)
    office.demo.forget_calls()
    assert office.poll().calls == 0
    assert office.demo.calls("/query") == []


def test_deals_won_before_anything_was_sold_are_left_alone(office):
    OfferVersion.objects.update(published_at=None)
    won = office.deal(("plan-basic", 1), stage=WON)
    assert office.poll().calls == 0
    OfferVersion.objects.update(published_at=timezone.now() + timedelta(minutes=5))
    assert office.poll().opened == 0
    assert not Provision.objects.filter(opportunity_id=won).exists()
