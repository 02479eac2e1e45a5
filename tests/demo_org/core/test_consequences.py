"""What follows from a save: names, stages, totals, history."""


def deal(core, **more):
    return core.make(
        "Opportunity", **{"Name": "d", "StageName": "Prospecting", "CloseDate": "2026-05-31", "Amount": 200, **more}
    )


def test_persons_are_named_by_first_and_last_name(core):
    contact = core.make("Contact", FirstName="Jo", LastName="Doe, Jr.", Salutation="Dr.")
    assert core.row("Contact", contact)["Name"] == "Jo Doe, Jr."
    core.save("Contact", [{"Id": contact, "FirstName": None}], "update")
    assert core.row("Contact", contact)["Name"] == "Doe, Jr."
    lead = core.make("Lead", LastName="Poe", Company="C")
    assert core.row("Lead", lead)["Name"] == "Poe"


def test_the_stage_explains_the_deal(core):
    made = core.row("Opportunity", deal(core))
    assert (made["Probability"], made["IsClosed"], made["IsWon"], made["ForecastCategory"]) == (10, 0, 0, "Pipeline")
    assert (made["ExpectedRevenue"], made["FiscalYear"], made["FiscalQuarter"], made["Fiscal"]) == (20, 2026, 2, "2026 2")
    core.save("Opportunity", [{"Id": made["Id"], "StageName": "Closed Won"}], "update")
    won = core.row("Opportunity", made["Id"])
    assert (won["Probability"], won["IsClosed"], won["IsWon"], won["ForecastCategoryName"]) == (100, 1, 1, "Closed")
    assert won["ExpectedRevenue"] == 200
    assert won["LastStageChangeDate"] is not None


def test_a_given_probability_is_kept(core):
    made = deal(core, Probability=33)
    assert core.row("Opportunity", made)["Probability"] == 33
    core.save("Opportunity", [{"Id": made, "NextStep": "call"}], "update")
    assert core.row("Opportunity", made)["Probability"] == 33
    core.save("Opportunity", [{"Id": made, "StageName": "Prospecting"}], "update")
    assert core.row("Opportunity", made)["Probability"] == 33  # the stage did not change
    core.save("Opportunity", [{"Id": made, "StageName": "Closed Lost", "Probability": 5}], "update")
    assert core.row("Opportunity", made)["Probability"] == 5


def test_each_change_of_a_deal_is_history(core):
    made = deal(core)
    core.save("Opportunity", [{"Id": made, "Amount": 300}], "update")
    core.save("Opportunity", [{"Id": made, "NextStep": "call"}], "update")
    core.save("Opportunity", [{"Id": made, "Amount": 300}], "update")
    sql = "SELECT Amount, PrevAmount, StageName FROM OpportunityHistory WHERE OpportunityId = ? ORDER BY Id"
    assert core.org.store.read().execute(sql, (made,)).fetchall() == [(200, None, "Prospecting"), (300, 200, "Prospecting")]
    sql = "SELECT Field, OldValue, NewValue FROM OpportunityFieldHistory WHERE OpportunityId = ? ORDER BY Id"
    assert core.org.store.read().execute(sql, (made,)).fetchall() == [("created", None, None), ("Amount", "200.0", "300.0")]


def line(core, opportunity, **more):
    product = core.make("Product2", Name="p", IsActive=True)
    book = core.make("Pricebook2", Name="b", IsActive=True)
    entry = core.make("PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=50, IsActive=True)
    return core.make("OpportunityLineItem", OpportunityId=opportunity, PricebookEntryId=entry, Quantity=3, **more)


def test_line_items_total_into_their_deal(core):
    made = deal(core)
    first = line(core, made, UnitPrice=50)
    assert core.row("OpportunityLineItem", first)["TotalPrice"] == 150
    assert core.row("Opportunity", made)["Amount"] == 150
    second = line(core, made, UnitPrice=10, Discount=50)
    assert core.row("Opportunity", made)["Amount"] == 165
    assert core.row("Opportunity", made)["HasOpportunityLineItem"] == 1
    core.save("OpportunityLineItem", [{"Id": first, "Quantity": 1}], "update")
    assert core.row("Opportunity", made)["Amount"] == 65
    core.save("OpportunityLineItem", [{"Id": second}], "delete")
    found = core.row("Opportunity", made)
    assert (found["Amount"], found["ExpectedRevenue"]) == (50, 5)


def test_a_case_is_closed_and_reopened_by_its_status(core):
    account = core.make("Account", Name="x")
    contact = core.make("Contact", LastName="y", AccountId=account, Email="y@example.com")
    case = core.make("Case", Subject="s", ContactId=contact)
    row = core.row("Case", case)
    assert (row["Status"], row["IsClosed"], row["ContactEmail"], row["AccountId"]) == ("New", 0, "y@example.com", account)
    assert row["CaseNumber"].isdigit()
    core.save("Case", [{"Id": case, "Status": "Closed"}], "update")
    assert core.row("Case", case)["ClosedDate"] is not None
    core.save("Case", [{"Id": case, "Status": "Working"}], "update")
    assert (core.row("Case", case)["IsClosed"], core.row("Case", case)["ClosedDate"]) == (0, None)


def test_auto_numbers_count_on(core):
    first, second = (core.row("Account", core.make("Account", Name=name))["Customer_Number__c"] for name in ("a", "b"))
    assert int(second.removeprefix("CUST-")) == int(first.removeprefix("CUST-")) + 1


def test_account_history_names_old_and_new(core):
    account = core.make("Account", Name="old")
    core.save("Account", [{"Id": account, "Name": "new"}], "update")
    sql = "SELECT Field, OldValue, NewValue FROM AccountHistory WHERE AccountId = ? ORDER BY Id"
    assert core.org.store.read().execute(sql, (account,)).fetchall() == [("created", None, None), ("Name", "old", "new")]
