"""What the tests of the mirror can ask for."""

from collections.abc import Callable

import pytest

from integrations.sync.mirror import downloading, needs, planning


@pytest.fixture
def need(monkeypatch) -> Callable[..., None]:
    """Let a domain of this test's own ask for objects: `need(Account=("Name",), Contact=("Email",))`."""
    monkeypatch.setattr(needs, "_providers", {})

    def ask(since_months: int | None = 6, **objects: tuple[str, ...]) -> None:
        asked = [needs.Need("test", name, tuple(fields), since_months) for name, fields in objects.items()]
        needs._providers["test"] = lambda org: asked

    return ask


@pytest.fixture
def quick(monkeypatch) -> None:
    """Bulk jobs of a test org are done at once: nobody waits for them, or between two tries, as long as for a real one."""
    monkeypatch.setattr(planning, "FIRST_LOOK", 0.02)
    monkeypatch.setattr(planning, "PAUSE", 0.05)
    monkeypatch.setattr(downloading, "RETRY", downloading.Retry(first_wait=0.01, longest_wait=0.02))
