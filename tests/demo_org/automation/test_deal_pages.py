"""The pages on which a person moves deals."""

import requests

from tests.demo_org.automation.flowing import Receiver, deploy_flow, deploy_service, good, make_deal, won_flow
from tests.demo_org.core.served_org import Core


def post(core: Core, deal: str, **form: str) -> requests.Response:
    return requests.post(f"{core.url}/__demo__/opportunities/{deal}", data=form, timeout=20)


def page(core: Core, path: str = "") -> str:
    answer = requests.get(f"{core.url}/__demo__/opportunities{path}", timeout=20)
    assert answer.status_code == 200, answer.text
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    return answer.text


def priced(core: Core, name: str = "Seats", price: float = 20) -> str:
    product = core.make("Product2", Name=name, IsActive=True)
    book = core.org.store.read().execute("SELECT Id FROM Pricebook2").fetchone()
    found = book[0] if book else core.make("Pricebook2", Name="Book", IsActive=True)
    return core.make("PricebookEntry", Pricebook2Id=found, Product2Id=product, UnitPrice=price, IsActive=True)


def test_a_deal_is_found_and_moved_to_won_and_the_flow_is_shown(core: Core, receiver: Receiver) -> None:
    deploy_service(core, receiver.url)
    good(deploy_flow(core, "Send_Won", won_flow()))
    account = core.make("Account", Name="Pine & Sons <b>")
    deal = make_deal(core, AccountId=account)
    make_deal(core, "Closed Lost")
    text = page(core, "?q=pine+harbor")
    assert deal in text
    assert "Pine &amp; Sons &lt;b&gt;" in text
    assert "1 found" in text
    assert "1 found" in page(core, "?show=lost")
    assert "No opportunity matches" in page(core, "?q=nothing")
    answer = post(core, deal, do="save", StageName="Closed Won")
    assert answer.url.endswith("note=Moved+to+Closed+Won.")
    assert "Send_Won" not in answer.text
    assert "Tested (version 1, Later)" in answer.text
    assert "Finished" in answer.text
    assert "HTTP 200" in answer.text
    assert core.row("Opportunity", deal)["IsWon"] == 1
    assert len(receiver.requests) == 1


def test_products_are_added_changed_and_removed(core: Core) -> None:
    entry, deal = priced(core), make_deal(core)
    assert "Product added." in post(core, deal, do="add", PricebookEntryId=entry, Quantity="3").text
    assert core.row("Opportunity", deal)["Amount"] == 60
    line = core.org.store.read().execute("SELECT Id FROM OpportunityLineItem").fetchone()[0]
    assert "Product saved." in post(core, deal, do="line", line=line, Quantity="4", UnitPrice="1,000").text
    assert core.row("Opportunity", deal)["Amount"] == 4000
    assert "Quantity must be a number" in post(core, deal, do="line", line=line, Quantity="many").text
    other = make_deal(core)
    assert "no such product" in post(core, other, do="remove", line=line).text
    assert "Product removed." in post(core, deal, do="remove", line=line).text
    assert core.row("OpportunityLineItem", line)["IsDeleted"] == 1


def test_what_is_not_allowed_is_told_and_nothing_is_saved(core: Core) -> None:
    deal = make_deal(core)
    core.control("settings", {"validation_rules": [{"object": "Opportunity", "field": "StageName", "op": "=", "value": "Closed Won",
                                                    "message": "Not before Friday"}]})  # fmt: skip
    assert "Not saved: Not before Friday" in post(core, deal, do="save", StageName="Closed Won").text
    assert core.row("Opportunity", deal)["StageName"] == "Prospecting"
    assert requests.get(f"{core.url}/__demo__/opportunities/006000000000000AAA", timeout=20).status_code == 404
    assert post(core, deal, do="dance").status_code == 400
    foreign = requests.post(f"{core.url}/__demo__/opportunities/{deal}", data={"do": "save", "Name": "x"},
                            headers={"Origin": "https://evil.example"}, timeout=20)  # fmt: skip
    assert foreign.status_code == 403
