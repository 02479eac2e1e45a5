"""L-10: how long every page takes with 1,000,000 rows of the ledger and 100,000 runs stored, and how many queries it makes.

A demonstration is filled, every page that an admin can reach by links is found (the URLconf names them, the links carry the
numbers), and then its rows are multiplied where an installation grows. The pages stay those of the first objects, to which
most of the new rows belong. Wanted of each page: 95 of 100 answers within 500 ms, at most 30 SQL queries.

Run: `python benchmarks/pages.py [--rows 1000000] [--runs 100000] [--rounds 10] [--database postgres://...]`. Pages that no
link leads to are named at the end. Everything is thrown away.
"""

import argparse
import contextlib
import html
import json
import re
import secrets
import statistics
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import machine, start_django  # noqa: E402
from benchmarks.targets import Verdicts  # noqa: E402
from tests.demo import running_demo_org  # noqa: E402

MOST_SECONDS, MOST_QUERIES = 0.5, 30
LINK = re.compile(r"""(?:href|hx-get)="([^"#]+)""")
LEFT_OUT = re.compile(r"export|csv|download|logout|healthz|readyz|metrics|schema|docs|snippet|bundle")
SAMPLES = 2  # addresses of one name
SHARES = {
    "integrations.RowOutcome": 1.0, "integrations.Customer": 0.2, "integrations.EndUser": 0.3, "integrations.RecordLink": 0.2,
    "integrations.OutboxRow": 0.1, "integrations.LinkEvent": 0.2, "integrations.RunObject": 0.3, "integrations.HumanEdit": 0.05,
    "integrations.OutboxPush": 0.05, "integrations.OutboxBatch": 0.05, "integrations.AlertDelivery": 0.05,
    "okr.KeyResult": 0.001, "okr.ReportLink": 0.001, "okr.Objective": 0.0003,
}  # fmt: skip
STANDING = {  # what people set up, or what stands for files: it does not grow with the work
    "integrations.SalesforceOrg", "integrations.LakeTable", "integrations.LakeFile", "integrations.MirrorObject",
    "integrations.MirrorField", "integrations.Mapping", "integrations.MappingVersion", "integrations.OutboxTarget",
    "integrations.Attribute", "integrations.ApiKey", "integrations.OrgSecret", "integrations.Lease",
    "provisioning.Product", "provisioning.Offer", "provisioning.OfferVersion", "provisioning.OfferEntitlement",
    "provisioning.Feature", "provisioning.Automation", "okr.Period", "okr.Department", "okr.License",
    "integrations.AuditEntry",  # a chain of digests cannot be copied
}  # fmt: skip
PREFIXES = ("okr", "billing", "provisioning", "analytics", "product")
OTHERS, LEAST = 0.02, 10  # share of other tables of the domains that hold at least so many rows


@dataclass
class Page:
    """What one address took."""

    name: str
    path: str
    seconds: list[float] = field(default_factory=list)
    queries: int = 0
    repeated: str = ""

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 answers come; of few, the slowest."""
        return statistics.quantiles(self.seconds, n=20)[-1] if len(self.seconds) >= 20 else max(self.seconds)


def main() -> int:
    """Fill, look, judge; 1 when a page is too slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10, help="answers measured of each page")
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; SQLite otherwise")
    parser.add_argument("--folder", type=Path, help="keep the filled demonstration here and use it again")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        kept = options.folder and options.folder.resolve()
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="causeway-pages-")))
        folder.mkdir(exist_ok=True)
        demo = stack.enter_context(running_demo_org(folder / "org"))
        more = keys_in(folder) | ({"DATABASE_URL": options.database} if options.database else {})
        start_django(folder, demo=demo.url, queue_at_once=True, **more)
        return measure(options)


def keys_in(folder: Path) -> dict[str, str]:
    """The keys of a kept demonstration; made when it is new."""
    file = folder / "keys.json"
    if not file.exists():
        key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        file.write_text(json.dumps({"SECRET_KEY": secrets.token_urlsafe(60), "FIELD_ENCRYPTION_KEYS": key}))
        file.chmod(0o600)
    return json.loads(file.read_text())


