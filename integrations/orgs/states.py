"""What state a connection is in, in words a person can act on; every change passes here, with its alert and audit entry."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.urls import reverse

from integrations import alerts, audit
from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.salesforce import errors

State = SalesforceOrg.State
HOLD = timedelta(minutes=15)  # so long no token call after a refusal
BAD_LOGINS_ALLOWED = 2  # BW-D14: the second refusal in a row stops the connection


@dataclass(frozen=True)
class Trouble:
    """A state with its reason and its fix. `code` is the machine word that runs and the API show."""

    state: str
    code: str
    reason: str
    fix: str


REAUTHORIZE = Trouble(
    State.NEEDS_REAUTHORIZATION,
    "reauth_required",
    "Salesforce no longer accepts our authorization: it was revoked, it expired, or newer approvals of the user replaced it.",
    "Authorize this connection again.",
)
TROUBLES: dict[type[errors.AuthError], Trouble] = {
    errors.ReauthorizationRequired: REAUTHORIZE,
    errors.AppRejected: Trouble(
        State.APP_REJECTED,
        "app_rejected",
        "Salesforce rejects the app, not the user: its consumer key or secret is wrong or was changed, "
        "or the org does not allow the app.",
        "Compare key and secret with the External Client App in Salesforce, check that the integration user may use it, then "
        "authorize again.",
    ),
    errors.UserInactive: Trouble(
        State.USER_INACTIVE,
        "user_inactive",
        "The integration user is frozen or deactivated in Salesforce.",
        "Activate the user in Salesforce (Setup, Users), or authorize with another one.",
    ),
    errors.AddressBlocked: Trouble(
        State.IP_BLOCKED,
        "ip_blocked",
        "The org does not let our network address (or this time of day) in.",
        "Add the address to the login IP ranges of the user's profile or to Network Access, or relax IP restrictions in the "
        "policies of the app.",
    ),
    errors.LoginRefused: Trouble(
        State.BAD_LOGIN,
        "bad_login",
        "Salesforce refused the username, password or security token.",
        "Enter the current password. A password change also makes a new security token; it comes by e-mail.",
    ),
    errors.LoginLocked: Trouble(
        State.LOGIN_LOCKED,
        "login_locked",
        "Salesforce has locked the integration user after too many wrong passwords.",
        "Unlock the user in Salesforce (Setup, Users) or wait until the lock ends, then enter the right password.",
    ),
    errors.ApiDisabled: Trouble(
        State.API_DISABLED,
        "api_disabled",
        "The org or the integration user may not use the API (or SOAP login is switched off).",
        "Give the user the permission “API Enabled”; Professional Edition needs the API add-on. For the password method, "
        "allow SOAP login or use OAuth.",
    ),
}
VERSION_RETIRED = Trouble(
    "",
    "version_retired",
    "Salesforce no longer serves the API version that Causeway uses.",
    "Update Causeway to a current version.",
)
HOST_REFUSED = Trouble(
    State.NEEDS_REAUTHORIZATION,
    "instance_refused",
    "Salesforce moved the org to an address that is not on the list of allowed domains, so no token was sent there.",
    "Check the new address with your Salesforce administrator, then authorize again.",
)
OTHER_ORG = Trouble(
    State.NEEDS_REAUTHORIZATION,
    "other_org",
    "Salesforce signed us in to another org than the one this connection belongs to; nothing was read.",
    "Authorize with a user of the right org, or make a new connection for the other org.",
)
SENTENCES = {
    State.NEW: "It is not connected yet.",
    State.PAUSED: "It is paused.",
    State.DISCONNECTED: "It is disconnected.",
}


class NotConnected(Refusal):
    """The connection cannot be used now; `code` says why, `message` what to do."""


def trouble_of(error: errors.AuthError) -> Trouble:
    """What an `AuthError` means for the connection."""
    if isinstance(error, errors.VersionRetired):
        return VERSION_RETIRED
    for kind in type(error).__mro__:
        if kind in TROUBLES:
            return TROUBLES[kind]
    return REAUTHORIZE


def refusal_of(org: SalesforceOrg) -> NotConnected:
    """Why `org` cannot be used, from its state."""
    trouble = _trouble_in(org)
    if trouble is None:
        sentence = SENTENCES.get(State(org.state), org.state_reason)
        return NotConnected(org.state, f"{org.name} cannot be used: {sentence}")
    return NotConnected(trouble.code, f"{org.name}: {org.state_reason or trouble.reason} {trouble.fix}")


def _trouble_in(org: SalesforceOrg) -> Trouble | None:
    everything = [HOST_REFUSED, OTHER_ORG, *TROUBLES.values()]
    by_code = next((each for each in everything if each.state == org.state and each.code == org.state_code), None)
    return by_code or next((each for each in TROUBLES.values() if each.state == org.state), None)


def _reason(trouble: Trouble, error: errors.AuthError, org: SalesforceOrg) -> str:
    if trouble.state == State.BAD_LOGIN and org.login_method != SalesforceOrg.LoginMethod.PASSWORD:
        return f"Salesforce refused the sign-in: {error.message}"
    address = getattr(error, "address", "")
    where = f" Salesforce saw us at {address}." if address else ""
    return f"{trouble.reason}{where}"


def page_of(org: SalesforceOrg) -> str:
    """Path of the connection's page."""
    return reverse("integrations:connection", kwargs={"pk": org.pk})


