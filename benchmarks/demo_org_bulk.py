"""How quick the demo org is: load N records through Bulk API 2.0, query 30 fields of them, download the pages, upsert them
again, and run a report over 100,000 deals.

Run: `python benchmarks/demo_org_bulk.py [N]` (default 1,000,000). Wants: query ready at 100,000 records/s, pages at
200,000 records/s, upserts at 30,000 records/s from creating the job to JobComplete, the report within 1 s. The org runs in
a process of its own and is thrown away afterwards. "per cpu s" is by the processor time of that process; "steal" is the
share of processor time that the machine's host gave to others: when it is high, the figures are the host's, not the org's.
"""

import argparse
import http.client
import json
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

from benchmarks.measuring import Board, child_pid, load, machine, measuring, memory_of
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
# a client asks again after a fiftieth of the time that it waited already, within these bounds (seconds)
POLL_SHARE, POLL_LEAST, POLL_MOST = 0.02, 0.02, 0.5
WANT_QUERY, WANT_PAGES, WANT_UPSERT, WANT_REPORT_SECONDS = 100_000, 200_000, 30_000, 1.0
DEALS, REPORT_RUNS = 100_000, 5
DEAL_HEADER = b"Name,StageName,CloseDate,Amount,Account.Bench_Key__c\n"
STAGES = ("Prospecting", "Qualification", "Needs Analysis", "Proposal/Price Quote", "Closed Won", "Closed Lost")
REPORT = {
    "name": "Bench",
    "reportType": {"type": "Opportunity"},
    "reportFormat": "SUMMARY",
    "detailColumns": ["OPPORTUNITY_NAME", "AMOUNT"],
    "aggregates": ["s!AMOUNT", "RowCount"],
    "groupingsDown": [{"name": "STAGE_NAME"}, {"name": "CLOSE_DATE", "dateGranularity": "Month"}],
    "standardDateFilter": {"column": "CLOSE_DATE", "durationValue": "CUSTOM", "startDate": None, "endDate": None},
}


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
        """A JSON call, below `jobs/` unless the path is a whole one."""
        raw = None if body is None else json.dumps(body).encode()
        address = path if path.startswith("/") else f"/services/data/v65.0/jobs/{path}"
        status, content = self.call(method, address, raw, {"Content-Type": "application/json"})
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
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < LONGEST_WAIT:
            job = self.api("GET", path)
            if job["state"] in {"JobComplete", "Failed", "Aborted"}:
                assert job["state"] == "JobComplete", job
                return job
            time.sleep(min(max(waited * POLL_SHARE, POLL_LEAST), POLL_MOST))
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


def ingest(client: Client, operation: str, files: list[bytes], name: str = "Account") -> None:
    """Ingest files one after another, from the first creation to the last JobComplete."""
    for data in files:
        wish = {"object": name, "operation": operation, "contentType": "CSV"}
        job = client.api("POST", "ingest", wish | ({"externalIdFieldName": KEY} if operation == "upsert" else {}))
        path = f"ingest/{job['id']}"
        status, _ = client.call("PUT", f"/services/data/v65.0/jobs/{path}/batches", data, {"Content-Type": "text/csv"})
        assert status == 201
        client.api("PATCH", path, {"state": "UploadComplete"})
        done = client.wait(path)
        assert done["numberRecordsFailed"] == 0, done


def deals(accounts: int) -> bytes:
    """100,000 deals of the loaded accounts."""
    lines = (
        f"Deal {number},{STAGES[number % 6]},202{4 + number % 3}-{number % 12 + 1:02}-15,{number % 5000}.50,"
        f"K{number % accounts:09}\n"
        for number in range(DEALS)
    )
    return DEAL_HEADER + "".join(lines).encode()


def run_report(client: Client) -> float:
    """Seconds of one synchronous run over all deals."""
    begun = time.perf_counter()
    body = client.api("POST", "/services/data/v65.0/analytics/reports/query", {"reportMetadata": REPORT})
    seconds = time.perf_counter() - begun
    assert body["factMap"]["T!T"]["aggregates"][1]["value"] >= DEALS, body["factMap"]["T!T"]
    return seconds


def download(client: Client, job_id: str, encoding: str) -> tuple[int, int]:
    """All pages in turn: rows, bytes on the wire."""
    rows, size, locator = 0, 0, ""
    while locator != "null":
        query = f"maxRecords={PAGE}" + (f"&locator={locator}" if locator else "")
        got, wire, locator = client.stream(f"/services/data/v65.0/jobs/query/{job_id}/results?{query}", encoding)
        rows, size = rows + got, size + wire
    return rows, size


def download_parallel(client: Client, job_id: str, encoding: str) -> int:
    """The parallel links, two at a time: how many rows."""
    links, path = [], f"query/{job_id}/resultPages"
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
            rows.append(client.stream(link, encoding)[0])

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sum(rows)


def measure_loading(client: Client, board: Board, pid: int | None, count: int) -> None:
    """Insert all records, then change them by their external id."""
    files = list(uploads(count, LOADED, "First"))
    with measuring(pid) as used:
        ingest(client, "insert", files)
    board.rate(f"ingest insert ({len(LOADED)} columns)", count, used)
    files = list(uploads(count, UPSERTED, "Second"))
    with measuring(pid) as used:
        ingest(client, "upsert", files)
    board.rate(f"ingest upsert ({len(UPSERTED)} columns)", count, used, target=WANT_UPSERT)


def measure_query(client: Client, board: Board, pid: int | None) -> None:
    """A query job over all records, and its pages in every way that they can be had."""
    query = f"SELECT {', '.join(FIELDS)} FROM Account"
    with measuring(pid) as used:
        job = client.wait(f"query/{client.api('POST', 'query', {'operation': 'query', 'query': query})['id']}")
    board.rate("query job ready", job["numberRecordsProcessed"], used, target=WANT_QUERY)
    for encoding in ("identity", "gzip"):
        with measuring(pid) as used:
            rows, size = download(client, job["id"], encoding)
        board.rate(f"pages, {encoding}, one stream", rows, used, target=WANT_PAGES, extra=f"  {size / 1e6:,.0f} MB")
        with measuring(pid) as used:
            rows = download_parallel(client, job["id"], encoding)
        board.rate(f"pages, {encoding}, two streams", rows, used, target=WANT_PAGES)


def measure_report(client: Client, board: Board, pid: int | None, count: int) -> None:
    """Deals for the report, then the report."""
    file = deals(count)
    with measuring(pid) as used:
        ingest(client, "insert", [file], "Opportunity")
    board.rate("ingest insert (deals)", DEALS, used)
    board.answer("report run over 100,000 rows", [run_report(client) for _ in range(REPORT_RUNS)], target=WANT_REPORT_SECONDS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=1_000_000)
    count = parser.parse_args().count
    print(f"{count:,} records, {len(FIELDS)} fields; {machine()}", flush=True)
    board = Board()
    with tempfile.TemporaryDirectory() as folder, running_demo_org(Path(folder) / "org", size=5) as handle:
        field = {"name": KEY, "label": "Bench Key", "length": 40, "external_id": True, "id_lookup": True, "unique": True}
        handle.control("fields", {"object": "Account", "field": field})
        handle.settings(limits={"DailyApiRequests": 10_000_000})
        client, pid = Client(handle), child_pid()
        measure_loading(client, board, pid, count)
        measure_query(client, board, pid)
        measure_report(client, board, pid, count)
        print(f"server {memory_of(pid)}")
    print(f"At the end: {load()}. {board.verdict()}")


if __name__ == "__main__":
    main()
