"""A ready client for a connection: `client_for(org, domain="okr")`.

The token comes from the vault and is renewed by one worker at a time, across threads and processes (I-16, R-003); the new pair
is committed before anybody uses it. Every call is counted (I-18) and every refusal of the login is written down once.
"""

import random
import re
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from integrations.models import OrgSecret, SalesforceOrg
from integrations.orgs import sign_in, vault
from integrations.orgs.states import (
    HOST_REFUSED,
    OTHER_ORG,
    NotConnected,
    State,
    mark_connected,
    mark_failed,
    mark_trouble,
    refusal_of,
)
from integrations.orgs.usage import USAGE, note_wait
from integrations.salesforce.client import Answer, Call, Client, Grant
from integrations.salesforce.errors import AuthError, UnexpectedAnswer, UpstreamUnavailable
from integrations.salesforce.hosts import is_allowed
from integrations.salesforce.ids import to_18
from integrations.salesforce.login import TokenAnswer
from integrations.salesforce.transport import USUAL_RETRY

__all__ = ["NotConnected", "OrgClient", "client_for", "flush_usage"]

Kind = OrgSecret.Kind
RETRY = USUAL_RETRY
RECHECK = 2.0  # seconds for which a token is used without looking whether the connection still wants it (I-17: at most 10)
LEASE = timedelta(seconds=150)  # longer than all tries of one token call together
WAIT_FOR_OTHERS = 60.0  # seconds
_OBJECT_IN_PATH = re.compile(r"/sobjects/([A-Za-z]\w*)")
_OBJECT_IN_QUERY = re.compile(r"\bFROM\s+([A-Za-z]\w*)", re.IGNORECASE)


def client_for(org: SalesforceOrg, *, domain: str, testing: bool = False) -> "OrgClient":
    """A client that acts as the connection's Salesforce user; `domain` is who pays for its calls.

    Raises `NotConnected` (paused, revoked, locked key, ...) here or at the first call. `testing` is a person's check: it may
    use a connection that is paused or was stopped by a refused login.
    """
    tokens = OrgTokens(org, testing=testing)
    tokens.check()
    return OrgClient(tokens, org=org, domain=domain)


def flush_usage() -> None:
    """Write this process's API counts to the database; called at the end of each run."""
    USAGE.flush()


class OrgTokens:
    """The wire's `Tokens` for one connection of one generation."""

    def __init__(self, org: SalesforceOrg, *, testing: bool = False) -> None:
        self.pk, self.generation, self.testing = org.pk, org.generation, testing
        self._grant: Grant | None = None
        self._checked = 0.0
        self._lock = threading.RLock()

    def check(self) -> SalesforceOrg:
        """The connection as stored now; `NotConnected` when it must not be used."""
        org = SalesforceOrg.objects.filter(pk=self.pk).first()
        if org is None or org.generation != self.generation:
            raise NotConnected("disconnected", "The connection was disconnected.")
        if org.state == State.CONNECTED or (self.testing and org.state not in {State.NEW, State.DISCONNECTED}):
            return org
        if org.state == State.IP_BLOCKED and org.no_login_before and org.no_login_before <= timezone.now():
            return org  # after the wait we may knock again
        raise refusal_of(org)

    def current(self) -> Grant:
        """The stored grant, looked up again every two seconds so that a disconnect takes effect (I-17)."""
        with self._lock:
            if self._grant is None or time.monotonic() - self._checked > RECHECK:
                org = self.check()
                token = vault.read(org, Kind.ACCESS_TOKEN)
                prove = self._grant is None and org.is_broken  # a stored session says nothing about a refused login
                self._keep(Grant(token, org.instance_url) if token and not prove else self._renew(token))
            assert self._grant is not None
            return self._grant

    def refresh(self, rejected: Grant) -> Grant:
        """A newer grant than `rejected`, by this worker or by whoever was first."""
        with self._lock:
            self._keep(self._renew(rejected.access_token))
            assert self._grant is not None
            return self._grant

    def _keep(self, grant: Grant) -> None:
        self._grant, self._checked = grant, time.monotonic()

    def _renew(self, rejected: str | None) -> Grant:
        """Single flight: one conditional update decides who asks Salesforce; the others wait and read the result."""
        deadline = time.monotonic() + WAIT_FOR_OTHERS
        while True:
            org = self.check()
            found = _newer_than(org, rejected)
            if found is not None:
                return found
            now = timezone.now()
            self._respect_hold(org, now)
            lease = _claim(org, now)
            if lease is not None:
                return self._renew_claimed(org, rejected, lease)
            if time.monotonic() > deadline:
                raise UpstreamUnavailable("Another worker is still renewing the token of this connection.", code="REFRESH_BUSY")
            time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - no secret

    def _respect_hold(self, org: SalesforceOrg, now: datetime) -> None:
        """R-001, R-010: no token call within 15 minutes of a refusal, except one that a person asks for."""
        held = org.no_login_before is not None and org.no_login_before > now
        if held and not (self.testing and org.state != State.NEEDS_REAUTHORIZATION):
            refusal = refusal_of(org)
            if org.state == State.CONNECTED:
                refusal = NotConnected(
                    "bad_login", f"{org.name}: Salesforce refused the last login. {org.state_reason}".strip()
                )
            raise refusal

    def _renew_claimed(self, org: SalesforceOrg, rejected: str | None, lease: datetime) -> Grant:
        try:
            found = _newer_than(org, rejected)  # somebody may have finished between our look and our claim
            if found is not None:
                return found
            answer = sign_in.sign_in(org)
            return keep_tokens(org, answer, generation=self.generation, now=timezone.now())
        except AuthError as error:
            mark_failed(org, error, now=timezone.now(), generation=self.generation)
            error.marked = True  # type: ignore[attr-defined]
            raise
        except UnexpectedAnswer as error:
            if error.code == "INSTANCE_REFUSED":
                mark_trouble(org, HOST_REFUSED, now=timezone.now(), detail=error.message)
            raise
        finally:
            SalesforceOrg.objects.filter(pk=org.pk, refreshing_until=lease).update(refreshing_until=None)


