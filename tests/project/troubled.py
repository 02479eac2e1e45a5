"""An installation in which everything that can need a person does, once; and what it is called in the list."""

from datetime import timedelta
from decimal import Decimal

from django.core.cache import cache
from django_q.models import Schedule

from analytics.models import FactsState
from billing.models import AccountLink, BillingCustomer, BillingSettings
from integrations.models import (
    AlertChannel,
    AlertDelivery,
    ApiKey,
    Customer,
    Drift,
    GuardRequest,
    HumanEdit,
    Mapping,
    MirrorObject,
    OutboxRow,
    OutboxTarget,
    RecordLink,
    Run,
    SalesforceOrg,
    WorkerHeartbeat,
)
from integrations.product.models import EventBatch, QuarantinedEvent
from integrations.salesforce.ids import to_18
from okr.models import License, ReportLink
from project.configuration.applying import apply_file
from project.four_way import audit
from project.four_way.audit import Finding, Kind, Severity
from project.timetable import PREFIX
from provisioning.models import Provision, ProvisioningSettings

NOW_KINDS = {
    "connections.needs_reauthorization", "operations.failed", "operations.late", "provisioning.blocked",
    "provisioning.stopped", "provisioning.poll", "billing.lacks", "mirror.unread", "mirror.mapping", "outbox.paused",
}  # fmt: skip
TODAY_KINDS = {
    "connections.rights", "key_results.stale", "key_results.licenses", "outbox.guard", "outbox.parked", "outbox.conflict",
    "outbox.unfit", "mirror.drift", "product.broken", "provisioning.flagged", "provisioning.write_back",
    "provisioning.lacks", "analytics.health", "operations.channel", "operations.waits",
}  # fmt: skip
SOON_KINDS = {"connections.legacy_login", "keys.api"}
COUNTED_KINDS = {
    "billing.deleted",
    "customers.unlinked", "customers.conflict", "customers.deleted", "product.quarantine", "billing.unlinked",
    "four_way.high", "configuration.drift", "outbox.edits",
}  # fmt: skip


def make_trouble(world, cast, now) -> None:
    """Everything at once, in the world of the pages (`tests.pages.conftest`)."""
    org, ago = world.org, now - timedelta(hours=3)
    org.posture = {"findings": [{"key": "object:Account", "label": "Read Account", "ok": False, "sentence": "Not visible."}]}
    org.posture_at, org.seats = ago, 1
    org.save()
    WorkerHeartbeat.objects.update_or_create(name="worker", defaults={"beat_at": now})
    broken = SalesforceOrg.objects.create(
        name="Broken", environment="sandbox", login_method="password", state="needs_reauthorization", state_since=ago,
        authorized_at=ago, state_code="INVALID_GRANT",
    )  # fmt: skip
    ApiKey.objects.create_key(name="old", owner=cast.ada, scopes=["runs:read"], expiry_date=now + timedelta(days=3))
    ReportLink.objects.update(status="report_gone", status_since=ago)
    License.objects.get_or_create(org=org, user=cast.jane)
    _outbox(org, now, ago)
    _mirror(org, ago)
    _customers(org, ago)
    _billing(org, ago)
    _provisioning(org, now, ago)
    FactsState.objects.create(
        org=org, as_of=ago, computed_at=ago, digest="x", health={"refused_currencies": {"GBP": 4}, "accounts": 3}
    )
    Run.objects.create(job="billing.push", domain="billing", org=org, state="failed", sentence="Nothing was sent.")
    Run.objects.create(job="mirror.read", domain="mirror", org=org, state="queued", queued_at=ago)
    Run.objects.create(job="okr.refresh", domain="okr", org=broken, state="failed")
    Schedule.objects.create(name=PREFIX + "billing rate", func="x", schedule_type="C", cron="* * * * *")
    Schedule.objects.update(next_run=ago)  # saving it names the next time
    channel = AlertChannel.objects.create(name="Chat")
    AlertDelivery.objects.create(channel=channel, event="raised", body="", state="failed", created_at=ago)
    text = "causeway: 1\nconnections: [{name: Acme production, switches: {analytics: false}}]\n"
    apply_file(text, actor=cast.ada, now=now)
    SalesforceOrg.objects.filter(pk=org.pk).update(analytics_enabled=True)
    kept = audit.Audit(
        now, [Finding(Kind.SOLD_NOT_BILLED, Severity.HIGH, 1, "Acme", "Pro", "Not billed.", Decimal(100), "USD")], "s"
    )
    cache.set(audit.KEY, kept, 100)
    cache.set(audit.STAMP, kept.stamp, 100)


