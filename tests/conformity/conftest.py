"""A signed-in administrator at a running demo org, shared by the comparisons of one module."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformity.world import World
from tests.demo import DemoOrgHandle

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "salesforce-recordings"


@pytest.fixture(scope="module")
def world(demo_org_process: DemoOrgHandle) -> Iterator[World]:
    """The org as freshly seeded when the module starts; what a case changes, it may leave behind."""
    demo_org_process.reset()
    demo_org_process.no_faults()
    yield World(demo_org_process)
    demo_org_process.reset()


def recordings() -> list[dict]:
    """The index of the recordings, or nothing where they are not available."""
    path = RECORDINGS / "index.json"
    return json.loads(path.read_text()) if path.is_file() else []
