"""The query and search resources over HTTP."""

from datetime import timedelta

from tests.demo_org.soql.world import NOW


def test_a_small_result_is_one_page(get) -> None:
    body = get("query", q="SELECT Name FROM Account WHERE Name = 'Acme'")
    assert list(body) == ["totalSize", "done", "records"]
    assert (body["totalSize"], body["done"], body["records"][0]["Name"]) == (1, True, "Acme")


def test_pages_follow_their_locators_to_the_end(get) -> None:
    body = get("query/", q="SELECT Name FROM Topic ORDER BY Name")
    assert list(body) == ["totalSize", "done", "nextRecordsUrl", "records"]
    assert (body["totalSize"], body["done"], len(body["records"])) == (2300, False, 2000)
    assert body["nextRecordsUrl"].startswith("/services/data/v65.0/query/01g")
    assert body["nextRecordsUrl"].endswith("-2000")
    last = get(body["nextRecordsUrl"])
    assert (last["totalSize"], last["done"], len(last["records"])) == (2300, True, 300)
    assert "nextRecordsUrl" not in last
    assert [each["Name"] for each in body["records"] + last["records"]] == [f"Topic {k:04}" for k in range(2300)]


def test_a_locator_may_be_read_again(get) -> None:
    url = get("query", q="SELECT Name FROM Topic ORDER BY Name")["nextRecordsUrl"]
    assert get(url) == get(url)


def test_the_order_of_pages_stands_still_while_records_change(get, served) -> None:
    world, _ = served
    url = get("query", q="SELECT Name FROM Topic ORDER BY Name")["nextRecordsUrl"]
    with world.org.store.write() as connection:
        connection.execute("UPDATE Topic SET Name = 'AAA' WHERE Name = 'Topic 2299'")
    try:
        records = get(url)["records"]
        assert (records[0]["Name"], records[-1]["Name"]) == ("Topic 2000", "AAA")
    finally:
        with world.org.store.write() as connection:
            connection.execute("UPDATE Topic SET Name = 'Topic 2299' WHERE Name = 'AAA'")


def test_the_batch_size_of_the_client_is_kept_between_200_and_2000(get) -> None:
    for asked, given in ((250, 250), (10, 200), (5000, 2000)):
        body = get("query", q="SELECT Id FROM Topic", headers={"Sforce-Query-Options": f"batchSize={asked}"})
        assert len(body["records"]) == given
        assert body["nextRecordsUrl"].endswith(f"-{given}")


def test_wide_rows_come_in_smaller_pages(get) -> None:
    fields = "FIELDS(STANDARD), FIELDS(CUSTOM)"
    assert "nextRecordsUrl" not in get("query", q=f"SELECT {fields} FROM Contact LIMIT 200")
    body = get("query", q="SELECT FIELDS(STANDARD) FROM Contact")
    assert 200 <= len(body["records"]) < 604
    assert not body["done"]


