"""How quick the demo org's Bulk API 2.0 is: load N records, query 30 fields of them, download the pages, upsert them again.

Run: `python benchmarks/demo_org_bulk.py [N]` (default 1,000,000). Wants: query ready at 100,000 records/s, pages at
200,000 records/s, upserts at 30,000 records/s. The org runs in a process of its own and is thrown away afterwards.
"""

import argparse
import http.client
import json
import os
import platform
import random
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.demo import DemoOrgHandle, running_demo_org

FIELDS = (
    "Id", "Name", "AccountNumber", "Phone", "Fax", "Website", "Industry", "Type", "Rating", "Site", "Description",
    "AnnualRevenue", "NumberOfEmployees", "BillingStreet", "BillingCity", "BillingState", "BillingPostalCode",
    "BillingCountry", "ShippingStreet", "ShippingCity", "ShippingState", "ShippingPostalCode", "ShippingCountry",
    "TickerSymbol", "Sic", "CreatedDate", "LastModifiedDate", "SystemModstamp", "IsDeleted", "Bench_Key__c",
)  # fmt: skip
KEY = "Bench_Key__c"
LOADED = (
    "Name", "AccountNumber", "Phone", "Fax", "Website", "Industry", "Site", "AnnualRevenue", "NumberOfEmployees",
    "BillingStreet", "BillingCity", "BillingState", "BillingPostalCode", "BillingCountry", "ShippingCity", "Sic", KEY,
)  # fmt: skip
UPSERTED = (
    KEY,
    "Name",
    "Phone",
    "Industry",
    "AnnualRevenue",
    "NumberOfEmployees",
    "BillingCity",
    "BillingPostalCode",
    "Site",
    "Sic",
)
LARGEST_UPLOAD = 90_000_000
PAGE = 100_000
LONGEST_WAIT = 1800
WANTED = {"query job ready": 100_000, "pages, plain, one stream": 200_000, "ingest upsert (update)": 30_000}


class Client:
    """HTTP without a library in the way, so that the figures are the server's."""

    def __init__(self, handle: DemoOrgHandle) -> None:
        self.address = urlsplit(handle.url).netloc
        app = handle.client("client_credentials")
        wish = {"grant_type": "client_credentials", "client_id": app["client_id"], "client_secret": app["client_secret"]}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status, body = self.call("POST", "/services/oauth2/token", urlencode(wish).encode(), form)
        assert status == 200, body
        self.headers = {"Authorization": f"Bearer {json.loads(body)['access_token']}"}

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One call on a connection of its own: status and body."""
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.request(method, path, body, {**getattr(self, "headers", {}), **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A JSON call below `jobs/`."""
        raw = None if body is None else json.dumps(body).encode()
        status, content = self.call(method, f"/services/data/v65.0/jobs/{path}", raw, {"Content-Type": "application/json"})
        assert status < 300, content
        return json.loads(content)

    def stream(self, path: str, encoding: str) -> tuple[int, int, str]:
        """Read a page without looking at it: rows, bytes on the wire, next locator."""
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.request("GET", path, headers={**self.headers, "Accept-Encoding": encoding})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        size = 0
        unpack = zlib.decompressobj(31) if encoding == "gzip" else None
        while block := answer.read(1 << 20):
            size += len(block)
            if unpack:
                unpack.decompress(block)
        connection.close()
        return int(answer.headers["Sforce-NumberOfRecords"]), size, answer.headers["Sforce-Locator"]

    def wait(self, path: str) -> dict[str, Any]:
        """Poll until a job is finished; at most half an hour."""
        deadline = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < deadline:
            job = self.api("GET", path)
            if job["state"] in {"JobComplete", "Failed", "Aborted"}:
                assert job["state"] == "JobComplete", job
                return job
            time.sleep(0.02)
        raise TimeoutError(f"{path} did not finish in time")


def rows_of(count: int, names: tuple[str, ...], tag: str) -> Iterator[bytes]:
    """CSV lines with believable values, some of them quoted."""
    dice = random.Random(7)
    cities = ["Bergen", "São Paulo", "Lyon", "Austin", "Kraków", "Nairobi", "Osaka", "Porto"]
    trades = ["Banking", "Retail", "Energy", "Technology", "Media", "Education"]
    for number in range(count):
        values = {
            "Name": f'"{tag} {number}, ""Ltd"""' if number % 10 == 0 else f"{tag} {number} GmbH",
            "AccountNumber": f"AN-{number:08}",
            "Phone": f"+1 555 {number % 10_000_000:07}",
            "Fax": f"+1 556 {number % 10_000_000:07}",
            "Website": f"https://www.customer-{number}.example",
            "Industry": trades[number % 6],
            "Site": f"Site {number % 100}",
            "AnnualRevenue": str(dice.randrange(1_000_000_000)),
            "NumberOfEmployees": str(dice.randrange(50_000)),
            "BillingStreet": f"{number % 300} Harbor Street",
            "BillingCity": cities[number % 8],
            "BillingState": "State",
            "BillingPostalCode": f"{number % 100_000:05}",
            "BillingCountry": "Norway",
            "ShippingCity": cities[(number + 3) % 8],
            "Sic": f"{number % 10_000:04}",
            KEY: f"K{number:09}",
        }
        yield ",".join(values[name] for name in names).encode() + b"\n"


