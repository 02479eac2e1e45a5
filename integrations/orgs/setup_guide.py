"""What the Salesforce administrator must do, step by step, with the values to copy (BW-07..BW-18, BW-24).

Pure text from the connection's choices; the wizard renders it, so the guide and the pages cannot disagree.
"""

from dataclasses import dataclass, field
from datetime import date

from integrations.models import SalesforceOrg
from integrations.salesforce.login import API_SCOPE, SOAP_LOGIN_VERSION

Method = SalesforceOrg.LoginMethod
SOAP_ENDS = date(2027, 6, 1)
SCOPE_LABELS = {
    "api": "Manage user data via APIs (api)",
    "refresh_token": "Perform requests at any time (refresh_token, offline_access)",
    "id": "Access the identity URL service (id, profile, email, address, phone)",
}


@dataclass(frozen=True)
class Value:
    """Something to type or choose in Salesforce; `copy` ones get a copy button."""

    label: str
    text: str
    copy: bool = False


@dataclass(frozen=True)
class Step:
    """One thing to do. `why` and `warning` are shown beside it; `where` is the path in Salesforce Setup."""

    title: str
    text: str
    where: str = ""
    values: tuple[Value, ...] = field(default=())
    why: str = ""
    warning: str = ""


WHO = Step(
    "Two people, or one with both roles",
    "You need to be an administrator here, and an administrator in Salesforce. Everything on this page is done once.",
)
USER = Step(
    "A user of its own for the integration",
    "Create a dedicated Salesforce user. Its e-mail can be your own; its username must be unique in all of Salesforce.",
    "Setup › Users › New User",
    (Value("Suggested username", "causeway@your-company.example"), Value("License", "Salesforce Integration, or Salesforce"),
     Value("Suggested profile", "Minimum Access - API Only Integrations, or Read Only")),
    "One person's account would stop the numbers when that person leaves. Salesforce mails a link to set the password: "
    "open it and sign in as the new user once.",
)  # fmt: skip
ACCESS = Step(
    "A permission set with the least that is needed",
    "Read access is enough to show numbers. Raise it only when something that you want to show cannot be read, or to write.",
    "Setup › Permission Sets › New",
    (Value("System permissions", "API Enabled, Run Reports, View Reports in Public Folders"),
     Value("Objects", "Read on what your reports show, also on custom objects"),
     Value("Report folders", "Share them with the integration user (Viewer)"),
     Value("Only to write mapped fields", "Edit on those objects, and on their fields with the push prefix"),
     Value("Only to have such fields created", "Customize Application, Modify Metadata Through Metadata API Functions, "
           "Assign Permission Sets: strong rights, best taken away again afterwards")),
    "A report's summary field can only be chosen if the user sees the objects behind it.",
    "Give this user no more access than the person with the LOWEST access among those who use both Salesforce and Causeway. "
    "What it can see in a report, everybody here who may see the key result can see.",
)  # fmt: skip
EXPIRY = Step(
    "Password that does not expire",
    "Tick “Password Never Expires” for the integration user.",
    "Setup › Permission Sets › System Permissions",
    why="A forced password change can stop the connection without anybody noticing.",
)
TOKEN = Step(
    "Security token",
    "As the integration user, ask for a new security token; it comes by e-mail. Keep it with the password for the next step.",
    "User menu › Settings › Reset My Security Token",
    why="If “Reset My Security Token” is not there, no IP restriction applies and no token is needed: leave it empty.",
)


def package_steps() -> tuple[Step, ...]:
    """For orgs that have a managed package of an earlier integration (BW-14..BW-18)."""
    return (
        Step(
            "Orgs with a managed package",
            "Causeway needs no package. If your org has one for this purpose, from the AppExchange, install it for all users "
            "(“Install for All Users”, then “Upgrade or Install”).",
            "AppExchange, then Setup › Installed Packages › Manage Licenses (older orgs: Setup › App Setup › Develop)",
            why="Assign its licenses to people who use both products, and to the integration user too. In Salesforce it can "
            "take up to two hours until an assignment shows; here it does not matter.",
        ),
    )


