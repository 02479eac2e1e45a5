"""The recycle bin, and merges."""

import pytest

from integrations.demo_org.errors import ApiError
from integrations.demo_org.merging import merge_records
from integrations.demo_org.removal import purge_expired


def family(core):
    account = core.make("Account", Name="x")
    made = {"StageName": "Prospecting", "CloseDate": "2026-01-01", "AccountId": account}
    opportunity = core.make("Opportunity", Name="o", **made)
    contract_contact = core.make("Contact", LastName="c", AccountId=account)
    return account, opportunity, contract_contact


def test_r_046_a_deleted_record_stays_in_the_bin_with_what_belongs_to_it(core):
    account, opportunity, _contact = family(core)
    assert core.save("Account", [{"Id": account}], "delete")[0].success
    assert core.row("Account", account)["IsDeleted"] == 1
    assert core.row("Opportunity", opportunity)["IsDeleted"] == 1
    assert core.save("Account", [{"Id": account}], "delete")[0].errors[0].code == "ENTITY_IS_DELETED"


def test_r_048_undelete_brings_everything_back(core):
    account, opportunity, contact = family(core)
    campaign = core.make("Campaign", Name="k")
    core.save("Opportunity", [{"Id": opportunity, "CampaignId": campaign}], "update")
    core.save("Campaign", [{"Id": campaign}], "delete")
    assert core.row("Opportunity", opportunity)["CampaignId"] is None
    core.save("Account", [{"Id": account}], "delete")
    results = core.save("Account", [{"Id": account}], "undelete") + core.save("Campaign", [{"Id": campaign}], "undelete")
    assert all(each.success for each in results)
    assert core.row("Account", account)["IsDeleted"] == 0
    assert core.row("Opportunity", opportunity)["IsDeleted"] == 0
    assert core.row("Opportunity", opportunity)["CampaignId"] == campaign
    assert core.row("Contact", contact)["IsDeleted"] == 0
    assert core.save("Account", [{"Id": account}], "undelete")[0].errors[0].code == "UNDELETE_FAILED"


def test_a_child_deleted_earlier_stays_in_the_bin(core):
    account, opportunity, _contact = family(core)
    core.save("Opportunity", [{"Id": opportunity}], "delete")
    core.save("Account", [{"Id": account}], "delete")
    core.save("Account", [{"Id": account}], "undelete")
    assert core.row("Opportunity", opportunity)["IsDeleted"] == 1


def test_a_hard_delete_leaves_nothing(core):
    account, opportunity, _contact = family(core)
    assert core.save("Account", [{"Id": account}], "hardDelete")[0].success
    assert core.row("Account", account) == {}
    assert core.row("Opportunity", opportunity) == {}


def test_the_bin_is_emptied_after_15_days(core):
    account, _opportunity, _contact = family(core)
    core.save("Account", [{"Id": account}], "delete")
    core.org.clock.advance(14 * 86400)
    assert purge_expired(core.org) == 0
    core.org.clock.advance(2 * 86400)
    assert purge_expired(core.org) >= 1
    assert core.row("Account", account) == {}


def test_deleting_moves_the_system_stamp(core):
    account = core.make("Account", Name="x")
    before = core.row("Account", account)["SystemModstamp"]
    core.org.clock.advance(60)
    core.save("Account", [{"Id": account}], "delete")
    assert core.row("Account", account)["SystemModstamp"] > before


def test_r_049_a_merge_moves_children_and_names_the_master(core):
    master, loser = core.make("Account", Name="m"), core.make("Account", Name="l")
    contact = core.make("Contact", LastName="c", AccountId=loser)
    moved = merge_records(core.org, core.caller, "Account", master=master, losers=[loser[:15]], fields={"Phone": "9"})
    assert contact in moved
    assert core.row("Contact", contact)["AccountId"] == master
    assert core.row("Contact", contact)["IsDeleted"] == 0
    gone = core.row("Account", loser)
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (1, master)
    assert core.row("Account", master)["Phone"] == "9"


@pytest.mark.parametrize("losers", [[], ["self"], ["001dM0000099999"]])
def test_a_merge_that_makes_no_sense_changes_nothing(core, losers):
    master = core.make("Account", Name="m")
    with pytest.raises(ApiError):
        merge_records(
            core.org, core.caller, "Account", master=master, losers=[master if each == "self" else each for each in losers]
        )
    assert core.row("Account", master)["IsDeleted"] == 0


def test_converted_leads_cannot_be_changed(core):
    lead = core.make("Lead", LastName="x", Company="c")
    with core.org.store.write() as connection:
        connection.execute('UPDATE "Lead" SET IsConverted = 1 WHERE Id = ?', (lead,))
    assert core.save("Lead", [{"Id": lead, "Phone": "1"}], "update")[0].errors[0].code == "CANNOT_UPDATE_CONVERTED_LEAD"
