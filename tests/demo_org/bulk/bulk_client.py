"""A minimal Bulk API 2.0 client over plain HTTP, for looking at every answer."""

import csv
import io
import time
from typing import Any

import requests

from integrations.demo_org import saving
from tests.demo_org.oauth.small_org import SmallOrg

DONE = {"JobComplete", "Failed", "Aborted"}


class Bulk:
    """Signed in as the admin."""

    def __init__(self, small: SmallOrg, version: str = "65.0") -> None:
        self.small, self.org, self.version = small, small.org, version
        self.http = requests.Session()
        self.caller = small.login_caller()
        token = small.org.sessions.open(small.user_id(), scopes=("api",))
        self.http.headers["Authorization"] = f"Bearer {token}"

    def url(self, path: str) -> str:
        return path if path.startswith("http") else f"{self.small.url}/services/data/v{self.version}/jobs/{path}"

    def get(self, path: str, **options) -> requests.Response:
        return self.http.get(self.url(path), **options)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.http.post(self.url(path), json=body)

    def patch(self, path: str, state: str) -> requests.Response:
        return self.http.patch(self.url(path), json={"state": state})

    def delete(self, path: str) -> requests.Response:
        return self.http.delete(self.url(path))

    def put(self, job_id: str, data: str | bytes, kind: str = "text/csv") -> requests.Response:
        raw = data.encode() if isinstance(data, str) else data
        return self.http.put(self.url(f"ingest/{job_id}/batches"), data=raw, headers={"Content-Type": kind})

    def wait(self, kind: str, job_id: str, *, until: set[str] = DONE) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            job = self.get(f"{kind}/{job_id}").json()
            if job["state"] in until:
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.01)

    def query(self, text: str, **options: Any) -> dict[str, Any]:
        """Create a query job and wait for its end."""
        made = self.post("query", {"operation": "query", "query": text} | options)
        assert made.status_code == 200, made.text
        return self.wait("query", made.json()["id"])

    def rows(self, text: str, **options: Any) -> list[list[str]]:
        """The rows of a query, header first, from one page."""
        job = self.query(text, **options)
        assert job["state"] == "JobComplete", job
        return parse(self.get(f"query/{job['id']}/results").content)

    def create(self, name: str, operation: str, **options: Any) -> str:
        """Create an Open ingest job; its id."""
        made = self.post("ingest", {"object": name, "operation": operation, "contentType": "CSV"} | options)
        assert made.status_code == 200, made.text
        return made.json()["id"]

    def load(self, name: str, operation: str, data: str | bytes, **options: Any) -> dict[str, Any]:
        """A whole ingest job; its final info."""
        job_id = self.create(name, operation, **options)
        assert self.put(job_id, data).status_code == 201
        assert self.patch(f"ingest/{job_id}", "UploadComplete").status_code == 200
        return self.wait("ingest", job_id)

    def outcome(self, job: dict[str, Any], which: str) -> list[list[str]]:
        """successfulResults, failedResults or unprocessedrecords as rows."""
        answer = self.get(f"ingest/{job['id']}/{which}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/csv")
        return parse(answer.content)

    def insert(self, name: str, *rows: dict[str, Any]) -> list[str]:
        """Put records in without a job; their ids."""
        results = saving.save(self.org, self.caller, name, rows, operation="insert")
        assert all(each.success for each in results), results
        return [each.id for each in results]

    def stored(self, name: str, column: str, order: str = "rowid") -> list[Any]:
        """A column of all living records."""
        sql = f'SELECT "{column}" FROM "{name}" WHERE IsDeleted = 0 ORDER BY {order}'
        return [row[0] for row in self.org.store.read().execute(sql)]


def parse(content: bytes, **dialect) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), **dialect))


def code_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]
