"""What happens after the sale: cases, roll-out projects, metered usage, survey answers, topics, tasks and events."""

from integrations.demo_org.seed.company import Company
from integrations.demo_org.seed.customers import Customer
from integrations.demo_org.seed.deals import Deal
from integrations.demo_org.seed.dice import Days, Dice
from integrations.demo_org.seed.loading import Loader
from integrations.demo_org.seed.products import PriceList
from integrations.demo_org.seed.words import CASE_SUBJECTS, COMMENTS, PRAISE, TOPICS

CASE = (
    "CaseNumber ContactId AccountId Type RecordTypeId Status Reason Origin Subject Priority Description IsClosed ClosedDate"
    " IsEscalated OwnerId CurrencyIsoCode ContactEmail External_Id__c Satisfaction__c *"
)
COMMENT = "ParentId IsPublished CommentBody *"
PROJECT = (
    "Name CurrencyIsoCode Account__c Opportunity__c Status__c Work_Type__c Start_Date__c Go_Live__c Budget__c Completion__c"
    " On_Track__c External_Id__c *"
)
USAGE = "OwnerId Name CurrencyIsoCode Account__c Product__c Metric__c Period_Start__c Quantity__c Included__c External_Id__c *"
SURVEY = "OwnerId Name Account__c Contact__c Score__c Segment__c Answered_On__c Comment__c External_Id__c *"
TASK = (
    "WhoId WhatId Subject ActivityDate Status Priority IsHighPriority OwnerId Description AccountId IsClosed TaskSubtype"
    " CompletedDateTime CurrencyIsoCode *"
)
EVENT = (
    "WhoId WhatId Subject Location ActivityDateTime ActivityDate DurationInMinutes StartDateTime EndDateTime AccountId OwnerId"
    " ShowAs Type CurrencyIsoCode *"
)
RELATION = "AccountId ContactId Roles IsDirect IsActive StartDate *"
ACCOUNT_CHANGE = "AccountId CreatedById CreatedDate Field DataType OldValue NewValue SystemModstamp"
TOPIC_ROW = "TopicId EntityId CreatedDate CreatedById SystemModstamp"
TYPES = ("Problem", "Question", "Feature Request", "Incident", "Problem", "Question")
REASONS = ("Installation", "Performance", "Breakdown", "Integration", "Billing", "Feedback", "Other")
PRIORITIES = ("High", "Medium", "Medium", "Medium", "Low", "Low")
METRICS = ("Active Users", "API Calls", "Stored Gigabytes", "Workflow Runs")
SUBJECTS = ("Call", "Send proposal", "Follow up on “security review”", "Send Quote", "Check renewal", "Prepare QBR")
UNHAPPY = (0, 2, 3, 4, 5, 6, 6, 7, 8, 9)
HAPPY = {
    "Enterprise": (6, 7, 8, 9, 9, 9, 10, 10), "Mid-Market": (6, 7, 8, 8, 9, 9, 9, 10),
    "Small Business": (3, 6, 7, 8, 9, 9, 9, 10),
}  # fmt: skip
STATUSES = ("Discovery", "Configuration", "Pilot", "On Hold")


