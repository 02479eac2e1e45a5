"""The engines that every statement must agree on."""

import pytest


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings) -> str:
    """The test runs once with each engine."""
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param
