"""The named-credentials resources of the Connect REST API: external and named credentials told, secrets of principals set.

Values go in and never come out: an encrypted one is answered without its value, as in Salesforce.
"""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.automation.callouts import (
    find_note,
    may_use,
    principals_of,
    read_secrets,
    secret_key,
    write_secrets,
)
from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata.endpoints import require_right
from integrations.demo_org.metadata.listing import own_id
from integrations.demo_org.nested import Values, as_list, text_of
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.replies import no_content, read_json, reply

PRINCIPAL = "NamedPrincipal"
MOST_VALUES, LONGEST = 20, 10_000
__all__ = ["routes"]


def _missing(name: str) -> ApiError:
    return ApiError(400, "REQUIRED_FIELD_MISSING", f"Required parameter is missing: {name}", (name,))


def _credential(org: DemoOrg, name: str) -> tuple[str, Values]:
    """The external credential of that name; 404 if there is none."""
    found = find_note(org, "ExternalCredential", name)
    if found is None:
        raise ApiError(404, "NOT_FOUND", f"The external credential {name[:80]} does not exist or you don't have access to it.")
    return found


def _principal(org: DemoOrg, given: Any) -> tuple[str, str, Values]:
    """Credential, principal and metadata that a request names; refused when one is missing or unknown."""
    for name in ("externalCredential", "principalType"):
        if not given.get(name):
            raise _missing(name)
    if given["principalType"] != PRINCIPAL:
        text = f"This org imitates only principals of type {PRINCIPAL}, not {str(given['principalType'])[:40]}"
        raise ApiError(400, "INVALID_INPUT", text)
    name, values = _credential(org, str(given["externalCredential"]))
    if not given.get("principalName"):
        raise _missing("principalName")
    wanted = str(given["principalName"])
    own = next((each for each, _ in principals_of(values) if each.lower() == wanted.lower()), None)
    if own is None:
        raise ApiError(404, "NOT_FOUND", f"The principal {wanted[:80]} does not exist for the external credential {name}.")
    return name, own, values


def show_credential(request: Request) -> Response:
    """GET named-credentials/credential: which values a principal has."""
    org = request.app.state.org
    require_right(request)
    name, principal, values = _principal(org, request.query_params)
    return reply(request, _shown(org, name, principal, values))


def _shown(org: DemoOrg, name: str, principal: str, values: Values) -> dict[str, Any]:
    kept = read_secrets(org, name, principal)
    return {
        "authenticationProtocol": text_of(values, "authenticationProtocol"), "authenticationProtocolVariant": None,
        "authenticationStatus": status_of(values, kept),
        "credentials": {
            key: {"encrypted": bool(each["encrypted"]), "revealable": False,
                "value": None if each["encrypted"] else each["value"]}
            for key, each in kept.items()
        },
        "externalCredential": name, "principalName": principal, "principalType": PRINCIPAL,
    }  # fmt: skip


def status_of(values: Values, kept: dict[str, Any]) -> str:
    """Whether a principal is ready; nobody can tell what a custom protocol needs once it has any value."""
    if text_of(values, "authenticationProtocol") == "NoAuthentication":
        return "Configured"
    return "Configured" if kept else "NotConfigured"


def save_credential(request: Request) -> Response:
    """POST creates the values of a principal, PUT replaces them all, PATCH changes the named ones."""
    org = request.app.state.org
    require_right(request)
    body = read_json(request)
    if not isinstance(body, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "The body must be an object")
    name, principal, values = _principal(org, body)
    protocol = text_of(values, "authenticationProtocol")
    if body.get("authenticationProtocol", protocol) != protocol:
        raise ApiError(400, "INVALID_INPUT", f"The authentication protocol of the external credential {name} is {protocol}.")
    given = _values(body.get("credentials"))
    kept = read_secrets(org, name, principal)
    if request.method == "POST" and kept:
        text = f"Credentials already exist for the principal {principal} of {name}. Use PUT to replace them."
        raise ApiError(409, "CONFLICT", text)
    if request.method != "POST" and not kept:
        raise ApiError(
            404, "NOT_FOUND", f"There are no credentials for the principal {principal} of {name}. Use POST to create them."
        )
    write_secrets(org, name, principal, {**kept, **given} if request.method == "PATCH" else given)
    return reply(request, _shown(org, name, principal, values), 201 if request.method == "POST" else 200)


