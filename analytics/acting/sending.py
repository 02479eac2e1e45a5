"""Sending groups to Salesforce: a draft with its preview, the job that writes through the outbox, taking back (FZ-D14)."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from analytics.acting import kinds, members, places
from analytics.models import Group, GroupPush
from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound, SalesforceError
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.soql import equals
from integrations.sync import deploying, runs
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import describing
from integrations.sync.outbox import preview
from integrations.sync.outbox.push import push_rows
from integrations.sync.runs import Recorder

JOB, LABEL = kinds.JOB, "Groups of customers to Salesforce"
FIELDS_JOB, FIELDS_LABEL = "analytics.fields", "Fields of groups in Salesforce"
SET_NAME, SET_LABEL = "Causeway_Analytics", "Causeway Analytics"
SET_DESCRIPTION = "Read and edit access to the fields that groups of customers are written to. Managed by Causeway."
State, Way = GroupPush.State, GroupPush.Way
WRITERS = {Way.FIELD: "accounts", Way.CAMPAIGN: "campaign members"}


def draft_push(
    group: Group, *, way: str, campaign_id: str = "", people: str = "", status: str = "", field: str = "", value: str = "",
    actor: Person | None, now: datetime,
) -> GroupPush:  # fmt: skip
    """A push that is not sent yet. Asks Salesforce whether the campaign or the field is there.

    Refusals: not_connected, unknown_way, nobody, unknown_campaign, unknown_field, bad_value, missing_fields, bad_status, taken.
    """
    org = group.org
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    if way not in Way.values:
        raise Refusal("unknown_way", f"Choose one of {', '.join(Way.values)}.")
    if not group.members.exclude(account_id="").exists():
        raise Refusal("nobody", "Nobody in this group is linked with an account of this connection.")
    wanted: dict[str, Any] = {"way": way}
    try:
        with client_for(org, domain=kinds.DOMAIN) as client:
            if way == Way.CAMPAIGN:
                wanted |= _read_campaign(org, client, campaign_id, people, status)
            else:
                wanted |= _read_field(org, client, field, value)
    except SalesforceError as error:
        raise Refusal("salesforce", f"Salesforce did not answer as needed: {error.message}") from error
    same = {name: wanted.get(name, "") for name in ("way", "campaign_id", "field")}
    if group.pushes.filter(**same, state__in=kinds.OPEN).exists():
        raise Refusal("taken", "This group goes there already. Take that back first.")
    push = GroupPush.objects.create(group=group, created_by=actor, created_at=now, **wanted)
    audit.record("analytics.push_drafted", actor=actor, target=group, after={"where": push.where})
    return push


def _read_campaign(org: SalesforceOrg, client: Any, campaign_id: str, people: str, status: str) -> dict[str, str]:
    text = campaign_id.strip()
    if not is_id(text):
        raise Refusal("unknown_campaign", "Paste the id of a campaign: 15 or 18 characters, beginning with 701.")
    problem = places.member_problem(_describe(org, client, places.MEMBER))
    if problem:
        raise Refusal("missing_fields", problem)
    found = client.query_all(f"SELECT Id, Name FROM Campaign WHERE {equals('Id', to_18(text))}")  # noqa: S608
    if not found:
        raise Refusal("unknown_campaign", f"The integration user sees no campaign {text}.")
    labels = _statuses(client, found[0]["Id"])
    if status and status not in labels:
        raise Refusal("bad_status", f"Members of this campaign can be {', '.join(labels)}; choose one of these, or leave it.")
    chosen = people if people in GroupPush.People.values else GroupPush.People.ALL
    return {"campaign_id": found[0]["Id"], "campaign": found[0]["Name"][:80], "people": chosen, "status": status}


def _statuses(client: Any, campaign_id: str) -> list[str]:
    where = equals("CampaignId", campaign_id)
    rows = client.query_all(f"SELECT Label FROM CampaignMemberStatus WHERE {where} ORDER BY SortOrder")  # noqa: S608
    return [row["Label"] for row in rows]


def _read_field(org: SalesforceOrg, client: Any, name: str, value: str) -> dict[str, str]:
    offered = {each.name.lower(): each for each in places.account_fields(_describe(org, client, places.ACCOUNT))}
    target = offered.get(name.strip().lower())
    if target is None:
        known = ", ".join(each.name for each in offered.values()) or "none yet"
        text = f"Choose a custom field of accounts that begins with {places.PREFIX} and that we may edit: {known}."
        raise Refusal("missing_fields" if not offered else "unknown_field", text)
    problem = places.value_problem(target, value)
    if problem:
        raise Refusal("bad_value", problem)
    return {"field": target.name, "value": value.strip().lower() if target.type == "boolean" else value.strip()}


def _describe(org: SalesforceOrg, client: Any, name: str) -> ObjectInfo:
    try:
        return describing.describe_object(org, client, name, fresh=True)
    except (NotFound, InvalidType):
        raise Refusal("unknown_field", f"The integration user does not see {name}.") from None


def offered_fields(org: SalesforceOrg) -> list[places.Target]:
    """The fields of accounts to choose from, asked of Salesforce; [] when it does not answer."""
    try:
        with client_for(org, domain=kinds.DOMAIN) as client:
            return places.account_fields(_describe(org, client, places.ACCOUNT))
    except (SalesforceError, Refusal):
        return []


def offered_campaigns(org: SalesforceOrg, *, most: int = 200) -> list[tuple[str, str]]:
    """Active campaigns (id, name), the youngest first; [] when Salesforce does not answer."""
    try:
        with client_for(org, domain=kinds.DOMAIN) as client:
            soql = f"SELECT Id, Name FROM Campaign WHERE IsActive = true ORDER BY CreatedDate DESC LIMIT {most:d}"  # noqa: S608
            return [(row["Id"], row["Name"]) for row in client.query_all(soql)]
    except (SalesforceError, Refusal):
        return []


# --- preview, send, take back -----------------------------------------------------------------------------------------------


def preview_push(push: GroupPush, *, actor: Person | None, now: datetime) -> Run:
    """A dry run by the same code as the real push; the run's page shows each record before and after."""
    run = preview.dry_run(push.group.org, kinds.WAYS[Way(push.way)], user=actor, now=now).run
    GroupPush.objects.filter(pk=push.pk).update(preview=run)
    push.preview = run
    return run


