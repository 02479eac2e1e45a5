"""What the local demo org tells about itself, so that its connection fills itself in (practice only, on this machine)."""

from dataclasses import dataclass, field
from typing import Any

import requests
from django.conf import settings

from integrations.access import Refusal
from integrations.models import SalesforceOrg

Method = SalesforceOrg.LoginMethod
FLOWS = {
    Method.WEB: "authorization_code",
    Method.JWT: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    Method.CLIENT_CREDENTIALS: "client_credentials",
}


@dataclass(frozen=True)
class DemoCredentials:
    """Everything a connection to the demo org needs for one way in."""

    client_id: str = ""
    username: str = ""
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


def is_offered() -> bool:
    """Whether this installation has a demo org."""
    return bool(settings.DEMO_ORG_URL)


def read_info() -> dict[str, Any]:
    """`GET /__demo__/info`; `Refusal` when the demo org is not running."""
    if not is_offered():
        raise Refusal("no_demo_org", "This installation has no demo org.")
    try:
        answer = requests.get(f"{settings.DEMO_ORG_URL}/__demo__/info", timeout=(2, 10), allow_redirects=False)
        answer.raise_for_status()
        return answer.json()
    except (requests.RequestException, ValueError) as error:
        raise Refusal("demo_org_down", f"The demo org at {settings.DEMO_ORG_URL} does not answer. Start it first.") from error


def credentials_for(method: str) -> DemoCredentials:
    """The app (or user) of the demo org that may use `method`."""
    info = read_info()
    user = _integration_user(info["users"])
    if method == Method.PASSWORD:
        return DemoCredentials(
            username=user["username"], secrets={"password": user["password"], "security_token": user["security_token"]}
        )
    client = next((each for each in info["oauth_clients"] if _allows(each, method)), None)
    if client is None:
        raise Refusal("no_demo_client", "The demo org has no app for this way to connect.")
    if method == Method.JWT:
        return DemoCredentials(client["client_id"], user["username"], {"private_key": client["private_key"]})
    return DemoCredentials(client["client_id"], "", {"client_secret": client["client_secret"]})


def _allows(client: dict[str, Any], method: str) -> bool:
    wanted = FLOWS[Method(method)]
    flows = client["flows"]
    named = wanted in flows or wanted.rsplit(":", 1)[-1] in flows or (method == Method.JWT and "jwt" in " ".join(flows))
    return named and (bool(client.get("client_secret")) if method != Method.JWT else bool(client.get("private_key")))


def _integration_user(users: list[dict[str, Any]]) -> dict[str, Any]:
    """The user made for integrations, else the first (BW-10: not an administrator if there is another)."""
    return next((user for user in users if "integration" in f"{user['username']} {user.get('profile', '')}".lower()), users[0])
