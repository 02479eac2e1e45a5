"""The attributes that analytics wants of Salesforce (FZ-20..FZ-52), and the few that they need beside them.

An attribute either says something about an account, or belongs to a **record group**: records of one object, each with several
attributes (a transaction has an amount, a start and a product). All attributes of a group stand on one object.
"""

from dataclasses import dataclass
from typing import Literal

Group = Literal["account", "revenue", "health", "messaging", "contact"]
Kind = Literal["key", "text", "day", "number", "personal"]
Records = Literal["", "transactions", "nps", "csat", "ces", "tickets", "campaigns", "contacts"]

GROUP_LABELS: dict[str, str] = {
    "account": "Account", "revenue": "Revenue", "health": "Customer health", "messaging": "Messaging", "contact": "Contacts",
}  # fmt: skip
RECORD_LABELS: dict[str, str] = {
    "transactions": "Subscriptions and transactions", "nps": "NPS answers", "csat": "CSAT answers", "ces": "CES answers",
    "tickets": "Support tickets", "campaigns": "Campaign members", "contacts": "Contacts",
}  # fmt: skip
CONTRACT_TYPES = ("recurring", "one_time", "trial")
CAMPAIGN_STATES = ("sent", "delivered", "opened", "clicked", "responded")
"""From the least to the furthest."""
SYNCED: tuple[tuple[str, str], ...] = (
    ("accounts", "Accounts and contacts"), ("transactions", "Subscriptions and transactions"),
    ("campaigns", "Marketing campaigns"), ("service", "Customer service"),
)  # fmt: skip
"""The four groups of data that are read (FZ-09 a-d)."""


@dataclass(frozen=True, slots=True)
class Desired:
    """One attribute. `ref` names the requirement, "" for those beside them. `records`: its record group; "" = of the account.

    `kind` is what the field must hold: `day` dates or instants, `key` an identifier, `personal` contact data (FZ-D13).
    `results`: what its value table may lead to; empty = any text. `several`: fields are joined by ", ". `every`: each record
    is an event of its own (an account is renewed more than once). `used_by`: kinds of analyses that need it.
    """

    key: str
    group: Group
    label: str
    ref: str = ""
    remark: str = ""
    kind: Kind = "text"
    records: Records = ""
    results: tuple[str, ...] = ()
    several: bool = False
    every: bool = False
    used_by: tuple[str, ...] = ()
    derived: bool = False
    """Can be derived from the transactions where no field holds it (FZ-D4)."""

    @property
    def is_extra(self) -> bool:
        """Whether it is not one of the reference's own attributes."""
        return not self.ref


def _account(key: str, label: str, ref: str, remark: str = "", **more: object) -> Desired:
    return Desired(key, "account", label, ref, remark, **more)  # type: ignore[arg-type]


def _revenue(key: str, label: str, ref: str = "", remark: str = "", **more: object) -> Desired:
    return Desired(key, "revenue", label, ref, remark, **more)  # type: ignore[arg-type]


def _health(key: str, label: str, ref: str, records: Records, **more: object) -> Desired:
    return Desired(key, "health", label, ref, records=records, **more)  # type: ignore[arg-type]


def _messaging(key: str, label: str, ref: str = "", remark: str = "", **more: object) -> Desired:
    return Desired(key, "messaging", label, ref, remark, records="campaigns", **more)  # type: ignore[arg-type]