def send_push(push: GroupPush, *, actor: Person | None, now: datetime) -> Run:
    """Write it. Refusal `not_previewed` before a preview has ended; sending twice is sending once."""
    if push.state == State.DRAFT and (push.preview is None or push.preview.is_active):
        raise Refusal("not_previewed", "Look at the preview first: it shows every record that would change.")
    return _ask(push, State.ACTIVE, (State.DRAFT, State.ACTIVE), "analytics.push_sent", actor=actor, now=now)


def take_back(push: GroupPush, *, actor: Person | None, now: datetime) -> Run | None:
    """Remove from Salesforce what it wrote; a draft just ends (None)."""
    if push.state == State.DRAFT:
        GroupPush.objects.filter(pk=push.pk, state=State.DRAFT).update(state=State.ENDED, ended_at=now)
        push.refresh_from_db()
        return None
    return _ask(push, State.ENDING, (State.ACTIVE, State.ENDING), "analytics.push_taken_back", actor=actor, now=now)


def _ask(push: GroupPush, to: str, from_: tuple[str, ...], action: str, *, actor: Person | None, now: datetime) -> Run:
    org = push.group.org
    with transaction.atomic():
        if not GroupPush.objects.filter(pk=push.pk, state__in=from_).update(state=to, sent_at=now):
            raise Refusal("wrong_state", f"This push is {push.get_state_display().lower()}.")
        run = runs.request_run(JOB, org=org, user=actor, now=now)
        GroupPush.objects.filter(pk=push.pk).update(run=run)
        audit.record(action, actor=actor, target=push.group, after={"where": push.where, "run": run.pk})
    push.refresh_from_db()
    return run


def perform(recorder: Recorder) -> None:
    """Bring both objects to what the sent pushes ask for; what was being taken back has ended then."""
    org = recorder.org
    assert org is not None
    for kind in (kinds.FLAG, kinds.MEMBER):
        pushes = kinds.pushes_of(org, kind, kinds.SENT)
        if not pushes or kind in recorder.checkpoint.get("done", []):
            continue
        _push(recorder, org, kind, pushes)
        ended = [each.pk for each in pushes if each.state == State.ENDING]
        done = [*recorder.checkpoint.get("done", []), kind]
        recorder.save({**recorder.checkpoint, "done": done}, also=lambda ended=ended: _end(ended))


def _push(recorder: Recorder, org: SalesforceOrg, kind: str, pushes: list[GroupPush]) -> None:
    target = kinds.target_of(org, kind)
    if kind == kinds.FLAG:
        rows = kinds.flag_rows(pushes)
    else:
        found = members.find_members(org, pushes)
        if "told" not in recorder.checkpoint:
            kinds.tell_left_out(recorder, found)
            recorder.save({**recorder.checkpoint, "told": True})
        rows = kinds.member_rows(found.wanted)
    report = push_rows(recorder, target, rows, complete=False, interactive=True)
    if report.error:
        raise RunStopped("not_written", report.error, Run.State.FAILED)


def _end(pushes: list[int]) -> None:
    GroupPush.objects.filter(pk__in=pushes, state=State.ENDING).update(state=State.ENDED, ended_at=timezone.now())


def is_used(org: SalesforceOrg) -> bool:
    """Whether anything of a group stands, or is to stand, in this org."""
    return GroupPush.objects.filter(group__org=org, state__in=kinds.SENT).exists()


# --- the fields -------------------------------------------------------------------------------------------------------------


def request_fields(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> Run:
    """Create the key of members and a field of accounts, and give the integration user its rights."""
    if not org.is_connected:
        raise Refusal("not_connected", f"{org.name} is {org.get_state_display().lower()}; connect it first.")
    run = runs.request_run(FIELDS_JOB, org=org, user=actor, now=now)
    audit.record("run.started", actor=actor, target=f"run {run.pk} ({FIELDS_JOB}, {org.name})")
    return run


def perform_fields(recorder: Recorder) -> None:
    """Deploy what is missing once, assign the permission set, look again. A killed run waits for the same deployment."""
    from integrations.salesforce import metadata

    org = recorder.org
    assert org is not None
    client = client_for(org, domain=kinds.DOMAIN)

    def package() -> metadata.MetadataPackage:
        grants = metadata.grants_for(places.new_fields())
        ours = metadata.PermissionSet(SET_NAME, SET_LABEL, SET_DESCRIPTION, fields=grants)
        present = metadata.find_permission_set(client, SET_NAME)
        kept = ours if present is None else metadata.joined(present, ours)
        return metadata.MetadataPackage(fields=places.new_fields(), permission_sets=(kept,))

    try:
        with deploying.rights_explained():
            deploying.deploy_once(recorder, client, package=package)
            deploying.assign_set(recorder, client, org.user_id, SET_NAME)
            for name in (places.ACCOUNT, places.MEMBER):
                describing.forget_description(org, name)
    finally:
        recorder.spent(client.calls)
        client.close()
