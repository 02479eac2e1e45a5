"""Campaigns, leads (some converted) and campaign members; playbooks."""

from integrations.demo_org.seed.company import Company
from integrations.demo_org.seed.customers import Customer, company_name, domain_of
from integrations.demo_org.seed.deals import Deal
from integrations.demo_org.seed.dice import Days, Dice
from integrations.demo_org.seed.loading import Loader
from integrations.demo_org.seed.words import (
    CAMPAIGNS,
    COMPANY_SECOND,
    FIRST_NAMES,
    FREE_MAIL,
    LAST_NAMES,
    PLACES,
    TITLES,
)

CAMPAIGN = (
    "Name ParentId Type Status StartDate EndDate ExpectedRevenue BudgetedCost ActualCost ExpectedResponse NumberSent IsActive"
    " Description OwnerId CurrencyIsoCode NumberOfLeads NumberOfConvertedLeads NumberOfContacts NumberOfResponses"
    " NumberOfOpportunities NumberOfWonOpportunities AmountAllOpportunities AmountWonOpportunities External_Id__c *"
)
LEAD = (
    "LastName FirstName Name Title Company City State Country Phone Email Website PhotoUrl LeadSource Status Industry Rating"
    " AnnualRevenue NumberOfEmployees OwnerId IsConverted ConvertedDate ConvertedAccountId ConvertedContactId"
    " ConvertedOpportunityId IsUnreadByOwner CleanStatus CurrencyIsoCode External_Id__c Score__c Product_Interest__c *"
)
MEMBER = (
    "CampaignId LeadId ContactId Status HasResponded FirstRespondedDate Name FirstName LastName Title Email CompanyOrAccount"
    " Type LeadOrContactId LeadSource *"
)
STATUS = "CampaignId Label SortOrder IsDefault HasResponded *"
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
LINES = ("Planning", "Forecasting", "Workspace", "Connect", "Insights")
COUNTS = """UPDATE Campaign SET
    NumberOfLeads = (SELECT COUNT(*) FROM CampaignMember m WHERE m.CampaignId = Campaign.Id AND m.LeadId IS NOT NULL),
    NumberOfContacts = (SELECT COUNT(*) FROM CampaignMember m WHERE m.CampaignId = Campaign.Id AND m.ContactId IS NOT NULL),
    NumberOfResponses = (SELECT COUNT(*) FROM CampaignMember m WHERE m.CampaignId = Campaign.Id AND m.HasResponded = 1),
    NumberOfConvertedLeads = (SELECT COUNT(*) FROM CampaignMember m JOIN Lead l ON l.Id = m.LeadId
                              WHERE m.CampaignId = Campaign.Id AND l.IsConverted = 1),
    NumberOfOpportunities = (SELECT COUNT(*) FROM Opportunity o WHERE o.CampaignId = Campaign.Id),
    NumberOfWonOpportunities = (SELECT COUNT(*) FROM Opportunity o WHERE o.CampaignId = Campaign.Id AND o.IsWon = 1),
    AmountAllOpportunities = (SELECT COALESCE(SUM(Amount), 0) FROM Opportunity o WHERE o.CampaignId = Campaign.Id),
    AmountWonOpportunities = (SELECT COALESCE(SUM(Amount), 0) FROM Opportunity o
                              WHERE o.CampaignId = Campaign.Id AND o.IsWon = 1)"""


def seed_campaigns(loader: Loader, dice: Dice, days: Days, company: Company) -> list[str]:
    """Two years of campaigns, each with its member statuses."""
    table, statuses = loader.table("Campaign", CAMPAIGN), loader.table("CampaignMemberStatus", STATUS)
    owner, made = company.users["mrosen"], []
    for number, (name, kind) in enumerate([*CAMPAIGNS, *CAMPAIGNS]):
        start = -700 + number * 31
        end, parent = start + 20, made[number - 12] if number >= 12 else None
        state = "Completed" if end < 0 else "In Progress" if start <= 0 else "Planned"
        at = days.moment(min(start - 20, -1), dice)
        budget = float(dice.between(8, 90) * 500)
        year = days.date(start)[:4]
        id_ = table.next_id()
        made.append(id_)
        table.add((
            id_, f"{name} {year}", parent, kind, state, days.date(start), days.date(end), budget * 6, budget,
            round(budget * (0.8 + dice.roll() * 0.4)), float(dice.between(2, 12)), float(dice.between(4, 90) * 100),
            int(state == "In Progress"),
            None, owner, "USD", 0, 0, 0, 0, 0, 0, 0.0, 0.0, f"cmp-{number + 1:04d}", at, owner, at, owner, at,
        ))  # fmt: skip
        for order, (label, responded) in enumerate((("Sent", 0), ("Responded", 1)), 1):
            statuses.add((statuses.next_id(), id_, label, order, int(order == 1), responded, at, owner, at, owner, at))
    return made


