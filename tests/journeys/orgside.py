"""What a Salesforce user does meanwhile: reads and changes the demo org's records over its REST API."""

from typing import Any

import requests

from tests.demo import DemoOrgHandle

API = "/services/data/v65.0"


class OrgSide:
    """A signed-in administrator of the demo org."""

    def __init__(self, demo_org: DemoOrgHandle) -> None:
        self.demo_org = demo_org
        client = demo_org.client("client_credentials")
        answer = requests.post(
            f"{demo_org.url}/services/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": client["client_id"],
                "client_secret": client["client_secret"],
            },
            timeout=20,
        ).json()
        self.headers = {"Authorization": f"Bearer {answer['access_token']}"}

    def query(self, soql: str) -> list[dict[str, Any]]:
        """All rows of a query, following pages."""
        page = requests.get(f"{self.demo_org.url}{API}/query", params={"q": soql}, headers=self.headers, timeout=20).json()
        rows = list(page["records"])
        while not page["done"]:
            page = requests.get(f"{self.demo_org.url}{page['nextRecordsUrl']}", headers=self.headers, timeout=20).json()
            rows += page["records"]
        return rows

    def report(self, name: str) -> dict[str, Any]:
        """A run of the report of that name."""
        report_id = self.query(f"SELECT Id FROM Report WHERE Name = '{name}'")[0]["Id"]
        return requests.get(f"{self.demo_org.url}{API}/analytics/reports/{report_id}", headers=self.headers, timeout=20).json()

    def rows_of(self, name: str) -> list[tuple[str, float]]:
        """Label and first total of each top-level group, in report order."""
        run = self.report(name)
        groups = run["groupingsDown"]["groupings"]
        return [(group["label"], run["factMap"][f"{group['key']}!T"]["aggregates"][0]["value"]) for group in groups]

    def update(self, object_name: str, record_id: str, **fields: Any) -> None:
        self.demo_org.control("update", {"object": object_name, "id": record_id, "fields": fields})

    def delete(self, object_name: str, record_id: str) -> None:
        self.demo_org.control("delete", {"object": object_name, "id": record_id})
