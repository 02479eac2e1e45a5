"""The integration of one connection: its settings, the key that the org's flow presents (ST-16 to ST-18), its removal (ST-40).

The key is shown once and stored as a digest, and sealed for callers that sign (S-080). A rotated key is accepted for a day
more, so that nobody has to be quick (S-082).
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from integrations import alerts, audit, disconnect
from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.orgs import vault
from integrations.sync import runs
from provisioning.catalogue.waking import wake_blocked
from provisioning.models import Automation, Provision, ProvisioningSettings

DOMAIN = "provisioning"
MARK, PREFIX_LENGTH, LONGEST_KEY = "cwp_", 12, 100
OLD_KEY_KEPT = timedelta(hours=24)
CLEAR_JOB = "provisioning.clear"
IN_HAND = "_provisioning_settings"
UNFINISHED = (Provision.State.WAITING, Provision.State.RUNNING, Provision.State.BLOCKED)
SWITCHES = ("okr_enabled", "product_enabled", "billing_enabled", "analytics_enabled")


def settings_of(org: SalesforceOrg) -> ProvisioningSettings:
    """The settings of a connection; defaults the first time. While a deal is provisioned, those that it began with (I-13)."""
    held: ProvisioningSettings | None = getattr(org, IN_HAND, None)
    if held is not None:
        return held
    found = ProvisioningSettings.objects.filter(org=org).first()
    return found or ProvisioningSettings.objects.get_or_create(org=org)[0]


def peek_settings(org: SalesforceOrg) -> ProvisioningSettings:
    """The same for pages: nothing is stored by looking."""
    return ProvisioningSettings.objects.filter(org=org).first() or ProvisioningSettings(org=org)


def take_in_hand(settings: ProvisioningSettings) -> None:
    """Let everything that is done with this very `settings.org` follow these settings, without asking the database again."""
    setattr(settings.org, IN_HAND, settings)


def is_working(org: SalesforceOrg, settings: ProvisioningSettings) -> bool:
    """Whether deals of this connection are provisioned: switched on and not removed."""
    return org.provisioning_enabled and settings.removed_at is None


def is_set_up(settings: ProvisioningSettings) -> bool:
    """Whether somebody began to provision from this org: looked at its set-up, made a key, or provisioned a deal by hand.

    A connection that serves other jobs only is neither polled nor alarmed.
    """
    begun = settings.checked_at is not None or bool(settings.callout_key_digest)
    return begun or Provision.objects.filter(org=settings.org_id).exists()


def save_settings(
    settings: ProvisioningSettings, changes: Mapping[str, Any], *, actor: Person | None, now: datetime
) -> ProvisioningSettings:
    """Change settings; blocked deals are tried again, because a setting may have been what they lacked."""
    before = {name: getattr(settings, name) for name in changes}
    changed = {name: value for name, value in changes.items() if before[name] != value}
    if not changed:
        return settings
    for name, value in changed.items():
        setattr(settings, name, value)
    with transaction.atomic():
        settings.save(update_fields=list(changed))
        wake_blocked(now=now, org_id=settings.org_id)
        old = {name: before[name] for name in changed}
        audit.record("provisioning.settings_changed", actor=actor, target=settings.org, before=old, after=changed)
    return settings


# --- the key -----------------------------------------------------------------------------------------------------------------


def digest_of(key: str) -> str:
    """What is stored of a key. Keys are long and random, so a plain digest is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def make_key(org: SalesforceOrg, *, actor: Person | None, now: datetime, keep_old: timedelta = OLD_KEY_KEPT) -> str:
    """A new key, which nobody can read again. The one before is accepted for `keep_old` (zero: refused from now on)."""
    key = f"{MARK}{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        settings_of(org)
        settings = ProvisioningSettings.objects.select_for_update().get(org=org)
        if settings.removed_at is not None:
            raise Refusal("removed", "The integration was removed from this connection; set it up again first.")
        kept = bool(settings.callout_key_digest) and keep_old > timedelta(0)
        settings.signing_keys = _sealed(settings, key, settings.callout_key_prefix if kept else "")
        settings.old_key_digest = settings.callout_key_digest if kept else ""
        settings.old_key_prefix = settings.callout_key_prefix if kept else ""
        settings.old_key_until = now + keep_old if kept else None
        settings.callout_key_digest, settings.callout_key_prefix = digest_of(key), key[:PREFIX_LENGTH]
        settings.callout_key_made_at = now
        settings.save(update_fields=[
            "old_key_digest", "old_key_prefix", "old_key_until", "callout_key_digest", "callout_key_prefix",
            "callout_key_made_at", "signing_keys",
        ])  # fmt: skip
        audit.record("provisioning.key_made", actor=actor, target=org, after={"prefix": key[:PREFIX_LENGTH]})
    return key


