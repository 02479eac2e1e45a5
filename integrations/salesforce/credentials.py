"""Secrets of external credentials, by the Connect REST API: Salesforce keeps them encrypted and never gives them back.

Needs Manage Named Credentials or Customize Application. Resource `named-credentials/credential`, API 59.0 and later.
"""

from collections.abc import Mapping

from integrations.salesforce.client import Client
from integrations.salesforce.errors import NotFound, SalesforceError

PATH = "named-credentials/credential"
PRINCIPAL = "NamedPrincipal"
CONFIGURED = "Configured"


def is_configured(client: Client, credential: str, principal: str) -> bool | None:
    """Whether a named principal has its secrets; None when there is no such credential, or the user may not look."""
    asked = {"externalCredential": credential, "principalName": principal, "principalType": PRINCIPAL}
    try:
        found = client.get(PATH, params=asked)
    except NotFound:
        return None
    if not isinstance(found, dict):
        return None
    return found.get("authenticationStatus") == CONFIGURED or bool(found.get("credentials"))


def store_credential(client: Client, credential: str, principal: str, secrets: Mapping[str, str]) -> None:
    """Replace a principal's secrets. Raises the wire's errors; `NotFound` when the credential is not deployed yet."""
    body = {
        "authenticationProtocol": "Custom", "externalCredential": credential, "principalName": principal,
        "principalType": PRINCIPAL,
        "credentials": {name: {"encrypted": True, "value": value} for name, value in secrets.items()},
    }  # fmt: skip
    there = is_configured(client, credential, principal)
    try:
        client.request("PUT" if there else "POST", PATH, json=body, repeatable=True)
    except SalesforceError as error:
        if there or not 400 <= error.status < 500 or error.status in (401, 403, 404):
            raise
        client.request("PUT", PATH, json=body)  # an empty credential that is there cannot be created again