def test_unknown_foreign_and_old_locators_are_refused(get, served) -> None:
    world, core = served
    refusal = [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
    assert get("query/01g000000000001AAA-2000", status=400) == refusal
    assert get("query/nonsense", status=400) == refusal
    url = get("query", q="SELECT Id FROM Topic")["nextRecordsUrl"]
    token = world.org.sessions.open(world.ids["bob"], scopes=("api",))
    assert core.call("GET", url, headers={"Authorization": f"Bearer {token}"}).json() == refusal
    world.org.clock.set(NOW + timedelta(days=2, seconds=1), frozen=True)
    try:
        fresh = world.org.sessions.open(world.ids["ada"], scopes=("api",))
        assert core.call("GET", url, headers={"Authorization": f"Bearer {fresh}"}).json() == refusal
    finally:
        world.org.clock.set(NOW, frozen=True)


def test_many_children_have_a_locator_of_their_own(get) -> None:
    text = "SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account WHERE Name LIKE 'O%'"
    contacts = get("query", q=text, headers={"Sforce-Query-Options": "batchSize=200"})["records"][0]["Contacts"]
    assert (contacts["totalSize"], contacts["done"], len(contacts["records"])) == (600, False, 200)
    found = list(contacts["records"])
    url = contacts["nextRecordsUrl"]
    while url:
        page = get(url)
        found += page["records"]
        url = page.get("nextRecordsUrl")
    assert [each["LastName"] for each in found] == [f"Many {k:04}" for k in range(600)]


def test_query_all_shows_deleted_records(get) -> None:
    assert get("queryAll", q="SELECT Name FROM Account WHERE IsDeleted = true")["records"][0]["Name"] == "Gone Ltd"
    assert get("query", q="SELECT Name FROM Account WHERE IsDeleted = true")["totalSize"] == 0


def test_errors_are_an_array(get) -> None:
    body = get("query", q="SELECT Foo FROM Account", status=400)
    assert [list(each) for each in body] == [["message", "errorCode"]]
    assert get("query", status=400)[0]["errorCode"] == "MALFORMED_QUERY"


def test_columns_tell_what_a_query_selects(get) -> None:
    text = "SELECT Id, Name, Owner.Name, AnnualRevenue, (SELECT LastName FROM Contacts) FROM Account"
    body = get("query", q=text, columns="true")
    shown = {each["columnName"]: each for each in body["columnMetadata"]}
    assert (body["entityName"], body["keyPrefix"], body["groupBy"], body["idSelected"]) == ("Account", "001", False, True)
    assert list(shown) == ["Id", "Name", "Owner", "AnnualRevenue", "Contacts"]
    assert [each["columnName"] for each in shown["Owner"]["joinColumns"]] == ["Name"]
    assert (shown["Contacts"]["aggregate"], shown["Contacts"]["joinColumns"][0]["columnName"]) == (True, "LastName")
    assert (shown["AnnualRevenue"]["numberType"], shown["Name"]["textType"], shown["Id"]["apexType"]) == (True, True, "Id")
    grouped = get("query", q="SELECT Industry, COUNT(Id), MAX(Name) m FROM Account GROUP BY Industry", columns="true")
    assert [(each["columnName"], each["aggregate"]) for each in grouped["columnMetadata"]] == [
        ("Industry", False), ("expr0", True), ("m", True),
    ]  # fmt: skip


def test_explain_gives_a_plan(get, served) -> None:
    plan = get("query", explain="SELECT Id FROM Account WHERE Description != null", status=400)
    assert plan[0]["errorCode"] == "INVALID_FIELD"
    scan = get("query", explain="SELECT Id FROM Account WHERE Industry = 'Energy'")["plans"][0]
    assert (scan["leadingOperationType"], scan["sobjectType"]) == ("TableScan", "Account")
    found = get("query", explain=f"SELECT Id FROM Contact WHERE AccountId = '{served[0].ids['acme']}'")["plans"][0]
    assert (found["leadingOperationType"], found["fields"]) == ("Index", ["AccountId"])


def test_tooling_queries_know_a_few_objects(get) -> None:
    body = get("tooling/query", q="SELECT Username FROM User ORDER BY Username")
    assert list(body)[:5] == ["size", "totalSize", "done", "queryLocator", "entityTypeName"]
    assert (body["size"], body["queryLocator"], body["entityTypeName"]) == (2, None, "User")
    assert "/tooling/sobjects/User/005" in body["records"][0]["attributes"]["url"]
    for text in ("SELECT Id FROM Account", "SELECT Id FROM ScratchOrgInfo"):
        assert get("tooling/query", q=text, status=400)[0]["errorCode"] == "INVALID_TYPE"
    assert get("query", q="SELECT Id FROM ScratchOrgInfo", status=400)[0]["errorCode"] == "INVALID_TYPE"


def test_for_view_marks_records_as_viewed(get, served) -> None:
    get("query", q="SELECT Id FROM Account WHERE Name = 'Acme' FOR VIEW")
    record = get("query", q="SELECT LastViewedDate, LastReferencedDate FROM Account WHERE Name = 'Acme'")["records"][0]
    assert record["LastViewedDate"] == record["LastReferencedDate"] == NOW.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def test_search_answers_in_an_object_since_v37(get, served) -> None:
    text = "FIND {acme} RETURNING Account(Name)"
    assert [each["Name"] for each in get("search", q=text)["searchRecords"]] == ["Acme"]
    assert [each["Name"] for each in get("/services/data/v36.0/search", q=text)] == ["Acme"]


def test_parameterized_search_by_get_and_post(get, served) -> None:
    params = {"q": "acme", "sobject": "Account", "Account.fields": "Name,Industry", "Account.limit": "5"}
    record = served[1].call("GET", "parameterizedSearch", params=params).json()["searchRecords"][0]
    assert (record["Name"], record["Industry"]) == ("Acme", "Banking")
    body = {"q": "archer", "fields": ["Name"], "sobjects": [{"name": "Contact", "where": "Email != null"}], "in": "NAME"}
    assert served[1].call("POST", "parameterizedSearch", json=body).json()["searchRecords"][0]["Name"] == "Ann Archer"
    assert served[1].call("POST", "parameterizedSearch", json={}).json()[0]["errorCode"] == "MALFORMED_SEARCH"


def test_reports_in_hidden_folders_are_not_found(get, served) -> None:
    world, _ = served
    world.add(
        "Folder",
        {
            "shared": {"Name": "Shared", "AccessType": "Public", "Type": "Report"},
            "board": {"Name": "Board", "AccessType": "Public", "Type": "Report"},
        },
    )
    world.add(
        "Report",
        {
            "r1": {"Name": "Open one", "OwnerId": "shared", "IsDeleted": 0},
            "r2": {"Name": "Secret one", "OwnerId": "board", "IsDeleted": 0},
        },
    )
    text = "SELECT Name FROM Report WHERE Name LIKE '%ONE%' ORDER BY Name"
    assert [each["Name"] for each in get("query", q=text)["records"]] == ["Open one", "Secret one"]
    world.org.settings.extra["hidden_folders"] = ["Board"]
    try:
        assert [each["Name"] for each in get("query", q=text)["records"]] == ["Open one"]
        assert get("search", q="FIND {secret} RETURNING Report(Name)", status=200)["searchRecords"] == []
    finally:
        world.org.settings.extra.pop("hidden_folders")
