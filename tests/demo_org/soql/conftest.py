from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.query import compile_for
from integrations.demo_org.soql import run_query
from tests.demo_org.core.served_org import Core, serving
from tests.demo_org.soql.world import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Iterator[World]:
    made = build_world(tmp_path_factory.mktemp("soql_world"))
    yield made
    made.org.close()


@pytest.fixture
def ask(world: World) -> Callable[..., dict[str, Any]]:
    """The answer to a query."""

    def run(text: str, **options: Any) -> dict[str, Any]:
        return run_query(world.org.store, compile_for(world.org, world.caller, text, **options))

    return run


@pytest.fixture
def names(ask) -> Callable[..., list[Any]]:
    """The Name of each record that a query finds (its last selected column when there is no Name)."""

    def run(text: str, **options: Any) -> list[Any]:
        return [record.get("Name", list(record.values())[-1]) for record in ask(text, **options)["records"]]

    return run


@pytest.fixture
def refusal(world: World) -> Callable[..., ApiError]:
    """The error that a query gives."""

    def run(text: str, **options: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            run_query(world.org.store, compile_for(world.org, world.caller, text, **options))
        return caught.value

    return run


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[tuple[World, Core]]:
    """A world of its own behind HTTP, with 2,300 topics in a known order."""
    made = build_world(tmp_path_factory.mktemp("served_world"))
    made.add("Topic", {f"topic{k}": {"Name": f"Topic {k:04}"} for k in range(2300)})
    made.add(
        "Contact", {f"many{k}": {"LastName": f"Many {k:04}", "Name": f"Many {k:04}", "AccountId": "oneil"} for k in range(600)}
    )
    with serving(made.org) as core:
        token = made.org.sessions.open(made.ids["ada"], scopes=("api",))
        core.http.headers["Authorization"] = f"Bearer {token}"
        yield made, core
    made.org.close()


@pytest.fixture
def get(served) -> Callable[..., Any]:
    """GET below the version's root; the JSON of a success."""

    def run(path: str, *, status: int = 200, headers: dict[str, str] | None = None, **params: Any) -> Any:
        answer = served[1].call("GET", path, params=params, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return run
