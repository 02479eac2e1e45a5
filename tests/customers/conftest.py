"""The world of these tests."""

import pytest

from integrations.models import SalesforceOrg
from tests.customers.world import World


@pytest.fixture
def world(db) -> World:
    """A connection with an empty mirror of accounts and contacts."""
    org = SalesforceOrg.objects.create(name="Acme", state=SalesforceOrg.State.CONNECTED)
    made = World(org)
    made.mirrored("Account")
    made.mirrored("Contact")
    return made


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    """The test runs once with each engine, because the statements must agree on both."""
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param
