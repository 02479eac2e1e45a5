"""A bare HTTP client for the conformity tests: no library between the wire and the comparison."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

TIMEOUT = 30
VERSION = "60.0"
SOAP_LOGIN = """<?xml version="1.0" encoding="utf-8"?>
<env:Envelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">
<env:Body><n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>{0}</n1:username><n1:password>{1}</n1:password>
</n1:login></env:Body></env:Envelope>"""


@dataclass
class Answer:
    """Status, headers (lower-cased names) and body of a reply."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text) if self.text else None


def headers_of(reply: Any) -> dict[str, str]:
    """Headers by lower-cased name; several cookies become one Cookie header's worth of pairs."""
    found = {key.lower(): value for key, value in reply.headers.items()}
    cookies = [each.partition(";")[0] for each in reply.headers.get_all("set-cookie") or ()]
    return found | ({"set-cookie": "; ".join(cookies)} if cookies else {})


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are answers to look at."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """Calls one demo org. `token` is sent unless told otherwise."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url, self.token = url, token
        self.opener = urllib.request.build_opener(NoRedirect)

    def call(
        self, method: str, path: str, *, body: Any = None, form: dict | None = None, text: str | None = None,
        headers: dict[str, str] | None = None, token: str | None = None,
    ) -> Answer:  # fmt: skip
        """One request. `path` may leave out `/services/data/v60.0/`; blanks in its query are encoded."""
        sent = dict(headers or {})
        data = None
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        elif form is not None:
            data, sent["Content-Type"] = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif text is not None:
            data = text.encode()
            sent.setdefault("Content-Type", "text/csv")
        using = self.token if token is None else token
        if using:
            sent["Authorization"] = f"Bearer {using}"
        request = urllib.request.Request(self.address(path), data=data, method=method, headers=sent)
        try:
            with self.opener.open(request, timeout=TIMEOUT) as reply:
                return Answer(reply.status, headers_of(reply), reply.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, headers_of(error), error.read().decode())

    def address(self, path: str) -> str:
        """The whole address of a path."""
        whole = path if path.startswith("/") else f"/services/data/v{VERSION}/{path}"
        return self.url + urllib.parse.quote(whole, safe="/?&=%+:,.;@!'()*~$-_")

    def get(self, path: str, **more: Any) -> Answer:
        return self.call("GET", path, **more)

    def query(self, soql: str) -> list[dict]:
        """The records of one page."""
        return self.get("query?q=" + urllib.parse.quote(soql)).data["records"]

    def sign_in(self, user: dict[str, Any]) -> "Api":
        """The same org with a session of that user of `GET /__demo__/info`, by SOAP login."""
        body = SOAP_LOGIN.format(escape(user["username"]), escape(user["password"] + user["security_token"]))
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "login"}
        answer = self.call("POST", "/services/Soap/u/64.0", text=body, headers=headers, token="")
        found = re.search(r"<sessionId>(.+?)</sessionId>", answer.text)
        assert found, f"{answer.status} {answer.text[:500]}"
        return Api(self.url, found[1])