def uploads(count: int, names: tuple[str, ...], tag: str) -> Iterator[bytes]:
    """The lines in files that are small enough for one job."""
    header = ",".join(names).encode() + b"\n"
    parts, size = [header], len(header)
    for line in rows_of(count, names, tag):
        if size + len(line) > LARGEST_UPLOAD:
            yield b"".join(parts)
            parts, size = [header], len(header)
        parts.append(line)
        size += len(line)
    yield b"".join(parts)


def load(client: Client, operation: str, files: list[bytes]) -> float:
    """Ingest files one after another; seconds from the first creation to the last JobComplete."""
    begun = time.perf_counter()
    for data in files:
        wish = {"object": "Account", "operation": operation, "contentType": "CSV"}
        job = client.api("POST", "ingest", wish | ({"externalIdFieldName": KEY} if operation == "upsert" else {}))
        path = f"ingest/{job['id']}"
        status, _ = client.call("PUT", f"/services/data/v65.0/jobs/{path}/batches", data, {"Content-Type": "text/csv"})
        assert status == 201
        client.api("PATCH", path, {"state": "UploadComplete"})
        done = client.wait(path)
        assert done["numberRecordsFailed"] == 0, done
    return time.perf_counter() - begun


def download(client: Client, job_id: str, encoding: str) -> tuple[float, int, int]:
    """All pages in turn: seconds, rows, bytes on the wire."""
    begun, rows, size, locator = time.perf_counter(), 0, 0, ""
    while locator != "null":
        query = f"maxRecords={PAGE}" + (f"&locator={locator}" if locator else "")
        got, wire, locator = client.stream(f"/services/data/v65.0/jobs/query/{job_id}/results?{query}", encoding)
        rows, size = rows + got, size + wire
    return time.perf_counter() - begun, rows, size


def download_parallel(client: Client, job_id: str) -> tuple[float, int]:
    """The parallel links, two at a time: seconds and rows."""
    begun, links, path = time.perf_counter(), [], f"query/{job_id}/resultPages"
    while path:
        body = client.api("GET", path)
        links += [each["resultUrl"] for each in body["resultPages"]]
        path = (body["nextRecordsUrl"] or "").partition("/jobs/")[2]
    rows: list[int] = []

    def work() -> None:
        while links:
            try:
                link = links.pop()
            except IndexError:
                return
            rows.append(client.stream(link, "identity")[0])

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return time.perf_counter() - begun, sum(rows)


def report(name: str, rows: int, seconds: float, extra: str = "") -> None:
    """One line of the result."""
    wanted = WANTED.get(name)
    verdict = "" if wanted is None else f"  (want {wanted:,}: {'met' if rows / seconds >= wanted else 'MISSED'})"
    print(f"{name:28} {rows / seconds:>10,.0f} records/s  {seconds:8.2f} s{extra}{verdict}", flush=True)


def server_memory() -> str:
    """Peak and present memory of the org's process, from the only child of this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            facts = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if facts.get("PPid", "").strip() == str(os.getpid()):
            return f"server memory: peak {facts['VmHWM'].strip()}, now {facts['VmRSS'].strip()}"
    return "server memory: not known on this system"


def machine() -> str:
    """What it ran on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    load_now = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, load {load_now}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1_000_000)
    count = parser.parse_args().count
    print(f"{count:,} records, {len(FIELDS)} fields; {machine()}", flush=True)
    with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org", size=5) as handle:
        field = {"name": KEY, "label": "Bench Key", "length": 40, "external_id": True, "id_lookup": True, "unique": True}
        handle.control("fields", {"object": "Account", "field": field})
        handle.settings(limits={"DailyApiRequests": 10_000_000})
        client = Client(handle)
        report("ingest insert (17 columns)", count, load(client, "insert", list(uploads(count, LOADED, "First"))))
        files = list(uploads(count, UPSERTED, "Second"))
        report("ingest upsert (update)", count, load(client, "upsert", files), f"  {len(UPSERTED)} columns")
        begun = time.perf_counter()
        query = f"SELECT {', '.join(FIELDS)} FROM Account"
        job = client.wait(f"query/{client.api('POST', 'query', {'operation': 'query', 'query': query})['id']}")
        report("query job ready", job["numberRecordsProcessed"], time.perf_counter() - begun)
        for name, encoding in (("pages, plain, one stream", "identity"), ("pages, gzip, one stream", "gzip")):
            seconds, rows, size = download(client, job["id"], encoding)
            report(name, rows, seconds, f"  {size / 1e6:,.0f} MB")
        seconds, rows = download_parallel(client, job["id"])
        report("pages, plain, two streams", rows, seconds)
        print(server_memory())


if __name__ == "__main__":
    main()