def _values(given: Any) -> dict[str, dict[str, Any]]:
    """The values of a request; each has a name, a text and whether it is encrypted."""
    if not isinstance(given, dict) or not given or len(given) > MOST_VALUES:
        raise ApiError(400, "INVALID_INPUT", f"credentials must name between one and {MOST_VALUES} values")
    found = {}
    for name, each in given.items():
        value = each.get("value") if isinstance(each, dict) else None
        if not isinstance(value, str) or not value or len(value) > LONGEST:
            raise ApiError(400, "INVALID_INPUT", f"The credential {name[:80]} needs a value of up to {LONGEST} characters")
        found[name] = {"value": value, "encrypted": each.get("encrypted", True) is not False}
    return found


def delete_credential(request: Request) -> Response:
    """DELETE named-credentials/credential: forget the values of a principal."""
    org = request.app.state.org
    require_right(request)
    name, principal, _ = _principal(org, request.query_params)
    with org.store.write() as connection:
        connection.execute("DELETE FROM _meta WHERE name = ?", (secret_key(name, principal),))
    return no_content()


def _names(org: DemoOrg, kind: str) -> list[str]:
    return sorted(key.partition(":")[2] for key in org.draft.notes if key.startswith(f"{kind}:"))


def describe_external(request: Request, name: str, values: Values) -> dict[str, Any]:
    """An external credential with its principals and the named credentials that use it."""
    org, caller = request.app.state.org, request.state.caller
    parameters = as_list(values.get("externalCredentialParameters"))
    principals = [_described_principal(org, name, values, own, number) for own, number in principals_of(values)]
    headers = [
        {"headerName": text_of(each, "parameterName"), "headerValue": text_of(each, "parameterValue"),
         "id": None, "sequenceNumber": int(text_of(each, "sequenceNumber", "1"))}
        for each in parameters if text_of(each, "parameterType") == "AuthHeader"
    ]  # fmt: skip
    ready = any(each["authenticationStatus"] == "Configured" and may_use(org, name, each["principalName"], caller.user_id)
                for each in principals)  # fmt: skip
    base = f"/services/data/v{request.path_params['version']}/named-credentials"
    related = [each for each in _names(org, "NamedCredential") if _external_of(org, each).lower() == name.lower()]
    return {
        "authenticationProtocol": text_of(values, "authenticationProtocol"), "authenticationProtocolVariant": None,
        "authenticationStatus": "Configured" if ready else "NotConfigured", "createdByNamespace": None,
        "customHeaders": headers,
        "description": text_of(values, "description") or None, "developerName": name,
        "id": own_id(org, "ExternalCredential", name), "masterLabel": text_of(values, "label"), "parameters": [],
        "principals": principals, "relatedNamedCredentials": [describe_short(org, base, each) for each in related],
        "url": f"{base}/external-credentials/{quote(name)}",
    }  # fmt: skip


def _described_principal(org: DemoOrg, name: str, values: Values, own: str, number: int) -> dict[str, Any]:
    wanted = f"{name}-{own}".lower()
    sets = [key.partition(":")[2] for key, body in org.draft.notes.items()
            if key.startswith("PrincipalAccess:") and wanted in {str(each).lower() for each in body["principals"]}]  # fmt: skip
    return {
        "authenticationStatus": status_of(values, read_secrets(org, name, own)), "id": None, "parameters": [],
        "principalAccess": [{"developerName": each, "label": each, "type": "PermissionSet"} for each in sorted(sets)],
        "principalName": own, "principalType": PRINCIPAL, "sequenceNumber": number,
    }  # fmt: skip


