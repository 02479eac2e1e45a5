"""What the integration user may see and do, in words with the fix; asked when connecting, on demand and daily.

Each check is one or two cheap calls. A check that Salesforce refuses to answer is shown as not checked, never as passed.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Q

from integrations import alerts
from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.orgs.connect import OrgClient, client_for, flush_usage
from integrations.orgs.states import HOLD, State, page_of, trouble_of
from integrations.salesforce import API_VERSION
from integrations.salesforce.errors import AuthError, LimitReached, Refused, SalesforceError, UpstreamUnavailable
from integrations.salesforce.ids import is_id
from integrations.salesforce.user_info import read_user_info

log = structlog.get_logger(__name__)
ASKED_BY_CHECKS = frozenset({
    "LoginHistory", "ObjectPermissions", "Organization", "PermissionSet", "PermissionSetAssignment", "Report", "User",
    "UserPackageLicense",
})  # fmt: skip
"""Objects that access checks and reviews read by themselves: asking for one first is no sign of a stolen token."""
LIMITS_SHOWN = ("DailyApiRequests", "HourlySyncReportRuns", "HourlyAsyncReportRuns", "DailyBulkV2QueryJobs")


@dataclass(frozen=True)
class Finding:
    """One line of the access check. `ok` None means that it could not be checked; `advice` ones do not stop anything."""

    key: str
    label: str
    ok: bool | None
    sentence: str = ""
    fix: str = ""
    advice: bool = False
    code: str = ""


@dataclass(frozen=True)
class Need:
    """An object (and fields) that a domain reads; shown by the access check with the reason."""

    object: str
    fields: tuple[str, ...]
    why: str
    enabled: Callable[[SalesforceOrg], bool] = lambda org: True


_needs: dict[str, Need] = {}


def register_need(need: Need) -> None:
    """Make the access check look for `need`; called from a domain's `apps.py`."""
    _needs[f"{need.object}:{need.why}"] = need


def needs_of(org: SalesforceOrg) -> list[Need]:
    """What domains registered and want of this connection now."""
    return [need for need in _needs.values() if need.enabled(org)]


def findings_of(org: SalesforceOrg) -> list[Finding]:
    """The stored outcome of the latest check."""
    return [Finding(**each) for each in org.posture.get("findings", [])]


def is_ready(findings: Iterable[Finding]) -> bool:
    """Whether nothing required is missing."""
    return all(each.ok is not False or each.advice for each in findings)


def check_access(org: SalesforceOrg, *, now: datetime, testing: bool = False) -> list[Finding]:
    """Ask Salesforce, store the findings on the connection and return them. Never raises for what Salesforce refuses.

    `testing` is a person's check, which may try a login on a connection that was stopped.
    """
    findings: list[Finding] = []
    facts: dict[str, Any] = {}
    try:
        client = client_for(org, domain="connection", testing=testing)
        for check in CHECKS:
            findings.extend(check(client, org, facts))
    except (AuthError, Refusal, UpstreamUnavailable, LimitReached) as error:
        findings.append(_stopped(error))
    flush_usage()
    org.refresh_from_db()
    _store(org, findings, facts, now)
    return findings


def _stopped(error: SalesforceError | Refusal) -> Finding:
    """The login or the way to Salesforce itself is the finding."""
    if isinstance(error, AuthError):
        trouble = trouble_of(error)
        address = getattr(error, "address", "")
        seen = f" Salesforce saw us at {address}." if address else ""
        return Finding("sign_in", "Sign-in", False, f"{trouble.reason}{seen}", trouble.fix, code=error.code or trouble.code)
    if isinstance(error, UpstreamUnavailable):
        fix = "Nothing is wrong here; try again in some minutes."
        return Finding("reachable", "Salesforce answers", False, error.message, fix, code=error.code or "upstream")
    if isinstance(error, LimitReached):
        return Finding("limits", "API calls left", False, error.message, "Wait until the allowance frees up.", code=error.code)
    return Finding("sign_in", "Sign-in", False, error.message, "", code=error.code)


def _store(org: SalesforceOrg, findings: list[Finding], facts: dict[str, Any], now: datetime) -> None:
    changes: dict[str, Any] = {"posture": {"findings": [asdict(each) for each in findings], **facts}, "posture_at": now}
    company, user = facts.get("organization", {}), facts.get("user", {})
    if company.get("Name"):
        changes["org_name"] = company["Name"]
    if user.get("Username"):
        changes["user_name"] = user["Username"]
    SalesforceOrg.objects.filter(pk=org.pk).update(**changes)
    org.refresh_from_db()


