"""Comparisons of reading: describes, records, queries, search, replication, limits, versions."""

import json
import urllib.parse
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conformity.api import Answer
from tests.conformity.cases import Case
from tests.conformity.world import World

NEWER = "newer releases answer with more keys than the recorded one"
HASHED = {"order *urls": "the links come in no particular order: it differs between recorded objects"}
DEFAULTS = {"extra urls.defaultValues": "recorded for some objects only, by no rule that clients rely on"}
SCREENS = {
    "extra urls.approvalLayouts": "only objects with a tab have the link; the demo org links every object alike",
    "extra urls.listviews": "only objects with a tab have the link; the demo org links every object alike",
}
OLD_FIELDS = {
    "extra associateEntityType": NEWER, "extra associateParentEntity": NEWER, "extra deepCloneable": NEWER,
    "extra defaultImplementation": NEWER, "extra extendedBy": NEWER, "extra extendsInterfaces": NEWER,
    "extra implementedBy": NEWER, "extra implementsInterfaces": NEWER, "extra isInterface": NEWER,
    "extra fields[].aiPredictionField": NEWER, "extra fields[].formulaTreatNullNumberAsZero": NEWER,
    }  # fmt: skip
NAMED = {"extra recordTypeInfos[].developerName": NEWER}
LATER_V48 = {
    "extra associateEntityType": "added within the recorded range of releases",
    "extra associateParentEntity": "added within the recorded range of releases",
    "extra sobjectDescribeOption": "added within the recorded range of releases",
}
OLD_LIST = {
    f"extra sobjects[].{name}": NEWER
    for name in ("associateEntityType", "associateParentEntity", "deepCloneable", "hasSubtypes", "isInterface", "isSubtype",
                 "mruEnabled", "urls.*")
} | {"order sobjects[]*": "a client's fixture of an old release, with keys in another order"}  # fmt: skip
RECORD_TYPES = {"extra RecordTypeId": "the recorded org has no record types"}
LIMITS = {
    "missing DailyBulkApiRequests": "called DailyBulkApiBatches since v49", "extra *": "newer releases and other editions name more",
}  # fmt: skip


def describe(name: str) -> Any:
    return lambda world: world.api.get(f"/services/data/v48.0/sobjects/{name}/describe")


def standard_fields(body: dict) -> dict:
    """A describe without custom fields (each org's own) and without the children (compared by name in the catalogue's tests)."""
    return body | {"fields": [each for each in body["fields"] if not each["custom"]]}


def query(soql: str, version: str = "60.0") -> Any:
    return lambda world: world.api.get(f"/services/data/v{version}/query?q={urllib.parse.quote(soql)}")


def recorded_query(world: World) -> Answer:
    names = ("Id AccountNumber AccountSource AnnualRevenue BillingCity BillingCountry BillingGeocodeAccuracy BillingLatitude"
             " BillingLongitude BillingPostalCode BillingState BillingStreet CleanStatus DunsNumber Fax Industry Jigsaw NaicsCode"
             " NaicsDesc Name NumberOfEmployees Ownership Phone Rating RecordTypeId ShippingCity ShippingCountry"
             " ShippingGeocodeAccuracy ShippingLatitude ShippingLongitude ShippingPostalCode ShippingState ShippingStreet Sic SicDesc"
             " Site TickerSymbol Tradestyle Type Website YearStarted ParentId")  # fmt: skip
    return query(f"SELECT {', '.join(names.split())} FROM Account LIMIT 6")(world)


def first_page(world: World) -> Answer:
    return world.api.get("query?q=SELECT Name FROM Account", headers={"Sforce-Query-Options": "batchSize=200"})


def last_page(world: World) -> Answer:
    page = world.api.get("query?q=SELECT Name FROM Opportunity", headers={"Sforce-Query-Options": "batchSize=200"})
    while not page.data["done"]:
        page = world.api.get(page.data["nextRecordsUrl"])
    return page


def small_pages(world: World) -> Answer:
    return world.api.get("query?q=SELECT Subject FROM Task", headers={"Sforce-Query-Options": "batchSize=200"})


def family(world: World) -> Answer:
    found = world.api.query(
        "SELECT Account__c FROM Project__c WHERE Account__r.Product_Lines__c INCLUDES ('Planning;Insights') LIMIT 1"
    )
    parent = found[0]["Account__c"]
    soql = ("SELECT Is_Reference__c, Name, Customer_Since__c, CreatedDate, Product_Lines__c, Owner.Name, Owner.Username,"
            f" (SELECT Name FROM Projects__r) FROM Account WHERE Id = '{parent}'")  # fmt: skip
    return query(soql)(world)


