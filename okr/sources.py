"""Reports as sources of values: descriptions kept so that nothing is described twice, what to send for a filtered run, one run.

One (connection, report, filters) is a source; every link to it shares one report run (BW-D7).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.orgs import budget
from integrations.salesforce import errors, ids
from integrations.salesforce import reports as wire
from integrations.salesforce.client import Client
from integrations.salesforce.values import read_moment
from okr import reports_metadata as metadata
from okr.models import ReportDescription, ReportLink, ReportSource

Status = ReportLink.Status
SETTLES_IN = timedelta(seconds=5)
KEEP_DESCRIPTION = timedelta(minutes=70)  # after that only if a run has shown the same structure meanwhile


def source_key(org: SalesforceOrg, report_id: str, filters: Sequence[Mapping[str, Any]]) -> str:
    """Digest of (connection, report, filters). The order of filters does not matter, all of them apply."""
    plain = sorted([str(each["column"]), str(each["operator"]), str(each["value"])] for each in filters)
    return hashlib.sha256(json.dumps([org.pk, ids.to_18(report_id), plain]).encode()).hexdigest()


def description_of(
    client: Client, org: SalesforceOrg, report_id: str, *, now: datetime, modified_at: str = ""
) -> dict[str, Any]:
    """The report's description: the kept one while nothing changed, else a new describe, which is kept.

    `modified_at` is the report's SystemModstamp as it is now, the surest sign; without it a description is good for an hour,
    or as long as runs show the same structure.
    """
    kept = ReportDescription.objects.filter(org=org, report_id=report_id).first()
    if kept and not kept.is_outdated:
        confirmed = max(kept.described_at, kept.confirmed_at or kept.described_at)
        if is_current(kept, modified_at) if modified_at else now - confirmed < KEEP_DESCRIPTION:
            return kept.body
    return describe_anew(client, org, report_id, now=now, modified_at=modified_at)


def kept_description(org: SalesforceOrg, report_id: str) -> dict[str, Any] | None:
    """The kept description whatever its age, without a call."""
    return ReportDescription.objects.filter(org=org, report_id=report_id).values_list("body", flat=True).first()


def folder_and_stamp(client: Client, report_id: str) -> tuple[str, str]:
    """The report's folder as people know it (a run names only its id) and its SystemModstamp; empty when not readable."""
    try:
        rows = client.query_all(f"SELECT FolderName, SystemModstamp FROM Report WHERE Id = '{ids.to_18(report_id)}'")  # noqa: S608
    except (errors.InvalidField, errors.InvalidType):
        return "", ""
    return (str(rows[0].get("FolderName") or ""), str(rows[0].get("SystemModstamp") or "")) if rows else ("", "")


def describe_anew(
    client: Client, org: SalesforceOrg, report_id: str, *, now: datetime, modified_at: str = ""
) -> dict[str, Any]:
    """One describe call; the answer replaces what was kept."""
    body = _plain_json(wire.describe_report(client, report_id))
    ReportDescription.objects.update_or_create(
        org=org, report_id=report_id,
        defaults={
            "digest": metadata.digest_of(body), "described_at": now, "confirmed_at": None, "is_outdated": False,
            "modified_at": modified_at, "body": body,
        },
    )  # fmt: skip
    return body


def note_structures(org: SalesforceOrg, digests: Mapping[str, str], *, now: datetime) -> None:
    """After runs: descriptions with the same digest are good for longer, the others are to be described anew when needed."""
    if not digests:
        return
    kept = ReportDescription.objects.filter(org=org, report_id__in=list(digests)).values_list("pk", "report_id", "digest")
    same = [pk for pk, report_id, digest in kept if digests[report_id] == digest]
    ReportDescription.objects.filter(pk__in=same).update(confirmed_at=now)
    ReportDescription.objects.filter(org=org, report_id__in=list(digests)).exclude(pk__in=same).update(is_outdated=True)


def changed_descriptions(client: Client, org: SalesforceOrg, report_ids: Sequence[str]) -> dict[str, str]:
    """SystemModstamp of those reports whose kept description is missing or older than the report (200 reports a call).

    Needed only for filtered sources: what we send replaces the report's own filters, so those must be known as they are now.
    """
    stamps: dict[str, str] = {}
    for start in range(0, len(report_ids), 200):
        names = ",".join(f"'{ids.to_18(each)}'" for each in report_ids[start : start + 200])
        for row in client.query(f"SELECT Id, SystemModstamp FROM Report WHERE Id IN ({names})"):  # noqa: S608 - checked ids only
            stamps[ids.to_18(row["Id"])] = str(row["SystemModstamp"])
    kept = {each.report_id: each for each in ReportDescription.objects.filter(org=org, report_id__in=report_ids).defer("body")}
    return {key: stamp for key, stamp in stamps.items() if key not in kept or not is_current(kept[key], stamp)}