def measure(options: argparse.Namespace) -> int:
    """Everything after start-up."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client

    print(machine(), flush=True)
    call_command("collectstatic", verbosity=0, interactive=False)
    if not User.objects.filter(username="admin").exists():
        call_command("fill_demo", verbosity=0)
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="admin"), backend="django.contrib.auth.backends.ModelBackend")
    pages, unreached = find_pages(client)
    grown = grow(rows=options.rows, runs=options.runs)
    print(f"{len(pages)} addresses; rows: " + ", ".join(f"{name} {n:,}" for name, n in sorted(grown.items())), flush=True)
    for page in pages:
        look_at(client, page, rounds=options.rounds)
        if page.seconds and (page.p95 > MOST_SECONDS or page.queries > MOST_QUERIES):
            print(
                f"  {page.name:45} {page.path:40} {page.p95 * 1000:6.0f} ms, {page.queries} queries {page.repeated}", flush=True
            )
    return tell(pages, unreached, full=options.rows >= 1_000_000)


def tell(pages: list[Page], unreached: list[str], *, full: bool) -> int:
    """What was too slow, and the verdict."""
    measured = [page for page in pages if page.seconds]
    if unreached:
        print(f"  no link leads to: {', '.join(unreached)}")
    slow = [page for page in measured if page.p95 > MOST_SECONDS]
    talks = [page for page in measured if page.queries > MOST_QUERIES]
    worst, most = max(measured, key=lambda each: each.p95), max(measured, key=lambda each: each.queries)
    verdicts = Verdicts("pages.py")
    said = (
        f"{len(measured)} pages, slowest p95 {worst.p95 * 1000:.0f} ms ({worst.name}), "
        f"most queries {most.queries} ({most.name}); "
        f"{len(slow)} too slow, {len(talks)} with too many queries"
    )
    good = not slow and not talks
    verdicts.add("L-10", said, met=good if full or talks else None)
    return verdicts.close()


# --- finding the pages ------------------------------------------------------------------------------------------------


def page_names() -> dict[str, Any]:
    """Every page of the URLconf that the table of roles knows, with its pattern."""
    from project.roles import API, FORMS, PAGES
    from tests.project.addresses import ours

    known = {name: pattern for name, pattern in ours() if name in PAGES or name in API}
    return {name: pattern for name, pattern in known.items() if not LEFT_OUT.search(name) and name not in FORMS}


def find_pages(client: Any) -> tuple[list[Page], list[str]]:
    """Addresses of all pages that answer a GET, by following links; and the names that nothing leads to."""
    from django.urls import NoReverseMatch, reverse

    names, found, seen = page_names(), dict[str, list[str]](), set[str]()
    waiting = []
    for name in names:
        try:
            waiting.append(reverse(name))
        except NoReverseMatch:  # it needs a number, which a link will tell
            continue
    while waiting:
        path = waiting.pop(0)
        name = _name_of(path)
        if path in seen or name not in names or len(found.get(name, ())) >= SAMPLES:
            continue
        seen.add(path)
        answer = client.get(path)
        if answer.status_code != 200 or answer.streaming:
            continue
        found.setdefault(name, []).append(path)
        if "html" in answer["Content-Type"]:
            waiting += links_in(answer.content.decode(), path)
    pages = [Page(name, path) for name, paths in found.items() for path in paths]
    return pages, sorted(name for name in names if name not in found and _takes_get(names[name]))


def links_in(text: str, base: str) -> Iterator[str]:
    """Addresses of this site that a page leads to."""
    for address in LINK.findall(text):
        parts = urlsplit(urljoin(base, html.unescape(address)))
        if not parts.netloc and parts.path.startswith("/"):
            yield f"{parts.path}?{parts.query}" if parts.query else parts.path


def _name_of(path: str) -> str:
    from django.urls import Resolver404, resolve

    try:
        return resolve(path.partition("?")[0]).view_name
    except Resolver404:
        return ""


def _takes_get(pattern: Any) -> bool:
    """Whether it could be a page at all: others answer 405."""
    from django.test import RequestFactory

    allowed = getattr(pattern.callback, "methods", None) or getattr(
        getattr(pattern.callback, "cls", None), "http_method_names", None
    )
    return allowed is None or ("GET" in {each.upper() for each in allowed} and bool(RequestFactory))


# --- many rows --------------------------------------------------------------------------------------------------------


def grow(*, rows: int, runs: int) -> dict[str, int]:
    """Multiply the rows of every table that grows with the work; gives the new counts of those that did."""
    from django.apps import apps

    grown = {}
    for model in apps.get_models():
        label = model._meta.label
        if label == "integrations.Run":
            wanted = runs
        elif label in SHARES:
            wanted = int(rows * SHARES[label])
        elif label in STANDING or not label.startswith(PREFIXES) or model.objects.count() < LEAST:
            continue
        else:
            wanted = int(rows * OTHERS)
        if statement := clone_statement(model, wanted):
            _execute(statement)
            grown[model.__name__] = model.objects.count()
    _execute("ANALYZE")
    return grown


def _execute(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def clone_statement(model: Any, wanted: int) -> str:
    """A statement that brings the table to about `wanted` rows by copies of its first ones, with keys of their own.

    "" when it cannot have copies: no rows, enough rows, or a column that names each of something once.
    """
    count = model.objects.count()
    if not count or wanted <= count:
        return ""
    bases = min(count, 200)
    times = -(-(wanted - count) // bases)
    columns = _cells(model, base=count)
    if columns is None:
        return ""
    table = model._meta.db_table
    names, cells = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
    key = model._meta.pk.column
    counting = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times})"
    bases_only = f'(SELECT * FROM "{table}" ORDER BY "{key}" LIMIT {bases})'
    source = f"SELECT {cells} FROM {bases_only} AS b, n WHERE true"
    return f'{counting} INSERT INTO "{table}" ({names}) {source} ON CONFLICT DO NOTHING'


def _cells(model: Any, *, base: int) -> dict[str, str] | None:
    """Column and expression of a copy. Text and numbers that must differ get the copy's number."""
    from django.db import models

    unique = _differing(model)
    cells = {}
    for each in model._meta.local_concrete_fields:
        if isinstance(each, (models.AutoField, models.GeneratedField)):
            continue
        own = f'b."{each.column}"'
        if isinstance(each, models.OneToOneField):
            if not each.null:
                return None
            own = "NULL"
        elif isinstance(each, models.UUIDField) and (each.name in unique or each.primary_key):
            own = _random_id()
        elif each.name in unique and isinstance(each, (models.CharField, models.TextField)):
            room = f"substr({own}, 1, {max((each.max_length or 200) - 10, 1)})"
            own = f"CASE WHEN {own} = '' THEN '' ELSE {room} || '~' || CAST(n.i AS text) END"
        elif each.name in unique and isinstance(each, models.IntegerField) and not each.is_relation:
            own = f"{own} + n.i * {base + 1}"
        cells[each.column] = own
    return cells