def mark_failed(org: SalesforceOrg, error: errors.AuthError, *, now: datetime, generation: int | None = None) -> str:
    """Write down what `error` says about the connection, once, with one alert and one audit entry. Returns its state.

    A refused password only stops the connection the second time in a row (BW-D14); until then no login for 15 minutes.
    `generation` guards against work of a connection that was disconnected meanwhile.
    """
    trouble = trouble_of(error)
    if not trouble.state:
        _alert(org, trouble, f"{trouble.reason} {trouble.fix} ({error.message})", now)
        return org.state
    expected = org.generation if generation is None else generation
    rows = SalesforceOrg.objects.filter(pk=org.pk, generation=expected).exclude(state=State.DISCONNECTED)
    if trouble.state == State.BAD_LOGIN:
        rows.update(bad_logins=F("bad_logins") + 1, no_login_before=now + HOLD, state_code=error.code or trouble.code)
        org.refresh_from_db()
        if org.bad_logins < BAD_LOGINS_ALLOWED and org.state == State.CONNECTED:
            return org.state
    return _change(org, rows, trouble, _reason(trouble, error, org), error.code, now)


def mark_trouble(org: SalesforceOrg, trouble: Trouble, *, now: datetime, detail: str = "") -> str:
    """Set a state that did not come from a Salesforce error."""
    return _change(
        org, SalesforceOrg.objects.filter(pk=org.pk), trouble, f"{trouble.reason} {detail}".strip(), trouble.code, now
    )


def _change(
    org: SalesforceOrg, rows: "QuerySet[SalesforceOrg]", trouble: Trouble, reason: str, code: str, now: datetime
) -> str:
    before = org.state
    with transaction.atomic():
        changed = rows.exclude(state=trouble.state).update(
            state=trouble.state,
            state_reason=reason,
            state_code=(code or trouble.code)[:60],
            state_since=now,
            no_login_before=now + HOLD,
            refreshing_until=None,
        )
        if changed:
            audit.record(
                "connection.failed",
                target=org,
                before={"state": before},
                after={"state": trouble.state, "code": code or trouble.code},
            )
            if before != State.NEW:  # while somebody is setting it up, they see it on the page
                _alert(org, trouble, f"{reason} {trouble.fix}", now)
        else:  # the same trouble again: only the wait starts anew
            rows.update(no_login_before=now + HOLD, refreshing_until=None)
    org.refresh_from_db()
    return org.state


def _alert(org: SalesforceOrg, trouble: Trouble, body: str, now: datetime) -> None:
    title = f"{org.name}: {State(trouble.state).label.lower()}" if trouble.state else f"{org.name}: API version retired"
    alerts.raise_alert(
        f"connection:{org.pk}", code=trouble.code, title=title, body=body, url=page_of(org), org=org, now=now, gather=True
    )


def mark_connected(org: SalesforceOrg, *, now: datetime) -> None:
    """The connection works (again): clears reasons and counters, closes its alert."""
    before = org.state
    rows = SalesforceOrg.objects.filter(pk=org.pk)
    rows.update(bad_logins=0, no_login_before=None, state_reason="", state_code="")
    if rows.exclude(state=State.CONNECTED).update(state=State.CONNECTED, state_since=now):
        audit.record("connection.recovered", target=org, before={"state": before}, after={"state": State.CONNECTED})
    org.refresh_from_db()
    alerts.recover_alert(f"connection:{org.pk}", now=now, note=f"{org.name} is connected again.")


TONES = {
    State.CONNECTED: "healthy",
    State.NEW: "paused",
    State.PAUSED: "paused",
    State.DISCONNECTED: "paused",
}


BADGES = {
    "healthy": ("ok", "circle-check"),
    "degraded": ("warn", "triangle-alert"),
    "action": ("bad", "octagon-alert"),
    "paused": ("quiet", "circle-pause"),
}


@dataclass(frozen=True)
class Shown:
    """How a page shows a state: word, tone (healthy, degraded, action, paused), sentence and fix."""

    code: str
    label: str
    tone: str
    sentence: str
    fix: str

    @property
    def badge_tone(self) -> str:
        """Color of the badge."""
        return BADGES[self.tone][0]

    @property
    def icon(self) -> str:
        """Icon of the badge."""
        return BADGES[self.tone][1]


def shown_state(org: SalesforceOrg, *, locked: bool) -> Shown:
    """The state to show; a missing key shows as locked whatever else is stored (R-019)."""
    if locked and org.state not in {State.NEW, State.DISCONNECTED}:
        why = "Its secrets cannot be read: the encryption key is missing or wrong."
        return Shown("locked", "Locked", "action", why, "Put the right key into FIELD_ENCRYPTION_KEYS and restart.")
    state = State(org.state)
    trouble = _trouble_in(org)
    sentence = org.state_reason or SENTENCES.get(state, "")
    if state == State.CONNECTED and org.bad_logins:
        return Shown(
            state,
            "Connected, last login refused",
            "degraded",
            TROUBLES[errors.LoginRefused].reason,
            TROUBLES[errors.LoginRefused].fix,
        )
    return Shown(state, state.label, TONES.get(state, "action"), sentence, trouble.fix if trouble else "")
