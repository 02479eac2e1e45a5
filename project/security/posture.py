"""What the facts about a connection, or about the installation, mean: findings with what, why and how to fix. Pure.

A finding is `bad` (act now), `warn` (look at it), `ok` or `unknown` (could not be read, never counted as passed).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

OK, UNKNOWN, WARN, BAD = "ok", "unknown", "warn", "bad"
ORDER = (OK, UNKNOWN, WARN, BAD)

SECRET_DAYS, SECRET_DAYS_BAD = 365, 730
KEY_DAYS = 365
CERTIFICATE_DAYS, CERTIFICATE_DAYS_BAD = 60, 14
GRANT_DAYS = 365
SOAP_DAYS_BAD = 180
UNUSED_KEY_DAYS = 90
WIDE_SCOPES = frozenset({"full", "web", "visualforce", "chatter_api", "custom_permissions", "wave_api", "lightning", "content"})
NEEDED_SCOPES = {"api": "calls to the API", "refresh_token": "staying connected", "id": "knowing which user signed in"}
APP = "Setup › External Client App Manager › Causeway › Settings › OAuth Settings"
SECRET_NAMES = {"password": "Password and security token", "jwt": "Private key"}
SAME_SCOPE = {"offline_access": "refresh_token", "openid": "id", "profile": "id", "email": "id"}


@dataclass(frozen=True)
class Finding:
    """One line of the page. `fix` are exact clicks; `url` and `button` lead there where it can be done here."""

    key: str
    title: str
    state: str
    sentence: str
    why: str = ""
    fix: str = ""
    url: str = ""
    button: str = ""


def verdict(findings: Iterable[Finding]) -> str:
    """The worst state; `unknown` without findings."""
    states = [finding.state for finding in findings]
    return max(states, key=ORDER.index) if states else UNKNOWN


@dataclass(frozen=True)
class ConnectionFacts:
    """What is known about how a connection signs in. Ages are instants, in UTC; None = there is none."""

    method: str
    is_live: bool
    scope: str = ""
    authorized_at: datetime | None = None
    token_at: datetime | None = None
    secret_at: datetime | None = None
    certificate_ends: datetime | None = None
    soap_ends: date | None = None
    is_locked: bool = False
    revocation_pending: bool = False
    suspicions: tuple[str, ...] = ()
    profile: str = ""
    license: str = ""
    user_name: str = ""
    authorized_by: str = ""


def judge_connection(facts: ConnectionFacts, *, now: datetime) -> list[Finding]:
    """The findings about sign-in, secrets and use, in the order of the page."""
    judged = (
        _soap(facts, now), _scopes(facts), _grant(facts, now), _token(facts, now), _secret(facts, now),
        _certificate(facts, now), _locked(facts), _pending(facts), _use(facts), _person(facts),
    )  # fmt: skip
    return [each for each in judged if each is not None]


def _days(since: datetime, now: datetime) -> int:
    return max(0, (now - since).days)


def _ago(since: datetime, now: datetime) -> str:
    days = _days(since, now)
    return "today" if days == 0 else "yesterday" if days == 1 else f"{days:,} days ago"


def _soap(facts: ConnectionFacts, now: datetime) -> Finding | None:
    if facts.method != "password" or facts.soap_ends is None:
        return None
    left = (facts.soap_ends - now.date()).days
    state = BAD if left <= SOAP_DAYS_BAD else WARN
    when = f"in {left:,} days" if left > 0 else "now"
    return Finding(
        "soap_login", "Legacy sign-in", state,
        f"It signs in with a password over SOAP login, which Salesforce retires {when} (Summer '27, {facts.soap_ends:%B %Y}).",
        "After that day this connection stops. A password also gives more than a token: it opens the pages of Salesforce too.",
        "Change the connection to the browser sign-in (OAuth), then reset the integration user's password in Salesforce.",
        "credentials", "Change the sign-in",
    )  # fmt: skip


def _scopes(facts: ConnectionFacts) -> Finding | None:
    if not facts.scope or facts.method == "password":
        return None
    granted = {SAME_SCOPE.get(scope, scope) for scope in facts.scope.split()}
    needed = {"api", "id"} | ({"refresh_token"} if facts.method == "web" else set())
    missing, wide = sorted(needed - granted - {"id"}), sorted(granted & WIDE_SCOPES)
    if "full" in granted:
        missing = [scope for scope in missing if scope == "refresh_token"]
    if missing:
        return Finding(
            "scopes", "Scopes of the app", BAD, f"Missing: {', '.join(missing)}. Granted: {facts.scope}.",
            f"Without it there is no {' and no '.join(NEEDED_SCOPES.get(scope, scope) for scope in missing)}.",
            f"{APP}: add the scope, then re-authorize here.",
            "connection", "Re-authorize",
        )  # fmt: skip
    if wide:
        return Finding(
            "scopes", "Scopes of the app", WARN, f"More than needed: {', '.join(wide)}. Granted: {facts.scope}.",
            "Who gets hold of the token can do everything that these scopes open.",
            f"{APP}: keep “Manage user data via APIs (api)”, "
            "“Perform requests at any time” and “Access the identity URL service”; then re-authorize here.",
            "connection", "Re-authorize",
        )  # fmt: skip
    return Finding("scopes", "Scopes of the app", OK, f"Granted: {facts.scope}. Nothing more is needed.")


def _grant(facts: ConnectionFacts, now: datetime) -> Finding | None:
    if facts.authorized_at is None:
        return None
    who = f" by {facts.authorized_by}" if facts.authorized_by else ""
    text = f"Authorized {_ago(facts.authorized_at, now)}{who}."
    if _days(facts.authorized_at, now) <= GRANT_DAYS:
        return Finding("grant", "Authorization", OK, text)
    return Finding(
        "grant", "Authorization", WARN, text,
        "A grant that nobody renewed for a year may have been copied to places that nobody remembers.",
        "Re-authorize the connection: the old refresh token is revoked.", "connection", "Re-authorize",
    )  # fmt: skip


def _token(facts: ConnectionFacts, now: datetime) -> Finding | None:
    if not facts.is_live:
        return None
    if facts.token_at is None:
        return Finding("token", "Access token", UNKNOWN, "No token was fetched yet.")
    return Finding("token", "Access token", OK, f"Last refreshed {_ago(facts.token_at, now)}; Salesforce ends it by itself.")


def _secret(facts: ConnectionFacts, now: datetime) -> Finding | None:
    if facts.secret_at is None:
        return None
    name = (
        "Password and security token"
        if facts.method == "password"
        else "Private key"
        if facts.method == "jwt"
        else "Consumer secret"
    )
    days = _days(facts.secret_at, now)
    text = f"Last changed {_ago(facts.secret_at, now)}."
    if days <= SECRET_DAYS:
        return Finding("client_secret", name, OK, text)
    where = (
        "Reset the integration user's password in Salesforce, then enter the new one here."
        if facts.method == "password"
        else f"{APP} › Consumer Key and Secret: stage and apply a new secret, then enter it here."
    )
    state = BAD if days > SECRET_DAYS_BAD else WARN
    why = "The older a secret, the more backups, screens and people have seen it."
    return Finding("client_secret", name, state, text, why, where, "credentials", "Enter the new one")


def _certificate(facts: ConnectionFacts, now: datetime) -> Finding | None:
    if facts.method != "jwt" or facts.certificate_ends is None:
        return None
    left = (facts.certificate_ends - now).days
    if left > CERTIFICATE_DAYS:
        return Finding("certificate", "Certificate", OK, f"Valid until {facts.certificate_ends:%Y-%m-%d} ({left:,} days).")
    text = f"It ends in {left:,} days, on {facts.certificate_ends:%Y-%m-%d}." if left >= 0 else "It has ended."
    return Finding(
        "certificate", "Certificate", BAD if left <= CERTIFICATE_DAYS_BAD else WARN, text,
        "When it has ended Salesforce refuses every sign-in of this connection.",
        f"Make a new key here, download the certificate, and upload it under {APP} › JWT Bearer Flow.", "credentials",
        "Make a new key",
    )  # fmt: skip


def _locked(facts: ConnectionFacts) -> Finding | None:
    if not facts.is_locked:
        return None
    return Finding(
        "vault", "Secrets", BAD, "The secrets of this connection cannot be opened with the present key.",
        "Nothing can be read from Salesforce until they can.",
        "Put the key that encrypted them into FIELD_ENCRYPTION_KEYS (older keys after the newest) and restart.",
    )  # fmt: skip


def _pending(facts: ConnectionFacts) -> Finding | None:
    if not facts.revocation_pending:
        return None
    return Finding(
        "revocation", "Revocation pending", WARN, "Salesforce could not be told yet that an authorization ended.",
        "Until then a copy of the old token would still work.",
        "It is tried again every few minutes. At once: Setup › Connected Apps OAuth Usage › Causeway › Revoke.",
    )  # fmt: skip


def _use(facts: ConnectionFacts) -> Finding | None:
    if not facts.is_live:
        return None
    if not facts.suspicions:
        return Finding("use", "Use of the API", OK, "Nothing unusual: volume and objects are as in the week before.")
    return Finding(
        "use", "Use of the API", BAD, " ".join(facts.suspicions),
        "This is what a stolen token looks like. It may also be a new report, a first sync or another tool.",
        "Ask who did it. If nobody knows, revoke this connection and go through the drill.", "drill", "Open the drill",
    )  # fmt: skip


def _person(facts: ConnectionFacts) -> Finding | None:
    if not facts.profile:
        return None
    who = f"{facts.user_name}, profile {facts.profile}" + (f", license {facts.license}" if facts.license else "")
    if facts.profile != "System Administrator":
        return Finding("person", "Integration user", OK, f"{who}.")
    return Finding(
        "person", "Integration user", BAD, f"{who}.",
        "A system administrator's token opens the whole org, and everybody who may link reports here sees what it sees.",
        "Setup › Users › New User: profile “Minimum Access - API Only Integrations” (or Read Only), license Salesforce "
        "Integration where you have it; give it the permission set below, then re-authorize here as that user.",
        "connection", "Re-authorize",
    )  # fmt: skip


# --- rights -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RightsFacts:
    """What the comparison of rights came to, in words."""

    missing: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    too_much: tuple[str, ...] = ()
    dangerous: tuple[str, ...] = ()
    sees_all: tuple[str, ...] = ()
    deploying: tuple[str, ...] = ()
    unneeded: tuple[str, ...] = ()
    user_missing: tuple[str, ...] = ()
    can_read_sets: bool = True
    total: int = 0


SET_UP = "Setup › Permission Sets"


def judge_rights(facts: RightsFacts) -> list[Finding]:
    """The findings about what the integration user may do."""
    found = []
    lacks = (*facts.user_missing, *facts.missing)
    if lacks:
        found.append(Finding(
            "missing", "Missing rights", BAD, f"{_listed(lacks)}.", "What cannot be read or written is left out of every run.",
            "Deploy the permission set below to this org, or download it and let a Salesforce administrator deploy it.",
            "permission_set", "Permission set",
        ))  # fmt: skip
    elif facts.total:
        found.append(Finding("missing", "Needed rights", OK, f"All {facts.total:,} needed rights are there."))
    if facts.absent:
        found.append(Finding(
            "absent", "Not in the org", WARN, f"{_listed(facts.absent)}.", "They are asked for, but nobody created them.",
            "Create them (mappings, billing and provisioning offer it), or take them out of the mapping.",
        ))  # fmt: skip
    if facts.dangerous:
        found.append(Finding(
            "too_broad", "Rights over everything", BAD, f"{_listed(facts.dangerous)}.",
            "They go past every object and field right: a stolen token would open the whole org.",
            f"{SET_UP} (or Profiles): take them away once the permission set below is assigned.", "permission_set",
            "Permission set",
        ))  # fmt: skip
    if facts.sees_all:
        found.append(Finding(
            "sees_all", "Sight of everything", WARN, f"{_listed(facts.sees_all)}.",
            "It changes nothing, but a stolen token would read every object of the org.",
            f"{SET_UP} (or Profiles): take it away once the permission set below, which sees all that is needed, is assigned.",
            "permission_set", "Permission set",
        ))  # fmt: skip
    if facts.too_much or facts.unneeded:
        found.append(Finding(
            "too_much", "More than needed", WARN, f"{_listed((*facts.too_much, *facts.unneeded))}.",
            "Nobody here uses these rights.", f"{SET_UP}: take them out of the sets named in the table.",
        ))  # fmt: skip
    if facts.deploying:
        found.append(Finding(
            "deploying", "Rights to deploy", WARN, f"{_listed(facts.deploying)}.",
            "They are needed only while Causeway creates fields or permission sets in the org.",
            f"{SET_UP} (or Profiles): take them away between deployments.",
        ))  # fmt: skip
    if facts.unknown or not facts.can_read_sets:
        told = f"Not told: {_listed(facts.unknown)}." if facts.unknown else "Permission sets cannot be read."
        found.append(Finding(
            "unknown", "Could not be read", UNKNOWN, told, "What cannot be read is not counted as passed.",
            f"{SET_UP}: give the integration user “View Setup and Configuration”.",
        ))  # fmt: skip
    return found


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = list(names[:most])
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


# --- the installation -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InstallationFacts:
    """Keys and people of this installation."""

    keys: int = 1
    behind: int = 0
    key_at: datetime | None = None
    admins: int = 1
    idle_admins: tuple[str, ...] = ()
    unused_keys: tuple[str, ...] = ()
    endless_keys: tuple[str, ...] = ()
    chain: str = UNKNOWN
    chain_at: datetime | None = None


ROTATE = (
    "Make a key with `./run manage new_key`, put it first in FIELD_ENCRYPTION_KEYS, restart, run `./run manage rotate_vault`, "
    "then take the old key away."
)


def judge_installation(facts: InstallationFacts, *, now: datetime) -> list[Finding]:
    """The findings that no single connection has."""
    return [_encryption(facts, now), _chain(facts, now), *_people(facts)]


def _encryption(facts: InstallationFacts, now: datetime) -> Finding:
    name, why = "Encryption key", "It opens every secret of every connection, in the database and in each backup of it."
    if facts.behind:
        text = f"{facts.behind:,} secrets are still encrypted with an older key."
        return Finding("encryption", name, WARN, text, why, "Run `./run manage rotate_vault`, then take the old key away.")
    if facts.keys > 1:
        text = "Every secret is encrypted with the newest key; the older key can go."
        return Finding("encryption", name, WARN, text, why, "Take the older keys out of FIELD_ENCRYPTION_KEYS and restart.")
    if facts.key_at is None:
        return Finding("encryption", name, UNKNOWN, "When it was made is not known.", why, ROTATE)
    text = f"In use since {_ago(facts.key_at, now)}." if _days(facts.key_at, now) else "In use since today."
    old = _days(facts.key_at, now) > KEY_DAYS
    return Finding("encryption", name, WARN if old else OK, text, why if old else "", ROTATE if old else "")


def _chain(facts: InstallationFacts, now: datetime) -> Finding:
    if facts.chain == BAD:
        why = "What it says about who did what cannot be believed from there on."
        return Finding(
            "audit", "Audit", BAD, "The chain of the audit is broken.", why, "Open the audit.", "audit", "Open the audit"
        )
    if facts.chain_at is None:
        return Finding(
            "audit", "Audit", UNKNOWN, "The chain was not verified yet.", "", "Verify it.", "audit", "Open the audit"
        )
    return Finding("audit", "Audit", OK, f"The chain holds, verified {_ago(facts.chain_at, now)}.")


def _people(facts: InstallationFacts) -> list[Finding]:
    found = []
    if facts.idle_admins:
        found.append(Finding(
            "idle_admins", "Unused administrators", WARN,
            f"{_listed(facts.idle_admins)} did not sign in for {UNUSED_KEY_DAYS} days.",
            "An account that nobody uses is one whose theft nobody notices.", "Take the rights away or deactivate it.",
            "people", "People",
        ))  # fmt: skip
    if facts.unused_keys:
        found.append(Finding(
            "unused_keys", "Unused API keys", WARN, f"{_listed(facts.unused_keys)}: not used for {UNUSED_KEY_DAYS} days.",
            "A key that nobody uses is needed by nobody.", "Revoke it in the back office.", "api_keys", "API keys",
        ))  # fmt: skip
    if facts.endless_keys:
        found.append(Finding(
            "endless_keys", "API keys without end", WARN, f"{_listed(facts.endless_keys)} never expire.",
            "A key that leaks works for ever.", "Make a new key with an expiry date and revoke the old one.", "api_keys",
            "API keys",
        ))  # fmt: skip
    return found