def app_step(method: str, callback_url: str) -> Step:
    """The External Client App; what to tick depends on the way in."""
    scopes = ", ".join(SCOPE_LABELS[scope] for scope in API_SCOPE.split())
    values = [Value("Name", "Causeway", copy=True), Value("OAuth scopes", scopes)]
    if method == Method.WEB:
        values.insert(1, Value("Callback URL", callback_url, copy=True))
        values += [
            Value("Flow", "Authorization Code with PKCE: tick “Require PKCE” and “Require secret for web server flow”"),
            Value("Refresh token policy", "Valid until revoked, or expires if not used for 30 days; rotation may be on"),
        ]
    elif method == Method.JWT:
        values += [Value("Flow", "Enable JWT Bearer Flow, upload the certificate of the next step"),
                   Value("Callback URL", callback_url, copy=True)]  # fmt: skip
    else:
        values += [Value("Flow", "Enable Client Credentials Flow; under Policies set “Run As” to the integration user"),
                   Value("Callback URL", callback_url, copy=True)]  # fmt: skip
    return Step(
        "An External Client App in your own org",
        "Every org has its own app, so that only your administrators decide about it. (Since Spring '26 new Connected Apps can "
        "no longer be created; an existing one works as well.)",
        "Setup › External Client App Manager › New External Client App",
        tuple(values),
        "Copy the consumer key and secret from Settings › OAuth Settings for the next step.",
    )


def policy_step(method: str) -> Step:
    """Who may use the app; closed by default in External Client Apps."""
    values = (
        Value(
            "Permitted users",
            "Admin approved users are pre-authorized" if method != Method.WEB else "Admin approved, or all users",
        ),
        Value("Permission set", "Add the permission set of step 3, so that the integration user may use the app"),
        Value("IP relaxation", "Enforce IP restrictions, with our address in the ranges; relax only if you cannot"),
    )
    return Step("Let the integration user use the app", "An External Client App lets nobody in until a policy says so.",
                "External Client App Manager › Causeway › Policies", values)  # fmt: skip


def soap_step() -> Step:
    """The legacy way and its end."""
    return Step(
        "Allow SOAP login",
        f"This way in uses the SOAP login of API version {SOAP_LOGIN_VERSION}. New orgs have it switched off.",
        "Setup › User Interface or API Settings › Allow SOAP API login; permission “Use Any API Auth” in newer orgs",
        warning=soap_notice(),
    )


def soap_notice() -> str:
    """Shown wherever the password method is offered or used (R-021)."""
    end = f"Salesforce retires SOAP login with Summer '27 ({SOAP_ENDS:%B %Y})."
    return f"{end} Use it only if you cannot use OAuth, and plan the change now."


def steps_for(method: str, *, callback_url: str) -> tuple[Step, ...]:
    """The guide for one way in, in the order of doing."""
    if method == Method.PASSWORD:
        return (WHO, USER, ACCESS, EXPIRY, soap_step(), TOKEN, *package_steps())
    return (WHO, USER, ACCESS, app_step(method, callback_url), policy_step(method), EXPIRY, *package_steps())


FAILED_LOGINS = (
    ("Expired authorization", "Authorize again. Salesforce ends unused authorizations by the policy of the app."),
    (
        "Wrong password or token",
        "A new password makes a new security token. Two refusals in a row stop the connection, lest the user is locked out.",
    ),
    ("Locked user", "Unlock the user in Setup › Users, or wait until the lock ends."),
    ("Address not allowed", "Add the address that the message names to the profile's login IP ranges or to Network Access."),
    ("Where to look", "Setup › Login History shows every attempt of the integration user with Salesforce's reason."),
)
"""Help on failed logins (BW-38), one line for each cause that we tell apart (BW-D14)."""
