"""What Salesforce gets of each billing object: values by the rules of MT-D1..MT-D9, from plain data to plain data. Pure.

Units: amounts are in major units (12.34), rounded half up to two decimals (MT-D4). Instants are UTC.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from billing.objects import CUSTOMER_ID_LENGTH, NAME_LENGTH, PRECISION, SCALE, STATUSES

CENT = Decimal(1).scaleb(-SCALE)
LARGEST = Decimal(10) ** (PRECISION - SCALE)
MARK = "~"  # between a customer's key and the ordinal of a further account; safe in a URL
MOST_FURTHER = 99
DRAFT, FINALIZED, VOID, CURRENT, PENDING, NOTHING = "DRAFT", "FINALIZED", "VOID", "Current", "Pending", "N/A"

NOTICES = {
    "rounded": "were rounded to two decimals",
    "cut": "were cut to 80 characters",
}


@dataclass(frozen=True, slots=True)
class Wording:
    """The choices of a connection that change values: see `BillingSettings`. `now` tells which period runs."""

    now: datetime
    current: bool = False
    pending: bool = False
    last_day: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row is not sent: a stable code, the field of Salesforce (without prefix), and a sentence with the fix."""

    code: str
    field: str
    message: str


class Unfit(Exception):
    """A value that must not be sent."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, field, message)


Values = dict[str, Any]


def money(value: Decimal | None, field: str, notices: Counter[str]) -> Decimal | None:
    """An amount or quantity as Number(16, 2); a changed value is noted (MT-D4)."""
    if value is None:
        return None
    if not value.is_finite():
        raise Unfit("not_a_number", field, f"{field}: {value} is no number that Salesforce takes.")
    rounded = value.quantize(CENT, rounding=ROUND_HALF_UP)
    if abs(rounded) >= LARGEST:
        raise Unfit("number_too_large", field, f"{field}: {value:f} has more than 16 digits before the point.")
    if rounded != value:
        notices["rounded"] += 1
    return rounded


def short_name(text: str, notices: Counter[str], limit: int = NAME_LENGTH) -> str:
    """A Name of at most 80 characters, cut by character and noted (MT-D7)."""
    if len(text) <= limit:
        return text
    notices["cut"] += 1
    return text[:limit].rstrip()


def day_of(moment: datetime | None) -> date | None:
    """UTC calendar date of an instant (MT-D5)."""
    return None if moment is None else moment.astimezone(UTC).date()


def end_day_of(moment: datetime | None, *, last_day: bool) -> date | None:
    """The end of a period, which is exclusive: its date, or the last day that belongs to it (MT-D5)."""
    if moment is None:
        return None
    return day_of(moment - timedelta(microseconds=1) if last_day else moment)


def status_of(invoice: Mapping[str, Any], wording: Wording) -> str:
    """The picklist value of an invoice (MT-D6). An unknown word is an error, never a silent N/A."""
    status = str(invoice["status"] or "").strip()
    if not status:
        return NOTHING
    by_word = {each.upper(): each for each in (*STATUSES, DRAFT, FINALIZED, VOID)}
    known = by_word.get(status.upper())
    if known is None:
        known_words = ", ".join(STATUSES)
        raise Unfit(
            "unknown_status", "Status__c", f"Status “{status[:60]}” is none of {known_words}. Correct it in the source."
        )
    starts, ends = invoice.get("starts_at"), invoice.get("ends_at")
    runs = (starts is None or starts <= wording.now) and (ends is None or wording.now < ends)
    if known == DRAFT and wording.current and runs:
        return CURRENT
    if known == FINALIZED and wording.pending and invoice.get("issued_at") is None:
        return PENDING
    return known


def invoice_name(customer_name: str, customer_key: str, starts_at: datetime | None, notices: Counter[str]) -> str:
    """Customer name and start date (MT-D7); the date is never what is cut."""
    start = day_of(starts_at)
    tail = f" - {start.isoformat()}" if start else ""
    name = customer_name.strip() or customer_key
    return short_name(name, notices, NAME_LENGTH - len(tail)) + tail


def key_of(key: str, ordinal: int) -> str:
    """The upsert key of a customer's row for one of its accounts; `ordinal` 0 is the bare key (MT-D1)."""
    if ordinal == 0:
        return key
    if ordinal > MOST_FURTHER:
        raise Unfit("too_many_accounts", "Metronome_Customer_ID__c", f"A customer has at most {MOST_FURTHER} further accounts.")
    wanted = f"{key}{MARK}{ordinal:02}"
    if len(wanted) > CUSTOMER_ID_LENGTH:
        raise Unfit(
            "key_too_long_for_more_accounts", "Metronome_Customer_ID__c",
            f"The customer id has {len(key)} characters; ids of customers with several accounts have at most "
            f"{CUSTOMER_ID_LENGTH - len(MARK) - 2}.",
        )  # fmt: skip
    return wanted


# --- one function an object: our record's values to the values that `objects` calls by their source -------------------------


def plan_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-21."""
    return {"name": row["name"], "description": row["description"]}


def metric_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-15."""
    return {"name": short_name(row["name"] or row["key"], notices)}


def customer_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-18: one row for each account; `account_id` None clears the lookup (MT-D3)."""
    return {"name": row["name"], "account_id": row.get("account_id")}


def alias_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-22."""
    return {"customer": row["customer_key"], "alias": row["alias"]}


def customer_plan_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-17."""
    return {
        "customer": row["customer_key"], "plan": row["plan_key"], "starting_on": row["starting_on"],
        "ending_on": row["ending_on"],
    }  # fmt: skip


def grant_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-16, MT-D9."""
    return {
        "name": short_name(row["name"] or row["key"], notices),
        "balance": money(row["balance"], "Balance_Including_Pending__c", notices),
        "credit_type": row["credit_type"],
        "customer": row["customer_key"],
        "effective_at": row["effective_at"],
        "expires_at": row["expires_at"],
        "initial_balance": money(row["initial_balance"], "Initial_Balance__c", notices),
        "paid_currency": row["paid_currency"],
        "paid_amount": money(row["paid_amount"], "Paid_Amount__c", notices),
        "reason": row["reason"],
    }


def invoice_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-20. `customer_name` is the name of the billing customer."""
    return {
        "name": invoice_name(row.get("customer_name") or "", row["customer_key"], row["starts_at"], notices),
        "currency": row["currency"],
        "customer": row["customer_key"],
        "plan": row["plan_key"] or None,
        "start_date": day_of(row["starts_at"]),
        "end_date": end_day_of(row["ends_at"], last_day=wording.last_day),
        "status": status_of(row, wording),
        "total": money(row["total"], "Total__c", notices),
    }


def customer_account_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-D1, the junction."""
    return {"customer": row["customer_key"], "account_id": row["account_id"]}


def line_values(row: Values, wording: Wording, notices: Counter[str]) -> Values:
    """MT-19."""
    return {
        "credit_type": row["credit_type"],
        "invoice": row["invoice_key"],
        "name": row["name"],
        "quantity": money(row["quantity"], "Quantity__c", notices),
        "total": money(row["total"], "Total__c", notices),
    }


PAYLOADS = {
    "plans": plan_values, "billable-metrics": metric_values, "customers": customer_values, "ingest-aliases": alias_values,
    "customer-plans": customer_plan_values, "credit-grants": grant_values, "invoices": invoice_values,
    "line-items": line_values, "customer-accounts": customer_account_values,
}  # fmt: skip
