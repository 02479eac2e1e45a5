"""Installations with a demonstration in them: real worker, real demo org, a database of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo import DemoOrgHandle, running_demo_org
from tests.faults.private_postgres import PrivatePostgres, private_postgres
from tests.sync.installation import Installation, stop

SEED = """
from integrations.orgs.lifecycle import connect_demo_org
from okr import demo, licenses
from project.management.commands.fill_demo import _make_people
now = timezone.now()
users, _ = _make_people({})
org = connect_demo_org(name='Demo', now=now)
licenses.grant_license(org, user=users['jane'], actor=users['admin'], now=now)
licenses.grant_license(org, user=users['admin'], actor=users['admin'], now=now)
demo.fill(org=org, users=users, now=now)
"""


@pytest.fixture(scope="package")
def slow_org(tmp_path_factory) -> Iterator[DemoOrgHandle]:
    """A demo org for these installations only: their connections outlive a test."""
    with running_demo_org(Path(tmp_path_factory.mktemp("faults_org"))) as handle:
        yield handle


def furnish(folder: Path, org: DemoOrgHandle, database: str = "") -> Installation:
    """An installation with a connection to `org` and linked key results, no worker yet."""
    place = Installation(
        folder, database=database, DEMO_MODE="yes", DEMO_ORG_URL=org.url, BASE_URL="http://127.0.0.1:8000", LOG_LEVEL="INFO"
    )
    assert place.ask("'seeded'", first=SEED) == "seeded"
    return place


@pytest.fixture(scope="package")
def furnished(tmp_path_factory, slow_org) -> Installation:
    return furnish(tmp_path_factory.mktemp("furnished"), slow_org)


@pytest.fixture(scope="package")
def postgres() -> Iterator[PrivatePostgres]:
    with private_postgres() as server:
        yield server


@pytest.fixture
def worker_of():
    """Start workers that are stopped at the end, whatever happens."""
    started = []

    def start(place: Installation):
        started.append(place.start_worker())
        return started[-1]

    yield start
    for process in started:
        stop(process)
