"""What tests of product experience share."""

import pytest


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    """The test runs once with each engine, because the statements must agree on both."""
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param