class Success:
    """Writes what belongs to an account beside its deals."""

    def __init__(self, loader: Loader, dice: Dice, days: Days, company: Company, prices: PriceList, topics: list[str]) -> None:
        self.dice, self.days, self.company, self.prices, self.topics = dice, days, company, prices, topics
        self.cases, self.comments = loader.table("Case", CASE), loader.table("CaseComment", COMMENT)
        self.projects, self.usage = loader.table("Project__c", PROJECT), loader.table("Usage__c", USAGE)
        self.surveys = loader.table("NPS_Response__c", SURVEY)
        self.tasks, self.events = loader.table("Task", TASK), loader.table("Event", EVENT)
        self.relations = loader.table("AccountContactRelation", RELATION)
        self.account_changes = loader.table("AccountHistory", ACCOUNT_CHANGE)
        self.assignments = loader.table("TopicAssignment", TOPIC_ROW)
        self.numbers: dict[str, int] = {}

    def of_account(self, customer: Customer, deals: list[Deal]) -> None:
        """Everything for one account."""
        for person, _ in customer.people:
            self._relation(customer, person)
        if customer.since is not None:
            self._as_customer(customer, deals)
        for deal in deals:
            self._activities(customer, deal)
        if customer.number % 9 == 0:
            at = self.days.moment(-self.dice.between(0, 200), self.dice)
            row = (self.dice.pick(self.topics), customer.id, at, customer.owner, at)
            self.assignments.add((self.assignments.next_id(), *row))

    def _as_customer(self, customer: Customer, deals: list[Deal]) -> None:
        dice = self.dice
        for _ in range(dice.between(0, 4)):
            self._case(customer)
        if customer.since is not None and customer.since > -400 and customer.life != "Churned":
            self._project(customer, deals)
        if customer.churned is None:
            for month in range(3):
                self._meter(customer, METRICS[customer.number % 4], month)
                self._meter(customer, METRICS[(customer.number + 1) % 4], month)
        for person, _ in customer.people:
            if dice.chance(0.45):
                self._survey(customer, person)
        before, now = ("Live", "Churned") if customer.churned is not None else ("Onboarding", "Live")
        at = self.days.moment(customer.churned if customer.churned is not None else min((customer.since or 0) + 60, 0), dice)
        row = (customer.id, customer.owner, at, "Lifecycle__c", "DynamicEnum", before, now, at)
        self.account_changes.add((self.account_changes.next_id(), *row))

    def _relation(self, customer: Customer, person: str) -> None:
        at = self.days.moment(customer.created, self.dice)
        row = (customer.id, person, None, 1, 1, None, at, customer.owner, at, customer.owner, at)
        self.relations.add((self.relations.next_id(), *row))

    def _case(self, customer: Customer) -> None:
        dice, days = self.dice, self.days
        since = customer.since or 0
        opened = -dice.between(0, min(-since, 420)) if since < 0 else 0
        closed = opened + dice.between(0, 21)
        is_closed = closed <= 0 and dice.chance(0.93)
        created_at = days.moment(opened, dice)
        closed_at = max(created_at, days.moment(closed, dice)) if is_closed else None
        number, kind = self._number("Case"), dice.pick(TYPES)
        status = "Closed" if is_closed else dice.pick(("New", "Working", "Working", "Escalated"))
        owner = self.company.queue if status == "New" else dice.pick(self.company.support)
        user = self.company.support[0]
        person = dice.pick(customer.people)[0] if customer.people else None
        record_type = self.company.record_types["Case", "Incident" if kind == "Incident" else "Support"]
        changed = closed_at or created_at
        id_ = self.cases.next_id()
        self.cases.add((
            id_, f"{number:08d}", person, customer.id, kind, record_type, status, dice.pick(REASONS),
            dice.pick(("Phone", "Email", "Web")),
            dice.pick(CASE_SUBJECTS), dice.pick(PRIORITIES), None, int(is_closed), closed_at, int(status == "Escalated"), owner,
            customer.currency, None, f"case-{number:07d}", float(dice.between(2, 5)) if is_closed and number % 2 else None,
            created_at, user, changed, user, changed,
        ))  # fmt: skip
        if dice.chance(0.6):
            row = (id_, number % 2, dice.pick(COMMENTS), changed, user, changed, user, changed)
            self.comments.add((self.comments.next_id(), *row))

    def _project(self, customer: Customer, deals: list[Deal]) -> None:
        dice, days, number = self.dice, self.days, self._number("Project__c")
        start = min(customer.since or 0, 0) + 7
        live = start + dice.between(30, 120)
        done = live < 0
        deal = next((each.id for each in deals if each.kind == "New Business"), None)
        at = days.moment(min(start, 0), dice)
        owner = dice.pick(self.company.success)
        self.projects.add((
            self.projects.next_id(), f"{customer.name[:60]} roll-out", customer.currency, customer.id, deal,
            "Live" if done else dice.pick(STATUSES), "Implementation", days.date(start), days.date(live),
            float(dice.between(4, 60) * 500),
            100.0 if done else float(dice.between(5, 90)), int(dice.chance(0.85)), f"prj-{number:06d}", at, owner, at, owner,
            at,
        ))  # fmt: skip

    def _meter(self, customer: Customer, metric: str, months_ago: int) -> None:
        dice, days, number = self.dice, self.days, self._number("Usage__c")
        day = -30 * months_ago
        included = float(customer.seats * 100 if metric == "API Calls" else customer.seats)
        at = days.moment(day, dice)
        owner = self.company.success[0]
        self.usage.add((
            self.usage.next_id(), owner, f"U-{number:08d}", customer.currency, customer.id, self.prices.extras[3].product,
            metric,
            days.month(day), round(included * (0.4 + dice.roll() * 0.8), 2), included, f"use-{number:08d}", at, owner, at,
            owner, at,
        ))  # fmt: skip

    def _survey(self, customer: Customer, person: str) -> None:
        dice, number = self.dice, self._number("NPS_Response__c")
        at = self.days.moment(-dice.between(0, 360), dice)
        score = dice.pick(UNHAPPY if customer.life in ("Churned", "At Risk") else HAPPY[customer.segment])
        text = PRAISE[(10 - score) * len(PRAISE) // 11] if number % 3 == 0 else None
        owner = self.company.success[number % 3]
        self.surveys.add((
            self.surveys.next_id(), owner, f"NPS-{number:06d}", customer.id, person, float(score), customer.segment, at, text,
            f"nps-{number:07d}", at, owner, at, owner, at,
        ))  # fmt: skip

    def _activities(self, customer: Customer, deal: Deal) -> None:
        """A task or two and sometimes a meeting around a deal."""
        dice, days, owner = self.dice, self.days, customer.owner
        person = customer.people[0][0] if customer.people else None
        for _ in range(dice.between(0, 2)):
            due = dice.between(max(deal.opened, -300), min(deal.close, 0) + 10)
            done = due < 0 and dice.chance(0.85)
            at = days.moment(min(due, 0) - 1, dice)
            status, subject = ("Completed" if done else "Not Started"), dice.pick(SUBJECTS)
            self.tasks.add((
                self.tasks.next_id(), person, deal.id, subject, days.date(due), status, "Normal", 0, owner, None, customer.id,
                int(done), "Call" if subject == "Call" else "Task", at if done else None, customer.currency, at, owner, at,
                owner, at,
            ))  # fmt: skip
        if dice.chance(0.3):
            when = dice.between(max(deal.opened, -300), min(deal.close, 0) + 14)
            start = days.date(when) + "T14:00:00.000Z"
            end = days.date(when) + "T15:00:00.000Z"
            at = days.moment(min(when, 0) - 2, dice)
            self.events.add((
                self.events.next_id(), person, deal.id, "Meeting", "Video call", start, days.date(when), 60, start, end,
                customer.id, owner, "Busy", "Meeting", customer.currency, at, owner, at, owner, at,
            ))  # fmt: skip

    def _number(self, name: str) -> int:
        """The next auto-number of an object."""
        self.numbers[name] = self.numbers.get(name, 0) + 1
        return self.numbers[name]


def seed_topics(loader: Loader, days: Days, company: Company) -> list[str]:
    """The topics that people put on records."""
    table = loader.table("Topic", "Name Description CreatedDate CreatedById TalkingAbout SystemModstamp")
    at, user = days.date(-600) + "T10:00:00.000Z", company.users["admin"]
    made = []
    for number, name in enumerate(TOPICS):
        made.append(table.next_id())
        table.add((made[-1], name, None, at, user, number, at))
    return made