def as_recorded_family(body: dict) -> dict:
    """The recorded labels stand for fields of an invented object; ours have other names."""
    names = {"Checkbox_Label": "Is_Reference__c", "Text_Label": "Name", "Date_Label": "Customer_Since__c",
             "DateTime_Label": "CreatedDate", "Picklist_Multiselect_Label": "Product_Lines__c",
             "ParentWhizbang__r": "Owner", "Whizbangs__r": "Projects__r"}  # fmt: skip
    row = {names.get(key, key): value for key, value in body["records"][0].items()}
    row["Owner"] = {"Username" if key == "Text_Label" else key: value for key, value in row["Owner"].items()}
    return body | {"records": [row]}


def members(world: World) -> Answer:
    one = world.api.query("SELECT CampaignId, LeadId FROM CampaignMember WHERE LeadId != null LIMIT 1")[0]
    return query(
        f"SELECT Id, LeadId FROM CampaignMember WHERE CampaignId = '{one['CampaignId']}' AND LeadId IN ('{one['LeadId']}')"
    )(world)


def topics(world: World) -> Answer:
    one = world.api.query("SELECT TopicId, EntityId FROM TopicAssignment LIMIT 1")[0]
    soql = f"SELECT Id, EntityId FROM TopicAssignment WHERE TopicId = '{one['TopicId']}' AND EntityId IN ('{one['EntityId']}')"
    return query(soql)(world)


def numbered(world: World) -> Answer:
    for _ in range(2):
        world.new_account(AccountNumber="420")
    return query("select Id,AccountNumber from Account where AccountNumber = '420'")(world)


def keyed(world: World) -> Answer:
    for key in ("1id", "2id"):
        world.new_account(External_Id__c=key)
    return query("SELECT Id, External_Id__c FROM Account WHERE External_Id__c IN ('1ID', '2id')")(world)


def floats(world: World) -> Answer:
    for number in (1, 2, 3):
        world.api.call("POST", "sobjects/Contact", body={"LastName": "Float", "Member_Number__c": number})
    return query("SELECT Id, Member_Number__c FROM Contact WHERE Member_Number__c IN (1, 2, 3)", "42.0")(world)


def deals(world: World) -> Answer:
    world.api.call("POST", "sobjects/Opportunity", body={"Name": "Loose", "StageName": "Prospecting", "CloseDate": "2030-01-01",
                                                         "Amount": 30000})  # fmt: skip
    return query("SELECT Id, Name, AccountId, Amount, StageName FROM Opportunity WHERE Amount != null LIMIT 20")(world)


def one_record(name: str) -> Any:
    def ask(world: World) -> Answer:
        found = world.api.query(f"SELECT Id FROM {name} LIMIT 1")[0]["Id"]
        return world.api.get(f"/services/data/v42.0/sobjects/{name}/{found}")

    return ask


def standard_keys(body: dict) -> dict:
    return {key: value for key, value in body.items() if not key.endswith(("__c", "__s"))}


def recent(world: World) -> Answer:
    world.api.get(f"sobjects/Account/{world.account}")
    return world.api.get("recent")


def window() -> str:
    """The last day and a little, as getUpdated and getDeleted want it."""
    now = datetime.now(UTC)
    start, end = (each.strftime("%Y-%m-%dT%H:%M:%S+00:00") for each in (now - timedelta(days=1), now + timedelta(minutes=2)))
    return f"start={urllib.parse.quote(start)}&end={urllib.parse.quote(end)}"


def updated(world: World) -> Answer:
    world.new_account()
    return world.api.call("GET", f"sobjects/Account/updated/?{window()}")


def removed(world: World) -> Answer:
    world.api.call("DELETE", f"sobjects/Account/{world.new_account()}")
    return world.api.call("GET", f"sobjects/Account/deleted/?{window()}")


def sampled(world: World) -> Answer:
    body = {"method": "GET", "url": "/services/data/v60.0/sobjects/Account/describe", "referenceId": "Account"}
    return world.api.call("POST", "composite", body={"compositeRequest": [body]})


def account_row(body: dict) -> dict:
    """The list with its Account only."""
    return body | {"sobjects": [next(each for each in body["sobjects"] if each["name"] == "Account")]}


