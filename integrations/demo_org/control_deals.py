"""What the deal pages read and save: opportunities, their products, and the runs of flows about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from integrations.demo_org.automation import waiting
from integrations.demo_org.caller import Caller
from integrations.demo_org.errors import ApiError
from integrations.demo_org.lookups import normalize_id
from integrations.demo_org.oauth.accounts import describe_logins, first_login
from integrations.demo_org.saving import save

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

PAGE_ROWS = 50
COLUMNS = ("Id", "Name", "StageName", "Amount", "CloseDate", "Type", "NextStep", "IsClosed", "IsWon", "Pricebook2Id")
KINDS = {"open": "o.IsClosed = 0", "won": "o.IsWon = 1", "lost": "o.IsClosed = 1 AND o.IsWon = 0", "all": "1"}
SAVED = ("StageName", "Name", "CloseDate", "Type", "NextStep")


@dataclass(frozen=True, slots=True)
class Found:
    """A page of deals and how many there are."""

    rows: list[dict[str, Any]]
    count: int
    page: int


def find_deals(org: "DemoOrg", *, search: str, shown: str, page: int) -> Found:
    """The live deals whose name or account holds all words of a search; open ones that close soonest come first."""
    conditions, values = ["o.IsDeleted = 0", KINDS.get(shown, KINDS["open"])], []
    for word in search.split()[:10]:
        text = "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        conditions.append("(o.Name LIKE ? ESCAPE '\\' OR a.Name LIKE ? ESCAPE '\\')")
        values += [text, text]
    source = f"FROM Opportunity o LEFT JOIN Account a ON a.Id = o.AccountId WHERE {' AND '.join(conditions)}"
    today, connection = org.clock.now().date().isoformat(), org.store.read()
    count = connection.execute(f"SELECT COUNT(*) {source}", values).fetchone()[0]
    order = "o.IsClosed, CASE WHEN o.CloseDate >= ? THEN 0 ELSE 1 END, abs(julianday(o.CloseDate) - julianday(?)), o.Id"
    columns = ", ".join(f"o.{each}" for each in COLUMNS)
    sql = f"SELECT {columns}, a.Name {source} ORDER BY {order} LIMIT ? OFFSET ?"
    rows = connection.execute(sql, (*values, today, today, PAGE_ROWS, (page - 1) * PAGE_ROWS))
    return Found([dict(zip((*COLUMNS, "Account"), row, strict=True)) for row in rows], count, page)


def find_deal(org: "DemoOrg", deal_id: str) -> dict[str, Any] | None:
    """One live deal, by its id of 15 or 18 characters."""
    columns = ", ".join(f"o.{each}" for each in COLUMNS)
    source = "FROM Opportunity o LEFT JOIN Account a ON a.Id = o.AccountId"
    sql = f"SELECT {columns}, a.Name {source} WHERE o.Id = ? AND o.IsDeleted = 0"
    row = org.store.read().execute(sql, (normalize_id(deal_id) or "",)).fetchone()
    return dict(zip((*COLUMNS, "Account"), row, strict=True)) if row else None


def stages(org: "DemoOrg") -> list[str]:
    """The active stages in their order."""
    rows = org.store.read().execute(
        "SELECT MasterLabel FROM OpportunityStage WHERE IsActive = 1 ORDER BY coalesce(SortOrder, 0), Id"
    )
    return [row[0] for row in rows]


def users_of(org: "DemoOrg") -> list[tuple[str, str]]:
    """Who can sign in: id and name."""
    return [(each["user_id"], each["username"]) for each in describe_logins(org)]


def lines_of(org: "DemoOrg", deal_id: str) -> list[dict[str, Any]]:
    """The products of a deal."""
    names = ("Id", "Name", "Quantity", "UnitPrice", "TotalPrice")
    sql = """SELECT l.Id, coalesce(p.Name, l.Name, ''), coalesce(l.Quantity, 0), coalesce(l.UnitPrice, 0), l.TotalPrice
        FROM OpportunityLineItem l LEFT JOIN Product2 p ON p.Id = l.Product2Id
        WHERE l.OpportunityId = ? AND l.IsDeleted = 0 ORDER BY coalesce(l.SortOrder, 0), l.Id"""
    return [dict(zip(names, row, strict=True)) for row in org.store.read().execute(sql, (deal_id,))]


def prices_of(org: "DemoOrg", deal: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """What can be added: (price book entry, product, price) of the deal's price book, or else of the standard one."""
    book = deal["Pricebook2Id"]
    if not book:
        row = (
            org.store.read()
            .execute("SELECT Id FROM Pricebook2 WHERE IsActive = 1 ORDER BY IsStandard DESC, Id LIMIT 1")
            .fetchone()
        )
        book = row[0] if row else ""
    sql = """SELECT e.Id, p.Name, e.UnitPrice FROM PricebookEntry e JOIN Product2 p ON p.Id = e.Product2Id
        WHERE e.Pricebook2Id = ? AND e.IsActive = 1 AND p.IsActive = 1 AND p.IsDeleted = 0 ORDER BY p.Name LIMIT 500"""
    return [(row[0], row[1], row[2] or 0.0) for row in org.store.read().execute(sql, (book,))]


