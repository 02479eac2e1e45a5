"""Rules of every page: it renders for its people, nothing inline, names are text, queries do not grow."""

import re
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Alert, SalesforceOrg
from okr.models import Objective, ReportLink
from tests.pages.conftest import NASTY, make_key_result, make_link

pytestmark = pytest.mark.django_db
MEMBER_PAGES = ["home", "objectives", "objective", "objective_create", "key_result", "key_result_manual", "licenses"]
EDITOR_PAGES = ["objective_edit", "key_result_create", "key_result_edit"]
OPERATOR_PAGES = ["settings", "runs", "run"]


class Markup(HTMLParser):
    """Collects what a strict content security policy forbids, and the landmarks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        self.inline += [f"{tag} {name}" for name in named if name.startswith(("on", "hx-on")) or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in named and named.get("type") != "application/json"):
            self.inline.append(f"<{tag}>")
        if tag == "a" and named.get("href"):
            self.links.append(named["href"])


def all_addresses(world) -> dict[str, str]:
    return {**world.addresses, **world.editors_addresses, **world.operators_addresses}


@pytest.mark.parametrize("name", MEMBER_PAGES)
def test_members_see_their_pages(client, world, cast, name):
    client.force_login(cast.marsha)
    answer = client.get(world.addresses[name])
    assert answer.status_code == 200
    assert Markup(answer.content.decode()).tags.count("h1") == 1


@pytest.mark.parametrize("name", EDITOR_PAGES)
def test_only_people_with_rights_see_forms(client, world, cast, name):
    client.force_login(cast.ana)
    assert client.get(world.editors_addresses[name]).status_code == 403
    client.force_login(cast.jane)
    assert client.get(world.editors_addresses[name]).status_code == 200


@pytest.mark.parametrize("name", OPERATOR_PAGES)
def test_operator_pages(client, world, cast, name):
    client.force_login(cast.marsha)
    assert client.get(world.operators_addresses[name]).status_code == 403
    client.force_login(cast.olga)
    assert client.get(world.operators_addresses[name]).status_code == 200


def test_strangers_are_sent_to_sign_in(client, world):
    for address in all_addresses(world).values():
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/?next=")


def test_sidebar_hides_what_a_person_may_never_do(client, world, cast):
    client.force_login(cast.marsha)
    member = Markup(client.get("/").content.decode()).links
    client.force_login(cast.ada)
    admin = Markup(client.get("/").content.decode() + client.get("/okr/").content.decode()).links
    client.force_login(cast.marsha)
    member += Markup(client.get("/okr/").content.decode()).links
    assert not {"/runs/", "/okr/settings/", "/admin/"} & set(member)
    assert {"/runs/", "/okr/settings/", "/admin/", "/api/docs/"} <= set(admin)


@pytest.mark.parametrize("name", MEMBER_PAGES + EDITOR_PAGES + OPERATOR_PAGES)
def test_s_035_names_from_outside_are_text_and_nothing_is_inline(client, nasty_world, cast, name):
    client.force_login(cast.ada)
    html = client.get(all_addresses(nasty_world)[name]).content.decode()
    markup = Markup(html)
    assert markup.inline == []
    assert "<img src=x" not in html
    assert '</script>"' not in html.replace("\\u003C", "<") or NASTY not in html
    assert "img" not in markup.tags


def test_s_035_policy_has_no_unsafe_inline(client, world, cast):
    client.force_login(cast.marsha)
    policy = client.get("/")["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy


def test_s_036_only_web_addresses_are_linked(client, world, cast):
    SalesforceOrg.objects.update(instance_url="javascript:alert(1)")
    client.force_login(cast.ada)
    for address in all_addresses(world).values():
        assert not [link for link in Markup(client.get(address).content.decode()).links if "javascript" in link]


def test_s_091_private_pages_are_not_stored(client, world, cast):
    client.force_login(cast.marsha)
    for address in world.addresses.values():
        answer = client.get(address)
        assert "no-store" in answer["Cache-Control"]
        assert answer["X-Content-Type-Options"] == "nosniff"


def count(client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def grow(world, cast, now) -> None:
    for number in range(8):
        objective = Objective.objects.create(title=f"O{number}", owner=cast.jane, period=world.period, parent=world.objective)
        for part in range(3):
            key_result = make_key_result(objective, f"K{number}.{part}", cast.marsha, confidence="off_track")
            make_link(key_result, world.org, now, status="report_gone")
        Alert.objects.create(key=f"link:{number}", code="x", title=f"Broken {number}", url="/okr/")


@pytest.mark.parametrize("name", ["home", "objectives", "objective", "licenses", "key_result"])
def test_queries_do_not_grow_with_the_data(client, world, cast, now, name):
    client.force_login(cast.olga)
    address = world.addresses[name]
    count(client, address)
    before = count(client, address)
    grow(world, cast, now)
    assert count(client, address) <= before + 1  # an overview that had no alert asks for none
    assert before <= (40 if name == "home" else 25)  # home asks every domain what needs a person


def test_theme_follows_the_system_unless_chosen(client, world, cast):
    client.force_login(cast.marsha)
    assert "data-theme=" not in client.get("/").content.decode().split("<head>")[0]
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get("/").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "data-theme=" not in client.get("/").content.decode().split("<head>")[0]


def test_times_are_relative_with_the_zone_of_the_browser(client, world, cast):
    client.force_login(cast.marsha)
    client.cookies["tz"] = "Europe/Berlin"
    html = client.get(world.addresses["key_result"]).content.decode()
    assert re.search(r'<time datetime="[^"]+" title="[^"]+ CES?T">12 min ago</time>', html)
    client.cookies["tz"] = "../../etc/passwd"
    assert "UTC" in client.get(world.addresses["key_result"]).content.decode()


def test_htmx_runs_without_eval_and_inline_styles(client, world, cast):
    client.force_login(cast.marsha)
    html = client.get("/").content.decode()
    assert '"includeIndicatorStyles": false' in html
    assert '"allowEval": false' in html
    assert "htmx-2.min.js" in html


def test_links_in_every_mood_have_a_word(client, world, cast):
    client.force_login(cast.marsha)
    for status, words in ReportLink.Status.choices:
        ReportLink.objects.update(status=status, status_reason="Because.", frozen_at=None)
        assert words in client.get(world.addresses["key_result"]).content.decode()