def _differing(model: Any) -> set[str]:
    """Fields of which one must differ in each row: single unique ones, and the first text or number of unique groups."""
    from django.db import models

    meta = model._meta
    found = {each.name for each in meta.local_concrete_fields if each.unique and not each.is_relation}
    groups = [tuple(each) for each in meta.unique_together]
    groups += [
        tuple(each.fields) for each in meta.constraints if isinstance(each, models.UniqueConstraint) and each.condition is None
    ]
    for group in groups:
        kinds = [meta.get_field(name) for name in group]
        texts = [each.name for each in kinds if isinstance(each, (models.CharField, models.TextField)) and not each.choices]
        numbers = [each.name for each in kinds if isinstance(each, models.IntegerField) and not each.is_relation]
        found |= set((texts or numbers)[-1:])
    return found


def _random_id() -> str:
    from django.db import connection

    return "lower(hex(randomblob(16)))" if connection.vendor == "sqlite" else "gen_random_uuid()"


# --- looking ----------------------------------------------------------------------------------------------------------


def look_at(client: Any, page: Page, *, rounds: int) -> None:
    """Time the page, then count its queries."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client.get(page.path)
    for _ in range(rounds):
        begun = time.perf_counter()
        answer = client.get(page.path)
        page.seconds.append(time.perf_counter() - begun)
        if answer.status_code != 200:
            print(f"  {page.name} {page.path}: {answer.status_code}", flush=True)
            page.seconds.clear()
            return
    with CaptureQueriesContext(connection) as caught:
        client.get(page.path)
    page.queries = len(caught)
    shapes = [re.sub(r"'[^']*'|\d+", "?", each["sql"])[:300] for each in caught.captured_queries]
    often = max(set(shapes), key=shapes.count, default="")
    if page.queries > MOST_QUERIES:
        page.repeated = f"({shapes.count(often)} times {often[:120]})"


if __name__ == "__main__":
    sys.exit(main())
