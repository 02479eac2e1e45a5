"""What can be done to a connection: create, enter credentials, authorize, test, pause, resume, cut, revoke, delete.

Each verb writes one audit entry. Secrets go straight into the vault and are never returned.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from integrations import alerts, audit
from integrations.access import Refusal
from integrations.models import OrgSecret, SalesforceOrg
from integrations.orgs import demo, posture, sign_in, vault
from integrations.orgs.posture import Finding
from integrations.orgs.states import NotConnected, State, mark_connected, mark_failed, refusal_of
from integrations.salesforce import login
from integrations.salesforce.errors import AuthError, SalesforceError
from integrations.salesforce.hosts import HostRefused, is_allowed, normalize_login_url
from integrations.salesforce.ids import to_18
from integrations.salesforce.login import TokenAnswer

log = structlog.get_logger(__name__)
Kind = OrgSecret.Kind
Method = SalesforceOrg.LoginMethod
Environment = SalesforceOrg.Environment
TOKENS = (Kind.ACCESS_TOKEN, Kind.REFRESH_TOKEN)
ENTERED = (Kind.CLIENT_SECRET, Kind.PRIVATE_KEY, Kind.PASSWORD, Kind.SECURITY_TOKEN)
REVOKE_FOR = timedelta(days=7)  # a token that Salesforce does not revoke in a week has expired by idleness or never will be


# --- setting up --------------------------------------------------------------------------------------------------------


def create_connection(
    *, name: str, environment: str, login_url: str, actor: Any = None, address: str | None = None, now: datetime
) -> SalesforceOrg:
    """A connection that is not authorized yet. `login_url` may be any pasted Salesforce address (BW-D5).

    Raises `HostRefused` for an address that is not Salesforce's, `Refusal` for a name that is taken.
    """
    origin = normalize_login_url(login_url, demo_origin=settings.DEMO_ORG_URL)
    try:
        with transaction.atomic():
            org = SalesforceOrg.objects.create(name=name.strip(), environment=environment, login_url=origin, state_since=now)
    except IntegrityError as error:
        raise Refusal("name_taken", f"There is already a connection called {name.strip()}.") from error
    after = {"name": org.name, "environment": environment, "login_url": origin}
    audit.record("connection.created", actor=actor, target=org, after=after, address=address)
    return org


def change_connection(org: SalesforceOrg, changes: Mapping[str, Any], *, actor: Any = None, address: str | None = None) -> None:
    """Rename, change environment, seats or switches. The login host can only change while nothing is authorized."""
    changes = dict(changes)
    if "login_url" in changes:
        changes["login_url"] = normalize_login_url(changes["login_url"], demo_origin=settings.DEMO_ORG_URL)
        if changes["login_url"] != org.login_url and vault.kinds_of(org).keys() & set(TOKENS):
            raise Refusal("still_authorized", "Disconnect first: a token must not follow the connection to another host.")
    before = {name: getattr(org, name) for name in changes}
    if before == changes:
        return
    for name, value in changes.items():
        setattr(org, name, value)
    org.save(update_fields=list(changes))
    audit.record("connection.changed", actor=actor, target=org, before=before, after=changes, address=address)


def save_credentials(
    org: SalesforceOrg,
    *,
    method: str,
    client_id: str = "",
    username: str = "",
    secrets: Mapping[str, str],
    actor: Any = None,
    address: str | None = None,
) -> None:
    """Store how the connection signs in. An empty secret keeps the stored one; secrets of other methods are erased.

    The password method keeps password and security token apart (BW-D6); an empty token with a new password means that the
    token is part of the password or not needed (BW-13, BW-21).
    """
    new = {kind: text.strip() if kind != Kind.PASSWORD else text for kind, text in secrets.items() if text}
    with transaction.atomic():
        before = {"login_method": org.login_method, "client_id": org.client_id, "username": org.username}
        SalesforceOrg.objects.filter(pk=org.pk).update(
            login_method=method, client_id=client_id.strip(), username=username.strip(), bad_logins=0, no_login_before=None
        )
        keep = {*sign_in.NEEDED[Method(method)], *({Kind.SECURITY_TOKEN} if method == Method.PASSWORD else ())}
        vault.erase(org, [kind for kind in ENTERED if kind not in keep])
        if Kind.PASSWORD in new and Kind.SECURITY_TOKEN not in new:
            vault.erase(org, [Kind.SECURITY_TOKEN])
        for kind, text in new.items():
            vault.store(org, kind, text)
        org.refresh_from_db()
        after = {"login_method": method, "client_id": org.client_id, "username": org.username, "secrets_changed": sorted(new)}
        audit.record("connection.credentials_changed", actor=actor, target=org, before=before, after=after, address=address)


def make_key_pair(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> str:
    """A new key for the JWT method; the private half goes into the vault, the certificate (PEM) is returned and kept."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Causeway")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    certificate = builder.not_valid_after(now + timedelta(days=730)).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    org.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
    org.save(update_fields=["certificate"])
    vault.store(org, Kind.PRIVATE_KEY, private)
    audit.record("connection.key_made", actor=actor, target=org, address=address)
    return org.certificate


