"""What the tests of the mirror can ask for."""

from collections.abc import Callable

import pytest

from integrations.sync.mirror import needs


@pytest.fixture
def need(monkeypatch) -> Callable[..., None]:
    """Let a domain of this test's own ask for objects: `need(Account=("Name",), Contact=("Email",))`."""
    monkeypatch.setattr(needs, "_providers", {})

    def ask(since_months: int | None = 6, **objects: tuple[str, ...]) -> None:
        asked = [needs.Need("test", name, tuple(fields), since_months) for name, fields in objects.items()]
        needs._providers["test"] = lambda org: asked

    return ask
