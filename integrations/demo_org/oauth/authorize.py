"""`/services/oauth2/authorize`: the web server flow from the browser's side."""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from integrations.demo_org.oauth import accounts, errors, grants, pages, policy
from integrations.demo_org.oauth.clients import SCOPES, Client, find_client
from integrations.demo_org.oauth.requests import read_parameters

COOKIE = "demo_org_sid"
CARRIED = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "prompt", "login_hint", "display", "nonce", "immediate",
    "code_challenge", "code_challenge_method",
)  # fmt: skip
WRONG = "Check your username and password. If you still cannot log in, ask your administrator."
INACTIVE = "This user is frozen or inactive. Ask your administrator."
RESTRICTED = "You cannot log in from this network address. Ask your administrator."
TEXTS = {"wrong": WRONG, "token_needed": WRONG, "inactive": INACTIVE, "address": RESTRICTED}
ACCESS_DENIED = ("access_denied", "end-user denied authorization")
APP_ACCESS_DENIED = ("OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app")
LOGIN_REQUIRED = ("login_required", "user is not logged in")
CONSENT_REQUIRED = ("consent_required", "user has not approved this app")


@dataclass(frozen=True, slots=True)
class Asked:
    """One authorization request whose client and callback are known to be right."""

    request: Request
    client: Client
    parameters: dict[str, str]

    @property
    def redirect_uri(self) -> str:
        """Where the browser goes afterwards."""
        return self.parameters["redirect_uri"]

    @property
    def redirect_origin(self) -> str:
        """The callback's scheme and host, for the page's content policy (a custom scheme has no host)."""
        parts = urlsplit(self.redirect_uri)
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes asked for, or all of the app's when the request names none."""
        named = self.parameters.get("scope", "").split()
        return tuple(dict.fromkeys(named)) or self.client.scopes

    @property
    def prompts(self) -> set[str]:
        """The words of `prompt`."""
        return set(self.parameters.get("prompt", "").split())

    def back(self, **answer: str) -> Response:
        """Send the browser to the callback with the answer and the state exactly as it came."""
        if "state" in self.parameters:
            answer["state"] = self.parameters["state"]
        joint = "&" if urlsplit(self.redirect_uri).query else "?"
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(f"{self.redirect_uri}{joint}{urlencode(answer)}", 302, headers)

    def refuse(self, error: str, description: str) -> Response:
        """Send the browser to the callback with an error."""
        return self.back(error=error, error_description=description)


def authorize(request: Request) -> Response:
    """Show what is needed next (login, consent) or go back to the app with a code or an error."""
    given = read_parameters(request)
    parameters = {name: given[name] for name in CARRIED if name in given}
    client = find_client(request.app.state.org, parameters.get("client_id", ""))
    if client is None:
        return pages.problem_page(*errors.INVALID_CLIENT_ID)
    if not client.accepts_redirect(parameters.get("redirect_uri", "")):
        return pages.problem_page(*errors.REDIRECT_MISMATCH)
    asked = Asked(request, client, parameters)
    problem = find_problem(asked)
    if problem:
        return asked.refuse(*problem)
    action = given.get("action", "") if request.method == "POST" else ""
    if action == "login":
        return log_in(asked, given.get("username", ""), given.get("pw", ""))
    return proceed(asked, action=action, csrf=given.get("csrf", ""))


def find_problem(asked: Asked) -> tuple[str, str] | None:
    """What is wrong with the request in a way that the app is told."""
    parameters, org = asked.parameters, asked.request.app.state.org
    if parameters.get("response_type") != "code" or "authorization_code" not in asked.client.flows:
        return "unsupported_response_type", "response type is not supported"
    if not set(asked.scopes) <= set(asked.client.scopes) & SCOPES.keys():
        return errors.INVALID_SCOPE
    if parameters.get("code_challenge_method", "S256") != "S256":
        return errors.UNSUPPORTED_CHALLENGE
    required = policy.setting(org, "require_pkce") or not asked.client.client_secret
    if required and not parameters.get("code_challenge"):
        return errors.MISSING_CHALLENGE
    return None