def revoke_key(org: SalesforceOrg, *, actor: Person | None) -> None:
    """No key is accepted any more."""
    cleared = {"callout_key_digest": "", "callout_key_prefix": "", "callout_key_made_at": None}
    cleared |= {"old_key_digest": "", "old_key_prefix": "", "old_key_until": None, "signing_keys": b""}
    with transaction.atomic():
        ProvisioningSettings.objects.filter(org=org).update(**cleared)
        audit.record("provisioning.key_revoked", actor=actor, target=org)


def find_key(text: str, *, now: datetime) -> ProvisioningSettings | None:
    """The settings (with their connection) that a presented key belongs to; None for keys that are none or no longer."""
    if not text.startswith(MARK) or len(text) > LONGEST_KEY or not text.isascii() or not text.isprintable():
        return None
    prefix, digest = text[:PREFIX_LENGTH], digest_of(text)
    rows = ProvisioningSettings.objects.select_related("org").filter(
        Q(callout_key_prefix=prefix) | Q(old_key_prefix=prefix, old_key_until__gt=now)
    )
    found = None
    for row in rows:  # all of them, in constant time each
        for known in (row.callout_key_digest, row.old_key_digest if _is_kept(row, now) else ""):
            if known and hmac.compare_digest(known, digest):
                found = row
    return found


def find_signers(prefix: str, *, now: datetime) -> tuple[ProvisioningSettings, list[str]] | None:
    """The settings that a key with this beginning belongs to, and the keys that a call may be signed with; None when none is.

    Raises `VaultLocked`.
    """
    if not prefix.startswith(MARK) or len(prefix) != PREFIX_LENGTH or not prefix.isascii() or not prefix.isprintable():
        return None
    rows = ProvisioningSettings.objects.select_related("org").exclude(signing_keys=b"")
    found = rows.filter(Q(callout_key_prefix=prefix) | Q(old_key_prefix=prefix, old_key_until__gt=now)).first()
    if found is None:
        return None
    key = _unsealed(found).get(prefix)
    return (found, [key]) if key else None


def _sealed(settings: ProvisioningSettings, key: str, kept: str) -> bytes:
    """The new key and the kept old one. Without an encryption key nothing is stored, and calls cannot be signed."""
    try:
        known = _unsealed(settings) if kept else {}
    except vault.VaultLocked:
        known = {}
    both = {prefix: text for prefix, text in known.items() if prefix == kept} | {key[:PREFIX_LENGTH]: key}
    try:
        return vault.seal(_label(settings), json.dumps(both))
    except vault.VaultLocked:
        return b""


def _unsealed(settings: ProvisioningSettings) -> dict[str, str]:
    sealed = bytes(settings.signing_keys)
    return json.loads(vault.unseal(_label(settings), sealed)) if sealed else {}


def _label(settings: ProvisioningSettings) -> str:
    return f"provisioning:{settings.pk}"


def rotate_signing_keys() -> tuple[int, int]:
    """Seal all signing keys with the newest encryption key; (done, unreadable), as `vault.rotate_all` counts."""
    done, unreadable = 0, 0
    for row in ProvisioningSettings.objects.exclude(signing_keys=b"").iterator(chunk_size=200):
        old = bytes(row.signing_keys)
        try:
            fresh = vault.seal(_label(row), vault.unseal(_label(row), old))
        except vault.VaultLocked:
            unreadable += 1
            continue
        done += ProvisioningSettings.objects.filter(pk=row.pk, signing_keys=old).update(signing_keys=fresh)
    return done, unreadable


