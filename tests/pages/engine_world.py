"""Mirror, mapping, customers and outbox with everything that their pages show, under names that try to be markup."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.models import (
    Attribute,
    Backfill,
    Customer,
    CustomerAlias,
    Drift,
    EndUser,
    GuardRequest,
    HumanEdit,
    LinkEvent,
    Mapping,
    MappingVersion,
    MirrorField,
    MirrorObject,
    OutboxPush,
    OutboxRow,
    OutboxTarget,
    RecordLink,
    RecordMerge,
    Run,
    RunObject,
    SalesforceOrg,
)  # fmt: skip
from integrations.models.runs import RowOutcome
from integrations.sync.mapping.body import FieldPair, MatchRule, default_body, write_body

ONE, TWO = "001dM0000000001QAA", "001dM0000000002QAA"
LONG = "W" * 90  # no place to break


def fill_engine(org: SalesforceOrg, nasty: str, *, now: datetime | None = None) -> dict[str, str]:
    """Rows for every page of the engine; the addresses of those pages by name."""
    now = now or timezone.now()
    run = Run.objects.create(job="mapping.push", org=org, domain="product", state="partial", started_at=now, finished_at=now)
    customers = _fill_customers(org, nasty, run, now)
    item = _fill_mirror(org, nasty, run, now)
    _fill_mapping(org, nasty, now)
    row, dry = _fill_outbox(org, nasty, run, now)
    person = EndUser.objects.get()
    return {
        "customers": "/customers/",
        "customers_narrowed": "/customers/?link=ambiguous&text=%3Cimg",
        "customer": f"/customers/{customers[0].pk}/",
        "customer_apart": f"/customers/{customers[2].pk}/",
        "trace": f"/customers/customer/{customers[0].pk}/links/{org.pk}/why/",
        "conflicts": "/customers/conflicts/",
        "record_why": f"/customers/why/?record={ONE}",
        "record_why_nothing": "/customers/why/?record=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E",
        "end_users": "/customers/end-users/",
        "end_user": f"/customers/end-users/{person.pk}/",
        "mirror": "/mirror/",
        "mirror_object": f"/mirror/{item.pk}/",
        "mappings": "/mappings/",
        "mapping": f"/mappings/{org.pk}/customer/",
        "mapping_versions": f"/mappings/{org.pk}/customer/versions/",
        "mapping_object": f"/mappings/{org.pk}/customer/object/",
        "outbox": "/outbox/",
        "outbox_rows": "/outbox/rows/",
        "outbox_row": f"/outbox/rows/{row.pk}/",
        "outbox_row_unfit": f"/outbox/rows/{row.pk + 1}/",
        "human_edits": "/outbox/edits/",
        "run_push": f"/runs/{run.pk}/",
        "run_dry": f"/runs/{dry.pk}/",
    }


def _fill_customers(org: SalesforceOrg, nasty: str, run: Run, now: datetime) -> list[Customer]:
    for key, kind in (("plan", "STRING"), ("seats", "NUMBER"), ("active", "BOOLEAN"), ("renewal", "DATE_TIME")):
        Attribute.objects.create(entity="customer", key=key, label=f"{key} {nasty}", type=kind, pulled=key == "renewal")
    values = {"plan": nasty + LONG, "seats": "1200.50", "active": True, "renewal": "2027-01-31T00:00:00Z"}
    made = [
        Customer.objects.create(external_id=f"{LONG}-{place}", name=nasty, website=f"https://{LONG.lower()}.example/{nasty}",
                                attributes=values, last_seen_at=now - timedelta(days=place))
        for place in range(4)
    ]  # fmt: skip
    facts: dict[str, Any] = {"org": org, "entity": "customer", "object": "Account", "run": run}
    for customer in made[:2]:
        RecordLink.objects.create(
            customer=customer, salesforce_id=ONE, rule="name", candidates=2, candidate_ids=[ONE, TWO], **facts
        )
    RecordLink.objects.create(customer=made[2], salesforce_id="", rule="manual", state="apart", locked=True, **facts)
    RecordLink.objects.create(customer=made[3], salesforce_id=TWO, rule="name", state="suspended", reason=nasty, **facts)
    for action, before, after in (("linked", "", TWO), ("moved", TWO, ONE)):
        LinkEvent.objects.create(org=org, entity="customer", customer=made[0], action=action, before_id=before, after_id=after,
                                 rule="merge", reason=nasty, run=run, at=now)  # fmt: skip
    CustomerAlias.objects.create(customer=made[0], kind=nasty[:40], value=nasty)
    EndUser.objects.create(external_id=f"u-{LONG}", name=nasty, email=f"{LONG}@{LONG.lower()}.example", phone="+49 30 5550 0101",
                           customer=made[0], last_seen_at=now)  # fmt: skip
    return made


def _fill_mirror(org: SalesforceOrg, nasty: str, run: Run, now: datetime) -> MirrorObject:
    item = MirrorObject.objects.create(
        org=org, name="Account", label=nasty, watermark=now, read_at=now - timedelta(days=3), rows=1_234_567, last_way="bulk",
        last_rows=12, needed_by=["product"], parity_at=now, parity_theirs=200, parity_ours=199, reads_from=now, last_run=run,
    )  # fmt: skip
    MirrorField.objects.create(
        object=item, name="Very_Long_Field_Name_Of_An_Old_Package__c", type="multipicklist", state="gone"
    )
    Drift.objects.create(object=item, field="Rating", kind="field_gone", before=nasty, after=nasty)
    RecordMerge.objects.create(org=org, object="Account", loser=TWO, winner=ONE)
    Backfill.objects.create(object=item, estimated_rows=1_000_000, estimated_calls=500, estimated_seconds=900, sentence=nasty)
    Backfill.objects.create(object=item, state="running", estimated_rows=1_000_000, done_rows=250_000)
    return item


def _fill_mapping(org: SalesforceOrg, nasty: str, now: datetime) -> None:
    mapping = Mapping.objects.create(org=org, entity="customer", state="paused", reason=nasty, version=2)
    body = default_body("customer")
    pairs = (FieldPair("pull", "attributes.plan", "Industry"), FieldPair("push", "attributes.plan", nasty, values={nasty: "x"}))
    rules = tuple(MatchRule(rule.name, on=True) for rule in body.rules)
    for number, each in ((1, body), (2, replace(body, pairs=pairs, rules=rules))):
        MappingVersion.objects.create(mapping=mapping, number=number, body=write_body(each), note=nasty, saved_at=now)


def _fill_outbox(org: SalesforceOrg, nasty: str, run: Run, now: datetime) -> tuple[OutboxRow, Run]:
    target = OutboxTarget.objects.create(org=org, kind="mapping.customer", object="Account", key_field="Id", last_run=run,
                                         pushed_at=now)  # fmt: skip
    row = OutboxRow.objects.create(
        target=target, key=ONE, label=nasty, salesforce_id=ONE, values={"PX_Health__c": nasty + LONG, "PX_Is_Active__c": True},
        state="parked", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", message=f"{nasty} {LONG}", fields=["PX_Health__c"], tries=5,
        edited={"PX_Health__c": nasty}, run=run,
    )  # fmt: skip
    OutboxRow.objects.create(
        target=target, key=TWO, label=nasty, values={"PX_Is_Active__c": False}, state="unfit", code="too_long",
        message=f"{nasty} {LONG}", fields=["PX_Health__c", "PX_Plan__c"], run=run,
    )  # fmt: skip
    for decision in ("open", "theirs"):
        HumanEdit.objects.create(target=target, key=f"{ONE}{decision}", salesforce_id=ONE, field="PX_Health__c", ours=nasty + LONG,
                                 theirs=nasty, decision=decision)  # fmt: skip
    GuardRequest.objects.create(org=org, run=run, subject=nasty, digest="d" * 64, effect="clear", rows=80, of_rows=200,
                                examples=[nasty, LONG])  # fmt: skip
    OutboxPush.objects.create(
        target=target, run=run, state="done", rows=200, changed=80, warnings=[nasty], fields=["PX_Health__c"]
    )
    dry = Run.objects.create(job="outbox.dry_run", org=org, domain="outbox", state="success", started_at=now, finished_at=now)
    OutboxPush.objects.create(target=target, run=dry, is_dry=True, state="done", rows=200, warnings=[nasty])
    counted = RunObject.objects.create(run=dry, name="Account", read=200, written=1, unchanged=199)
    RowOutcome.objects.create(run_object=counted, key=ONE, label=nasty, outcome="written", salesforce_id=ONE,
                              detail={"changes": {"PX_Health__c": [nasty, LONG]}})  # fmt: skip
    return row, dry
