"""How many rows a second the demo org's save engine upserts: 30 fields, by external id, in batches as bulk jobs make them.

Run: `python -m benchmarks.demo_org_store [rows]`. Prints rows/s for new rows and for rows that exist.
"""

import sys
import tempfile
import time
from pathlib import Path

from integrations.demo_org.org import Caller, DemoOrg
from integrations.demo_org.saving import save_table
from integrations.demo_org.schema.catalogue import standard_objects

BATCH = 10_000
HEADER = [
    "External_Id__c", "Name", "Type", "Industry", "Phone", "Fax", "Website", "AccountNumber", "Site", "AnnualRevenue",
    "NumberOfEmployees", "Ownership", "TickerSymbol", "Description", "Rating", "Sic", "BillingStreet", "BillingCity",
    "BillingState", "BillingPostalCode", "BillingCountry", "ShippingStreet", "ShippingCity", "ShippingPostalCode",
    "ShippingCountry", "ARR__c", "Seats__c", "Customer_Since__c", "Segment__c", "Is_Reference__c",
]  # fmt: skip


def make_row(number: int, version: int) -> list[str]:
    """CSV text for one account."""
    return [
        f"customer-{number:08d}", f"Account {number} v{version}", "Prospect", "Banking", f"+1 415 {number:07d}", "",
        f"https://example.com/{number}", f"AN-{number}", "HQ", f"{number * 3.5:.2f}", str(number % 5000), "Public", "TCK",
        f"A description of account {number} with some more words in it", "Hot", "1234", f"{number} Main Street", "Springfield",
        "CA", f"{number % 99999:05d}", "USA", f"{number} Dock Road", "Springfield", f"{number % 99999:05d}", "USA",
        f"{number * 1.25 + version:.2f}", str(number % 900), "2024-05-17", "Enterprise", "true" if number % 2 else "false",
    ]  # fmt: skip


def measure(org: DemoOrg, rows: int, version: int) -> tuple[float, float]:
    """Rows a second of one pass over all keys: by the clock on the wall, and by processor time (on a busy machine)."""
    spent = worked = 0.0
    for start in range(0, rows, BATCH):
        batch = [make_row(number, version) for number in range(start, min(start + BATCH, rows))]
        began, busy = time.perf_counter(), time.process_time()
        results = save_table(org, Caller(""), "Account", HEADER, batch, operation="upsert", external_id="External_Id__c")
        spent += time.perf_counter() - began
        worked += time.process_time() - busy
        failed = [each for each in results if not each.success]
        assert not failed, failed[0]
    return rows / spent, rows / worked


def main() -> None:
    """Measure inserts, then updates."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as directory:
        org = DemoOrg(Path(directory), objects=standard_objects())
        for label, version in (("insert", 1), ("update", 2)):
            wall, processor = measure(org, rows, version)
            print(f"{label}: {wall:,.0f} rows/s, {processor:,.0f} per processor second ({rows:,} rows x {len(HEADER)} fields)")
        org.close()


if __name__ == "__main__":
    main()
