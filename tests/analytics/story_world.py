"""A believable company as facts and events: trials that convert, customers who stay, grow or leave; for pages of real kinds."""

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics.attributes.body import as_json
from analytics.models import AnalyticsSettings, AttributeMap
from integrations.models import SalesforceOrg
from tests.analytics.b_world import standard_map
from tests.analytics.cast import AS_OF, make_customers, write_events, write_facts
from tests.analytics.driver_world import moment, roll_up

FIRST = date(2025, 1, 6)
KINDS = ("new", "expansion", "contraction", "churn", "reactivation")
INDUSTRIES, REGIONS, SOURCES, PLANS = ("Retail", "Energy", "Software"), ("EMEA", "US"), ("Direct", "Marketing"), ("Team", "Pro")


class Story:
    """Tables of facts, grown one customer after the other."""

    def __init__(self, seed: int, accounts: Sequence[str] = ()) -> None:
        self.dice, self.accounts = random.Random(seed), accounts
        self.tables: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("subjects", "movements", "milestones", "spans", "months", "touches", "tickets", "scores")
        }
        self.events: list[tuple[str, int | None, int | None, datetime]] = []

    def add(self, table: str, **row: Any) -> None:
        """One row."""
        self.tables[table].append(row)

    def account_of(self, number: int) -> str:
        """The account of the customer of that number: a real one while there are some."""
        return self.accounts[number] if number < len(self.accounts) else f"001{number:012d}AAA"

    def live(self, number: int, customer: Any) -> None:
        """One customer's time: trial, perhaps paying, perhaps growing, perhaps leaving."""
        dice, who = self.dice, f"c{customer.pk}"
        trial = FIRST + timedelta(days=dice.randrange(640))
        busy = dice.random()
        imports = dice.random() < 0.45
        pays = dice.random() < 0.3 + 0.3 * imports + 0.2 * busy
        paid = trial + timedelta(days=14 + dice.randrange(10)) if pays else None
        left = paid + timedelta(days=40 + dice.randrange(500)) if paid and dice.random() < 0.5 - 0.3 * busy else None
        end = AS_OF.date()
        paid = paid if paid and paid < end else None
        left = left if paid and left and left < end else None
        mrr = Decimal(100 * (1 + number % 7))
        self._milestones(who, trial, paid, left)
        grown = self._movements(who, paid, left, mrr)
        self.add("subjects", subject=who, customer_id=customer.pk, account_id=self.account_of(number), accounts=1,
                 name=customer.name, linked_by="link", started_at=moment(trial), trial_started_at=moment(trial),
                 trial_ended_at=moment(trial + timedelta(days=14)), paid_at=moment(paid) if paid else None,
                 churned_at=moment(left) if left else None, first_seen_at=moment(trial), last_seen_at=moment(left or end),
                 industry=INDUSTRIES[number % 3], region=REGIONS[number % 2], source=SOURCES[number % 5 == 0], plan=PLANS[number % 4 == 0],
                 product="Suite", contract_type="Recurring", seats=5 + number % 40, mrr=grown if paid and not left else 0,
                 tickets=number % 4, campaigns=number % 3, owner_id="005000000000001AAA", open_opportunities=number % 2)  # fmt: skip
        self._use(customer, trial, left or end, busy, imports)
        self._contacts(who, number, trial)

    def _milestones(self, who: str, trial: date, paid: date | None, left: date | None) -> None:
        told = {
            "account_start": trial,
            "trial_start": trial,
            "trial_end": trial + timedelta(days=14),
            "paid_start": paid,
            "churn": left,
        }
        for kind, day in told.items():
            if day is not None and day < AS_OF.date():
                self.add("milestones", subject=who, kind=kind, at=moment(day), derived=False)

    def _movements(self, who: str, paid: date | None, left: date | None, mrr: Decimal) -> Decimal:
        if paid is None:
            return Decimal(0)
        self.add("movements", subject=who, day=paid, kind="new", before=0, after=mrr, delta=mrr)
        self.add("spans", span=f"s{who}", subject=who, product="Suite", kind="recurring", starts_on=paid, ends_on=left, months=12, mrr=mrr,
                 quantity=1, amount=mrr * 12, currency="EUR", source_object="Opportunity")  # fmt: skip
        level, step = mrr, paid + timedelta(days=90)
        if self.dice.random() < 0.4 and step < (left or AS_OF.date()):
            up = self.dice.random() < 0.7
            after = level + 60 if up else level - 40
            self.add("movements", subject=who, day=step, kind="expansion" if up else "contraction", before=level, after=after,
                     delta=after - level)  # fmt: skip
            level = after
        if left is not None:
            self.add("movements", subject=who, day=left, kind="churn", before=level, after=0, delta=-level)
        return level

    def months(self) -> None:
        """The months of every subject, from its movements: they reconcile by construction."""
        by_subject: dict[str, list[dict[str, Any]]] = {}
        for row in self.tables["movements"]:
            by_subject.setdefault(row["subject"], []).append(row)
        customer = {row["subject"]: row["customer_id"] for row in self.tables["subjects"]}
        for subject, rows in by_subject.items():
            level, month = Decimal(0), rows[0]["day"].replace(day=1)
            while month < AS_OF.date():
                following = (month + timedelta(days=32)).replace(day=1)
                moved = {kind: sum((abs(Decimal(row["delta"])) for row in rows if row["kind"] == kind and month <= row["day"] < following),
                                   Decimal(0)) for kind in KINDS}  # fmt: skip
                end = level + moved["new"] + moved["expansion"] + moved["reactivation"] - moved["contraction"] - moved["churn"]
                self.add("months", subject=subject, customer_id=customer[subject], month=month, mrr_start=level, mrr_end=end,
                         one_time=0, **moved)  # fmt: skip
                level, month = end, following

    def _use(self, customer: Any, trial: date, until: date, busy: float, imports: bool) -> None:
        day, gap = trial, 2 + int(12 * (1 - busy))
        while day < until:
            self.events.append(("Viewed", customer.pk, customer.pk, moment(day) + timedelta(hours=9)))
            if imports and self.dice.random() < 0.3:
                self.events.append(("Data Imported", customer.pk, customer.pk, moment(day) + timedelta(hours=10)))
            if self.dice.random() < busy / 3:
                self.events.append(("Report Exported", customer.pk, customer.pk, moment(day) + timedelta(hours=11)))
            day += timedelta(days=1 + self.dice.randrange(gap))

    def _contacts(self, who: str, number: int, trial: date) -> None:
        if number % 3 == 0:
            self.add("touches", member=f"m{number}", subject=who, campaign_id="701000000000001AAA", campaign="Spring webinar", type="Webinar",
                     state=("sent", "opened", "clicked", "responded")[number % 4], at=moment(trial + timedelta(days=5)))  # fmt: skip
        for place in range(number % 4):
            at = moment(trial + timedelta(days=9 + 40 * place))
            self.add("tickets", ticket=f"t{number}-{place}", subject=who, type=("Bug", "Question")[place % 2], at=at,
                     closed_at=at + timedelta(days=1 + place))  # fmt: skip
        self.add("scores", score_id=f"n{number}", subject=who, kind="nps", score=self.dice.randrange(4, 11), respondent=who,
                 at=moment(AS_OF.date() - timedelta(days=1 + number % 80)), source="product")  # fmt: skip


def tell(org: SalesforceOrg, *, customers: int = 260, seed: int = 7, accounts: Sequence[str] = ()) -> None:
    """Write the story's facts and events. `accounts`: ids of accounts of the org for the first customers."""
    story = Story(seed, accounts)
    for number, customer in enumerate(make_customers(customers)):
        story.live(number, customer)
    AnalyticsSettings.objects.update_or_create(org=org, defaults={"currency": "EUR", "started_at": AS_OF})
    if not AttributeMap.objects.filter(org=org).exists():
        AttributeMap.objects.create(org=org, number=1, body=as_json(standard_map()))
    story.events = [event for event in story.events if event[3] < AS_OF]
    write_events(story.events)
    roll_up([(name, customer, user, at.date()) for name, customer, user, at in story.events])
    story.months()
    write_facts(org, as_of=AS_OF, **story.tables)
