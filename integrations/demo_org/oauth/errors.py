"""OAuth's way of saying no: `{"error", "error_description"}` with HTTP 400, also for a bad client."""

from starlette.responses import JSONResponse, Response

from integrations.demo_org.oauth.accounts import LoginRefused

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """Raised by token, revoke and introspect code; rendered by `error_reply`."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description

    def as_dict(self) -> dict[str, str]:
        """The body, in Salesforce's key order."""
        return {"error": self.error, "error_description": self.description}


# Salesforce's own texts: clients match on them (recordings oauth/token-*.json, API notes section 2).
INVALID_CLIENT_ID = ("invalid_client_id", "client identifier invalid")
INVALID_CLIENT = ("invalid_client", "invalid client credentials")
UNSUPPORTED_GRANT = ("unsupported_grant_type", "grant type not supported")
INVALID_CODE = ("invalid_grant", "invalid authorization code")
EXPIRED_CODE = ("invalid_grant", "expired authorization code")
INVALID_VERIFIER = ("invalid_grant", "invalid code verifier")
REDIRECT_MISMATCH = ("redirect_uri_mismatch", "redirect_uri must match configuration")
EXPIRED_TOKEN = ("invalid_grant", "expired access/refresh token")
INVALID_PASSWORD = ("invalid_grant", "authentication failure - Invalid Password")
AUTHENTICATION_FAILURE = ("invalid_grant", "authentication failure")
USER_INACTIVE = ("inactive_user", "user is inactive")
ADDRESS_RESTRICTED = ("invalid_grant", "ip restricted")
NOT_APPROVED = ("invalid_grant", "user hasn't approved this consumer")
NOT_ADMIN_APPROVED = ("invalid_app_access", "user is not admin approved to access this app")
APP_BLOCKED = ("OAUTH_APPROVAL_ERROR_GENERIC", "An unexpected error has occured during authentication. Please try again.")
AUDIENCE = ("invalid_grant", "Audience validation failed")
INVALID_ASSERTION = ("invalid_grant", "invalid assertion")
EXPIRED_ASSERTION = ("invalid_grant", "assertion has expired or its lifetime is longer than 5 minutes")
NO_RUN_AS_USER = ("invalid_grant", "no client credentials user enabled")
WRONG_DOMAIN = ("invalid_grant", "request not supported on this domain")
INVALID_SCOPE = ("invalid_scope", "the requested scope is invalid, unknown, or malformed")
INVALID_TOKEN = ("invalid_token", "invalid token")
MUST_POST = ("invalid_request", "must use HTTP POST")
MISSING_CHALLENGE = ("invalid_request", "missing required code challenge")
UNSUPPORTED_CHALLENGE = ("invalid_request", "code challenge method must be S256")

REFUSALS = {
    "wrong": INVALID_PASSWORD,
    "token_needed": INVALID_PASSWORD,
    "inactive": USER_INACTIVE,
    "address": ADDRESS_RESTRICTED,
}


def refusal_of(problem: LoginRefused) -> OAuthError:
    """What the token endpoint says when a sign-in was refused."""
    return OAuthError(*REFUSALS[problem.reason])


def error_reply(problem: OAuthError) -> Response:
    """The answer with HTTP 400."""
    return JSONResponse(problem.as_dict(), 400, NO_STORE)
