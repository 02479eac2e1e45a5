"""What every test can ask for: the cast, a running demo org, and a connection to it.

The whole suite runs on SQLite. Of a second run on PostgreSQL (`--only-database`) those tests are part that another kind of database
could change: they use our database, of those that run once with each engine of the lake the DuckDB ones, and, when the run on
SQLite wrote down what each test sends (`--note-statements`, then `--by-statements`), as many as send every statement that any test
sends, with every kind of value, and let it fail in every way that it failed (see tests/statements.py). Tests about concurrency, those
that commit, and those of which nothing is known always run. Migrations run there, tables come straight from the models on SQLite.
"""

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.utils import timezone

from integrations.models import SalesforceOrg
from integrations.orgs.usage import USAGE
from integrations.sync import jobs
from tests.cast import Cast, make_cast
from tests.demo import DemoOrgHandle, running_demo_org
from tests.emptying import empty_quickly
from tests.patience import be_patient, shorten_pauses
from tests.statements import Notes, choose, name_of, read_notes

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("any machine")
DATABASE = {"db", "transactional_db", "live_server"}  # fixtures that give a test our database; others ask for them


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-database", action="store_true",
        help="Only tests that use our database, and of those that run once with each engine of the lake the DuckDB ones: "
        "what another kind of database can change.",
    )  # fmt: skip
    parser.addoption("--note-statements", metavar="FOLDER", help="Write down what each test sends to the database.")
    parser.addoption(
        "--by-statements", metavar="FOLDER",
        help="With --only-database: of the tests noted there, as few as send all that they send.",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("--note-statements"):
        config.pluginmanager.register(Notes(Path(folder)), "statements")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Tests that share a fixture of their file run in one process, or each process would make it anew. Groups that their files
    name come first: a long one at the end would leave the other processes idle."""
    named = {item for item in items if item.get_closest_marker("xdist_group")}
    for item in items:
        if item not in named and shares_with_its_file(item):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))
    yield
    items.sort(key=lambda item: item not in named)
    if config.getoption("--only-database"):
        chosen = set(worth_another_database(items, config.getoption("--by-statements")))
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = [item for item in items if item in chosen]


def shares_with_its_file(item: pytest.Item) -> bool:
    """Whether the test asks for a fixture that its file's tests have together."""
    known = getattr(item, "_fixtureinfo", None)
    return known is not None and any(each[-1].scope == "module" for each in known.name2fixturedefs.values())


def worth_another_database(items: list[pytest.Item], notes: str | None) -> list[pytest.Item]:
    """The tests that another kind of database could change; of those whose statements are noted no more than needed."""
    found = [item for item in items if depends_on_database(item)]
    if not notes:
        return found
    names = {name_of(item) for item in found}
    noted = {name: each for name, each in read_notes(Path(notes)).items() if name in names}
    chosen = choose(noted, always={name_of(item) for item in found if commits(item)})
    return [item for item in found if name_of(item) in chosen or name_of(item) not in noted]


def commits(item: pytest.Item) -> bool:
    """Whether the test is about what databases do with several connections, or for one kind of them."""
    asked = item.get_closest_marker("django_db")
    by_itself = asked is not None and (asked.kwargs.get("transaction") or asked.args[:1] == (True,))
    named = any(item.get_closest_marker(name) for name in ("concurrency", "postgres"))
    return bool(by_itself or named or {"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())))


def depends_on_database(item: pytest.Item) -> bool:
    """Whether the test could end differently with another kind of database."""
    uses = item.get_closest_marker("django_db") is not None or DATABASE & set(getattr(item, "fixturenames", ()))
    given = getattr(item, "callspec", None)
    by_clickhouse = given is not None and any(str(value).startswith("chdb") for value in given.params.values())
    return bool(uses) and not by_clickhouse


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory) -> None:
    """SQLite tests use a file, as everybody's SQLite does. In memory, the threads of a live server would share one connection:
    a request's savepoint then ends with another's ("no such savepoint"). Nothing here must survive a power cut."""
    database = django_settings.DATABASES["default"]
    if database["ENGINE"] == "project.sqlite":
        database.setdefault("TEST", {})["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        database["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"


@pytest.fixture(scope="session", autouse=True)
def _quick_emptying() -> None:
    """Tests that commit leave an empty database, and it takes them no longer than what they wrote."""
    empty_quickly()


@pytest.fixture(scope="session", autouse=True)
def _static_folder() -> None:
    """WhiteNoise warns once a client when nobody has collected static files, which no test needs."""
    django_settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def _quick_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _lake_of_its_own(settings, tmp_path) -> None:
    settings.LAKE_URL = f"file://{tmp_path / 'lake'}"


@pytest.fixture(autouse=True)
def _cache_of_its_own() -> None:
    """Ids begin anew with each test's database, so what is counted by id (throttles, API use) must too."""
    cache.clear()
    USAGE.forget()


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
def demo_org(demo_org_process: DemoOrgHandle, settings, monkeypatch) -> DemoOrgHandle:
    """The demo org, fresh for this test, and allowed as a connection's host. It is waited for, however slow the machine is."""
    demo_org_process.reset()
    settings.DEMO_ORG_URL = demo_org_process.url
    policy = copy.deepcopy(settings.CONTENT_SECURITY_POLICY)
    policy["DIRECTIVES"]["form-action"].append(demo_org_process.url)
    settings.CONTENT_SECURITY_POLICY = policy
    be_patient(monkeypatch)
    shorten_pauses(monkeypatch)
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
