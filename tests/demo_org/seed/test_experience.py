"""What product experience sync needs of the demo company: fields to write, keys and domains to match by, workspaces."""

import pytest

from integrations.demo_org.org import Caller
from integrations.demo_org.rights import holds
from integrations.demo_org.seed.company import INTEGRATION
from integrations.demo_org.seed.words import FREE_MAIL
from integrations.demo_org.store import quote

PX = {
    "PX_Active_Users_30d__c": "double", "PX_Health__c": "string", "PX_Plan__c": "picklist", "PX_Last_Seen__c": "datetime",
    "PX_NPS_Score__c": "double", "PX_Is_Active__c": "boolean",
}  # fmt: skip


def domain(website: str) -> str:
    return website.removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/").lower()


@pytest.mark.parametrize("name", ["Account", "Workspace__c"])
def test_the_fields_to_write_are_there(org, name) -> None:
    kind = org.schema.find(name)
    found = {key: kind.find(key) for key in PX}
    assert {key: each.type for key, each in found.items()} == PX
    assert all(each.updateable and each.createable for each in found.values())
    assert found["PX_Plan__c"].restricted_picklist


def test_contacts_have_fields_of_their_own(org) -> None:
    kind = org.schema.find("Contact")
    assert all(
        kind.find(name).updateable for name in ("PX_Last_Seen__c", "PX_Role__c", "PX_Sessions_30d__c", "PX_Is_Active__c")
    )


@pytest.mark.parametrize(("name", "key"), [("Account", "Product_Account_Id__c"), ("Contact", "Product_User_Id__c")])
def test_about_60_percent_have_the_products_key(org, rows, name, key) -> None:
    known, every = rows(f"SELECT COUNT({key}), COUNT(*) FROM {name} WHERE IsDeleted = 0")[0]
    assert 0.5 < known / every < 0.7
    assert org.schema.find(name).find(key).external_id


def test_some_keys_belong_to_two_accounts(rows) -> None:
    assert rows("SELECT Product_Account_Id__c FROM Account WHERE IsDeleted = 0 AND Product_Account_Id__c IS NOT NULL "
                "GROUP BY 1 HAVING COUNT(*) > 1")  # fmt: skip


def test_mail_domains_fit_the_website(rows) -> None:
    pairs = rows("SELECT a.Website, c.Email FROM Contact c JOIN Account a ON a.Id = c.AccountId "
                 "WHERE a.Website IS NOT NULL AND c.Email IS NOT NULL AND c.IsDeleted = 0")  # fmt: skip
    own = [(domain(website), mail.lower().rpartition("@")[2]) for website, mail in pairs]
    business = [(website, mail) for website, mail in own if mail not in FREE_MAIL]
    assert len(business) > 0.8 * len(own)
    assert all(website == mail for website, mail in business)


def test_some_accounts_share_a_name_or_a_domain_and_some_have_none_of_their_own(rows) -> None:
    found = rows("SELECT lower(Name), Website FROM Account WHERE IsDeleted = 0 AND Website IS NOT NULL")
    names: dict[str, set[str]] = {}
    domains: dict[str, set[str]] = {}
    for name, website in found:
        names.setdefault(name, set()).add(domain(website))
        domains.setdefault(domain(website), set()).add(name)
    assert any(len(each) > 1 for each in names.values())
    assert any(len(each) > 1 for key, each in domains.items() if key not in FREE_MAIL)
    assert "gmail.com" in domains
    assert rows("SELECT 1 FROM Contact WHERE Email LIKE '%@gmail.com'")


def test_workspaces_stand_in_for_accounts(org, rows) -> None:
    key = org.schema.find("Workspace__c").find("Workspace_Key__c")
    assert (key.unique, key.external_id) == (True, True)
    assert org.schema.find("Workspace__c").find("Account__c").reference_to == ("Account",)
    every, loose, keys = rows("SELECT COUNT(*), SUM(Account__c IS NULL), COUNT(DISTINCT Workspace_Key__c) FROM Workspace__c")[0]
    assert every == keys > 50
    assert 0 < loose < every / 10
    assert rows("SELECT Account__c FROM Workspace__c GROUP BY 1 HAVING COUNT(*) > 1")


def test_a_fifth_has_old_values_that_a_sync_will_replace(rows) -> None:
    old, every = rows("SELECT SUM(PX_Plan__c IS NOT NULL), COUNT(*) FROM Account WHERE IsDeleted = 0")[0]
    assert 0.1 < old / every < 0.3


def test_the_integration_may_deploy_fields_but_not_delete_for_good(org, rows) -> None:
    sql = f'SELECT u.Id FROM "User" u JOIN Profile p ON p.Id = u.ProfileId WHERE p.Name = {quote(INTEGRATION).replace(chr(34), chr(39))}'
    caller = Caller(rows(sql)[0][0])
    assert [holds(org, caller, each) for each in ("ModifyMetadata", "CustomizeApplication", "ApiEnabled")] == [True] * 3
    assert not holds(org, caller, "BulkApiHardDelete")
    assert not holds(org, caller, "Nonsense")
