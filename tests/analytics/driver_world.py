"""Facts and rolled-up events from which drivers are computed, written straight into the lake."""

from collections import Counter
from datetime import date, datetime, timedelta

import numpy as np

from integrations.lake.tables import LakeTable
from integrations.product.kpis import tables as kpi_tables
from tests.analytics.cast import AS_OF, make_customers, utc, write_facts, write_rows

ALWAYS = "2024-01-01"


def roll_up(rows):
    """The roll-up of events (name, customer, end user, day); the first day on which events are known is `ALWAYS`."""
    counted = Counter((date.fromisoformat(day) if isinstance(day, str) else day, customer, user, name)
                      for name, customer, user, day in [*rows, ("Hello", None, None, ALWAYS)])  # fmt: skip
    by_name = [
        dict(zip(("day", "customer_id", "end_user_id", "name", "events"), (*key, n), strict=True)) for key, n in counted.items()
    ]
    write_rows(kpi_tables.daily_events_table(), by_name)
    days = Counter()
    for (day, customer, user, _), n in counted.items():
        days[day, customer, user] += n
    write_rows(kpi_tables.daily_table(), [
        {"day": day, "customer_id": customer, "end_user_id": user, "events": n, "active_events": n, "bits0": 1}
        for (day, customer, user), n in days.items()
    ])  # fmt: skip


def moment(day) -> datetime:
    return utc(day) if isinstance(day, str) else datetime(day.year, day.month, day.day, tzinfo=AS_OF.tzinfo)


class Retail:
    """Accounts that began to pay in 2025; those that import early stay (planted), those that are busy export more (confounded)."""

    def __init__(self, org, *, accounts=900, seed=1) -> None:
        rng = np.random.default_rng(seed)
        self.customers = make_customers(accounts)
        self.began = [date(2025, 1, 1) + timedelta(days=int(each)) for each in rng.integers(0, 12, accounts)]
        busy = rng.random(accounts)
        self.imports = rng.random(accounts) < 0.4
        self.exports = rng.poisson(0.2 + 3 * busy**2)
        stays = rng.random(accounts) < 0.35 + 0.3 * self.imports + 0.25 * busy
        events, subjects, movements, milestones, touches, tickets = [], [], [], [], [], []
        for number, (customer, began) in enumerate(zip(self.customers, self.began, strict=True)):
            subject, active = f"c{customer.pk}", 2 + int(16 * busy[number])
            subjects.append({"subject": subject, "customer_id": customer.pk, "name": customer.name, "paid_at": moment(began),
                             "trial_started_at": moment(began - timedelta(days=14)), "industry": "Retail" if number % 3 else "Banking",
                             "region": "EMEA", "source": "Direct" if number % 2 else "Marketing", "seats": 5 + number % 40,
                             "plan": "Pro"})  # fmt: skip
            movements.append({"subject": subject, "day": began, "kind": "new", "before": 0, "after": 100, "delta": 100})
            if not stays[number]:
                left = began + timedelta(days=40 + number % 160)
                movements.append({"subject": subject, "day": left, "kind": "churn", "before": 100, "after": 0, "delta": -100})
                milestones.append({"subject": subject, "kind": "churn", "at": moment(left)})
            elif number % 5 == 0:
                grown = began + timedelta(days=60)
                movements.append(
                    {"subject": subject, "day": grown, "kind": "expansion", "before": 100, "after": 150, "delta": 50}
                )
            events += [("Viewed", customer.pk, customer.pk, began + timedelta(days=each)) for each in range(active)]
            if self.imports[number]:
                events += [
                    ("Data Imported", customer.pk, 10_000 + customer.pk, began + timedelta(days=3 + each)) for each in range(2)
                ]
            events += [("Report Exported", customer.pk, customer.pk, began + timedelta(days=1 + int(each) % 20))
                       for each in range(self.exports[number])]  # fmt: skip
            if number % 4 == 0:
                touches.append({"member": f"m{number}", "subject": subject, "type": "Webinar", "state": "clicked",
                                "at": moment(began + timedelta(days=5))})  # fmt: skip
            if number % 6 == 0:
                tickets.append(
                    {"ticket": f"t{number}", "subject": subject, "type": "Bug", "at": moment(began + timedelta(days=9))}
                )
        self.stays = stays
        roll_up(events)
        write_facts(org, subjects=subjects, movements=movements, milestones=milestones, touches=touches, tickets=tickets,
                    attribute_history=[])  # fmt: skip


__all__ = ["ALWAYS", "LakeTable", "Retail", "moment", "roll_up"]
