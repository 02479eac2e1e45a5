"""Reading OAuth requests: parameters from query and form, client credentials from body or header, bearer tokens."""

import base64
import binascii
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from integrations.demo_org.oauth import errors
from integrations.demo_org.oauth.clients import Client, find_client
from integrations.demo_org.replies import read_body

BODY_LIMIT = 1_000_000


def read_form(request: Request) -> dict[str, str]:
    """The fields of a form body; of repeated ones the first counts. Longer than 1 MB is refused."""
    body = read_body(request)
    if len(body) > BODY_LIMIT:
        raise errors.OAuthError("invalid_request", "request is too long")
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200)
    return dict(reversed(pairs))


def read_parameters(request: Request) -> dict[str, str]:
    """Query parameters and, for a POST, form fields over them."""
    query = dict(reversed(request.query_params.multi_items()))
    return query | (read_form(request) if request.method == "POST" else {})


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Client id and secret of an `Authorization: Basic` header."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote(name), unquote(secret)


def bearer_token(request: Request) -> str:
    """The token of an `Authorization: Bearer` (or `OAuth`) header, or of the `access_token`/`oauth_token` parameter."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() in {"bearer", "oauth"}:
        return value.strip()
    return request.query_params.get("access_token") or request.query_params.get("oauth_token") or ""


def authenticate_client(request: Request, parameters: dict[str, str], *, secret_needed: bool = True) -> Client:
    """The app that calls, by header or body. OAuthError if it is unknown or its secret is wrong or missing."""
    credentials = basic_credentials(request) or (parameters.get("client_id", ""), parameters.get("client_secret", ""))
    client = find_client(request.app.state.org, credentials[0])
    if client is None:
        raise errors.OAuthError(*errors.INVALID_CLIENT_ID)
    if (secret_needed or credentials[1]) and not client.accepts_secret(credentials[1]):
        raise errors.OAuthError(*errors.INVALID_CLIENT)
    return client
