from collections.abc import Iterator

import pytest

from tests.demo_org.core.served_org import Core, open_core_org, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Core]:
    org = open_core_org(tmp_path_factory.mktemp("core_org"))
    with serving(org) as core:
        yield core
    org.close()


@pytest.fixture
def core(served: Core) -> Core:
    """The org, fresh for this test, with a signed-in client."""
    served.start_over()
    return served
