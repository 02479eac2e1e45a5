"""The work of `billing.push`: the eight objects, parents first, through the outbox.

A crashed run goes on at the object and batch that it had reached (MT-D12); nothing that Salesforce accepted is sent again.
"""

from datetime import datetime

from django.utils import timezone

from billing import kinds, linking, payloads, preflight
from billing.models import BillingSettings
from billing.objects import BY_KEY
from billing.records import has_rows, objects_of
from billing.rows import Told, schema_of, stream
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.sync.endings import RunStopped
from integrations.sync.outbox.push import push_rows
from integrations.sync.outbox.targets import is_planned
from integrations.sync.runs import Recorder


def perform(recorder: Recorder) -> None:
    """Preflight, links, then one push for each object."""
    org, now = recorder.org, timezone.now()
    assert org is not None
    settings = preflight.settings_of(org)
    if not recorder.checkpoint.get("checked"):
        check(recorder, org, settings, now=now)
        recorder.save({**recorder.checkpoint, "checked": True})
    for billing_object in objects_of(settings):
        if billing_object.key not in recorder.checkpoint.get("done", []):
            push_object(recorder, settings, billing_object.key, now=now)
            recorder.save({**recorder.checkpoint, "done": [*recorder.checkpoint.get("done", []), billing_object.key]})
            recorder.breathe()


def check(recorder: Recorder, org: SalesforceOrg, settings: BillingSettings, *, now: datetime) -> None:
    """End the run with a list of what is missing, before anything is written; else bring the links up to date."""
    with client_for(org, domain=preflight.DOMAIN) as client:
        lacks = preflight.check(org, client, settings, now=now)
    if lacks:
        for lack in lacks:
            recorder.object("Billing objects").failed(lack.field or lack.object, lack.code, f"{lack.message} {lack.fix}")
        first = lacks[0].message
        more = f" And {len(lacks) - 1:,} more." if len(lacks) > 1 else ""
        raise RunStopped("not_installed", f"Nothing was written: {first}{more}", Run.State.FAILED)
    linking.follow_matches(org, now=now, tell=recorder.object("Account links").failed)


def push_object(recorder: Recorder, settings: BillingSettings, key: str, *, now: datetime) -> None:
    """One object; called again in each turn until the outbox is done with it."""
    target = kinds.target_of(settings.org, settings, key)
    if target.accepted is None and not target.rows.exists() and not has_rows(settings, key):
        return  # nothing was ever pushed, and there is nothing to push
    told = Told()
    if is_planned(recorder.run, target):
        desired = schema_of(BY_KEY[key], settings.prefix).empty_table()
    else:
        desired = stream(settings.org, settings, key, now=now, told=told)
    report = push_rows(recorder, target, desired)
    for notice, count in sorted(told.notices.items()):
        text = f"{count:,} values {payloads.NOTICES[notice]}."
        recorder.object("Changed values").skipped(f"{BY_KEY[key].plural}: {notice}", notice, text)
    if report.error:
        recorder.object("Billing objects").skipped(target.object, "not_pushed", report.error)
