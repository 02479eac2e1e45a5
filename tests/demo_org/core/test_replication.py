from datetime import timedelta

import pytest


def window(core, **shift):
    now = core.org.clock.now()
    return {
        "start": (now - timedelta(days=1)).isoformat(),
        "end": (now + timedelta(minutes=2) + timedelta(**shift)).isoformat(),
    }


def test_updated_names_what_changed_in_the_window(core):
    account = core.make("Account", Name="x")
    body = core.call("GET", "sobjects/Account/updated", params=window(core)).json()
    assert body["ids"] == [account]
    assert body["latestDateCovered"].endswith(":00.000+0000")
    core.control("clock", {"advance": 3 * 86400})
    core.sign_in()
    assert core.call("GET", "sobjects/Account/updated", params=window(core)).json()["ids"] == []


def test_deleted_names_what_went_with_its_time_even_after_a_hard_delete(core):
    soft, hard = core.make("Account", Name="x"), core.make("Account", Name="y")
    core.save("Account", [{"Id": soft}], "delete")
    core.save("Account", [{"Id": hard}], "hardDelete")
    body = core.call("GET", "sobjects/Account/deleted", params=window(core)).json()
    assert [each["id"] for each in body["deletedRecords"]] == [soft, hard]
    assert list(body) == ["deletedRecords", "earliestDateAvailable", "latestDateCovered"]
    core.save("Account", [{"Id": soft}], "undelete")
    body = core.call("GET", "sobjects/Account/deleted", params=window(core)).json()
    assert [each["id"] for each in body["deletedRecords"]] == [hard]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z",
        "start=tomorrow&end=2020-01-02T00:00:00Z",
        "start=2020-01-02T00:00:00Z&end=2020-01-01T00:00:00Z",
    ],
)
def test_a_window_that_makes_no_sense_is_refused(core, query):
    answer = core.call("GET", f"sobjects/Account/updated?{query}")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_r_041_a_late_commit_appears_later_with_its_older_stamp(core):
    core.control("settings", {"late_commit_seconds": 300})
    made = core.call("POST", "sobjects/Account", json={"Name": "late"})
    assert made.status_code == 201
    account, started = made.json()["id"], core.org.clock.stamp()
    core.control("settings", {"late_commit_seconds": 0})
    assert core.call("GET", f"sobjects/Account/{account}").status_code == 404
    core.control("clock", {"advance": 200})
    covered = core.call("GET", "sobjects/Account/updated", params=window(core)).json()["latestDateCovered"]
    assert covered[:16] <= started[:16]
    seen = core.make("Account", Name="early")
    core.control("clock", {"advance": 101})
    assert core.call("GET", f"sobjects/Account/{account}?fields=Name").json()["Name"] == "late"
    assert core.row("Account", account)["SystemModstamp"] < core.row("Account", seen)["SystemModstamp"]


def test_r_041_a_late_update_of_a_deal_has_its_consequences_when_it_appears(core):
    deal = core.make("Opportunity", Name="d", StageName="Prospecting", CloseDate="2026-05-31", Amount=10)
    core.org.settings.update({"late_commit_seconds": 60})
    assert core.save("Opportunity", [{"Id": deal, "StageName": "Closed Won"}], "update")[0].success
    assert core.call("GET", f"sobjects/Opportunity/{deal}").json()["StageName"] == "Prospecting"
    core.control("clock", {"advance": 61})
    body = core.call("GET", f"sobjects/Opportunity/{deal}").json()
    assert (body["StageName"], body["IsWon"], body["Probability"]) == ("Closed Won", True, 100.0)
