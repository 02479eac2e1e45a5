"""Pages on which a person works with deals as in Salesforce: find one, move it through the stages, change its products, and see
what its flows did. Plain HTML; every save goes the same way as a client's."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from integrations.demo_org.control_deals import (
    PAGE_ROWS,
    Found,
    change_line,
    find_deal,
    find_deals,
    lines_of,
    prices_of,
    runs_of,
    save_deal,
    stages,
    users_of,
)
from integrations.demo_org.errors import ApiError
from integrations.demo_org.page import POLICY, STYLE

BASE = "/__demo__/opportunities"
FORMS = POLICY.replace("form-action 'none'", "form-action 'self'")
MORE_STYLE = """
nav { margin: 0 0 1rem } form { display: inline-flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: 0;
  vertical-align: bottom }
label { display: flex; flex-direction: column; font-size: .85rem; color: var(--soft) }
input, select, button { font: inherit; padding: .35rem .6rem; border: 1px solid var(--line); border-radius: .35rem;
  background: var(--card); color: var(--ink); max-width: 22rem }
button { cursor: pointer } button[aria-current] { border-color: var(--link); color: var(--link); font-weight: 600 }
td.number, th.number { text-align: right } .note { padding: .6rem .75rem; border: 1px solid var(--line); border-radius: .5rem;
  background: var(--card); margin: .5rem 0 } .bad { border-color: #b91c1c } .small { width: 7rem } .day { white-space: nowrap }
"""
SHOWN = (("open", "Open"), ("won", "Won"), ("lost", "Lost"), ("all", "All"))


def show_list(request: Request) -> Response:
    """The deals, those that close next first; `q` searches names and accounts, `show` chooses open, won, lost or all."""
    org, params = request.app.state.org, request.query_params
    search, shown = params.get("q", ""), params.get("show", "open")
    page = int(params["page"]) if params.get("page", "").isdigit() else 1
    found = find_deals(org, search=search, shown=shown, page=max(page, 1))
    rows = "".join(_deal_row(each) for each in found.rows)
    options = "".join(
        f'<option value="{key}"{" selected" if key == shown else ""}>{escape(label)}</option>' for key, label in SHOWN
    )
    body = f"""<nav class="soft"><a href="/">{escape(org.info.name)}</a></nav><h1>Opportunities</h1>
<p class="soft">Move a deal through its stages and see what the org's flows do.</p>
<form method="get"><label>Search<input name="q" value="{escape(search, quote=True)}" placeholder="name or account"></label>
<label>Show<select name="show">{options}</select></label><button>Search</button></form>
<p class="soft">{found.count:,} found{_pager(found, search, shown)}</p>
<div class="card"><table><thead><tr><th scope="col">Opportunity</th><th scope="col">Account</th><th scope="col">Stage</th>
<th scope="col" class="number">Amount</th><th scope="col">Close date</th></tr></thead>
<tbody>{rows or '<tr><td colspan="5">No opportunity matches. Try another word, or show all.</td></tr>'}</tbody></table></div>"""
    return _page(f"Opportunities - {org.info.name}", body)


def _deal_row(deal: Mapping[str, Any]) -> str:
    link = f'<a href="{BASE}/{deal["Id"]}">{escape(str(deal["Name"]))}</a>'
    cells = (escape(str(deal["Account"] or "")), escape(str(deal["StageName"])))
    plain = "".join(f"<td>{each}</td>" for each in (link, *cells))
    day = f'<td class="day">{escape(str(deal["CloseDate"] or ""))}</td>'
    return f'<tr>{plain}<td class="number">{_money(deal["Amount"])}</td>{day}</tr>'


def _pager(found: Found, search: str, shown: str) -> str:
    def link(page: int, text: str) -> str:
        query = escape(urlencode({"q": search, "show": shown, "page": page}), quote=True)
        return f' · <a href="{BASE}?{query}">{text}</a>'

    before = link(found.page - 1, "Previous page") if found.page > 1 else ""
    return before + (link(found.page + 1, "Next page") if found.page * PAGE_ROWS < found.count else "")


def _money(value: Any) -> str:
    return "" if value is None else f"{value:,.2f}"


def show_deal(request: Request) -> Response:
    """One deal: its stage, its products, what its flows did."""
    org, params = request.app.state.org, request.query_params
    deal = find_deal(org, request.path_params["deal_id"])
    if deal is None:
        back = f'<p>There is no such opportunity. <a href="{BASE}">All opportunities</a></p>'
        return _page("Not found", f"<h1>Not found</h1>{back}", status=404)
    user = params.get("user", "")
    note, problem = params.get("note", ""), params.get("problem", "")
    told = f'<p class="note" role="status">{escape(note)}</p>' if note else ""
    told += f'<p class="note bad" role="alert">{escape(problem)}</p>' if problem else ""
    body = f"""<nav class="soft"><a href="{BASE}">Opportunities</a></nav><h1>{escape(str(deal["Name"]))}</h1>
<p class="soft">{escape(str(deal["Account"] or "No account"))} · {_money(deal["Amount"]) or "no amount"}
· closes {deal["CloseDate"]} · {escape(str(deal["Type"] or "no type"))} · <code>{deal["Id"]}</code></p>{told}
<h2>Stage: {escape(str(deal["StageName"]))}</h2>{_stage_form(org, deal, user)}
<h2>Details</h2>{_detail_form(deal, user)}
<h2>Products</h2>{_lines(org, deal, user)}
<h2>What the flows did</h2>{_runs(org, str(deal["Id"]))}"""
    return _page(f"{deal['Name']} - {org.info.name}", body)


def _hidden(user: str, **fields: str) -> str:
    named = {**fields, "user": user}
    return "".join(f'<input type="hidden" name="{key}" value="{_quoted(value)}">' for key, value in named.items() if value)


def _quoted(value: object) -> str:
    """A value as an attribute's text."""
    return escape("" if value is None else str(value), quote=True)


def _input(label: str, name: str, value: object, more: str = "") -> str:
    return f'<label>{label}<input name="{name}" value="{_quoted(value)}" {more}></label>'


def _form(hidden: str, inside: str, button: str) -> str:
    return f'<form method="post">{hidden}{inside}<button>{button}</button></form>'


def _table(titles: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{each}</th>' for each in titles)
    return f'<div class="card"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _stage_form(org: Any, deal: Mapping[str, Any], user: str) -> str:
    """A button for each stage, and in whose name the change is made."""
    buttons = "".join(_stage_button(each, now=each == deal["StageName"]) for each in stages(org))
    options = "".join(
        f'<option value="{key}"{" selected" if key == user else ""}>{escape(name)}</option>' for key, name in users_of(org)
    )
    people = f'<label>As<select name="user">{options}</select></label>'
    return f'<form method="post">{_hidden("", do="save")}{people}{buttons}</form>'


def _stage_button(name: str, *, now: bool) -> str:
    mark = ' aria-current="step"' if now else ""
    return f'<button name="StageName" value="{_quoted(name)}"{mark}>{escape(name)}</button>'


def _detail_form(deal: Mapping[str, Any], user: str) -> str:
    fields = (
        _input("Name", "Name", deal["Name"], "required"),
        _input("Close date", "CloseDate", deal["CloseDate"], 'type="date" required'),
        _input("Type", "Type", deal["Type"]),
        _input("Next step", "NextStep", deal["NextStep"]),
    )
    return _form(_hidden(user, do="save"), "".join(fields), "Save")


def _lines(org: Any, deal: Mapping[str, Any], user: str) -> str:
    """The products of a deal, each with its form, and a form for one more."""
    number = 'class="small" inputmode="decimal"'
    rows = []
    for each in lines_of(org, str(deal["Id"])):
        inside = _input("Quantity", "Quantity", f"{each['Quantity']:g}", number)
        inside += _input("Price", "UnitPrice", f"{each['UnitPrice']:.2f}", number)
        change = _form(_hidden(user, do="line", line=str(each["Id"])), inside, "Save")
        change += f" {_form(_hidden(user, do='remove', line=str(each['Id'])), '', 'Remove')}"
        total = f'<td class="number">{_money(each["TotalPrice"])}</td>'
        rows.append(f"<tr><td>{escape(str(each['Name']))}</td>{total}<td>{change}</td></tr>")
    options = "".join(
        f'<option value="{key}">{escape(name)} ({price:,.2f})</option>' for key, name, price in prices_of(org, deal)
    )
    choice = f'<label>Product<select name="PricebookEntryId">{options}</select></label>'
    add = _form(_hidden(user, do="add"), choice + _input("Quantity", "Quantity", "1", number), "Add product")
    shown = _table(("Product", "Total", "Change"), rows) if rows else '<p class="soft">No products yet.</p>'
    return shown + (f"<p>{add}</p>" if options else "")


def _runs(org: Any, deal_id: str) -> str:
    """The runs and messages about a deal, newest first, and what still waits."""
    done, waits = runs_of(org, deal_id)
    left = f"<p>{waits} still to be done. Reload the page to look again.</p>" if waits else ""
    if not done:
        return f'{left}<p class="soft">No flow ran for this opportunity since the org was started or reset.</p>'
    keys = ("what", "state", "detail")
    rows = [f"<tr>{_moment(each['at'])}{''.join(f'<td>{escape(each[key])}</td>' for key in keys)}</tr>" for each in done]
    return left + _table(("When (UTC)", "What", "State", "Detail"), rows)


def _moment(stamp: str) -> str:
    """A cell with a moment as people read it: 2026-11-22T17:17:59.000Z -> Nov 22, 2026, 17:17:59."""
    at = datetime.fromisoformat(stamp)
    return f'<td class="day"><time datetime="{escape(stamp, quote=True)}">{at:%b} {at.day}, {at:%Y, %H:%M:%S}</time></td>'


def change_deal(request: Request) -> Response:
    """A form of the deal's page: save the deal; change, remove or add a product. Then back to the page with what happened."""
    org, deal_id = request.app.state.org, request.path_params["deal_id"]
    form = {
        key: values[-1]
        for key, values in parse_qs(request.state.body.decode("utf-8", "replace"), keep_blank_values=True).items()
    }
    deeds: dict[str, Callable[[], str]] = {
        "save": lambda: save_deal(org, deal_id, form), "line": lambda: change_line(org, deal_id, form, "update"),
        "remove": lambda: change_line(org, deal_id, form, "delete"), "add": lambda: change_line(org, deal_id, form, "insert"),
    }  # fmt: skip
    deed = deeds.get(form.get("do", ""))
    if deed is None:
        return _page("Not understood", "<h1>Not understood</h1><p>The form names nothing to do.</p>", status=400)
    told: dict[str, str] = {"user": form.get("user", "")}
    try:
        told["note"] = deed()
        org.automation.wait_until_idle(1.0)
    except ApiError as problem:
        told["problem"] = f"Not saved: {problem.message}"
    query = urlencode({key: value for key, value in told.items() if value})
    return RedirectResponse(f"{BASE}/{deal_id}?{query}", 303)


def _page(title: str, body: str, *, status: int = 200) -> Response:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    text = (
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{STYLE}{MORE_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )
    return HTMLResponse(text, status, headers={"Content-Security-Policy": FORMS, "Cache-Control": "no-store"})


routes: Sequence[Route] = [
    Route(BASE, show_list, methods=["GET"]),
    Route(BASE + "/{deal_id}", show_deal, methods=["GET"]),
    Route(BASE + "/{deal_id}", change_deal, methods=["POST"]),
]