def _newer_than(org: SalesforceOrg, rejected: str | None) -> Grant | None:
    token = vault.read(org, Kind.ACCESS_TOKEN)
    if token is None or token == rejected:
        return None
    instance = SalesforceOrg.objects.values_list("instance_url", flat=True).get(pk=org.pk)
    return Grant(token, instance)


def _claim(org: SalesforceOrg, now: datetime) -> datetime | None:
    """The lease's end when it is ours now, None when another worker holds it. A dead holder's lease runs out."""
    until = now + LEASE
    rows = SalesforceOrg.objects.filter(pk=org.pk, generation=org.generation)
    free = rows.filter(refreshing_until=None) | rows.filter(refreshing_until__lte=now)
    return until if free.update(refreshing_until=until) else None


def keep_tokens(org: SalesforceOrg, answer: TokenAnswer, *, generation: int, now: datetime) -> Grant:
    """Commit a token answer, then give the grant (I-16). A missing refresh token leaves the stored one (R-006).

    Refuses another org's token, and an instance outside Salesforce's domains (R-012); tokens that come for a connection that
    was disconnected meanwhile are kept for revocation only.
    """
    grant, same_org = None, True
    with transaction.atomic():
        row = SalesforceOrg.objects.select_for_update().get(pk=org.pk)
        if row.generation != generation:
            _keep_for_revocation(row, answer)
        else:
            vault.store(row, Kind.ACCESS_TOKEN, answer.access_token)
            if answer.refresh_token:
                vault.store(row, Kind.REFRESH_TOKEN, answer.refresh_token)
            allowed = is_allowed(answer.instance_url, demo_origin=settings.DEMO_ORG_URL)
            same_org = not answer.org_id or not row.org_id or to_18(answer.org_id) == row.org_id
            row.token_issued_at, row.refreshing_until = answer.issued_at, None
            row.bad_logins, row.no_login_before = 0, None
            if allowed and same_org:
                row.instance_url = answer.instance_url
            row.save(update_fields=["token_issued_at", "refreshing_until", "bad_logins", "no_login_before", "instance_url"])
            grant = Grant(answer.access_token, answer.instance_url) if allowed and same_org else None
    if row.generation != generation:
        raise NotConnected("disconnected", "The connection was disconnected.")
    if grant is None:
        mark_trouble(row, HOST_REFUSED if same_org else OTHER_ORG, now=now)
        raise refusal_of(row)
    org.refresh_from_db()
    if org.state == State.IP_BLOCKED:
        mark_connected(org, now=now)
    return grant


def _keep_for_revocation(org: SalesforceOrg, answer: TokenAnswer) -> None:
    vault.store(org, Kind.PENDING_REVOCATION, answer.refresh_token or answer.access_token)
    SalesforceOrg.objects.filter(pk=org.pk).update(revocation_pending=True)


class OrgClient(Client):
    """The wire's client with the connection behind it: counts calls and writes down refusals of the login."""

    def __init__(self, tokens: OrgTokens, *, org: SalesforceOrg, domain: str) -> None:
        super().__init__(tokens, on_call=self._count, retry=RETRY, demo_origin=settings.DEMO_ORG_URL)
        self.org, self.domain = org, domain
        self.calls = 0
        self._about = threading.local()

    def request(self, method: str, path: str, *, params: Mapping[str, str] | None = None, **options: Any) -> Answer:
        """`Client.request`; an `AuthError` also sets the connection's state, once."""
        self._about.name = _object_asked(path, params)
        try:
            return super().request(method, path, params=params, **options)
        except AuthError as error:
            if not getattr(error, "marked", False):
                assert isinstance(self.tokens, OrgTokens)
                mark_failed(self.org, error, now=timezone.now(), generation=self.tokens.generation)
            raise

    def _count(self, call: Call) -> None:
        note_wait(call.seconds)
        if not call.counts:
            return
        self.calls += 1
        report = "sync" if call.kind == "report_run" else ""
        if call.kind == "report_instance" and call.method == "POST":
            report = "instance"
        USAGE.add(
            self.org.pk,
            self.domain,
            counted=True,
            failed=bool(call.error),
            report=report,
            way=_way_of(call),
            object_name=getattr(self._about, "name", ""),
            limit=(call.usage.used, call.usage.limit) if call.usage else None,
        )


def _way_of(call: Call) -> str:
    """Which API a call used, as far as the ledger tells them apart."""
    if call.kind in ("bulk_query", "bulk_ingest"):
        makes = call.method == "POST" and call.path.rstrip("/").endswith(("/jobs/query", "/jobs/ingest")) and not call.error
        return "bulk_job" if makes else "bulk"
    return call.kind if call.kind in ("composite", "query") else ""


def _object_asked(path: str, params: Mapping[str, str] | None) -> str:
    """Name of the object that a call is about, empty when it is none (S-011)."""
    found = _OBJECT_IN_PATH.search(f"/{path}") or _OBJECT_IN_QUERY.search((params or {}).get("q", ""))
    return found[1] if found else ""
