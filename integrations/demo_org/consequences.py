"""What follows from a save inside the org: names put together, stages explained, totals rolled up, history written.

Everything is set-based SQL over the ids that were just written, so that a bulk load pays for it once per batch.
A consequence only touches columns that the object really has.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

import orjson

from integrations.demo_org.rows import UNSET
from integrations.demo_org.schema.types import ObjectType
from integrations.demo_org.store import has_column, insert_columns, quote

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

AMONG = "Id IN (SELECT value FROM json_each(:ids))"
# what other modules add: what follows from a part, and the fields whose old values they need, by object
FOLLOWERS: "list[Callable[[Written, Part], None]]" = []
REMEMBERED: dict[str, tuple[str, ...]] = {}
DEAL_FIELDS = ("StageName", "Amount", "Probability", "CloseDate")


@dataclass
class Part:
    """Rows of one shape that were written. `old` has the columns of remembered fields before that, in the order of the ids.

    `after` has the columns that were written, in the order of the ids, where that is known without reading them back.
    """

    ids: list[str]
    names: frozenset[str]
    is_new: bool
    old: dict[str, Sequence[object]] = field(default_factory=dict)
    after: dict[str, Sequence[object]] = field(default_factory=dict)

    @cached_property
    def before(self) -> dict[str, dict[str, object]]:
        """The old values of the remembered fields, by id. Made when it is first asked for, which bulk loads seldom do."""
        if not self.old:
            return {}
        names = list(self.old)
        return {each: dict(zip(names, values, strict=True)) for each, *values in zip(self.ids, *self.old.values(), strict=True)}


class Written(Protocol):
    """What a consequence needs to know of a save."""

    org: "DemoOrg"
    connection: sqlite3.Connection
    stored: ObjectType
    stamp: str
    parts: list[Part]

    @property
    def user_id(self) -> str:
        """Who saved."""
        ...


@dataclass
class Deed:
    """A write without a client's save call: a late commit, a roll-up."""

    org: "DemoOrg"
    connection: sqlite3.Connection
    stored: ObjectType
    stamp: str
    user_id: str
    parts: list[Part]


def remember(work: Written, part: Part) -> None:
    """Note the old values of fields whose change has consequences, before they are overwritten."""
    wanted = [] if part.is_new else _remembered_fields(work, part)
    if not wanted or part.old:
        return
    columns = ", ".join(map(quote, wanted))
    sql = f"SELECT Id, {columns} FROM {quote(work.stored.name)} WHERE {AMONG}"  # noqa: S608
    found = {row[0]: row[1:] for row in work.connection.execute(sql, {"ids": to_json(part.ids)})}
    nothing = (None,) * len(wanted)
    rows = [found.get(each, nothing) for each in part.ids]
    part.old = {name: [row[place] for row in rows] for place, name in enumerate(wanted)}


def remembered_names(work: Written) -> list[str]:
    """The fields of an object that may have to be remembered: those with history, and what a deal's history needs."""
    wanted = _tracked(work)
    if work.stored.name == "Opportunity":
        wanted += [name for name in DEAL_FIELDS if work.stored.find(name) and name not in wanted]
    if work.stored.name == "OpportunityLineItem":
        wanted.append("OpportunityId")
    wanted += [name for name in REMEMBERED.get(work.stored.name, ()) if work.stored.find(name) and name not in wanted]
    return wanted + [name for name in work.org.automation.watched_fields(work.stored) if name not in wanted]


def _remembered_fields(work: Written, part: Part) -> list[str]:
    """The fields to remember of a part: of those with history only the ones that it changes."""
    always = {*DEAL_FIELDS, "OpportunityId"} if work.stored.name.startswith("Opportunity") else set()
    always |= {*REMEMBERED.get(work.stored.name, ()), *work.org.automation.watched_fields(work.stored)}
    return [name for name in remembered_names(work) if name in part.names or name in always]


def to_json(values: Iterable[object]) -> str:
    """A JSON array for json_each."""
    return orjson.dumps(list(values)).decode()


def follow(work: Written) -> None:
    """Do what follows from the parts of a save."""
    consequence = CONSEQUENCES.get(work.stored.name)
    for part in work.parts:
        if consequence:
            consequence(work, part)
        for follower in FOLLOWERS:
            follower(work, part)
        write_history(work, part)
    for part in work.parts:  # last: what flows start with is what was saved and what followed from it
        work.org.automation.follow(work, part)


