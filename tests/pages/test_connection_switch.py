"""The switch in the top bar: one tag, or a choice that every list follows until it is changed."""

import re

import pytest

from integrations.models import Run, SalesforceOrg
from okr.models import License, Objective
from tests.pages.conftest import NASTY, make_key_result, make_link

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(world, cast, now) -> SalesforceOrg:
    """A second connection with an objective, a run and a license of its own."""
    org = SalesforceOrg.objects.create(
        name="Acme sandbox", environment="sandbox", state="paused", login_url="https://acme--dev.sandbox.my.salesforce.com"
    )
    objective = Objective.objects.create(title="Try things", owner=cast.olga, period=world.period)
    make_link(make_key_result(objective, "Tried", cast.olga), org, now, source_key="two")
    Run.objects.create(job="okr.refresh", org=org, domain="okr", state="failed", started_at=now, finished_at=now)
    License.objects.create(org=org, user=cast.marsha)
    return org


def choose(client, org, then="/okr/"):
    return client.post("/connections/choose/", {"org": org.pk if org else "", "next": then})


def run_connections(client, query="") -> set[str]:
    html = client.get(f"/runs/{query}").content.decode()
    return set(re.findall(r'<td data-label="Connection">([^<]+)</td>', html))


def test_one_connection_shows_only_its_tag(client, world, cast):
    client.force_login(cast.marsha)
    html = client.get("/okr/").content.decode()
    tag = r'<span class="org-tag"><span class="clamp">Acme production</span> <span class="badge badge-outline badge-info">'
    assert re.search(tag, html)
    assert "choose-connection" not in html


@pytest.mark.parametrize("state", ["new", "disconnected"])
def test_connections_without_anything_to_show_are_no_choice(client, world, cast, state):
    SalesforceOrg.objects.create(name="Not there", state=state, login_url="https://x.my.salesforce.com")
    client.force_login(cast.marsha)
    assert "choose-connection" not in client.get("/okr/").content.decode()


def test_all_connections_are_the_default(client, sandbox, cast):
    client.force_login(cast.olga)
    html = client.get("/okr/").content.decode()
    assert "All connections" in html
    assert {"Grow EMEA", "Try things"} == {row.objective.title for row in client.get("/okr/").context["rows"]}
    assert run_connections(client) == {"Acme production", "Acme sandbox"}


def test_the_choice_filters_every_list_and_is_kept(client, world, sandbox, cast):
    client.force_login(cast.olga)
    assert choose(client, sandbox)["Location"] == "/okr/"
    page = client.get("/okr/")
    assert [row.objective.title for row in page.context["rows"]] == ["Try things"]
    assert "Only what belongs to Acme sandbox is shown." in page.content.decode()
    assert run_connections(client) == {"Acme sandbox"}
    home = client.get("/").context["overview"]
    assert {run.org for run in home.recent} == {sandbox}
    assert [each.title for each in home.mine] == ["Tried"]
    assert (home.runs_today, home.runs_with_errors) == (1, 1)
    assert client.get("/okr/licenses/").context["org"] == sandbox
    csv = b"".join(client.get("/okr/export.csv").streaming_content).decode()
    assert "Try things" in csv
    assert "Grow EMEA" not in csv
    choose(client, None)
    assert run_connections(client) == {"Acme production", "Acme sandbox"}


def test_key_results_of_other_sources_are_counted_not_hidden_silently(client, world, sandbox, cast):
    client.force_login(cast.olga)
    choose(client, world.org)
    html = client.get("/okr/").content.decode()
    assert "Pipeline EMEA" in html
    assert "New partners" not in html
    assert "and 1 key result that is not read from this connection" in html


def test_what_the_address_says_stands_above_the_choice(client, world, sandbox, cast):
    client.force_login(cast.olga)
    choose(client, sandbox)
    assert run_connections(client, f"?org={world.org.pk}") == {"Acme production"}
    assert run_connections(client, "?org=") == {"Acme production", "Acme sandbox"}


def test_choosing_leads_back_to_the_first_page_without_the_pages_own_filter(client, world, sandbox, cast):
    client.force_login(cast.olga)
    html = client.get(f"/runs/?org={world.org.pk}&state=failed&page=1").content.decode()
    assert 'name="next" value="/runs/?state=failed"' in html


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_s_051_choosing_stays_on_this_site(client, sandbox, cast, target):
    client.force_login(cast.olga)
    assert choose(client, sandbox, target)["Location"] == "/"


@pytest.mark.parametrize("number", ["999999", "x", "-1", "9" * 30])
def test_an_unknown_connection_changes_nothing(client, world, sandbox, cast, number):
    client.force_login(cast.olga)
    choose(client, sandbox)
    answer = client.post("/connections/choose/", {"org": number, "next": "/okr/"}, follow=True)
    assert "does not exist any more" in answer.content.decode()
    assert run_connections(client) == {"Acme sandbox"}


def test_a_choice_that_was_disconnected_means_all_again(client, world, sandbox, cast):
    client.force_login(cast.olga)
    choose(client, sandbox)
    SalesforceOrg.objects.filter(pk=sandbox.pk).update(state="disconnected")
    assert run_connections(client) == {"Acme production", "Acme sandbox"}


def test_the_choice_ends_with_the_session(client, world, sandbox, cast):
    client.force_login(cast.olga)
    choose(client, sandbox)
    client.force_login(cast.ada)
    assert run_connections(client) == {"Acme production", "Acme sandbox"}


def test_s_035_a_hostile_connection_name_is_only_text(client, world, sandbox, cast):
    SalesforceOrg.objects.filter(pk=sandbox.pk).update(name=NASTY)
    client.force_login(cast.olga)
    choose(client, sandbox)
    assert NASTY not in client.get("/okr/").content.decode()