def is_current(kept: ReportDescription, modified_at: str) -> bool:
    """Whether the report is as it was described.

    Its stamp counts whole seconds: a report saved shortly before it was described may have been saved again in that same
    second, so such a description is not trusted twice.
    """
    if kept.modified_at != modified_at:
        return False
    try:
        return kept.described_at - read_moment(modified_at) > SETTLES_IN
    except ValueError:
        return True


def run_metadata(description: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What to send with a run: nothing for the report as saved, else its own filters AND ours."""
    return metadata.narrowed(description, filters) if filters else None


def note_source(org: SalesforceOrg, report_id: str, key: str, **changes: Any) -> ReportSource:
    """Remember something about running a source."""
    source, _ = ReportSource.objects.update_or_create(org=org, source_key=key, defaults={"report_id": report_id, **changes})
    return source


def claim_refresh(org: SalesforceOrg, report_id: str, key: str, *, now: datetime, wait: timedelta) -> datetime | None:
    """Take the right to refresh a report by hand now; when somebody did less than `wait` ago, the instant it is free again."""
    ReportSource.objects.get_or_create(org=org, source_key=key, defaults={"report_id": report_id})
    rows = ReportSource.objects.filter(org=org, report_id=report_id)
    taken = rows.filter(refreshed_at__gt=now - wait).order_by("-refreshed_at").first()
    if taken and taken.refreshed_at:
        return taken.refreshed_at + wait
    free = Q(refreshed_at=None) | Q(refreshed_at__lte=now - wait)
    claimed = rows.filter(free, source_key=key).update(refreshed_at=now)
    return None if claimed else now + wait


def check_allowance(org: SalesforceOrg, *, now: datetime) -> budget.ReportAllowance:
    """What a person's click may still spend; a Refusal when Salesforce's hourly report runs are used up."""
    if not budget.may_spend(org, calls=2, domain="okr", interactive=True, now=now):
        raise Refusal("api_limit", "The share of the daily Salesforce API allowance is used up; it frees within 24 hours.")
    left = budget.report_runs_left(org, now=now, interactive=True)
    if not left.sync and not left.instances:
        raise Refusal("report_limit", "This hour's Salesforce report runs are used up. Please try again in an hour.")
    return left


def status_of(error: errors.SalesforceError, *, filtered: bool = False) -> tuple[str, str]:
    """Link status and sentence for an error of a report call (BW-D9). Salesforce's words are kept for the expert."""
    said = f" Salesforce says: {error.message}" if error.message else ""
    if isinstance(error, errors.AuthError):
        return Status.CONNECTION, f"The connection to Salesforce is down.{said}"
    if isinstance(error, errors.NotFound):
        return Status.REPORT_GONE, "The report was deleted, or the connected Salesforce user cannot see it any more."
    if isinstance(error, errors.NoAccess):
        return Status.NO_ACCESS, f"The connected Salesforce user may not read the report or its folder.{said}"
    if isinstance(error, errors.ReportTooSlow):
        return Status.TIMEOUT, f"The report takes longer than Salesforce allows.{said}"
    if isinstance(error, errors.LimitReached):
        return Status.LIMIT, f"Salesforce's limit is reached; the next pass tries again.{said}"
    if isinstance(error, errors.UpstreamUnavailable):
        return Status.UPSTREAM, f"Salesforce did not answer; the next pass tries again.{said}"
    if filtered and 400 <= error.status < 500:
        return Status.FILTER_REFUSED, f"Salesforce refused to run the report with the filters of this link.{said}"
    return Status.INCOMPLETE, f"Salesforce could not run the report.{said}"


def refusal_of(error: errors.SalesforceError, *, filtered: bool = False) -> Refusal:
    """The same for a person who waits for the answer."""
    status, sentence = status_of(error, filtered=filtered)
    return Refusal(status, sentence)


def name_of(report: Mapping[str, Any]) -> str:
    """The report's name as this answer gives it."""
    named = (report.get("reportMetadata") or {}).get("name") or (report.get("attributes") or {}).get("reportName")
    return str(named or "")[:255]


def format_of(report: Mapping[str, Any]) -> str:
    """TABULAR, SUMMARY, MATRIX or MULTI_BLOCK."""
    return str((report.get("reportMetadata") or {}).get("reportFormat") or "")[:12]


def _plain_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """Without Decimals, which JSON columns cannot hold; a description has no money in it."""
    return json.loads(json.dumps(body, default=float))
