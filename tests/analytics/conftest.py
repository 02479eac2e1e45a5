"""What tests of analytics share."""

import pytest

from integrations.models import SalesforceOrg


@pytest.fixture
def org(db) -> SalesforceOrg:
    """A connection that nobody calls."""
    return SalesforceOrg.objects.create(
        name="Acme", environment=SalesforceOrg.Environment.PRODUCTION, state=SalesforceOrg.State.CONNECTED
    )


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    """The test runs once with each engine, because the statements must agree on both."""
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param