def set_columns(work: Written, ids: Sequence[str], values: dict[str, str], *, object_name: str = "", where: str = "") -> None:
    """Set columns (those that exist) of the given records to SQL expressions; `:stamp` is the time of the save."""
    kind = work.org.schema.objects.get(object_name.lower()) if object_name else work.stored
    if kind is None:
        return
    present = {name: sql for name, sql in values.items() if (made := kind.find(name)) is not None and has_column(made)}
    if not present or not ids:
        return
    parts = ", ".join(f"{quote(name)} = {sql}" for name, sql in present.items())
    sql = f"UPDATE {quote(kind.name)} SET {parts} WHERE {AMONG} {where}"  # noqa: S608
    work.connection.execute(sql, {"ids": to_json(ids), "stamp": work.stamp})


def _name_person(work: Written, part: Part) -> None:
    """Name = first name and last name."""
    if part.is_new or part.names & {"FirstName", "LastName"}:
        set_columns(work, part.ids, {"Name": "TRIM(COALESCE(FirstName || ' ', '') || COALESCE(LastName, ''))"})


def _explain_stage(work: Written, part: Part) -> None:
    """A deal's stage says whether it is closed and won, its probability and forecast category; then the derived fields."""
    if part.is_new or "StageName" in part.names:
        _apply_stage(work, part)
    if part.is_new or part.names & {"Amount", "Probability", "CloseDate", "StageName"}:
        derive_deal(work, part.ids)
        write_deal_history(work, part)


def _apply_stage(work: Written, part: Part) -> None:
    """Copy from the OpportunityStage table what the stage means."""
    if work.org.schema.find("OpportunityStage") is None:
        return
    moved = part.ids if part.is_new else _changed(work, part, "StageName")
    stage = "(SELECT s.{} FROM OpportunityStage s WHERE s.MasterLabel = Opportunity.StageName AND s.IsActive = 1)"
    values = {name: f"COALESCE({stage.format(name)}, 0)" for name in ("IsClosed", "IsWon")}
    values["ForecastCategory"] = f"COALESCE({stage.format('ForecastCategory')}, ForecastCategory, 'Pipeline')"
    values["LastStageChangeDate"] = "NULL" if part.is_new else ":stamp"
    for name, source in (("Probability", "DefaultProbability"), ("ForecastCategoryName", "ForecastCategoryName")):
        if name not in part.names:
            values[name] = f"COALESCE({stage.format(source)}, {name})"
        elif part.is_new:
            values[name] = f"COALESCE({name}, {stage.format(source)})"
    set_columns(work, moved, values)


def _changed(work: Written, part: Part, name: str) -> list[str]:
    """The ids whose value of a remembered field is another one now."""
    return [record_id for record_id, values in _now(work, part, [name]).items() if _differs(part, record_id, name, values)]


def _differs(part: Part, record_id: str, name: str, values: dict[str, object]) -> bool:
    return part.before.get(record_id, {}).get(name) != values[name]


def _now(work: Written, part: Part, names: list[str]) -> dict[str, dict[str, object]]:
    """The present values of some fields, by id."""
    columns = ", ".join(map(quote, names))
    sql = f"SELECT Id, {columns} FROM {quote(work.stored.name)} WHERE {AMONG}"  # noqa: S608
    rows = work.connection.execute(sql, {"ids": to_json(part.ids)})
    return {record_id: dict(zip(names, values, strict=True)) for record_id, *values in rows}


def derive_deal(work: Written, ids: Sequence[str]) -> None:
    """Expected revenue and fiscal period of opportunities (the fiscal year is the calendar year)."""
    quarter = "(CAST(substr(CloseDate, 6, 2) AS INTEGER) + 2) / 3"
    values = {
        "ExpectedRevenue": "ROUND(Amount * Probability / 100.0, 2)",
        "FiscalYear": "CAST(substr(CloseDate, 1, 4) AS INTEGER)",
        "FiscalQuarter": quarter,
        "Fiscal": f"substr(CloseDate, 1, 4) || ' ' || ({quarter})",
    }
    set_columns(work, ids, values, object_name="Opportunity")


def write_deal_history(work: Written, part: Part) -> None:
    """One OpportunityHistory row for each new deal and for each change of stage, amount, probability or close date."""
    history = work.org.schema.find("OpportunityHistory")
    if history is None:
        return
    names = [
        name for name in (*DEAL_FIELDS, "ExpectedRevenue", "ForecastCategory", "CurrencyIsoCode") if work.stored.find(name)
    ]
    now = _now(work, part, names)
    changed = [
        (record_id, values)
        for record_id, values in now.items()
        if part.is_new or any(_differs(part, record_id, name, values) for name in DEAL_FIELDS if name in values)
    ]
    made = work.org.store.next_ids("OpportunityHistory", len(changed)) if changed else []
    rows = []
    for history_id, (record_id, values) in zip(made, changed, strict=True):
        before = part.before.get(record_id, {})
        row = {
            "Id": history_id, "OpportunityId": record_id, "CreatedDate": work.stamp, "CreatedById": work.user_id,
            "SystemModstamp": work.stamp, "IsDeleted": 0, "PrevAmount": before.get("Amount"),
            "PrevCloseDate": before.get("CloseDate"), **values,
        }  # fmt: skip
        rows.append({name: value for name, value in row.items() if history.find(name)})
    work.org.store.insert("OpportunityHistory", rows)


