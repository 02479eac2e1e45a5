"""SOAP login(), logout(), getUserInfo() and getServerTimestamp()."""

from typing import Any
from xml.etree.ElementTree import Element

from starlette.requests import Request

from integrations.demo_org.clock import to_text
from integrations.demo_org.oauth import accounts, policy
from integrations.demo_org.org import Caller
from integrations.demo_org.replies import origin_of
from integrations.demo_org.soap.envelopes import Fault, child_text

LAST_LOGIN_VERSION = 64.0
ATTACHMENT_LIMIT = 5_242_880
LOGIN_FAULT = "LoginFault"
WRONG = "Invalid username, password, security token; or user locked out."
NEW_LOCATION = (
    " Are you at a new location? When accessing Salesforce--either via a desktop client or the API--from outside of your "
    "company\u2019s trusted networks, you must add a security token to your password to log in."
)
REFUSALS = {
    "wrong": ("INVALID_LOGIN", WRONG),
    "token_needed": ("LOGIN_MUST_USE_SECURITY_TOKEN", WRONG + NEW_LOCATION),
    "inactive": ("INVALID_LOGIN", WRONG),
    "address": ("RESTRICTED_IP", "Login from this address is restricted"),
}


def log_in(request: Request, operation: Element) -> dict[str, Any]:
    """login(): user name and password with the security token behind it; answers with a session.

    Not in v65 and later; INVALID_OPERATION when the org has it switched off.
    """
    org, version = request.app.state.org, request.path_params["version"]
    if float(version) > LAST_LOGIN_VERSION:
        text = f"The SOAP Login operation is not available in the API version specified ({version})."
        raise Fault("INVALID_OPERATION", f"{text} Refer to the documentation for supported versions.")
    if not policy.setting(org, "soap_login_enabled"):
        text = "SOAP API login() is disabled by default in this org. Contact the org administrator to enable SOAP API login()."
        raise Fault("INVALID_OPERATION", text)
    if not policy.setting(org, "api_enabled"):
        raise Fault("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner", kind=LOGIN_FAULT)
    login = _checked(request, child_text(operation, "username"), child_text(operation, "password"))
    session = org.sessions.open(login.user_id, scopes=("api",), kind="soap")
    origin, short = origin_of(request), org.info.org_id[:15]
    flavor = "u" if request.url.path.startswith("/services/Soap/u") else "c"
    return {
        "metadataServerUrl": f"{origin}/services/Soap/m/{version}/{short}",
        "passwordExpired": login.password_expired,
        "sandbox": False,
        "serverUrl": f"{origin}/services/Soap/{flavor}/{version}/{short}",
        "sessionId": session,
        "userId": login.user_id,
        "userInfo": describe_user(request, login.user_id, login.username),
    }


def log_out(request: Request, caller: Caller, session: str) -> dict[str, Any]:
    """logout(): the session ends."""
    request.app.state.org.sessions.end(session)
    return {}


def get_user_info(request: Request, caller: Caller, session: str) -> dict[str, Any]:
    """getUserInfo()."""
    return describe_user(request, caller.user_id, caller.username)


def get_server_timestamp(request: Request, caller: Caller, session: str) -> dict[str, Any]:
    """getServerTimestamp(): the org's time."""
    return {"timestamp": to_text(request.app.state.org.clock.now())}


def describe_user(request: Request, user_id: str, username: str) -> dict[str, Any]:
    """The userInfo element (recordings soap-login/login-success-*.xml); the keys are in alphabetical order, as there."""
    org = request.app.state.org
    row = accounts.user_row(org, user_id)
    return {
        "accessibilityMode": False,
        "chatterExternal": False,
        "currencySymbol": "$",
        "orgAttachmentFileSizeLimit": ATTACHMENT_LIMIT,
        "orgDefaultCurrencyIsoCode": "USD",
        "orgDefaultCurrencyLocale": "en_US",
        "orgDisallowHtmlAttachments": False,
        "orgHasPersonAccounts": False,
        "organizationId": org.info.org_id,
        "organizationMultiCurrency": org.settings.multi_currency,
        "organizationName": org.info.name,
        "profileId": row.get("ProfileId"),
        "roleId": row.get("UserRoleId"),
        "sessionSecondsValid": int(policy.setting(org, "session_seconds")),
        "userDefaultCurrencyIsoCode": row.get("DefaultCurrencyIsoCode") if org.settings.multi_currency else None,
        "userEmail": row.get("Email") or username,
        "userFullName": row.get("Name") or username,
        "userId": user_id,
        "userLanguage": row.get("LanguageLocaleKey") or "en_US",
        "userLocale": row.get("LocaleSidKey") or "en_US",
        "userName": username,
        "userTimeZone": row.get("TimeZoneSidKey") or "UTC",
        "userType": row.get("UserType") or "Standard",
        "userUiSkin": "Theme3",
    }


def _checked(request: Request, username: str, password: str) -> accounts.Login:
    """The login, or the fault that says why not."""
    org, address = request.app.state.org, policy.address_of(request)
    needs_token = policy.needs_security_token(request)
    try:
        login = accounts.check_password(org, username, password, address=address, needs_token=needs_token)
        if not policy.address_is_allowed(request):
            raise accounts.LoginRefused("address")
    except accounts.LoginRefused as refusal:
        code, text = REFUSALS[refusal.reason]
        raise Fault(code, text, kind=LOGIN_FAULT) from refusal
    return login