def _external_of(org: DemoOrg, name: str) -> str:
    found = find_note(org, "NamedCredential", name)
    parameters = as_list(found[1].get("namedCredentialParameters")) if found else []
    return next(
        (text_of(each, "externalCredential") for each in parameters if text_of(each, "parameterType") == "Authentication"), ""
    )


def describe_short(org: DemoOrg, base: str, name: str) -> dict[str, Any]:
    """A named credential in a list."""
    found = find_note(org, "NamedCredential", name)
    values: Values = found[1] if found else {}
    return {"developerName": name, "id": own_id(org, "NamedCredential", name), "masterLabel": text_of(values, "label"),
            "url": f"{base}/named-credential-setup/{quote(name)}"}  # fmt: skip


def list_external(request: Request) -> Response:
    """GET named-credentials/external-credentials."""
    org = request.app.state.org
    found = [describe_external(request, *_credential(org, name)) for name in _names(org, "ExternalCredential")]
    return reply(request, {"externalCredentials": found})


def show_external(request: Request) -> Response:
    """GET named-credentials/external-credentials/{developerName}."""
    return reply(request, describe_external(request, *_credential(request.app.state.org, request.path_params["name"])))


def describe_named(request: Request, name: str) -> dict[str, Any]:
    """A named credential with its address and the external credential behind it."""
    org = request.app.state.org
    found = find_note(org, "NamedCredential", name)
    if found is None:
        raise ApiError(404, "NOT_FOUND", f"The named credential {name[:80]} does not exist or you don't have access to it.")
    own, values = found
    parameters = as_list(values.get("namedCredentialParameters"))
    url = next((text_of(each, "parameterValue") for each in parameters if text_of(each, "parameterType") == "Url"), "")
    external, base = _external_of(org, own), f"/services/data/v{request.path_params['version']}/named-credentials"
    flags = ("generateAuthorizationHeader", "allowMergeFieldsInHeader", "allowMergeFieldsInBody")
    return {
        "calloutOptions": {each: text_of(values, each) == "true" for each in flags},
        "calloutStatus": text_of(values, "calloutStatus", "Enabled"), "calloutUrl": url or text_of(values, "endpoint"),
        "createdByNamespace": None, "customHeaders": [], "developerName": own,
        "externalCredentials": [
            {"developerName": external, "id": own_id(org, "ExternalCredential", external),
             "url": f"{base}/external-credentials/{quote(external)}"}
        ] if external else [],
        "id": own_id(org, "NamedCredential", own), "masterLabel": text_of(values, "label"), "networkConnection": None,
        "parameters": [], "type": text_of(values, "namedCredentialType", "Legacy"),
        "url": f"{base}/named-credential-setup/{quote(own)}",
    }  # fmt: skip


def list_named(request: Request) -> Response:
    """GET named-credentials/named-credential-setup."""
    names = _names(request.app.state.org, "NamedCredential")
    return reply(request, {"namedCredentials": [describe_named(request, each) for each in names]})


def show_named(request: Request) -> Response:
    """GET named-credentials/named-credential-setup/{developerName}."""
    return reply(request, describe_named(request, request.path_params["name"]))


_BASE = "/services/data/v{version}/named-credentials"
routes = [
    Route(f"{_BASE}/credential", show_credential, methods=["GET"]),
    Route(f"{_BASE}/credential", save_credential, methods=["POST", "PUT", "PATCH"]),
    Route(f"{_BASE}/credential", delete_credential, methods=["DELETE"]),
    Route(f"{_BASE}/external-credentials", list_external, methods=["GET"]),
    Route(f"{_BASE}/external-credentials/{{name}}", show_external, methods=["GET"]),
    Route(f"{_BASE}/named-credential-setup", list_named, methods=["GET"]),
    Route(f"{_BASE}/named-credential-setup/{{name}}", show_named, methods=["GET"]),
]