def _total_lines(work: Written, part: Part) -> None:
    """Line totals, then the deals that they belong to."""
    entry = "(SELECT e.{} FROM PricebookEntry e WHERE e.Id = PricebookEntryId)"
    has_entry = work.org.schema.find("PricebookEntry") is not None and work.stored.find("PricebookEntryId")
    values = {}
    if has_entry:
        values = {"ListPrice": entry.format("UnitPrice"), "Product2Id": f"COALESCE({entry.format('Product2Id')}, Product2Id)"}
        if part.is_new and "UnitPrice" not in part.names and "TotalPrice" not in part.names:
            values["UnitPrice"] = entry.format("UnitPrice")
    if "TotalPrice" in part.names and "UnitPrice" not in part.names:
        values["UnitPrice"] = "ROUND(TotalPrice / NULLIF(Quantity, 0), 2)"
    set_columns(work, part.ids, values)
    discount = "* (1 - COALESCE(Discount, 0) / 100.0)" if work.stored.find("Discount") else ""
    set_columns(work, part.ids, {"TotalPrice": f"ROUND(Quantity * UnitPrice {discount}, 2)"})
    now = _now(work, part, ["OpportunityId"])
    deals = {values["OpportunityId"] for values in now.values()} | {old["OpportunityId"] for old in part.before.values()}
    roll_up_deals(work, [each for each in deals if isinstance(each, str)])


def roll_up_deals(work: Written, deals: Sequence[str]) -> None:
    """Amount and quantity of deals with line items are the sums of their lines."""
    kind = work.org.schema.find("Opportunity")
    if kind is None or not deals:
        return
    part = Part(list(deals), frozenset({"Amount"}), is_new=False)
    deed = Deed(work.org, work.connection, kind, work.stamp, work.user_id, [part])
    remember(deed, part)
    lines = "(SELECT {} FROM OpportunityLineItem l WHERE l.OpportunityId = Opportunity.Id AND l.IsDeleted = 0)"
    has = lines.format("COUNT(*)") + " > 0"
    total = lines.format("ROUND(SUM(l.TotalPrice), 2)")
    values = {
        "Amount": f"CASE WHEN {has} THEN {total} ELSE Amount END",
        "TotalOpportunityQuantity": lines.format("SUM(l.Quantity)"),
        "HasOpportunityLineItem": has,
        "SystemModstamp": ":stamp",
        "LastModifiedDate": ":stamp",
    }
    set_columns(deed, deals, values)
    derive_deal(deed, deals)
    write_deal_history(deed, part)
    write_history(deed, part)
    work.org.automation.follow(deed, part)


def _close_case(work: Written, part: Part) -> None:
    """A case is closed by its status; contact data is copied from the contact."""
    if part.is_new or "Status" in part.names:
        closed = "(Status IS 'Closed')"
        values = {"IsClosed": closed, "ClosedDate": f"CASE WHEN {closed} THEN COALESCE(ClosedDate, :stamp) END"}
        set_columns(work, part.ids, values)
    if work.org.schema.find("Contact") and (part.is_new or "ContactId" in part.names):
        contact = "(SELECT c.{} FROM Contact c WHERE c.Id = ContactId)"
        copies = {"ContactPhone": "Phone", "ContactMobile": "MobilePhone", "ContactEmail": "Email", "ContactFax": "Fax"}
        contact_kind = work.org.schema.objects["contact"]
        values = {name: contact.format(source) for name, source in copies.items() if contact_kind.find(source)}
        if "AccountId" not in part.names and contact_kind.find("AccountId"):
            values["AccountId"] = contact.format("AccountId")
        set_columns(work, part.ids, values)


def _close_task(work: Written, part: Part) -> None:
    """A task is closed by its status."""
    if part.is_new or "Status" in part.names:
        done = "(Status IS 'Completed')"
        values = {"IsClosed": done, "CompletedDateTime": f"CASE WHEN {done} THEN COALESCE(CompletedDateTime, :stamp) END"}
        set_columns(work, part.ids, values)


