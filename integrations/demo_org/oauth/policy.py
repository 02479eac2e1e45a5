"""What the org's administrator may switch for sign-in, with the value used when the org's settings do not name it."""

from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from integrations.demo_org.oauth import accounts

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

DEFAULTS: dict[str, Any] = {
    # A refresh answers with a new refresh token and the old one dies at once.
    "rotation": False,
    # Every authorization request must carry a PKCE challenge, not only those that chose to.
    "require_pkce": False,
    # Seconds that a session lives without being used (Salesforce: 15 minutes to 24 hours, 2 hours unless changed).
    "session_seconds": 7200,
    # Seconds that a refresh token lives from its approval; 0 = until revoked.
    "refresh_token_seconds": 0,
    # The username-password OAuth flow, blocked in orgs since Summer '23.
    "password_flow_enabled": False,
    # SOAP login(), off by default in new orgs; on here because practising the legacy login is a purpose of this org.
    "soap_login_enabled": True,
    "api_enabled": True,
    # API logins from addresses outside `trusted_addresses` must append the security token to the password.
    "security_token_required": True,
    "trusted_addresses": (),
    # Networks from which anyone may sign in or use a token; empty = everywhere.
    "login_addresses": (),
}
GENERIC_LOGIN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})


def setting(org: "DemoOrg", name: str) -> Any:
    """The org's value of a sign-in setting: its own field, an entry in `extra`, or the default."""
    return getattr(org.settings, name, org.settings.extra.get(name, DEFAULTS[name]))


def address_of(request: Request) -> str:
    """The caller's network address."""
    return request.client.host if request.client else ""


def needs_security_token(request: Request) -> bool:
    """Whether an API login from this caller must append the security token to the password."""
    org = request.app.state.org
    trusted = tuple(setting(org, "trusted_addresses"))
    return bool(setting(org, "security_token_required")) and not accounts.in_ranges(address_of(request), trusted)


def address_is_allowed(request: Request) -> bool:
    """Whether the org lets anyone in from the caller's address."""
    allowed = tuple(setting(request.app.state.org, "login_addresses"))
    return not allowed or accounts.in_ranges(address_of(request), allowed)
