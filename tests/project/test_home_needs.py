"""What needs a person: one list over all domains, for whom it concerns, with a way to the fix, and cheap whatever the size."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from hypothesis import given
from hypothesis import strategies as st

from billing import attention
from integrations import audit
from integrations.access import DOMAIN_GROUPS
from integrations.api_keys import create_key
from integrations.models import Alert, Customer, Dismissed, OutboxRow, SalesforceOrg, WorkerHeartbeat
from project.needs_person import billing, listing
from project.needs_person.asking import Asker
from project.needs_person.listing import SOURCES, count_needs, read_needs
from project.needs_person.need import Need, Urgency, from_plain, grouped, in_order, to_plain
from provisioning.models import Provision
from tests.pages.conftest import world  # noqa: F401  a fixture
from tests.project import troubled

pytestmark = pytest.mark.django_db
MOST_QUERIES = 30  # L-10


@pytest.fixture
def trouble(world, cast, now):  # noqa: F811
    troubled.make_trouble(world, cast, now)
    count_needs(now=now)
    return world


def kinds_for(user, now) -> set[str]:
    return {each.kind for each in read_needs(Asker(user, now)).needs}


def test_everything_that_needs_a_person_is_in_one_list(trouble, cast, now):
    listing = read_needs(Asker(cast.ada, now))
    assert listing.failed == []
    found = {each.kind for each in listing.needs}
    wanted = troubled.NOW_KINDS | troubled.TODAY_KINDS | troubled.SOON_KINDS | troubled.COUNTED_KINDS
    assert (wanted - found, found - wanted) == (set(), set())


def test_the_most_urgent_comes_first_under_its_heading(trouble, cast, now):
    headings = read_needs(Asker(cast.ada, now)).headings
    assert [each.urgency for each in headings] == [Urgency.NOW, Urgency.TODAY, Urgency.SOON]
    assert {each.kind for each in headings[0].needs} == troubled.NOW_KINDS
    assert {each.kind for each in headings[2].needs} == troubled.SOON_KINDS


def test_each_need_leads_to_a_page_that_its_reader_may_open(trouble, cast, client, now):
    for user in (cast.ada, cast.olga):
        client.force_login(user)
        for need in read_needs(Asker(user, now)).needs:
            assert need.url.startswith("/"), need
            resolve(need.url.partition("?")[0].partition("#")[0])
            answer = client.get(need.url)
            assert answer.status_code == 200, (need.kind, need.url, answer.status_code)


def test_links_are_filtered_to_the_cause(trouble, cast, client, now):
    target = OutboxRow.objects.get(state="parked").target
    OutboxRow.objects.create(target=target, key="other", label="Other cause", state="parked", code="OTHER")
    OutboxRow.objects.filter(code="C_PARKED").update(label="This cause")
    client.force_login(cast.olga)
    need = next(each for each in read_needs(Asker(cast.olga, now)).needs if "C_PARKED" in each.body)
    html = client.get(need.url).content.decode()
    assert "This cause" in html
    assert "Other cause" not in html
    one = next(each for each in read_needs(Asker(cast.olga, now)).needs if each.kind == "provisioning.blocked")
    assert "Deal 0" in client.get(one.url).content.decode()


def test_people_see_only_what_they_can_act_on(trouble, cast, now):
    assert kinds_for(cast.ana, now) == set()
    hers = read_needs(Asker(cast.jane, now)).needs
    assert {each.kind for each in hers} == {"key_results.stale"}
    assert all(each.count == 1 for each in hers)
    olga = kinds_for(cast.olga, now)
    assert "outbox.guard" in olga
    assert not olga & {"configuration.drift", "connections.legacy_login", "keys.api"}  # an administrator's


def test_an_admin_of_one_domain_sees_that_domain(trouble, cast, now):
    cast.ana.groups.add(Group.objects.get_or_create(name=DOMAIN_GROUPS["billing"])[0])
    found = read_needs(Asker(cast.ana, now)).needs
    assert {each.domain for each in found} == {"billing"}
    assert {"billing.lacks", "billing.deleted", "billing.unlinked"} <= {each.kind for each in found}


def test_what_is_put_right_leaves_the_list_at_once(trouble, cast, now):
    OutboxRow.objects.all().delete()
    SalesforceOrg.objects.filter(name="Broken").update(state="connected", login_method="web")
    found = kinds_for(cast.ada, now)
    assert not found & {"outbox.parked", "connections.needs_reauthorization", "connections.legacy_login"}


def test_counted_sources_change_with_the_next_count(trouble, cast, client, now):
    Customer.objects.filter(links=None).delete()
    assert "customers.unlinked" in kinds_for(cast.ada, now)
    client.force_login(cast.olga)
    assert client.post("/needs/count/").status_code == 302
    assert "customers.unlinked" not in kinds_for(cast.ada, now)


def test_what_is_kept_is_plain_data_and_comes_back_as_it_was(trouble, cast, now):
    kept = cache.get(listing.KEPT)
    assert json.loads(json.dumps(kept)) == kept
    counted = listing.kept_count()
    assert counted is not None
    assert counted.needs
    assert [from_plain(to_plain(each)) for each in counted.needs] == list(counted.needs)
    assert {each.kind for each in counted.needs} <= kinds_for(cast.ada, now)


def test_leftovers_of_billing_are_kept_as_plain_data(trouble, now):
    org = SalesforceOrg.objects.order_by("pk")[0]
    cache.set(billing.LEFT_OVER, [[org.pk, 3, now.isoformat(), "x"], [10**9, 1, None, ""]])  # the other one is gone
    assert billing._left_over(Asker(None, now)) == [attention.Waiting(org, 3, now, "x")]
    billing._left_over(Asker(None, now, at_once=True))
    kept = cache.get(billing.LEFT_OVER)
    assert isinstance(kept, list)
    assert json.loads(json.dumps(kept)) == kept


def test_a_need_with_all_its_parts_survives_being_kept(now):
    need = Need("x.y", "billing", Urgency.SOON, "T", "/x/", "Do", "Because", 3, now, now + timedelta(days=1), "admin", "Acme")
    assert from_plain(json.loads(json.dumps(to_plain(need)))) == need


@pytest.mark.parametrize(
    "kept", [{"at": "x"}, {"at": "2026-11-23T00:00:00+00:00", "needs": [{"odd": 1}], "failed": []}, [1], 7]
)
def test_what_another_release_kept_counts_as_nothing(kept):
    cache.set(listing.KEPT, kept)
    assert listing.kept_count() is None


def test_a_page_never_counts_and_says_so(world, cast, client, now):  # noqa: F811
    troubled.make_trouble(world, cast, now)
    cache.clear()
    listing = read_needs(Asker(cast.ada, now))
    assert not {each.kind for each in listing.needs} & troubled.COUNTED_KINDS
    assert listing.is_old
    client.force_login(cast.ada)
    assert "not counted yet" in client.get("/needs/").content.decode()


def test_a_source_that_fails_does_not_hide_the_others(trouble, cast, now, monkeypatch):
    def fails(_targets):
        raise RuntimeError("the lake is away")

    monkeypatch.setattr("integrations.attention.stuck_rows", fails)
    listing = read_needs(Asker(cast.ada, now))
    assert listing.failed == ["outbox"]
    assert "provisioning.blocked" in {each.kind for each in listing.needs}


def test_an_alert_that_a_source_tells_better_is_not_said_twice(trouble, cast, now):
    broken = SalesforceOrg.objects.get(name="Broken")
    Alert.objects.create(key=f"connection:{broken.pk}", code="x", title="Broken: needs re-authorization", org=broken)
    Alert.objects.create(key="usage:1", code="x", title="Unusual use of the API", url="/runs/")
    titles = [each.title for each in read_needs(Asker(cast.ada, now)).needs if each.kind == "alerts.open"]
    assert titles == ["Unusual use of the API"]


def test_three_broken_connections_are_one_line(world, cast, now):  # noqa: F811
    for n in range(3):
        SalesforceOrg.objects.create(name=f"Org {n}", state="needs_reauthorization", authorized_at=now)
    found = [each for each in read_needs(Asker(cast.ada, now)).needs if each.domain == "connections"]
    assert [(each.kind, each.count, each.url) for each in found] == [("connections.many", 3, "/connections/reauthorize/")]


def test_a_silent_worker_stands_for_everything_that_is_late(trouble, cast, now):
    WorkerHeartbeat.objects.update(beat_at=now - timedelta(minutes=10))
    found = kinds_for(cast.olga, now)
    assert "operations.worker" in found
    assert not found & {"operations.late", "operations.waits"}


def test_each_source_asks_no_more_than_it_says(trouble, cast, now):
    for source in SOURCES:
        asker = Asker(cast.ada, now)
        assert asker.orgs
        assert asker.runs
        assert asker.times
        with CaptureQueriesContext(
            connection,
        ) as asked:
            source.read(asker)
        assert len(asked) <= source.most_queries, (source.name, [each["sql"][:120] for each in asked])


@pytest.mark.parametrize("name", ["ada", "olga", "ana", "jane"])
def test_home_asks_a_fixed_number_of_questions(trouble, cast, client, now, name):
    client.force_login(getattr(cast, name))
    client.get("/")
    with CaptureQueriesContext(connection) as before:
        assert client.get("/").status_code == 200
    assert len(before) <= MOST_QUERIES, len(before)
    _grow(trouble, now)
    with CaptureQueriesContext(connection) as after:
        assert client.get("/").status_code == 200
    assert len(after) <= len(before)


@pytest.mark.parametrize("path", ["/needs/", "/api/v1/needs/"])
def test_l_10_the_list_asks_few_questions(trouble, cast, client, path, django_assert_max_num_queries):
    client.force_login(cast.ada)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert client.get(path).status_code == 200


def test_deals_of_several_causes_that_cannot_be_written_back_are_one_line(world, cast, now):  # noqa: F811
    org = SalesforceOrg.objects.filter(state="connected")[0]
    for number, cause in enumerate(("", "locked", "locked")):
        Provision.objects.create(
            org=org, opportunity_id=f"006dM000000000{number}QAA", state="incomplete", reason_code=cause,
            opened_at=now - timedelta(hours=number + 1), sentence=f"Cause {number}",
        )  # fmt: skip
    found = [each for each in read_needs(Asker(cast.ada, now)).needs if each.kind == "provisioning.write_back"]
    assert [(each.count, each.since, each.body) for each in found] == [(3, now - timedelta(hours=3), "Cause 2")]


def _grow(world, now) -> None:  # noqa: F811
    target = OutboxRow.objects.select_related("target")[0].target
    OutboxRow.objects.bulk_create(OutboxRow(target=target, key=f"k{n}", state="parked", code=f"C{n}") for n in range(30))
    for n in range(2):
        SalesforceOrg.objects.create(name=f"More {n}", state="connected", authorized_at=now)
    Customer.objects.bulk_create(Customer(external_id=f"more{n}") for n in range(50))


def test_home_shows_the_list_with_its_actions(trouble, cast, client, now):
    client.force_login(cast.ada)
    html = client.get("/").content.decode()
    assert html.index("Stands still") < html.index("Recent runs")
    assert "things need a person." in html
    assert 'href="/needs/"' in html
    whole = client.get("/needs/").content.decode()
    for words in ("Waits for a decision", "Before a date", "Decide", "Map them", "See the rows")[:2]:
        assert words in whole
    only = client.get("/needs/?domain=billing").content.decode()
    assert "billing customer" in only
    assert "certificate" not in only


def test_home_shows_last_and_next_run_of_each_domain(trouble, cast, client, now):
    client.force_login(cast.ana)
    html = client.get("/").content.decode()
    part = html[html.index('id="places"') : html.index('id="recent"')]
    assert part.index("Broken") < part.index("Acme production")  # trouble first
    assert "Key results" in part
    assert "Billing" in part
    assert 'data-label="Next"><time' in part.replace("\n", "")


def test_first_steps_tick_themselves_and_can_be_put_away(world, cast, client, now):  # noqa: F811
    client.force_login(cast.olga)
    html = client.get("/").content.decode()
    assert "First steps" in html
    assert "2 of 8 done" in html or "1 of 8 done" in html  # the world has a connection and a linked key result
    client.post("/first-steps/dismiss/")
    client.post("/first-steps/dismiss/")
    assert Dismissed.objects.filter(user=cast.olga).count() == 1
    assert "First steps" not in client.get("/").content.decode()
    client.force_login(cast.ada)
    assert "First steps" in client.get("/").content.decode()
    client.force_login(cast.marsha)
    assert "First steps" not in client.get("/").content.decode()


def test_the_api_gives_the_same_list(trouble, cast, client, now):
    _, secret = create_key(owner=cast.olga, name="k", scopes=["connections:read"], expires=None)
    answer = client.get("/api/v1/needs/", headers={"authorization": f"Api-Key {secret}"})
    assert answer.status_code == 200
    body = answer.json()
    assert {each["kind"] for each in body["results"]} == kinds_for(cast.olga, now)
    assert body["count"] == len(body["results"])
    assert body["results"][0]["urgency"] == "now"
    only = client.get("/api/v1/needs/?urgency=now&domain=billing", headers={"authorization": f"Api-Key {secret}"}).json()
    assert {each["kind"] for each in only["results"]} == {"billing.lacks", "operations.failed"}
    _, wrong = create_key(owner=cast.olga, name="w", scopes=["okr:read"], expires=None)
    assert client.get("/api/v1/needs/", headers={"authorization": f"Api-Key {wrong}"}).status_code == 403


def test_i_24_looking_leaves_no_entry(trouble, cast, client):
    before = audit.AuditEntry.objects.count()
    client.force_login(cast.ada)
    entries = audit.AuditEntry.objects.count()
    client.get("/")
    client.get("/needs/")
    assert audit.AuditEntry.objects.count() == entries >= before


needs = st.builds(
    Need, kind=st.text(max_size=3), domain=st.just("okr"), urgency=st.sampled_from(Urgency), title=st.text(max_size=3),
    url=st.just("/"), count=st.integers(1, 99), since=st.none() | st.datetimes(timezones=st.timezones()),
    until=st.none() | st.datetimes(timezones=st.timezones()),
)  # fmt: skip


@given(st.lists(needs, max_size=20))
def test_no_need_is_lost_by_ordering_and_grouping(found: list[Need]):
    ordered = in_order(found)
    assert [each.urgency for each in ordered] == sorted(each.urgency for each in found)
    assert sorted(map(id, (need for heading in grouped(ordered) for need in heading.needs))) == sorted(map(id, found))
