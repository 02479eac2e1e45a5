"""The CPQ package and the one with the mapping fields."""

from tests.demo_org.automation.flowing import make_deal
from tests.demo_org.core.served_org import Core


def test_cpq_has_its_objects_and_fields_with_their_real_names(core: Core) -> None:
    assert core.control("packages", {"package": "cpq"})["objects"] == [
        "SBQQ__Quote__c",
        "SBQQ__QuoteLine__c",
        "SBQQ__Subscription__c",
    ]
    assert core.control("packages", {"package": "cpq"})["objects"]
    deal, product = make_deal(core), core.make("Product2", Name="Seats", ProductCode="HP-1", IsActive=True)
    quote = core.make("SBQQ__Quote__c", SBQQ__Opportunity2__c=deal, SBQQ__Primary__c=True, SBQQ__Type__c="Amendment",
                      SBQQ__StartDate__c="2026-12-01", SBQQ__SubscriptionTerm__c=12)  # fmt: skip
    core.make("SBQQ__QuoteLine__c", SBQQ__Quote__c=quote, SBQQ__Product__c=product, SBQQ__Quantity__c=0, SBQQ__NetPrice__c=10)
    core.make("SBQQ__QuoteLine__c", SBQQ__Quote__c=quote, SBQQ__Product__c=product, SBQQ__Quantity__c=3, SBQQ__NetPrice__c=10)
    core.call("PATCH", f"sobjects/Opportunity/{deal}", json={"SBQQ__PrimaryQuote__c": quote})
    query = (
        "SELECT Name, SBQQ__Quantity__c, SBQQ__ProductCode__c, SBQQ__Product__r.Name, SBQQ__Quote__r.SBQQ__Type__c,"
        " SBQQ__Quote__r.SBQQ__Opportunity2__r.Name, SBQQ__Quote__r.SBQQ__NetAmount__c, SBQQ__NetTotal__c FROM SBQQ__QuoteLine__c"
        f" WHERE SBQQ__Quote__r.SBQQ__Opportunity2__c = '{deal}' AND SBQQ__Quote__r.SBQQ__Primary__c = true ORDER BY Name"
    )
    first, second = core.call("GET", "query", params={"q": query}).json()["records"]
    assert (first["SBQQ__Quantity__c"], second["SBQQ__Quantity__c"], second["SBQQ__NetTotal__c"]) == (0.0, 3.0, 30.0)
    assert (second["SBQQ__ProductCode__c"], second["SBQQ__Product__r"]["Name"]) == ("HP-1", "Seats")
    assert second["SBQQ__Quote__r"]["SBQQ__Type__c"] == "Amendment"
    assert second["SBQQ__Quote__r"]["SBQQ__NetAmount__c"] == 30.0
    children = core.call(
        "GET", "query", params={"q": f"SELECT Id, (SELECT Id FROM SBQQ__Quotes2__r) FROM Opportunity WHERE Id = '{deal}'"}
    )
    assert children.json()["records"][0]["SBQQ__Quotes2__r"]["totalSize"] == 1
    names = {each["name"] for each in core.call("GET", "sobjects/Opportunity/describe").json()["fields"]}
    assert {"SBQQ__AmendedContract__c", "SBQQ__RenewedContract__c", "SBQQ__PrimaryQuote__c"} <= names


def test_the_mapping_fields_are_seen_by_everybody(core: Core) -> None:
    assert "Product2" in core.control("packages", {"package": "provisioning"})["objects"]
    core.control("packages", {"package": "provisioning"})
    product = core.make("Product2", Name="Seats", IsActive=True, Stigg_Type__c="Plan", Stigg_ID__c="plan-seats")
    shown = core.call("GET", f"sobjects/Product2/{product}").json()
    assert (shown["Stigg_Type__c"], shown["Stigg_ID__c"], shown["Stigg_Unlimited__c"]) == ("Plan", "plan-seats", False)
    assert not core.save("Product2", [{"Name": "Bad", "Stigg_Type__c": "Nothing"}])[0].success