def _outbox(org, now, ago) -> None:
    target = OutboxTarget.objects.create(org=org, kind="mapping.customer", object="Account", key_field="Id")
    OutboxTarget.objects.create(org=org, kind="x", object="Task", key_field="Id", state="paused", reason="No rights.")
    for state in ("parked", "conflict", "unfit", "retrying", "dismissed"):
        OutboxRow.objects.create(target=target, key=state, state=state, code=f"C_{state.upper()}", first_failed_at=ago)
    GuardRequest.objects.create(org=org, subject="mirror/Account", digest="d", effect="delete", rows=60, of_rows=100)
    HumanEdit.objects.create(target=target, key="1", field="Name")


def _mirror(org, ago) -> None:
    account = MirrorObject.objects.create(org=org, name="Account", read_at=ago)
    MirrorObject.objects.create(org=org, name="Case", state="no_access", reason="No rights.")
    Drift.objects.create(object=account, field="Name", kind="field_gone", seen_at=ago)
    Drift.objects.create(object=account, field="Phone", kind="field_back", seen_at=ago)
    Mapping.objects.create(org=org, entity="customer", state="active", set_aside=[{"what": "x"}])
    Mapping.objects.create(org=org, entity="end_user", state="paused", paused_by_drift=True)


def _customers(org, ago) -> None:
    made = [Customer.objects.create(external_id=f"c{n}", name=f"Customer {n}") for n in range(4)]
    for customer in made[:2]:
        RecordLink.objects.create(
            org=org, entity="customer", customer=customer, object="Account", salesforce_id=to_18("001000000000001"), rule="x"
        )
    RecordLink.objects.create(
        org=org,
        entity="customer",
        customer=made[2],
        object="Account",
        salesforce_id=to_18("001000000000002"),
        rule="x",
        state="suspended",
    )
    QuarantinedEvent.objects.create(event_id="e", received_at=ago, reason="future", body={"type": "track", "name": "Opened"})
    EventBatch.objects.create(rows=1, size=2, body=b"", broken=True)


def _billing(org, ago) -> None:
    lack = {"object": "NOME__Plan__c", "field": "", "code": "no_object", "message": "It is not there.", "fix": "Install it."}
    BillingSettings.objects.create(org=org, prefix_known=True, missing=[lack], checked_at=ago)
    linked, _ = (BillingCustomer.objects.create(key=key, name=key) for key in ("b1", "b2"))
    AccountLink.objects.create(org=org, customer=linked, account_id=to_18("001000000000001"), state="suspended", changed_at=ago)


def _provisioning(org, now, ago) -> None:
    ProvisioningSettings.objects.create(
        org=org,
        checked_at=ago,
        poll_trouble="Salesforce did not answer.",
        lacks=[{"object": "Product2", "message": "No field."}],
    )
    facts = [
        {"state": "blocked", "reason_code": "unmapped"}, {"state": "stopped", "reason_code": "callout"},
        {"state": "done", "flag": "lost", "flagged_at": ago}, {"state": "incomplete"}, {"state": "done"},
        {"state": "done", "flag": "lost", "flag_answer": "keep"}, {"state": "stopped", "reason_code": "removed"},
    ]  # fmt: skip
    for n, more in enumerate(facts):
        Provision.objects.create(
            org=org, opportunity_id=to_18(f"006{n:012d}"), slot="contract", kind="won", source="poll", name=f"Deal {n}",
            **{"opened_at": ago, **more},
        )  # fmt: skip
