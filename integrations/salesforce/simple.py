"""simple-salesforce on top of our door, for resources that this package does not wrap (tooling, Apex REST, metadata).

Its calls get our deadlines, retries, token refresh, host rules and ledger; refusals arrive as our `SalesforceError`s. Importing
simple-salesforce takes about a second, so it happens on first use.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from integrations.salesforce.client import Client
from integrations.salesforce.errors import UnexpectedAnswer

if TYPE_CHECKING:
    from simple_salesforce import Salesforce


def simple_salesforce(client: Client) -> "Salesforce":
    """A `simple_salesforce.Salesforce` whose every HTTP call goes through `client`. It never sees the token."""
    from simple_salesforce import Salesforce

    return Salesforce(
        session_id="held-by-the-client",
        instance_url=client.instance_url,
        version=client.api_version,
        session=DoorSession(client),
        parse_float=Decimal,
    )


class DoorSession(requests.Session):
    """A `requests.Session` that sends nothing itself: it hands each request to `Client.request`."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """The answer in the shape that `requests` gives; a refusal is raised as `SalesforceError`."""
        path = _own_path(str(url), self._client.instance_url)
        headers: Mapping[str, str] = options.get("headers") or {}
        kept = {name: value for name, value in headers.items() if name.lower() not in ("authorization", "x-prettyprint")}
        answer = self._client.request(
            str(method), path, params=options.get("params"), json=options.get("json"), data=options.get("data"), headers=kept
        )
        response = requests.Response()
        response.status_code, response.url, response.encoding = answer.status, str(url), "utf-8"
        response.headers = CaseInsensitiveDict(answer.headers)
        response._content = answer.body
        return response


def _own_path(url: str, instance_url: str) -> str:
    """The path of an address on our own instance; simple-salesforce always writes https, also for the demo org."""
    parts, own = urlsplit(url), urlsplit(instance_url)
    if parts.netloc != own.netloc:
        raise UnexpectedAnswer("simple-salesforce asked another host; nothing was sent.", code="HOST_REFUSED")
    return parts.path + (f"?{parts.query}" if parts.query else "")