def _status_code(work: Written, part: Part) -> None:
    """Contracts and orders have a status category behind the status."""
    code = "CASE Status WHEN 'Activated' THEN 'Activated' WHEN 'In Approval Process' THEN 'InApproval' ELSE 'Draft' END"
    values = {"StatusCode": code, "EndDate": "date(StartDate, '+' || ContractTerm || ' months', '-1 day')"}
    if not work.stored.find("ContractTerm"):
        values.pop("EndDate")
    set_columns(work, part.ids, values)


def _price_quote_line(work: Written, part: Part) -> None:
    """A quote line knows its product and list price from the price book entry."""
    if work.org.schema.find("PricebookEntry") is None or not work.stored.find("PricebookEntryId"):
        return
    entry = "(SELECT e.{} FROM PricebookEntry e WHERE e.Id = PricebookEntryId)"
    set_columns(work, part.ids, {"ListPrice": entry.format("UnitPrice"), "Product2Id": entry.format("Product2Id")})


def _complete_quote(work: Written, part: Part) -> None:
    """A quote belongs to the account of its opportunity."""
    if work.org.schema.find("Opportunity"):
        account = "(SELECT o.AccountId FROM Opportunity o WHERE o.Id = OpportunityId)"
        set_columns(work, part.ids, {"AccountId": account})


def _tracked(work: Written) -> list[str]:
    """The fields of an object whose history is kept: those that the history object's Field picklist names."""
    history = history_of(work.org, work.stored)
    listed = history.find("Field") if history else None
    names = [each.value for each in listed.picklist] if listed else []
    return [made.name for name in names if (made := work.stored.find(name)) is not None and has_column(made)]


def history_of(org: "DemoOrg", kind: ObjectType) -> ObjectType | None:
    """The field history object of an object, if the catalogue has one."""
    name = {"Opportunity": "OpportunityFieldHistory"}.get(kind.name, f"{kind.name.removesuffix('__c')}History")
    found = org.schema.find(name) or org.schema.find(f"{kind.name.removesuffix('__c')}__History")
    return found if found and found.find("Field") and found.find("NewValue") else None


def write_history(work: Written, part: Part) -> None:
    """One history row for each tracked field that changed, and one for each new record."""
    history = history_of(work.org, work.stored)
    if history is None:
        return
    parent = next((each for each in history.fields if work.stored.name in each.reference_to), None)
    if parent is None:
        return
    rows = _history_rows(work, part)
    if not rows:
        return
    made = work.org.store.next_ids(history.name, len(rows))
    constants = {"CreatedDate": work.stamp, "CreatedById": work.user_id, "IsDeleted": 0, "DataType": "Text"}
    shared = {name: value for name, value in constants.items() if history.find(name)}
    columns: dict[str, Sequence[object]] = {"Id": made}
    columns |= zip((parent.name, "Field", "OldValue", "NewValue"), zip(*rows, strict=True), strict=True)
    columns |= {name: [value] * len(rows) for name, value in shared.items()}
    insert_columns(work.connection, history.name, columns)


def _history_rows(work: Written, part: Part) -> list[tuple[str, str, object, object]]:
    """(record, field, old, new) of what changed."""
    if part.is_new:
        return [(record_id, "created", None, None) for record_id in part.ids]
    names = [name for name in _tracked(work) if name in part.names or name == "Amount"]
    names = [name for name in names if name in part.old]
    if not names:
        return []
    if work.stored.name not in CONSEQUENCES and all(name in part.after for name in names):
        return _written_changes(part, names)
    now = _now(work, part, names)
    return [
        (record_id, name, part.before[record_id].get(name), values[name])
        for record_id, values in now.items()
        for name in names
        if record_id in part.before and _differs(part, record_id, name, values)
    ]


def _written_changes(part: Part, names: list[str]) -> list[tuple[str, str, object, object]]:
    """The same from what was written, for objects whose values nothing else changes."""
    changes: list[tuple[str, str, object, object]] = []
    for name in names:
        rows = zip(part.ids, repeat(name), part.old[name], part.after[name], strict=False)
        changes += [row for row in rows if row[2] != row[3] and row[3] != UNSET]
    return changes


CONSEQUENCES: dict[str, Callable[[Written, Part], None]] = {
    "Contact": _name_person,
    "Lead": _name_person,
    "User": _name_person,
    "Opportunity": _explain_stage,
    "OpportunityLineItem": _total_lines,
    "Case": _close_case,
    "Task": _close_task,
    "Contract": _status_code,
    "Order": _status_code,
    "Quote": _complete_quote,
    "QuoteLineItem": _price_quote_line,
}
