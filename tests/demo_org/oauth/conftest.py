import pytest

from tests.demo_org.oauth.small_org import SmallOrg, open_small_org, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    org = open_small_org(tmp_path_factory.mktemp("small_org"))
    with serving(org) as small:
        yield small


@pytest.fixture
def small(served) -> SmallOrg:
    """The org, fresh for this test."""
    served.org.reset()
    served.http.cookies.clear()
    return served
