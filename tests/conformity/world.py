"""What the comparisons need of the org: sessions, ids of seeded records, and the steps that several of them share."""

import itertools
import re
import time
import urllib.parse
from functools import cached_property
from typing import Any

from tests.conformity.api import Answer, Api
from tests.demo import DemoOrgHandle

CALLBACK = "http://127.0.0.1:8765/callback"
JOB_SECONDS = 60


class World:
    """One org, seen by its administrator."""

    def __init__(self, org: DemoOrgHandle) -> None:
        self.org = org
        self.numbers = itertools.count(1)

    @cached_property
    def api(self) -> Api:
        """Signed in as administrator."""
        return Api(self.org.url).sign_in(self.org.user("administrator"))

    @cached_property
    def anonymous(self) -> Api:
        """Without a session."""
        return Api(self.org.url)

    @cached_property
    def account(self) -> str:
        """A living account."""
        return self.api.query("SELECT Id FROM Account WHERE IsDeleted = false LIMIT 1")[0]["Id"]

    def new_account(self, **fields: Any) -> str:
        """A fresh account's id."""
        body = {"Name": f"Conformity {next(self.numbers)}", **fields}
        return self.api.call("POST", "sobjects/Account", body=body).data["id"]

    def report(self, name: str) -> str:
        """The id of a seeded report."""
        return self.api.query(f"SELECT Id FROM Report WHERE Name = '{name}'")[0]["Id"]

    def finish(self, path: str, job_id: str) -> Answer:
        """The job's info once it has ended."""
        deadline = time.monotonic() + JOB_SECONDS
        while time.monotonic() < deadline:
            answer = self.api.get(f"{path}/{job_id}")
            if answer.data["state"] in {"JobComplete", "Failed", "Aborted"}:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"{path}/{job_id} did not end: {answer.text}")

    def load(self, operation: str, csv: str, **more: Any) -> str:
        """The id of a finished ingest job over the CSV text."""
        body = {"object": "Account", "operation": operation, "contentType": "CSV", "lineEnding": "LF", **more}
        job = self.api.call("POST", "jobs/ingest", body=body).data["id"]
        uploaded = self.api.call("PUT", f"jobs/ingest/{job}/batches", text=csv)
        assert uploaded.status == 201, uploaded.text
        self.api.call("PATCH", f"jobs/ingest/{job}", body={"state": "UploadComplete"})
        self.finish("jobs/ingest", job)
        return job

    def authorize(self, client: dict[str, Any], user: dict[str, Any], **more: str) -> str:
        """The code of the web server flow: log in and consent, as a browser would."""
        asked = {"response_type": "code", "client_id": client["client_id"], "redirect_uri": CALLBACK, **more}
        path = "/services/oauth2/authorize"
        form = {**asked, "action": "login", "username": user["username"], "pw": user["password"]}
        answer = self.anonymous.call("POST", path, form=form)
        cookie = {"Cookie": answer.headers.get("set-cookie", "")}
        answer = self.anonymous.get(f"{path}?{urllib.parse.urlencode(asked)}", headers=cookie)
        if answer.status == 200:
            proof = re.search(r'name="csrf" value="([^"]+)"', answer.text)
            assert proof, answer.text
            answer = self.anonymous.call("POST", path, form={**asked, "action": "allow", "csrf": proof[1]}, headers=cookie)
        found = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers["location"]).query)
        assert "code" in found, answer.headers["location"]
        return found["code"][0]

    def web_tokens(self, scope: str = "api refresh_token id openid") -> Answer:
        """The token answer of the web server flow for the administrator."""
        client = self.org.client("authorization_code")
        code = self.authorize(client, self.org.user("administrator"), scope=scope)
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
            "client_id": client["client_id"], "client_secret": client["client_secret"],
        }  # fmt: skip
        return self.anonymous.call("POST", "/services/oauth2/token", form=form)

    def token_call(self, **form: str) -> Answer:
        """A call to the token endpoint with the web app's id and secret."""
        client = self.org.client("authorization_code")
        whole = {"client_id": client["client_id"], "client_secret": client["client_secret"], **form}
        return self.anonymous.call("POST", "/services/oauth2/token", form=whole)