def _is_kept(row: ProvisioningSettings, now: datetime) -> bool:
    return row.old_key_until is not None and row.old_key_until > now


# --- removal -----------------------------------------------------------------------------------------------------------------


def is_only_domain(org: SalesforceOrg) -> bool:
    """Whether nothing else uses this connection, so that its tokens can go with the integration."""
    return not any(getattr(org, name) for name in SWITCHES)


def check_confirmed(org: SalesforceOrg, typed: str) -> None:
    """Refusal `not_confirmed` unless the connection's name was typed."""
    if typed.strip() != org.name:
        raise Refusal("not_confirmed", f"Type “{org.name}” to remove the integration.")


def remove(
    org: SalesforceOrg, *, confirm: str, clear: bool = False, revoke_tokens: bool | None = None, actor: Person | None,
    now: datetime,
) -> None:  # fmt: skip
    """End the integration (ST-40, ST-D16). Customers, subscriptions and entitlements stay and go on working.

    `confirm` must be the connection's name. Automations stop and the key is revoked at once. `revoke_tokens`: disconnect the
    org as well; None does so where no other domain uses it. `clear` takes what we wrote out of Salesforce's fields first.
    """
    check_confirmed(org, confirm)
    tokens = is_only_domain(org) if revoke_tokens is None else revoke_tokens
    with transaction.atomic():
        settings_of(org)
        ProvisioningSettings.objects.filter(org=org).update(removed_at=now)
        stopped = Automation.objects.filter(org=org, is_active=True).update(is_active=False, updated_at=now)
        revoke_key(org, actor=actor)
        _end_open_work(org, now=now)
        SalesforceOrg.objects.filter(pk=org.pk).update(provisioning_enabled=False)
        after = {"automations_stopped": stopped, "clear": clear, "tokens_revoked": tokens}
        audit.record("provisioning.removed", actor=actor, target=org, after=after)
    org.provisioning_enabled = False
    if clear:
        runs.request_run(CLEAR_JOB, org=org, user=actor, arguments={"then_disconnect": tokens}, now=now)
    elif tokens:
        disconnect.disconnect(org, actor=actor, now=now)


def _end_open_work(org: SalesforceOrg, *, now: datetime) -> None:
    """Deals on their way stop where they are; what they created stays."""
    stopped = {"reason_code": "removed", "sentence": "The integration was removed.", "not_before": None, "finished_at": now}
    rows = Provision.objects.filter(org=org)
    rows.filter(state__in=UNFINISHED).update(state=Provision.State.STOPPED, **stopped)
    rows.filter(state=Provision.State.INCOMPLETE).update(state=Provision.State.DONE, not_before=None, finished_at=now)
    for key in open_alert_keys(org):
        alerts.recover_alert(key, now=now, note="The integration was removed.")


def open_alert_keys(org: SalesforceOrg) -> list[str]:
    """Keys of this domain's open alerts about the connection."""
    return [alert.key for alert in alerts.open_alerts().filter(org=org, key__startswith=f"{DOMAIN}:")]


def set_up_again(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> None:
    """Take a removal back: deals are watched from now on; automations stay off until somebody turns them on."""
    with transaction.atomic():
        settings_of(org)
        fresh = {"removed_at": None, "watching_since": now, "polled_until": None, "poll_trouble": ""}
        ProvisioningSettings.objects.filter(org=org).update(**fresh)
        SalesforceOrg.objects.filter(pk=org.pk).update(provisioning_enabled=True)
        audit.record("provisioning.set_up_again", actor=actor, target=org)
    org.provisioning_enabled = True


def page_of(org: SalesforceOrg) -> str:
    """Where the integration's settings are."""
    return reverse("provisioning:settings", kwargs={"org_id": org.pk})
