"""The outbox kinds of groups: members of campaigns, and a value in a prefixed field of accounts (FZ-D14).

Both know their rows from the pushes of people: what a draft would add is in every dry run, never in a real push.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from analytics.acting import members, places
from analytics.models import GroupPush
from integrations.models import OutboxTarget, SalesforceOrg
from integrations.orgs.posture import Need
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.outbox.kinds import OutboxKind, Prepared
from integrations.sync.outbox.targets import ensure_target

if TYPE_CHECKING:
    import pyarrow as pa

    from integrations.sync.runs import Recorder

DOMAIN, JOB = "analytics", "analytics.send"
FLAG, MEMBER = "analytics.flag", "analytics.member"
WAYS = {GroupPush.Way.FIELD: FLAG, GroupPush.Way.CAMPAIGN: MEMBER}
OPEN = (GroupPush.State.DRAFT, GroupPush.State.ACTIVE, GroupPush.State.ENDING)
SENT = (GroupPush.State.ACTIVE, GroupPush.State.ENDING)


def outbox_kinds() -> list[OutboxKind]:
    """Both, to be registered."""
    needs = Need(places.MEMBER, ("CampaignId", "ContactId", "Status"), "Groups as campaign members", enabled=has_members)
    return [
        OutboxKind(
            name=FLAG, label="Groups on accounts", domain=DOMAIN, may_write=may_write_flag, operations=("update",),
            human_edits="theirs", desired=desired_flags, targets=lambda org: _targets(org, FLAG), page=page_of, job=JOB,
        ),
        OutboxKind(
            name=MEMBER, label="Groups as campaign members", domain=DOMAIN, may_write=may_write_member,
            operations=("upsert", "delete"), blank="leave", human_edits="theirs", desired=desired_members,
            targets=lambda org: _targets(org, MEMBER), page=page_of, job=JOB, needs=(needs,),
        ),
    ]  # fmt: skip


def pushes_of(org: SalesforceOrg, kind: str, states: Sequence[str] = OPEN) -> list[GroupPush]:
    """The pushes of a connection that go through a kind, oldest first."""
    way = next(way for way, name in WAYS.items() if name == kind)
    return list(GroupPush.objects.filter(group__org=org, way=way, state__in=states).select_related("group").order_by("pk"))


def has_members(org: SalesforceOrg) -> bool:
    """Whether groups go into campaigns here."""
    return org.analytics_enabled and bool(pushes_of(org, MEMBER))


def target_of(org: SalesforceOrg, kind: str) -> OutboxTarget:
    """Where the rows of a kind go."""
    if kind == FLAG:
        return ensure_target(org, kind=FLAG, object=places.ACCOUNT)
    return ensure_target(org, kind=MEMBER, object=places.MEMBER, key_field=places.KEY_FIELD)


def page_of(target: OutboxTarget) -> str:
    """Where people find the groups behind the rows."""
    return reverse("analytics:groups")


def may_write_flag(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only prefixed custom fields that somebody chose for a group."""
    if not has_prefix(field, places.PREFIX):
        return f"does not begin with {places.PREFIX}"
    chosen = {each.field.lower() for each in pushes_of(target.org, FLAG)}
    return "" if field.lower() in chosen else "was chosen for no group"


def may_write_member(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only what a member of ours consists of."""
    return "" if field in places.MEMBER_FIELDS else "is no field of our campaign members"


def desired_flags(target: OutboxTarget) -> "pa.Table":
    """What accounts would hold with every open push, drafts included."""
    return flag_rows(pushes_of(target.org, FLAG))


def desired_members(target: OutboxTarget) -> Prepared:
    """The members that there would be with every open push, drafts included; who is a member already is left out."""
    found = members.find_members(target.org, pushes_of(target.org, MEMBER))
    return Prepared(member_rows(found.wanted), lambda recorder: tell_left_out(recorder, found))


def tell_left_out(recorder: "Recorder", found: members.Found) -> None:
    """Members that somebody else put into the campaign, and accounts without a contact, are counted and named."""
    tally = recorder.object(places.MEMBER)
    for key in found.present:
        tally.skipped(key, "already_member", "This contact is a member of the campaign already.")
    for account in found.without_contact:
        tally.skipped(account, "no_contact", "This account has no contact that could be a member.")


def flag_rows(pushes: Iterable[GroupPush]) -> "pa.Table":
    """The values of accounts as desired rows; of two groups that write the same field of an account the later one counts.

    A push that ends takes its value away again, unless another one put its own there.
    """
    import pyarrow as pa

    wishes: dict[str, dict[str, str | None]] = {}
    labels: dict[str, str] = {}
    ordered = sorted(pushes, key=lambda each: (each.state != GroupPush.State.ENDING, each.pk))
    for push in ordered:
        is_flag = push.value.lower() in ("true", "false")
        ended = ("false" if is_flag else None) if push.state == GroupPush.State.ENDING else push.value
        for account, name in push.group.members.exclude(account_id="").values_list("account_id", "customer__name"):
            wishes.setdefault(account, {})[push.field] = ended
            labels[account] = name or ""
    fields = list(dict.fromkeys(push.field for push in ordered))
    keys = list(wishes)
    columns: dict[str, Any] = {
        "key": pa.array(keys, pa.string()), "label": pa.array([labels[key] for key in keys], pa.string()),
        "absent": pa.array([",".join(name for name in fields if name not in wishes[key]) for key in keys], pa.string()),
    }  # fmt: skip
    for name in fields:
        columns[name] = pa.array([wishes[key].get(name) for key in keys], pa.string())
    return pa.table(columns)


def member_rows(wanted: Iterable[members.Member]) -> "pa.Table":
    """Campaign members as desired rows."""
    import pyarrow as pa

    listed = list(wanted)
    columns = {
        "key": [each.key for each in listed], "CampaignId": [each.campaign_id for each in listed],
        "ContactId": [each.contact_id for each in listed], "Status": [each.status or None for each in listed],
    }  # fmt: skip
    table: dict[str, Any] = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    table["remove"] = pa.array([each.remove for each in listed], pa.bool_())
    return pa.table(table)


def _targets(org: SalesforceOrg, kind: str) -> list[OutboxTarget]:
    return [target_of(org, kind)] if org.analytics_enabled and pushes_of(org, kind) else []