# --- the checks, in the order of the page ----------------------------------------------------------------------------


def _check_version(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    served = [str(each.get("version", "")) for each in client.versions()]
    ok = API_VERSION in served
    sentence = f"The org serves version {API_VERSION}." if ok else f"The org does not serve API version {API_VERSION}."
    fix = "" if ok else "Update Causeway to a version that uses a current API."
    return [Finding("version", f"API version {API_VERSION}", ok, sentence, fix, code="" if ok else "UNSUPPORTED_API_VERSION")]


def _check_scope(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    missing = missing_scopes(org.login_method, org.scope, has_refresh_token=True)
    if not org.scope:
        return []
    fix = f"Add the scope {' and '.join(missing)} to the External Client App, then authorize again." if missing else ""
    return [Finding("scope", "Scopes of the app", not missing, f"Granted: {org.scope}.", fix)]


def _check_organization(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    found = client.query_all("SELECT Id, Name, IsSandbox, OrganizationType FROM Organization LIMIT 1")
    if not found:
        return [Finding("api", "API enabled", True, "Salesforce answers our calls.")]
    company = {name: found[0].get(name) for name in ("Id", "Name", "IsSandbox", "OrganizationType")}
    facts["organization"] = company
    findings = [Finding("api", "API enabled", True, f"Connected to {company['Name']}.")]
    expected = org.environment == SalesforceOrg.Environment.SANDBOX
    if (
        org.environment != SalesforceOrg.Environment.DEMO
        and company["IsSandbox"] is not None
        and company["IsSandbox"] != expected
    ):
        is_one = "is a sandbox" if company["IsSandbox"] else "is no sandbox"
        fix = "Change the environment of this connection, or authorize with the other org."
        findings.append(Finding("environment", "Environment", False, f"The org {is_one}.", fix, advice=True))
    return findings


def _note_currency(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    """Reports of an org with one currency do not name it (BW-30); no finding, because nothing is wrong without it."""
    try:
        facts["currency"] = read_user_info(client).currency
    except SalesforceError as error:
        if isinstance(error, AuthError | UpstreamUnavailable | LimitReached):
            raise
    return []


def _check_user(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    if not is_id(org.user_id):
        return []
    fields = "Id, Name, Username, IsActive, TimeZoneSidKey, Profile.Name"
    try:
        found = client.query_all(f"SELECT {fields} FROM User WHERE Id = '{org.user_id}'")  # noqa: S608  is_id checked
    except Refused:
        found = []
    if not found:
        return [Finding("user", "Integration user", None, "The user record could not be read.", "Give the user “View Setup”.")]
    user = found[0]
    profile = (user.get("Profile") or {}).get("Name") or ""
    facts["user"] = {name: user.get(name) for name in ("Id", "Name", "Username", "IsActive", "TimeZoneSidKey")} | {
        "Profile": profile
    }
    findings = [
        Finding(
            "user", "Integration user", bool(user.get("IsActive")), f"{user.get('Username')}, profile {profile or 'unknown'}."
        )
    ]
    if profile == "System Administrator":
        sentence = "The integration user is a system administrator: whoever may link reports here can see what it sees."
        fix = "Use a dedicated user with the lowest access of anybody who uses both products (a read-only profile is enough)."
        findings.append(Finding("least_access", "Least access", False, sentence, fix, advice=True))
    return findings


def _check_reports(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    fix = "Give the user the permission “Run Reports” and share the report folders with it."
    try:
        count = client.count("SELECT COUNT() FROM Report")
        client.get("analytics/reports")
    except Refused as error:
        sentence = "The user may not read or run reports."
        return [Finding("reports", "Reports", False, sentence, fix, code=error.code, advice=not org.okr_enabled)]
    facts["reports"] = count
    if not count:
        sentence = "The user sees no report."
        return [Finding("reports", "Reports", False, sentence, "Share a report folder with the integration user.", advice=True)]
    return [Finding("reports", "Reports", True, f"{count:,} reports can be read.")]


def _check_limits(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    try:
        limits = client.limits()
    except Refused:
        usage = client.api_usage
        text = f"{usage.used:,} of {usage.limit:,} API calls are used." if usage else "The limits could not be read."
        return [
            Finding(
                "limits", "API calls left", None if usage is None else True, text, "Give the user “View Setup”.", advice=True
            )
        ]
    facts["limits"] = {name: limits[name] for name in LIMITS_SHOWN if name in limits}
    daily = limits.get("DailyApiRequests", {})
    most, left = int(daily.get("Max", 0)), int(daily.get("Remaining", 0))
    share = int(most * settings.API_BUDGET_SHARE)
    ok = left > most * 0.1
    sentence = f"{left:,} of {most:,} calls are left today; we use at most {share:,}."
    return [
        Finding(
            "limits", "API calls left", ok, sentence, "" if ok else "Other tools use nearly all calls of the org.", advice=True
        )
    ]


def _check_needs(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    findings = []
    for need in needs_of(org):
        label = f"Read {need.object}"
        try:
            seen = {field["name"].lower() for field in client.describe(need.object)["fields"]}
        except Refused as error:
            fix = f"Give the integration user read access to {need.object}, or switch off: {need.why}."
            findings.append(
                Finding(f"object:{need.object}", label, False, f"Not visible; needed for: {need.why}.", fix, code=error.code)
            )
            continue
        missing = [name for name in need.fields if name.lower() not in seen]
        sentence = f"Fields not visible or not there: {', '.join(missing)}." if missing else f"Needed for: {need.why}."
        fix = "Give the integration user read access to these fields (field-level security)." if missing else ""
        findings.append(Finding(f"object:{need.object}", label, not missing, sentence, fix))
    return findings


def _check_package(client: OrgClient, org: SalesforceOrg, facts: dict[str, Any]) -> list[Finding]:
    """BW-D2: the integration user's managed-package license, where the org has a package at all."""
    if not is_id(org.user_id):
        return []
    try:
        query = f"SELECT PackageLicense.NamespacePrefix FROM UserPackageLicense WHERE UserId = '{org.user_id}'"  # noqa: S608  is_id checked
        rows = client.query_all(query)
    except (*Refused, SalesforceError) as error:
        if isinstance(error, AuthError | UpstreamUnavailable | LimitReached):
            raise
        return []
    facts["packages"] = [(row.get("PackageLicense") or {}).get("NamespacePrefix") or "" for row in rows]
    return []


CHECKS = (
    _check_version,
    _check_scope,
    _check_organization,
    _note_currency,
    _check_user,
    _check_reports,
    _check_limits,
    _check_needs,
    _check_package,
)


def missing_scopes(method: str, scope: str, *, has_refresh_token: bool) -> list[str]:
    """Scopes that the grant lacks (R-015): `api` always, `refresh_token` when the connection lives by one."""
    granted = set(scope.split())
    missing = [] if not scope or granted & {"api", "full"} else ["api"]
    if method == SalesforceOrg.LoginMethod.WEB:
        named = not scope or bool(granted & {"refresh_token", "offline_access"})
        if not (named and has_refresh_token):
            missing.append("refresh_token")
    return missing


def check_all(*, now: datetime) -> int:
    """The daily check of every connection; one alert when access was lost, closed when it is back. Returns checks made.

    What goes wrong with one connection does not stop the others (I-10); the log has the details.
    """
    due = Q(state=State.CONNECTED) | Q(state=State.IP_BLOCKED, state_since__lte=now - HOLD)
    done = 0
    for org in SalesforceOrg.objects.filter(due):
        try:
            _check_and_tell(org, now=now)
        except Exception:  # whatever it is
            log.exception("access.check_failed", org=org.pk)
        else:
            done += 1
    return done


def _check_and_tell(org: SalesforceOrg, *, now: datetime) -> None:
    elsewhere = {"sign_in", "reachable", "limits"}  # told by others
    lost = [each for each in check_access(org, now=now) if each.ok is False and not each.advice and each.key not in elsewhere]
    if not lost:
        alerts.recover_alert(f"access:{org.pk}", now=now)
        return
    alerts.raise_alert(
        f"access:{org.pk}",
        code="+".join(sorted(each.key for each in lost))[:80],
        title=f"{org.name}: the integration user lacks access",
        body="\n".join(f"{each.label}: {each.sentence} {each.fix}" for each in lost),
        url=page_of(org),
        org=org,
        severity="warning",
        now=now,
    )
