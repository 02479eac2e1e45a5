"""Nobody meets a closed door: from the overview on, every link of every page leads somewhere for everybody who is shown it."""

import pytest
from django.core.cache import cache
from django.test import Client

from project.roles import PAGES
from tests.cast import Cast
from tests.pages.company import Met, found_company, walk


@pytest.fixture
def company(cast, connected_org) -> Cast:
    cache.clear()
    found_company(connected_org, cast)
    return cast


def closed_doors(met: list[Met]) -> dict[str, int]:
    """Links that led to an error, with the page that shows them."""
    return {f"{each.address} (from {each.via})": each.status for each in met if each.status >= 400}


@pytest.mark.django_db
@pytest.mark.parametrize(("person", "least"), [("marsha", 40), ("ana", 70), ("olga", 90)])
def test_every_link_leads_somewhere_for_everybody_who_sees_it(company, person, least):
    client = Client(raise_request_exception=False)
    client.force_login(getattr(company, person))
    met = walk(client, brief=True)
    assert closed_doors(met) == {}
    assert len(met) > least


@pytest.mark.django_db
def test_every_page_is_reached_by_links_and_has_one_heading_a_title_and_a_breadcrumb(company):
    client = Client(raise_request_exception=False)
    client.force_login(company.ada)
    met = walk(client)
    assert closed_doors(met) == {}
    assert {each.address: each.lacks for each in met if each.lacks} == {}
    pages = {each.name for each in met if each.is_page}
    assert len(pages) > 90, sorted(pages)
    assert pages <= set(PAGES)