class Marketing:
    """Writes leads and campaign members, account by account."""

    def __init__(self, loader: Loader, dice: Dice, days: Days, company: Company, campaigns: list[str]) -> None:
        self.dice, self.days, self.company, self.campaigns = dice, days, company, campaigns
        self.leads, self.members = loader.table("Lead", LEAD), loader.table("CampaignMember", MEMBER)

    def of_account(self, customer: Customer, deals: list[Deal]) -> None:
        """One lead (three in ten became this account), and memberships of its people."""
        self._lead(customer, deals)
        for person, full in customer.people[:2]:
            if self.dice.chance(0.5):
                self._member(customer, full, contact=person)

    def _lead(self, customer: Customer, deals: list[Deal]) -> None:
        dice, days = self.dice, self.days
        converted = bool(customer.people) and bool(deals) and dice.chance(0.3)
        first, last = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES)
        number, place = customer.number, PLACES[customer.number * 11 % len(PLACES)]
        firm = customer.name if converted else f"{company_name(number * 3 + 1, dice)}"
        created = customer.created - dice.between(3, 40) if converted else -dice.between(0, 360)
        done = customer.created if converted else -dice.between(0, -created)
        created_at = days.moment(created, dice)
        changed = max(created_at, days.moment(done, dice))
        status = (
            "Closed - Converted"
            if converted
            else dice.pick(
                (
                    "Open - Not Contacted",
                    "Open - Not Contacted",
                    "Working - Contacted",
                    "Working - Contacted",
                    "Closed - Not Converted",
                )
            )
        )
        links = (customer.id, customer.people[0][0], deals[0].id) if converted else (None, None, None)
        id_ = self.leads.next_id()
        domain = FREE_MAIL[number % len(FREE_MAIL)] if number % 11 == 0 else domain_of(firm, number)
        local = "".join(
            letter for letter in f"{first}.{last}".lower() if (letter.isascii() and letter.isalnum()) or letter == "."
        )
        self.leads.add((
            id_, last, first, f"{first} {last}", dice.pick(TITLES), firm, place[0], place[1] or None, place[2],
            f"{place[7]}{number % 90 + 10}", f"demo-{local}.{number}@{domain}",
            f"https://{domain}" if number % 4 and number % 11 else None,
            f"/services/images/photo/{id_}", dice.pick(SOURCES), status, dice.pick(COMPANY_SECOND)[1],
            (None, "Hot", "Warm", "Cold")[number % 4], float(dice.between(1, 400) * 100_000), dice.between(5, 4000),
            customer.owner,
            int(converted), days.date(done) if converted else None, *links, int(status.startswith("Open")), "Pending",
            customer.currency, f"lead-{number:06d}", float(dice.between(5, 99)), dice.pick(LINES),
            created_at, customer.owner, changed, customer.owner, changed,
        ))  # fmt: skip
        if dice.chance(0.7):
            self._member(customer, f"{first} {last}", lead=id_)

    def _member(self, customer: Customer, full: str, *, lead: str | None = None, contact: str | None = None) -> None:
        dice, owner = self.dice, self.company.users["mrosen"]
        responded = dice.chance(0.35)
        day = -dice.between(0, 330)
        at = self.days.moment(day, dice)
        first, _, last = full.partition(" ")
        self.members.add((
            self.members.next_id(), dice.pick(self.campaigns), lead, contact, "Responded" if responded else "Sent",
            int(responded),
            self.days.date(day) if responded else None, full, first if last else None, last or first, None, None, customer.name,
            "Lead" if lead else "Contact", lead or contact, None, at, owner, at, owner, at,
        ))  # fmt: skip


def count_campaigns(loader: Loader) -> None:
    """The counts and sums that Salesforce keeps on each campaign. Call after everything is written."""
    loader.connection.execute("CREATE INDEX IF NOT EXISTS _seed_members ON CampaignMember (CampaignId)")
    loader.connection.execute("CREATE INDEX IF NOT EXISTS _seed_deals ON Opportunity (CampaignId)")
    loader.connection.execute(COUNTS)
    loader.connection.execute("DROP INDEX _seed_members")
    loader.connection.execute("DROP INDEX _seed_deals")


def seed_playbooks(loader: Loader, days: Days, company: Company) -> None:
    """A few playbooks, one below the other."""
    owner = company.users["pgomez"]
    books = loader.table("Playbook__c", "OwnerId Name Parent__c Stage__c Steps__c *")
    at, parent = days.date(-200) + "T09:00:00.000Z", None
    names = (("Customer life", None), ("First 90 days", "Adopt"), ("Second product", "Expand"), ("Rescue plan", "Rescue"))
    for name, stage in names:
        id_ = books.next_id()
        books.add((id_, owner, name, parent, stage, "1. Call\n2. Agree on a plan\n3. Review", at, owner, at, owner, at))
        parent = parent or id_