def runs_of(org: "DemoOrg", deal_id: str) -> tuple[list[dict[str, str]], int]:
    """What automation did for a record, newest first, and how much is still to be done."""
    done = []
    for each in reversed(list(org.automation.runs)):
        if each.get("record") == deal_id:
            steps = " → ".join(each.get("elements") or [])
            answers = ", ".join(f"HTTP {call['status']}" for call in each.get("callouts") or [] if call.get("status"))
            detail = "; ".join(filter(None, [each.get("error") or "", *(each.get("faults") or []), steps, answers]))
            done.append({"at": each["at"], "what": f"{each['label']} (version {each['version']}, {each['path']})",
                         "state": each["state"], "detail": detail})  # fmt: skip
        elif deal_id in (each.get("records") or []):
            done.append({"at": each["at"], "what": f"Outbound message {each['message']}", "state": each["state"],
                         "detail": f"Try {each['attempts']}. {each['error'] or ''}".strip()})  # fmt: skip
    jobs = waiting.all_jobs(org.store.read())
    return done, sum(job.body.get("record") == deal_id or deal_id in (job.body.get("records") or []) for job in jobs)


def _caller(org: "DemoOrg", user_id: str) -> Caller:
    """The person whom the page names, or else the first one who can sign in."""
    login = next((each for each in describe_logins(org) if each["user_id"] == user_id), None)
    if login is not None:
        return Caller(login["user_id"], username=login["username"], is_admin="Administrator" in str(login["profile"]))
    first = first_login(org)
    return Caller(first.user_id if first else "", username=first.username if first else "", is_admin=True)


def _save(org: "DemoOrg", form: Mapping[str, str], object_name: str, row: dict[str, Any], operation: str) -> None:
    """Save one row as the person of the form; ApiError with the first error."""
    result = save(org, _caller(org, form.get("user", "")), object_name, [row], operation=operation)[0]
    if not result.success:
        raise ApiError(400, result.errors[0].code, result.errors[0].message, result.errors[0].fields)


def save_deal(org: "DemoOrg", deal_id: str, form: Mapping[str, str]) -> str:
    """Save the fields of a form; what was done, in words."""
    fields: dict[str, Any] = {name: form[name] or None for name in SAVED if name in form}
    _save(org, form, "Opportunity", {**fields, "Id": deal_id}, "update")
    return f"Moved to {form['StageName']}." if "StageName" in form else "Saved."


def change_line(org: "DemoOrg", deal_id: str, form: Mapping[str, str], operation: str) -> str:
    """Change, remove or add a product of a deal; what was done, in words."""
    row: dict[str, Any] = {}
    for name in ("Quantity", "UnitPrice"):
        if name in form and operation != "delete":
            row[name] = _number(form[name], name)
    if operation == "insert":
        entry = form.get("PricebookEntryId", "")
        row |= {"OpportunityId": deal_id, "PricebookEntryId": entry}
        _ensure_book(org, form, deal_id, entry)
    else:
        own = {str(each["Id"]) for each in lines_of(org, deal_id)}
        if form.get("line") not in own:
            raise ApiError(400, "INVALID_ID_FIELD", "The opportunity has no such product any more")
        row["Id"] = form["line"]
    _save(org, form, "OpportunityLineItem", row, operation)
    return {"insert": "Product added.", "update": "Product saved.", "delete": "Product removed."}[operation]


def _ensure_book(org: "DemoOrg", form: Mapping[str, str], deal_id: str, entry: str) -> None:
    """A deal without a price book gets that of its first product, as in Salesforce."""
    deal = find_deal(org, deal_id)
    row = org.store.read().execute("SELECT Pricebook2Id FROM PricebookEntry WHERE Id = ?", (entry,)).fetchone()
    if deal is not None and not deal["Pricebook2Id"] and row:
        _save(org, form, "Opportunity", {"Id": deal_id, "Pricebook2Id": row[0]}, "update")


def _number(text: str, name: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError as problem:
        raise ApiError(400, "INVALID_NUMBER", f"{name} must be a number, not {text[:40]}", (name,)) from problem
