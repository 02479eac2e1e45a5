"""What scripts with real processes share: a furnished installation, its processes' memory and open files, finished runs."""

import contextlib
import os
import secrets
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import start_django  # noqa: E402
from tests.demo import DemoOrgHandle  # noqa: E402
from tests.sync.installation import Installation, children_of, stop  # noqa: E402

TABLES = "from benchmarks.measuring import make_tables, start_django; start_django(None); make_tables()"
SET_UP = """
from integrations import product_demo
from integrations.sync.mapping import demo as mapping_demo
from django.contrib.auth.models import User
org, now = SalesforceOrg.objects.get(), timezone.now()
product_demo.fill(org, now=now)
mapping_demo.fill(org, user=User.objects.get(username='admin'), now=now)
"""
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
LONGEST = 3600.0  # seconds that anything is waited for


class House(Installation):
    """An installation whose tables are made straight from the models, which takes a tenth of migrating."""

    def __init__(self, folder: Path, *, database: str = "", **env: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_"))},
            "CAUSEWAY_DATA": str(folder), "DATABASE_URL": database or f"sqlite:///{folder / 'house.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONUNBUFFERED": "1", "LOG_LEVEL": "ERROR",
            "BASE_URL": "http://127.0.0.1:8000", "DEMO_MODE": "yes", **env,
        }  # fmt: skip
        subprocess.run([sys.executable, "-c", TABLES], cwd=ROOT, env=self.env, check=True)


def furnish(folder: Path, demo: DemoOrgHandle, database: str = "") -> House:
    """A house with a connection to the demo org and linked key results; no worker."""
    place = House(folder, database=database, DEMO_ORG_URL=demo.url)
    assert place.ask("'seeded'", first=SEED) == "seeded"
    return place


def set_up(place: House) -> None:
    """Customers, match rules and mapped fields, as the demonstration has them."""
    assert place.ask("1", first=SET_UP) == "1"


def make_keys() -> None:
    """Keys for this measurement only, before the first installation is made."""
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(60)
    os.environ["FIELD_ENCRYPTION_KEYS"] = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    os.environ["EMAIL_URL"] = "dummymail://"


def enter(place: Installation) -> None:
    """Let this process be part of the installation: its settings, database and queue."""
    os.environ |= {name: value for name, value in place.env.items() if not name.startswith(("PYTEST", "TEST_"))}
    start_django(None)


@contextlib.contextmanager
def working(place: Installation) -> Iterator[int]:
    """A supervised worker; gives its process id."""
    process = place.start_worker()
    try:
        yield process.pid
    finally:
        stop(process)


def wait_for(check: Callable[[], Any], *, seconds: float = LONGEST, nap: float = 0.25) -> float:
    """Wait until `check` holds; seconds it took. TimeoutError when it never does."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if check():
            return time.monotonic() - begun
        time.sleep(nap)
    raise TimeoutError(f"Not within {seconds:.0f} s.")


def tree_of(pid: int) -> list[int]:
    """A process and everything below it."""
    return [pid, *(each for child in children_of(pid) for each in tree_of(child))]


def memory_of_tree(pid: int) -> float:
    """Resident memory of a process and everything below it, in MB."""
    return sum(_resident(each) for each in tree_of(pid)) / 1024


def files_of_tree(pid: int) -> int:
    """Open files of the same."""
    count = 0
    for each in tree_of(pid):
        with contextlib.suppress(OSError):
            count += sum(1 for _ in Path(f"/proc/{each}/fd").iterdir())
    return count


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def calls_of(demo: DemoOrgHandle) -> int:
    """Requests that count against the allowance."""
    return len(demo.calls("/services/data")) + len(demo.calls("/services/Soap"))
