"""The sidebar: every domain one link away, and only the current one unfolded."""

import re

import pytest

from integrations.access import ROLES
from project.templatetags.ui import NAVIGATION

pytestmark = pytest.mark.django_db
DOMAINS = [(title, places) for title, places in NAVIGATION if title]
GROUND = [place for title, places in NAVIGATION if not title for place in places]


def links_of(page: str) -> list[tuple[str, bool]]:
    """Path and whether it is the current page, of each entry of the sidebar."""
    nav = page.partition('<nav class="sidebar"')[2].partition('<div class="nav-bottom">')[0]
    return [
        (path, 'aria-current="page"' in rest)
        for path, rest in re.findall(r'<a class="nav-link[^"]*" href="([^"]+)"([^>]*)>', nav)
    ]


def test_elsewhere_a_domain_is_one_link(client, cast):
    client.force_login(cast.ada)
    shown = [path for path, _ in links_of(client.get("/").content.decode())]
    assert shown == [place.path for place in GROUND] + [places[0].path for _, places in DOMAINS]


@pytest.mark.parametrize(("title", "places"), DOMAINS, ids=[title for title, _ in DOMAINS])
def test_inside_a_domain_its_places_are_unfolded_and_no_others(client, cast, title, places):
    client.force_login(cast.ada)
    answer = client.get(places[0].path)
    assert answer.status_code == 200
    shown = links_of(answer.content.decode())
    heads = {each[0].path for _, each in DOMAINS}
    folded = {place.path for other, each in DOMAINS if other != title for place in each} - heads
    assert {place.path for place in places} <= {path for path, _ in shown}
    assert not folded & {path for path, _ in shown}
    assert [path for path, is_current in shown if is_current] == [places[0].path]
    assert len(shown) == len({path for path, _ in shown}), "no place stands there twice"


def test_the_longest_path_is_the_current_page_and_its_domain_is_open(client, cast):
    client.force_login(cast.ada)
    shown = links_of(client.get("/product/segments/new/").content.decode())
    assert [path for path, is_current in shown if is_current] == ["/product/segments/"]


def test_a_person_sees_only_places_of_their_role(client, cast):
    client.force_login(cast.marsha)
    for _, places in DOMAINS:
        shown = {path for path, _ in links_of(client.get(places[0].path).content.decode())}
        assert not {place.path for place in places if ROLES.index(place.role) > ROLES.index("member")} & shown


def test_what_is_folded_is_not_in_the_page_so_that_no_keyboard_meets_it(client, cast):
    client.force_login(cast.ada)
    page = client.get("/").content.decode()
    assert "/billing/invoices/" not in page.partition('<nav class="sidebar"')[2].partition("</nav>")[0]
