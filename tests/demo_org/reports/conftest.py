from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.reports import library
from integrations.demo_org.reports.definition import ReportDefinition, store_definition
from integrations.demo_org.reports.metadata import Saved
from tests.demo_org.core.served_org import Core, serving
from tests.demo_org.reports.deals import add_deals
from tests.demo_org.soql.world import World, build_world


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Iterator[World]:
    made = build_world(tmp_path_factory.mktemp("report_world"))
    yield made
    made.org.close()


@pytest.fixture
def run(world: World) -> Callable[..., dict[str, Any]]:
    """The answer of a run of a definition."""

    def runner(definition: ReportDefinition, *, details: bool = False) -> dict[str, Any]:
        saved = Saved(None, "Ad hoc", "Ad_hoc", None, None, definition)
        return library.run_saved(world.org, world.caller, saved, "65.0", details=details)

    return runner


@pytest.fixture
def refusal(run) -> Callable[..., ApiError]:
    def runner(definition: ReportDefinition) -> ApiError:
        with pytest.raises(ApiError) as caught:
            run(definition)
        return caught.value

    return runner


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[tuple[World, Core]]:
    """A world of its own behind HTTP, with 2,500 more deals and three saved reports."""
    made = build_world(tmp_path_factory.mktemp("served_reports"))
    add_deals(made)
    with serving(made.org) as core:
        token = made.org.sessions.open(made.ids["ada"], scopes=("api",))
        core.http.headers["Authorization"] = f"Bearer {token}"
        yield made, core
    made.org.close()


@pytest.fixture
def call(served) -> Iterator[Callable[..., Any]]:
    """A request below analytics/; the JSON of an answer with that status. Limits are counted afresh in each test."""
    world, core = served
    world.org.usage.clear()
    world.org.settings.update({"report_seconds": 0, "limits": {}})
    world.org.settings.extra.clear()

    def run(method: str, path: str, *, status: int = 200, **more: Any) -> Any:
        answer = core.call(method, path if path.startswith("/") else f"analytics/{path}", **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    yield run
    world.org.settings.update({"report_seconds": 0, "limits": {}})
    world.org.settings.extra.clear()


@pytest.fixture
def save(served) -> Callable[..., str]:
    """Store a report; its id."""
    world, _ = served

    def run(name: str, definition: ReportDefinition, folder: str = "public") -> str:
        world.add(
            "Report",
            {
                name: {
                    "Name": name,
                    "DeveloperName": name.replace(" ", "_"),
                    "OwnerId": folder,
                    "IsDeleted": 0,
                    "Format": "Summary",
                }
            },
        )
        with world.org.store.write() as connection:
            store_definition(connection, world.ids[name], definition)
        return world.ids[name]

    return run
