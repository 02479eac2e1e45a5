from collections.abc import Iterator

import pytest

from tests.demo_org.automation.flowing import Receiver
from tests.demo_org.core.conftest import core, served

__all__ = ["core", "receiver", "served"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server on this machine that notes what it gets."""
    made = Receiver()
    yield made
    made.close()
