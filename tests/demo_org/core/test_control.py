import time

import requests

from tests.effort import at_most


def refused(core, path, body, **more):
    answer = requests.post(f"{core.url}/__demo__/{path}", json=body, timeout=10, **more)
    assert answer.status_code in {400, 403}
    return answer.json()["error"]


def test_info_names_users_and_clients(core):
    info = core.control("info", method="GET")
    assert info["base_url"] == core.url
    assert info["org_id"].startswith("00D")
    assert info["users"][0]["username"] == "ada@core.example"
    flows = {flow for each in info["oauth_clients"] for flow in each["flows"]}
    assert "client_credentials" in flows


def test_reset_returns_to_the_seeded_state_quickly(core):
    core.make("Account", Name="x")
    core.control("settings", {"api_enabled": False, "hidden_objects": ["Lead"]})
    core.control("clock", {"advance": 1000})
    core.control("faults", {"status": 500})
    with at_most(0.5):  # a file copy; 20 ms
        core.control("reset", {})
    assert core.org.store.read().execute("SELECT COUNT(*) FROM Account").fetchone()[0] == 0
    assert core.org.settings.api_enabled
    assert core.org.schema_for(core.caller).find("Lead")
    assert core.control("faults", method="GET")["faults"] == []
    assert abs(core.org.clock.now().timestamp() - time.time()) < 5


def test_the_clock_moves_and_stands_still(core):
    core.control("clock", {"now": "2027-03-01T00:00:00Z", "frozen": True})
    assert core.control("clock", method="GET")["now"].startswith("2027-03-01T00:00:00")
    core.control("clock", {"advance": 61})
    assert core.row("Account", core.make("Account", Name="x"))["CreatedDate"] == "2027-03-01T00:01:01.000Z"
    core.control("clock", {"real": True})
    assert abs(core.org.clock.now().timestamp() - time.time()) < 5


def test_records_can_be_changed_behind_the_apps_back(core):
    account = core.control("create", {"object": "Account", "fields": {"Name": "x"}})["id"]
    core.control("update", {"object": "Account", "id": account, "fields": {"Name": "y"}})
    assert core.row("Account", account)["Name"] == "y"
    core.control("delete", {"object": "Account", "id": account})
    assert core.row("Account", account)["IsDeleted"] == 1
    core.control("undelete", {"object": "Account", "id": account})
    other = core.control("create", {"object": "Account", "fields": {"Name": "z"}})["id"]
    core.control("merge", {"object": "Account", "master": account, "losers": [other]})
    assert core.row("Account", other)["MasterRecordId"] == account
    core.control("delete", {"object": "Account", "id": account, "hard": True})
    assert core.row("Account", account) == {}


def test_the_counter_of_writes_counts_rows(core):
    core.control("writes", method="DELETE")
    core.call(
        "POST", "composite/sobjects", json={"records": [{"attributes": {"type": "Account"}, "Name": name} for name in "abc"]}
    )
    found = core.control("writes", method="GET")
    assert (found["rows"], found["by_object"]) == (3, {"Account": 3})


def test_wrong_orders_are_refused_with_a_sentence(core):
    assert "no setting speed" in refused(core, "settings", {"speed": 1})
    assert "takes bool" in refused(core, "settings", {"rotation": "yes"})
    assert "no action" in refused(core, "faults", {"action": "explode"})
    assert "regular expression" in refused(core, "faults", {"match": {"path": "("}})
    assert "MALFORMED_ID" in refused(core, "delete", {"object": "Account", "id": "zzz"})
    assert "Say" in refused(core, "clock", {})
    assert "Name an object" in refused(core, "fields", {"object": "Nope", "field": {}})


def test_s_098_other_names_and_other_sites_get_nothing(core):
    for headers in ({"Host": "demo.example.com"}, {"Origin": "https://evil.example"}):
        assert "only on the machine" in refused(core, "reset", {}, headers=headers)
        assert requests.get(f"{core.url}/", headers=headers, timeout=10).status_code == 403


def test_the_front_page_tells_a_person_what_this_is(core):
    answer = requests.get(f"{core.url}/", timeout=10)
    assert answer.status_code == 200
    assert "ada@core.example" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