def log_in(asked: Asked, username: str, password: str) -> Response:
    """Check user name and password; then continue without asking for them again."""
    org, address = asked.request.app.state.org, policy.address_of(asked.request)
    try:
        login = accounts.check_password(org, username, password, address=address, needs_token=False)
        if not policy.address_is_allowed(asked.request):
            raise accounts.LoginRefused("address")
    except accounts.LoginRefused as refusal:
        text = TEXTS[refusal.reason]
        return pages.login_page(asked.parameters, hint=username, refused=text, redirect_origin=asked.redirect_origin)
    prompt = " ".join(each for each in asked.parameters.get("prompt", "").split() if each not in {"login", "select_account"})
    query = urlencode({**asked.parameters, "prompt": prompt} if prompt else _without(asked.parameters, "prompt"))
    answer = RedirectResponse(f"/services/oauth2/authorize?{query}", 303, {"Cache-Control": "no-store"})
    token = org.sessions.open(login.user_id, scopes=("web",), kind="browser")
    secure = asked.request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, path="/services/oauth2", httponly=True, samesite="lax", secure=secure)
    return answer


def proceed(asked: Asked, *, action: str, csrf: str) -> Response:
    """With a signed-in user: apply the app's policy and the user's answer, or ask for it."""
    cookie = asked.request.cookies.get(COOKIE, "")
    caller = asked.request.app.state.org.sessions.caller_for(cookie, kind="browser") if cookie else None
    if caller is None or action == "switch" or (not action and asked.prompts & {"login", "select_account"}):
        if "none" in asked.prompts:
            return asked.refuse(*LOGIN_REQUIRED)
        hint = asked.parameters.get("login_hint", "")
        return pages.login_page(asked.parameters, hint=hint, redirect_origin=asked.redirect_origin)
    if asked.client.policy == "blocked":
        return asked.refuse(*errors.APP_BLOCKED)
    if asked.client.policy == "admin" and not asked.client.preauthorized:
        return asked.refuse(*APP_ACCESS_DENIED)
    genuine = hmac.compare_digest(csrf, csrf_of(cookie))
    if action == "deny" and genuine:
        return asked.refuse(*ACCESS_DENIED)
    if (action == "allow" and genuine) or (not action and needs_no_consent(asked, caller.user_id)):
        return grant_code(asked, caller.user_id)
    if "none" in asked.prompts:
        return asked.refuse(*CONSENT_REQUIRED)
    return pages.consent_page(
        asked.parameters,
        client=asked.client,
        scopes=asked.scopes,
        username=caller.username,
        csrf=csrf_of(cookie),
        redirect_origin=asked.redirect_origin,
    )


def needs_no_consent(asked: Asked, user_id: str) -> bool:
    """Whether the user (or an administrator) approved this app and these scopes before and is not to be asked again."""
    if "consent" in asked.prompts:
        return False
    org, client = asked.request.app.state.org, asked.client
    approved = grants.has_approved(org, client_id=client.client_id, user_id=user_id, scopes=asked.scopes)
    return client.preauthorized or approved


def grant_code(asked: Asked, user_id: str) -> Response:
    """Back to the app with a fresh code."""
    code = grants.issue_code(
        asked.request.app.state.org,
        client_id=asked.client.client_id,
        user_id=user_id,
        redirect_uri=asked.redirect_uri,
        scopes=asked.scopes,
        challenge=asked.parameters.get("code_challenge", ""),
        nonce=asked.parameters.get("nonce", ""),
    )
    return asked.back(code=code)


def csrf_of(cookie: str) -> str:
    """The proof that a consent form came from our page: a digest of the browser session."""
    return hashlib.sha256(f"consent {cookie}".encode()).hexdigest()


def _without(parameters: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in parameters.items() if key != name}