def authorize(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> list[Finding]:
    """Sign in without a browser (JWT, client credentials, password): one attempt, then the access check.

    Raises the wire's `AuthError` after noting it, `Refusal` when credentials are missing or the grant is not acceptable.
    """
    if org.login_method == Method.WEB:
        raise Refusal("browser_needed", "This connection is authorized in the browser.")
    try:
        answer = sign_in.sign_in(org)
    except AuthError as error:
        mark_failed(org, error, now=now)
        audit.record("connection.authorization_failed", actor=actor, target=org, after={"code": error.code}, address=address)
        raise
    return complete_authorization(org, answer, actor=actor, address=address, now=now)


def complete_authorization(
    org: SalesforceOrg, answer: TokenAnswer, *, actor: Any = None, address: str | None = None, now: datetime
) -> list[Finding]:
    """Accept the tokens of a sign-in: check scope, host and org, store them, set the connection to connected, check access.

    A grant of another org than the pinned one is refused and given back (revoked); nothing of the connection changes.
    """
    try:
        _check_grant(org, answer)
    except Refusal as refusal:
        _give_back(org, answer)
        audit.record("connection.authorization_refused", actor=actor, target=org, after={"code": refusal.code}, address=address)
        raise
    old_token = _token_to_revoke(org) if org.state in {State.CONNECTED, State.PAUSED} else None
    new_token = answer.refresh_token or answer.access_token
    with transaction.atomic():
        row = SalesforceOrg.objects.select_for_update().get(pk=org.pk)
        vault.store(row, Kind.ACCESS_TOKEN, answer.access_token)
        if answer.refresh_token:
            vault.store(row, Kind.REFRESH_TOKEN, answer.refresh_token)
        if old_token and old_token != new_token:
            vault.store(row, Kind.PENDING_REVOCATION, old_token)
        row.org_id = row.org_id or (to_18(answer.org_id) if answer.org_id else "")
        row.user_id = to_18(answer.user_id) if answer.user_id else row.user_id
        row.instance_url, row.scope, row.token_issued_at = answer.instance_url, answer.scope, answer.issued_at
        row.authorized_by, row.authorized_at = actor, now
        row.revocation_pending = bool(old_token and old_token != new_token)
        row.refreshing_until = None
        row.save()
        after = {"org_id": row.org_id, "scope": row.scope, "method": row.login_method}
        audit.record("connection.authorized", actor=actor, target=row, after=after, address=address)
    mark_connected(row, now=now)
    org.refresh_from_db()
    if org.revocation_pending:
        revoke_pending(org, now=now)
    findings = posture.check_access(org, now=now, testing=True)
    org.refresh_from_db()
    return findings


def _check_grant(org: SalesforceOrg, answer: TokenAnswer) -> None:
    missing = posture.missing_scopes(org.login_method, answer.scope, has_refresh_token=bool(answer.refresh_token))
    if missing:
        sentence = f"Salesforce did not grant the scope {' and '.join(missing)}."
        raise Refusal("scope_missing", f"{sentence} Add it to the External Client App and try again.")
    if not is_allowed(answer.instance_url, demo_origin=settings.DEMO_ORG_URL):
        raise Refusal("instance_refused", "Salesforce named an address outside its own domains; nothing was stored.")
    if org.org_id and answer.org_id and to_18(answer.org_id) != org.org_id:
        raise Refusal(
            "other_org",
            f"You signed in to another org ({to_18(answer.org_id)}). This connection belongs to {org.org_name or org.org_id}. "
            "Sign out of Salesforce and try again with a user of that org.",
        )


def _give_back(org: SalesforceOrg, answer: TokenAnswer) -> None:
    """Revoke tokens that we will not use; failing to do so is only logged, nothing is kept."""
    try:
        login.revoke(org.login_url, token=answer.refresh_token or answer.access_token, wire=sign_in.quick_wire())
    except (SalesforceError, HostRefused) as error:
        log.warning("unused grant not revoked", org=org.pk, code=getattr(error, "code", ""))


# --- using -----------------------------------------------------------------------------------------------------------


def check_connection(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> list[Finding]:
    """A person's check: tries the login once if it was stopped, asks for access, and sets the connection right if it works."""
    findings = posture.check_access(org, now=now, testing=True)
    signed_in = all(each.key not in {"sign_in", "reachable"} for each in findings)
    if signed_in and (org.is_broken or org.bad_logins):
        mark_connected(org, now=now)
    ready = posture.is_ready(findings)
    audit.record("connection.tested", actor=actor, target=org, after={"passed": ready, "state": org.state}, address=address)
    return findings


def pause(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> None:
    """No further call until resumed; takes effect within two seconds in running work too."""
    rows = SalesforceOrg.objects.filter(pk=org.pk).exclude(state__in=[State.NEW, State.DISCONNECTED, State.PAUSED])
    if not rows.update(state=State.PAUSED, state_reason="Paused by a person.", state_code="paused", state_since=now):
        raise Refusal("not_connected", f"{org.name} is not connected.")
    org.refresh_from_db()
    alerts.recover_alert(f"connection:{org.pk}", now=now, note=f"{org.name} was paused.")
    audit.record("connection.paused", actor=actor, target=org, address=address)


def resume(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> list[Finding]:
    """Back to work after a successful test (BW-D14); a failing test says why and leaves the state that fits."""
    if org.state in {State.NEW, State.DISCONNECTED}:
        raise refusal_of(org)
    findings = posture.check_access(org, now=now, testing=True)
    if any(each.key in {"sign_in", "reachable"} for each in findings):
        raise NotConnected("test_failed", f"{org.name} stays stopped: {findings[-1].sentence} {findings[-1].fix}".strip())
    mark_connected(org, now=now)
    audit.record("connection.resumed", actor=actor, target=org, address=address)
    return findings


# --- ending ------------------------------------------------------------------------------------------------------------


def cut_connection(org: SalesforceOrg, *, actor: Any = None, address: str | None = None, now: datetime) -> None:
    """The local half of a disconnect, at once: new generation, all secrets erased, one token kept for its revocation only.

    Use `integrations.disconnect`, which also stops the runs and tells Salesforce.
    """
    with transaction.atomic():
        row = SalesforceOrg.objects.select_for_update().get(pk=org.pk)
        token = _token_to_revoke(row)
        vault.erase(row, [*TOKENS, *ENTERED])
        if token:
            vault.store(row, Kind.PENDING_REVOCATION, token)
        before = row.state
        pending = token is not None or Kind.PENDING_REVOCATION in vault.kinds_of(row)
        SalesforceOrg.objects.filter(pk=row.pk).update(
            state=State.DISCONNECTED, state_reason="", state_code="", state_since=now, generation=F("generation") + 1,
            revocation_pending=pending, refreshing_until=None, bad_logins=0, no_login_before=None, token_issued_at=None,
            scope="",
        )  # fmt: skip
        audit.record("connection.disconnected", actor=actor, target=row, before={"state": before}, address=address)
    org.refresh_from_db()
    alerts.recover_alert(f"connection:{org.pk}", now=now, note=f"{org.name} was disconnected.")


def _token_to_revoke(org: SalesforceOrg) -> str | None:
    """The token whose revocation ends all others; None without one, or when the key to read it is gone."""
    try:
        return vault.read(org, Kind.REFRESH_TOKEN) or vault.read(org, Kind.ACCESS_TOKEN)
    except vault.VaultLocked:
        log.warning("token cannot be revoked remotely: vault locked", org=org.pk)
        return None


def revoke_pending(org: SalesforceOrg, *, now: datetime) -> bool:
    """Tell Salesforce that a token ended; False leaves it pending for the next try (R-018)."""
    secret = OrgSecret.objects.filter(org=org, kind=Kind.PENDING_REVOCATION).first()
    if secret is None:
        SalesforceOrg.objects.filter(pk=org.pk).update(revocation_pending=False)
        return True
    try:
        token = vault.read(org, Kind.PENDING_REVOCATION) or ""
        login.revoke(org.login_url, token=token, wire=sign_in.quick_wire())
    except (SalesforceError, HostRefused, vault.VaultLocked) as error:
        if now - secret.updated_at < REVOKE_FOR:
            log.warning("revocation pending", org=org.pk, code=getattr(error, "code", ""))
            return False
        audit.record("connection.revocation_given_up", target=org, after={"code": getattr(error, "code", "")})
    else:
        audit.record("connection.revoked_at_salesforce", target=org)
    OrgSecret.objects.filter(pk=secret.pk, updated_at=secret.updated_at).delete()
    pending = OrgSecret.objects.filter(org=org, kind=Kind.PENDING_REVOCATION).exists()
    SalesforceOrg.objects.filter(pk=org.pk).update(revocation_pending=pending)
    org.refresh_from_db()
    return True


def retry_revocations(*, now: datetime) -> int:
    """Background: revoke at Salesforce what a disconnect could not. Returns how many are done."""
    waiting = SalesforceOrg.objects.filter(revocation_pending=True)
    return sum(revoke_pending(org, now=now) for org in waiting)


def retry_blocked(*, now: datetime) -> int:
    """Background, each quarter of an hour: knock again where our address was refused (R-010). Returns how many opened."""
    waiting = SalesforceOrg.objects.filter(state=State.IP_BLOCKED, no_login_before__lte=now)
    return sum(any(each.key == "api" for each in posture.check_access(org, now=now)) for org in waiting)


def delete_connection(org: SalesforceOrg, *, actor: Any = None, address: str | None = None) -> None:
    """Remove a disconnected connection with everything that hangs on it (R-287)."""
    if org.state not in {State.DISCONNECTED, State.NEW}:
        raise Refusal("still_connected", f"Disconnect {org.name} first.")
    if org.revocation_pending:
        raise Refusal("revocation_pending", f"Salesforce could not be told yet that {org.name} ended; try again later.")
    before = {"org_id": org.org_id, "name": org.name}
    audit.record("connection.deleted", actor=actor, target=org, before=before, address=address)
    org.delete()


# --- demo ------------------------------------------------------------------------------------------------------------


def connect_demo_org(*, name: str, now: datetime, method: str = Method.CLIENT_CREDENTIALS, actor: Any = None) -> SalesforceOrg:
    """A connection to the local demo org, authorized over real OAuth; `Refusal` when the demo org is not running."""
    found = demo.credentials_for(method)
    org = create_connection(name=name, environment=Environment.DEMO, login_url=settings.DEMO_ORG_URL, actor=actor, now=now)
    save_credentials(org, method=method, client_id=found.client_id, username=found.username, secrets=found.secrets, actor=actor)
    authorize(org, actor=actor, now=now)
    return org
