"""A connected demo org with the product's switch on, and short ways to mappings."""

import pytest
from django.core.cache import cache

from integrations.models import Mapping, SalesforceOrg
from integrations.sync.mapping import versions


@pytest.fixture(autouse=True)
def _fresh_describes() -> None:
    cache.clear()  # connections of other tests may have had the same number


@pytest.fixture
def account_mapping(connected_org: SalesforceOrg, now) -> Mapping:
    """The customers' mapping as a draft."""
    return versions.open_mapping(connected_org, "customer", now=now)


@pytest.fixture
def contact_mapping(connected_org: SalesforceOrg, now) -> Mapping:
    """The end users' mapping as a draft."""
    return versions.open_mapping(connected_org, "end_user", now=now)
