"""A seeded org of 200 accounts, opened in this process, on a fixed day."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from integrations.demo_org.oauth.clients import seed_clients
from integrations.demo_org.oauth.tables import create_tables
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.schema.catalogue import standard_objects
from integrations.demo_org.seed import build

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)


def seeded(directory, *, size: int = 200, seed: int = 1, now: datetime = NOW) -> DemoOrg:
    org = DemoOrg(directory, objects=standard_objects())
    org.clock.set(now, frozen=True)
    with org.store.write() as connection:
        create_tables(connection)
    seed_clients(org)
    build(org, size=size, seed=seed)
    return org


@pytest.fixture(scope="session")
def org(tmp_path_factory) -> Iterator[DemoOrg]:
    made = seeded(tmp_path_factory.mktemp("seed"))
    yield made
    made.close()


@pytest.fixture
def rows(org):
    """Run SQL on the seeded records."""

    def run(sql: str, *values: object) -> list[tuple]:
        return org.store.read().execute(sql, values).fetchall()

    return run
