"""Opening an org: the features are put together, and a new org is filled with the demo company."""

import logging
from collections.abc import Iterable
from pathlib import Path

from integrations.demo_org.automation.active import Automation
from integrations.demo_org.oauth.clients import seed_clients
from integrations.demo_org.oauth.identity import signing_key
from integrations.demo_org.oauth.sessions import Sessions
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.schema.types import ObjectType

logger = logging.getLogger(__name__)


def open_org(directory: Path, *, size: int = 2000, seed: int = 1, objects: Iterable[ObjectType] | None = None) -> DemoOrg:
    """Open the org in `directory`; a new one is created and seeded with `size` accounts.

    `objects` replaces the standard catalogue; then no records are seeded (for tests of single parts).
    A seeding that was interrupted leaves no pristine copy and is started again from nothing.
    """
    if not (directory / "pristine.sqlite3").exists():
        remove_files(directory)
    org = DemoOrg(directory, objects=load_catalogue() if objects is None else objects)
    org.sessions = Sessions(org)
    org.automation = Automation(org)
    if org.store.is_new:
        seed_clients(org)
        signing_key(org)
        if objects is None:
            seed_records(org, size=size, seed=seed)
        org.store.keep_pristine()
    return org


def load_catalogue() -> Iterable[ObjectType]:
    """The standard objects."""
    from integrations.demo_org.schema.catalogue import standard_objects  # slow to build, not needed by every test

    return standard_objects()


def seed_records(org: DemoOrg, *, size: int, seed: int) -> None:
    """The demo company."""
    from integrations.demo_org.seed import build  # slow to import, only needed once

    build(org, size=size, seed=seed)


def remove_files(directory: Path) -> None:
    """Delete what an earlier, unfinished start left behind."""
    for path in directory.glob("org.sqlite3*"):
        path.unlink()
