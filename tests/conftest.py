"""What every test can ask for: the cast, a running demo org, and a connection to it."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.sync import jobs
from tests.cast import Cast, make_cast
from tests.demo import DemoOrgHandle, running_demo_org


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _lake_of_its_own(settings, tmp_path) -> None:
    settings.LAKE_URL = f"file://{tmp_path / 'lake'}"


@pytest.fixture(autouse=True)
def _cache_of_its_own() -> None:
    """Ids begin anew with each test's database, so what is counted by id (throttles) must too."""
    cache.clear()


@pytest.fixture
def cast(db) -> Cast:
    return make_cast()


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture(scope="session")
def demo_org_process(tmp_path_factory) -> Iterator[DemoOrgHandle]:
    """One demo org a test process (200 accounts)."""
    outside = os.environ.get("CAUSEWAY_TEST_DEMO_ORG")
    if outside:
        yield DemoOrgHandle(outside)
        return
    with running_demo_org(Path(tmp_path_factory.mktemp("demo_org"))) as handle:
        yield handle


@pytest.fixture
def demo_org(demo_org_process: DemoOrgHandle, settings) -> DemoOrgHandle:
    """The demo org, fresh for this test, and allowed as a connection's host."""
    demo_org_process.reset()
    settings.DEMO_ORG_URL = demo_org_process.url
    policy = copy.deepcopy(settings.CONTENT_SECURITY_POLICY)
    policy["DIRECTIVES"]["form-action"].append(demo_org_process.url)
    settings.CONTENT_SECURITY_POLICY = policy
    return demo_org_process


@pytest.fixture
def connected_org(demo_org: DemoOrgHandle, db) -> SalesforceOrg:
    """A connection to the demo org, authorized by the client-credentials flow."""
    from integrations.orgs.lifecycle import connect_demo_org

    return connect_demo_org(name="Demo", now=timezone.now())


@pytest.fixture
def job(monkeypatch):
    """Register a job for one test; its body can be swapped."""
    monkeypatch.setattr(jobs, "_jobs", dict(jobs._jobs))

    def make(perform, name="test.job", **extra) -> jobs.Job:
        made = jobs.Job(name=name, label="Test job", domain="test", perform=perform, **extra)
        jobs._jobs[name] = made
        return made

    return make