CASES = (
    Case("describe/contact-v48.json", describe("Contact"), ours=standard_fields, theirs=standard_fields, allowed=HASHED | DEFAULTS),
    Case("describe/case-v48.json", describe("Case"), ours=standard_fields, theirs=standard_fields, allowed=HASHED | LATER_V48 | {
        "missing urls.case*": "article suggestions are a console resource that the demo org does not serve"}),
    Case("describe/opportunity-v48.json", describe("Opportunity"), ours=standard_fields, theirs=standard_fields,
         allowed=HASHED | DEFAULTS),
    Case("describe/opportunitycontactrole-v48.json", describe("OpportunityContactRole"), ours=standard_fields,
         theirs=standard_fields, allowed=HASHED | LATER_V48 | SCREENS | {
             "missing childRelationships[]": "the recorded child, a change event, is not imitated"}),
    Case("describe/campaign-v42.json", describe("Campaign"), ours=standard_fields, theirs=standard_fields,
         allowed=OLD_FIELDS | NAMED | HASHED | DEFAULTS),
    Case("describe/lead-v42.json", describe("Lead"), ours=standard_fields, theirs=standard_fields,
         allowed=OLD_FIELDS | NAMED | HASHED | DEFAULTS),
    Case("describe/topic-v42.json", describe("Topic"), ours=standard_fields, theirs=standard_fields,
         allowed=OLD_FIELDS | HASHED | DEFAULTS | SCREENS | {"extra urls.quickActions": SCREENS["extra urls.listviews"]}),
    Case("describe/composite-account-sampled-v60.json", sampled, allowed={
        "type compositeResponse[].body.urls": "the recording was cut down to samples; its links became an empty list"}),
    Case("describe/field-external-id-number-v42.json",
         lambda world: world.api.get("sobjects/Account/describe"),
         ours=lambda body: next(each for each in body["fields"] if each["name"] == "Legacy_Number__c"),
         same=("type", "externalId", "idLookup", "soapType", "byteLength", "length", "digits"),
         allowed={"extra aiPredictionField": NEWER, "extra formulaTreatNullNumberAsZero": NEWER}),
    Case("sobjects-list/global-describe.json", lambda world: world.api.get("sobjects"), ours=account_row, theirs=account_row,
         allowed=HASHED),
    Case("sobjects-list/one-object.json", lambda world: world.api.get("sobjects"), ours=account_row, allowed=OLD_LIST),
    Case("record/account-get-all-fields.json", one_record("Account"), ours=standard_keys, theirs=standard_keys,
         allowed=RECORD_TYPES,
         headers=("last-modified", "sforce-limit-info", "cache-control", "content-type")),
    Case("record/contact-get-all-fields.json", one_record("Contact"), ours=standard_keys, theirs=standard_keys,
         headers=("last-modified",)),
    Case("record/organization-get.json", one_record("Organization"), ours=standard_keys, theirs=standard_keys),
    Case("record/recent.json", recent, ours=lambda body: [each for each in body if each["attributes"]["type"] == "Account"]),
    Case("query/account-all-fields-6-records.json", recorded_query),
    Case("query/account-ids-105-records.json", query("SELECT Id FROM Account", "42.0"),
         headers=("sforce-limit-info", "cache-control", "content-type")),
    Case("query/aggregate-count-expr0.json", query("select count(Id) from Account")),
    Case("query/campaignmember-and.json", members),
    Case("query/empty-result.json", query("SELECT Id, AssistantName FROM Contact WHERE LastName = 'nobody at all'"),
         ("totalSize", "done", "records")),
    Case("query/external-id-in-list.json", keyed,
         theirs=lambda body: json.loads(json.dumps(body).replace("Custom_External_ID__c", "External_Id__c"))),
    Case("query/float-in-list.json", floats,
         theirs=lambda body: json.loads(json.dumps(body).replace("float_field__c", "Member_Number__c"))),
    Case("query/opportunity-with-accountid.json", deals),
    Case("query/page-1-nextrecordsurl.json", small_pages,
         theirs=lambda body: json.loads(json.dumps(body).replace("Text_Label", "Subject"))),
    Case("query/page-last.json", last_page,
         theirs=lambda body: json.loads(json.dumps(body).replace("Text_Label", "Name"))),
    Case("query/parent-child-multiselect.json", family, theirs=as_recorded_family, allowed={
        "order records[].Owner": "a client's fixture; every recorded row has its attributes first"}),
    Case("query/permissionset.json", query("SELECT Id, Name FROM PermissionSet LIMIT 1")),
    Case("query/recordtype-query.json", query("SELECT Id, DeveloperName FROM RecordType WHERE SObjectType='Account'")),
    Case("query/topicassignment-and.json", topics),
    Case("query/two-accounts-same-accountnumber.json", numbered),
    Case("query/user-limit-1.json", query("SELECT FirstName,LastName FROM User LIMIT 1")),
    Case("limits/limits-developer-edition.json", lambda world: world.api.get("limits/"), allowed=LIMITS),
    Case("limits/record-count-account.json", lambda world: world.api.get("limits/recordCount?sObjects=Account")),
    Case("replication/get-updated.json", updated),
    Case("replication/get-deleted.json", removed),
    Case("search/malformed-search.json", lambda world: world.api.get("search?q=FIND bar"), ("[0].errorCode", "[0].message")),
    Case("versions/services-data.json", lambda world: world.anonymous.get("/services/data")),
)  # fmt: skip