_TX = "transactions"
_MONEY = ("revenue", "revenue_cohorts")
CATALOGUE: tuple[Desired, ...] = (
    _account("linking_id", "Linking ID", "FZ-20", "Identifier that joins to the event data", kind="key",
             used_by=("drivers", "retention")),
    _account("started_on", "Account start date", "FZ-21", kind="day"),
    _account("industry", "Industry", "FZ-22"),
    _account("region", "Region", "FZ-23", "State and country, for example", several=True),
    _account("source", "Source", "FZ-24", "Direct sale, marketing, organic ..."),
    _account("seats", "Seats allocation", "FZ-25", "If applicable", kind="number"),
    _revenue("trial_start", "Free trial start date", "FZ-30", kind="day", used_by=("funnel",)),
    _revenue("trial_end", "Free trial end date", remark="Ends the wait for a conversion", kind="day"),
    _revenue("paid_start", "Paid start date", "FZ-31", kind="day", derived=True, used_by=("survival", "funnel")),
    _revenue("churn_date", "Churn date", "FZ-32", kind="day", derived=True, used_by=("survival",)),
    _revenue("product_name", "Product name", "FZ-33", records=_TX),
    _revenue("plan", "Plan", remark="Edition or package of the account"),
    _revenue("contract_type", "Contract type", "FZ-34", "One-time sale or recurring revenue", records=_TX,
             results=CONTRACT_TYPES),
    _revenue("upsell_date", "Upsell date", "FZ-35", kind="day", every=True, derived=True),
    _revenue("downgrade_date", "Downgrade date", "FZ-36", kind="day", every=True, derived=True),
    _revenue("renewal_date", "Renewal date", "FZ-37", kind="day", every=True, derived=True),
    _revenue("winback_date", "Winback date", "FZ-38", kind="day", every=True, derived=True),
    _revenue("tx_amount", "Amount", records=_TX, kind="number", used_by=_MONEY),
    _revenue("tx_quantity", "Quantity", records=_TX, kind="number"),
    _revenue("tx_start", "Begin of service", records=_TX, kind="day", used_by=_MONEY),
    _revenue("tx_end", "End of service", remark="First day without service, or last day with it: see the setting", records=_TX,
             kind="day"),
    _revenue("tx_months", "Term in months", remark="Used where no end is given", records=_TX, kind="number"),
    _revenue("tx_currency", "Currency", remark="Where the org has several", records=_TX),
    _health("nps_score", "NPS score", "FZ-40", "nps", kind="number"),
    _health("nps_date", "NPS date", "FZ-41", "nps", kind="day"),
    _health("csat_score", "CSAT score", "FZ-42", "csat", kind="number"),
    _health("csat_date", "CSAT date", "FZ-43", "csat", kind="day"),
    _health("ces_score", "CES score", "FZ-44", "ces", kind="number"),
    _health("ces_date", "CES date", "FZ-45", "ces", kind="day"),
    _health("ticket_created", "Support ticket creation date", "FZ-46", "tickets", kind="day", used_by=("support",)),
    _health("ticket_type", "Support ticket type", "FZ-47", "tickets", used_by=("support",)),
    _health("ticket_closed", "Support ticket closing date", "", "tickets", kind="day"),
    _messaging("campaign_name", "Campaign name", "FZ-50", "Messaging: e-mail, SMS, push ...", used_by=("campaigns",)),
    _messaging("campaign_type", "Campaign type", "FZ-50"),
    _messaging("campaign_date", "Campaign date", "FZ-51", kind="day"),
    _messaging("campaign_state", "Delivered, open, click", "FZ-52", "By customer", results=CAMPAIGN_STATES),
    _messaging("touch_date", "Date of the touch", remark="When it reached the person; else the campaign's date", kind="day"),
    Desired("contact_email", "contact", "Contact e-mail", remark="Personal: only if you map it", kind="personal",
            records="contacts"),
    Desired("contact_phone", "contact", "Contact phone", remark="Personal: only if you map it", kind="personal",
            records="contacts"),
)  # fmt: skip
PERSONAL = tuple(each.key for each in CATALOGUE if each.kind == "personal")
"""Personal data of contacts: read only where it is mapped (FZ-D13)."""
BY_KEY: dict[str, Desired] = {each.key: each for each in CATALOGUE}
KEYS: tuple[str, ...] = tuple(BY_KEY)
MILESTONE_OF: dict[str, str] = {
    "started_on": "account_start", "trial_start": "trial_start", "trial_end": "trial_end", "paid_start": "paid_start",
    "churn_date": "churn", "upsell_date": "upsell", "downgrade_date": "downgrade", "renewal_date": "renewal",
    "winback_date": "winback",
}  # fmt: skip
"""Attributes that are milestones, with the kind of `facts.tables.MILESTONES` that they fill."""
MAIN_OF: dict[str, str] = {
    "transactions": "tx_amount", "nps": "nps_score", "csat": "csat_score", "ces": "ces_score", "tickets": "ticket_created",
    "campaigns": "campaign_name", "contacts": "contact_email",
}  # fmt: skip
"""The attribute of each record group that names the group's object; without it the group is not mapped."""


def group_keys(records: str) -> tuple[str, ...]:
    """The attributes of one record group."""
    return tuple(each.key for each in CATALOGUE if each.records == records)
