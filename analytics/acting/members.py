"""Who becomes a member of a campaign: the contacts of a group's accounts, without those that are members already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from analytics.models import Group, GroupPush
from integrations.access import Refusal
from integrations.models import EndUser, RecordLink, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.soql import equals, one_of

DOMAIN, CONTACT = "analytics", "Contact"
MOST = 50_000
AT_ONCE = 400  # accounts of one question: its address stays below 16,384 characters
KEY_FIELD = "CW_Member_Key__c"


@dataclass(frozen=True, slots=True)
class Member:
    """One membership; ids of 18 characters. `remove`: it is taken back."""

    campaign_id: str
    contact_id: str
    status: str = ""
    remove: bool = False

    @property
    def key(self) -> str:
        """The value of the key field."""
        return f"{self.campaign_id}:{self.contact_id}"


@dataclass
class Found:
    """Memberships to make or take back; keys of those that somebody else made; accounts that nobody can stand for."""

    wanted: list[Member] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    without_contact: list[str] = field(default_factory=list)


def find_members(org: SalesforceOrg, pushes: Iterable[GroupPush]) -> Found:
    """What the pushes ask for. One contact is one member of a campaign, whatever number of groups it is in.

    Asks Salesforce for the contacts and for who is a member of each campaign already. Refusal: too_many.
    """
    found, wishes, without = Found(), dict[str, Member](), dict[str, None]()
    for push in sorted(pushes, key=lambda each: (each.state != GroupPush.State.ENDING, each.pk)):
        ending = push.state == GroupPush.State.ENDING
        contacts, alone = contacts_of(org, push)
        for contact in contacts:
            member = Member(push.campaign_id, contact, push.status, remove=ending)
            wishes[member.key] = member
        without |= {} if ending else dict.fromkeys(alone)
    if len(wishes) > MOST:
        raise Refusal("too_many", f"{len(wishes):,} contacts would become members; at most {MOST:,} are sent at once.")
    strangers = _strangers(org, {each.campaign_id for each in wishes.values()})
    for key, member in wishes.items():
        if key not in strangers:
            found.wanted.append(member)
        elif not member.remove:
            found.present.append(key)
    found.without_contact = list(without)
    return found


def contacts_of(org: SalesforceOrg, push: GroupPush) -> tuple[list[str], list[str]]:
    """The contacts that a push makes members of its campaign, and the accounts that have none."""
    accounts = list(push.group.members.exclude(account_id="").values_list("account_id", flat=True))
    found = _users(org, push.group) if push.people == GroupPush.People.USERS else _contacts(org, accounts)
    with_contact = {account for _, account in found}
    return list(dict.fromkeys(contact for contact, _ in found)), [each for each in accounts if each not in with_contact]


def _users(org: SalesforceOrg, group: Group) -> list[tuple[str, str]]:
    """Linked contacts of the group's people, with the account of their customer in the group."""
    account_of = dict(group.members.exclude(customer=None).values_list("customer_id", "account_id"))
    people = EndUser.objects.filter(customer_id__in=group.members.values("customer_id"), erased_at=None)
    links = RecordLink.objects.filter(org=org, end_user__in=people, state=RecordLink.State.ACTIVE, object=CONTACT)
    rows = links.exclude(salesforce_id="").order_by("pk").values_list("salesforce_id", "end_user__customer_id")
    return [(contact, account_of.get(customer, "")) for contact, customer in rows]


def _contacts(org: SalesforceOrg, accounts: Sequence[str]) -> list[tuple[str, str]]:
    """Contacts of these accounts as Salesforce has them now, each with its account."""
    found = []
    with client_for(org, domain=DOMAIN) as client:
        for start in range(0, len(accounts), AT_ONCE):
            where = one_of("AccountId", accounts[start : start + AT_ONCE])
            rows = client.query_all(f"SELECT Id, AccountId FROM Contact WHERE {where} ORDER BY Id")  # noqa: S608
            found += [(row["Id"], row["AccountId"]) for row in rows]
    return found


def _strangers(org: SalesforceOrg, campaigns: Iterable[str]) -> set[str]:
    """Keys of members that others made: without our key, which would be refused as doubles."""
    found = set()
    with client_for(org, domain=DOMAIN) as client:
        for campaign in sorted(campaigns):
            where = f"{equals('CampaignId', campaign)} AND ContactId != null"
            for row in client.query_all(f"SELECT ContactId, {KEY_FIELD} FROM CampaignMember WHERE {where}"):  # noqa: S608
                if not row[KEY_FIELD]:
                    found.add(f"{campaign}:{row['ContactId']}")
    return found
