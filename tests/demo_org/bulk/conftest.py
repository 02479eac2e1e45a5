import pytest

from tests.demo_org.bulk.bulk_client import Bulk
from tests.demo_org.oauth.small_org import open_small_org, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    org = open_small_org(tmp_path_factory.mktemp("small_org"))
    with serving(org) as small:
        yield small


@pytest.fixture
def bulk(served) -> Bulk:
    """The org, fresh for this test, with a client that is signed in."""
    served.org.reset()
    return Bulk(served)
