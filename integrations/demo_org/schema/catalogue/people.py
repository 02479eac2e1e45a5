"""Accounts and the people at them: Account, Contact, Lead and what joins them."""

from integrations.demo_org.schema.catalogue.fields import (
    CLEAN,
    INDUSTRIES,
    LEAD_SOURCES,
    RATINGS,
    address,
    area,
    audit,
    clock,
    counter,
    currency_code,
    day,
    define,
    deleted,
    flag,
    formula,
    identity,
    last_activity,
    link,
    location,
    mail,
    modstamp,
    moment,
    money,
    multi,
    number,
    owner,
    percent,
    person_name,
    phone,
    pick,
    record_type,
    ref,
    rich,
    secret,
    text,
    viewed,
    whole,
)
from integrations.demo_org.schema.types import Field, ObjectType, PicklistValue

REGIONS = "AMER=Americas; EMEA=Europe, Middle East & Africa; APAC=Asia Pacific"
SUBREGIONS = {
    "North America": "AMER", "Latin America": "AMER", "DACH": "EMEA", "UK & Ireland": "EMEA", "Nordics": "EMEA",
    "Southern Europe": "EMEA", "Japan": "APAC", "ANZ": "APAC", "Southeast Asia": "APAC",
}  # fmt: skip
SEGMENTS = "Enterprise; Mid-Market; Small Business"
LIFECYCLE = "Prospect*; Onboarding; Live; At Risk; Churned"
PRODUCT_LINES = "Planning; Forecasting; Workspace; Connect; Insights"
LANGUAGES = "English; German; French; Spanish; Japanese; Portuguese"


def experience() -> list[Field]:
    """What a product experience tool writes to the record that stands for a customer's account."""
    return [
        number("PX_Active_Users_30d__c", "PX Active Users (30 days)", 8, 0), text("PX_Health__c", "PX Health", 40),
        pick("PX_Plan__c", "PX Plan", "Free; Starter; Team; Enterprise", restricted=True),
        moment("PX_Last_Seen__c", "PX Last Seen"), number("PX_NPS_Score__c", "PX NPS Score", 3, 0),
        flag("PX_Is_Active__c", "PX Is Active"),
    ]  # fmt: skip


def _account_custom() -> list[Field]:
    subregions = tuple(PicklistValue(name, name, valid_for=(region,)) for name, region in SUBREGIONS.items())
    tier = "CASE WHEN {row}.ARR__c >= 250000 THEN 'Platinum' WHEN {row}.ARR__c >= 75000 THEN 'Gold' "
    tier += "WHEN {row}.ARR__c > 0 THEN 'Silver' ELSE 'None' END"
    return [
        text("External_Id__c", "External ID", 64, external_id=True, unique=True, help="The customer's key in our product."),
        number("Legacy_Number__c", "Legacy Number", 10, 0, external_id=True, help="Number from the old billing system."),
        text("Domain_Key__c", "Domain Key", 120, external_id=True, unique=True, case_sensitive=True),
        counter("Customer_Number__c", "Customer Number", "CUST-{000000}"),
        pick("Segment__c", "Segment", SEGMENTS, restricted=True),
        pick("Lifecycle__c", "Lifecycle", LIFECYCLE, restricted=True),
        pick("Region__c", "Region", REGIONS, restricted=True),
        pick("Subregion__c", "Subregion", "", entries=subregions, controller="Region__c", restricted=True),
        multi("Product_Lines__c", "Product Lines", PRODUCT_LINES),
        money("ARR__c", "Annual Recurring Revenue", 16, 2),
        number("Seats__c", "Contracted Seats", 8, 0),
        number("NPS__c", "NPS Score", 3, 0),
        percent("Health__c", "Health", 5, 2),
        day("Trial_Start__c", "Trial Start"),
        day("Trial_End__c", "Trial End"),
        day("Customer_Since__c", "Customer Since"),
        day("Renewal_Date__c", "Renewal Date"),
        day("Churned_On__c", "Churned On"),
        flag("Is_Reference__c", "Reference Customer"),
        secret("Tax_Id__c", "Tax ID", 40),
        link("Support_Url__c", "Support Page"),
        clock("Support_Opens__c", "Support Opens"),
        *location("Headquarters__c", "Headquarters"),
        area("Notes__c", "Success Notes", 32768),
        rich("Summary__c", "Executive Summary"),
        *experience(),
        text("Product_Account_Id__c", "Product Account ID", 80, external_id=True, help="The account's id in our product."),
        formula("Tier__c", "Tier", "string", tier, groupable=True),
        formula("ARR_per_Seat__c", "ARR per Seat", "double", "ROUND({row}.ARR__c / NULLIF({row}.Seats__c, 0), 2)"),
    ]


def account() -> ObjectType:
    """Account, with the fields that the demo company added."""
    return define("Account", "Account", "Accounts", "001", [
        identity("Account"), deleted(),
        ref("MasterRecordId", "Master Record ID", "Account", locked=True),
        text("Name", "Account Name", required=True, name_field=True),
        pick("Type", "Account Type", "Prospect; Customer - Direct; Customer - Channel; Channel Partner / Reseller;"
             " Installation Partner; Technology Partner; Other"),
        record_type(),
        ref("ParentId", "Parent Account ID", "Account", children="ChildAccounts"),
        *address("Billing"), *address("Shipping"),
        phone("Phone", "Account Phone"), phone("Fax", "Account Fax"),
        text("AccountNumber", "Account Number", 40), link("Website", "Website"),
        link("PhotoUrl", "Photo URL", locked=True), text("Sic", "SIC Code", 20), pick("Industry", "Industry", INDUSTRIES),
        money("AnnualRevenue", "Annual Revenue", 18, 0), whole("NumberOfEmployees", "Employees"),
        pick("Ownership", "Ownership", "Public; Private; Subsidiary; Other"), text("TickerSymbol", "Ticker Symbol", 20),
        area("Description", "Account Description"), pick("Rating", "Account Rating", RATINGS),
        text("Site", "Account Site", 80), currency_code(), owner(), *audit(), last_activity(), *viewed(),
        text("Jigsaw", "Data.com Key", 20), text("JigsawCompanyId", "Jigsaw Company ID", 20, locked=True),
        pick("CleanStatus", "Clean Status", CLEAN, 40, restricted=True), pick("AccountSource", "Account Source", LEAD_SOURCES),
        text("DunsNumber", "D-U-N-S Number", 9), text("Tradestyle", "Tradestyle"), text("NaicsCode", "NAICS Code", 8),
        text("NaicsDesc", "NAICS Description", 120), text("YearStarted", "Year Started", 4),
        text("SicDesc", "SIC Description", 80), ref("DandbCompanyId", "D&B Company ID", "DandBCompany"),
        ref("OperatingHoursId", "Operating Hour ID", "OperatingHours", rel="OperatingHours", children="Accounts"),
        *_account_custom(),
    ], mergeable=True)  # fmt: skip


def contact() -> ObjectType:
    """Contact."""
    return define("Contact", "Contact", "Contacts", "003", [
        identity("Contact"), deleted(), ref("MasterRecordId", "Master Record ID", "Contact", locked=True),
        ref("AccountId", "Account ID", "Account", children="Contacts", cascade=True), *person_name(),
        *address("Other"), *address("Mailing"),
        phone("Phone", "Business Phone"), phone("Fax", "Business Fax"), phone("MobilePhone", "Mobile Phone"),
        phone("HomePhone", "Home Phone"), phone("OtherPhone", "Other Phone"), phone("AssistantPhone", "Asst. Phone"),
        ref("ReportsToId", "Reports To ID", "Contact"), mail("Email", "Email", id_lookup=True), text("Title", "Title", 128),
        text("Department", "Department", 80), text("AssistantName", "Assistant's Name", 40),
        pick("LeadSource", "Lead Source", LEAD_SOURCES), day("Birthdate", "Birthdate"),
        area("Description", "Contact Description"), currency_code(), owner(), *audit(), last_activity(),
        moment("LastCURequestDate", "Last Stay-in-Touch Request Date", locked=True),
        moment("LastCUUpdateDate", "Last Stay-in-Touch Save Date", locked=True), *viewed(),
        text("EmailBouncedReason", "Email Bounced Reason"), moment("EmailBouncedDate", "Email Bounced Date"),
        flag("IsEmailBounced", "Is Email Bounced", locked=True), link("PhotoUrl", "Photo URL", locked=True),
        text("Jigsaw", "Data.com Key", 20),
        text("JigsawContactId", "Jigsaw Contact ID", 20, locked=True, relationship_name="JigsawContact"),
        pick("CleanStatus", "Clean Status", CLEAN, 40, restricted=True),
        ref("IndividualId", "Individual ID", "Individual", children="Contacts"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True, help="The person's key in our product."),
        number("Member_Number__c", "Member Number", 10, 0, external_id=True),
        pick("Product_Role__c", "Product Role", "Owner; Admin; Editor; Viewer", restricted=True),
        multi("Languages__c", "Languages", LANGUAGES), moment("Last_Seen__c", "Last Seen in Product"),
        number("NPS__c", "NPS Score", 3, 0), flag("Newsletter__c", "Newsletter"),
        moment("PX_Last_Seen__c", "PX Last Seen"), text("PX_Role__c", "PX Role", 60),
        number("PX_Sessions_30d__c", "PX Sessions (30 days)", 8, 0), number("PX_NPS_Score__c", "PX NPS Score", 3, 0),
        flag("PX_Is_Active__c", "PX Is Active"),
        text("Product_User_Id__c", "Product User ID", 80, external_id=True, help="The person's id in our product."),
    ], mergeable=True)  # fmt: skip


def lead() -> ObjectType:
    """Lead; a converted one can no longer be written."""
    gone = {"locked": True}
    return define("Lead", "Lead", "Leads", "00Q", [
        identity("Lead"), deleted(), ref("MasterRecordId", "Master Record ID", "Lead", locked=True), *person_name(),
        text("Title", "Title", 128), text("Company", "Company", required=True), *address(),
        phone("Phone", "Phone"), phone("MobilePhone", "Mobile Phone"), phone("Fax", "Fax"),
        mail("Email", "Email", id_lookup=True), link("Website", "Website"), link("PhotoUrl", "Photo URL", locked=True),
        area("Description", "Description"), pick("LeadSource", "Lead Source", LEAD_SOURCES, 40),
        pick("Status", "Status", "Open - Not Contacted*; Working - Contacted; Closed - Converted; Closed - Not Converted", 40,
             nillable=False),
        pick("Industry", "Industry", INDUSTRIES, 40), pick("Rating", "Rating", RATINGS, 40), currency_code(),
        money("AnnualRevenue", "Annual Revenue", 18, 0), whole("NumberOfEmployees", "Employees"),
        owner("Group User"), flag("IsConverted", "Converted", updateable=False),
        day("ConvertedDate", "Converted Date", **gone), ref("ConvertedAccountId", "Converted Account ID", "Account", **gone),
        ref("ConvertedContactId", "Converted Contact ID", "Contact", **gone),
        ref("ConvertedOpportunityId", "Converted Opportunity ID", "Opportunity", **gone),
        flag("IsUnreadByOwner", "Unread By Owner"), *audit(), last_activity(), *viewed(), text("Jigsaw", "Data.com Key", 20),
        text("JigsawContactId", "Jigsaw Contact ID", 20, locked=True, relationship_name="JigsawContact"),
        pick("CleanStatus", "Clean Status", CLEAN, 40, restricted=True),
        text("CompanyDunsNumber", "Company D-U-N-S Number", 9), ref("DandbCompanyId", "D&B Company ID", "DandBCompany"),
        text("EmailBouncedReason", "Email Bounced Reason", createable=False),
        moment("EmailBouncedDate", "Email Bounced Date", createable=False),
        ref("IndividualId", "Individual ID", "Individual", children="Leads"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        number("Score__c", "Lead Score", 3, 0), pick("Product_Interest__c", "Product Interest", PRODUCT_LINES),
    ], mergeable=True)  # fmt: skip


def lead_status() -> ObjectType:
    """LeadStatus: the values of Lead.Status as rows."""
    return define("LeadStatus", "Lead Status Value", "Lead Status Value", "01J", [
        identity("Lead Status Value"), text("MasterLabel", "Master Label", name_field=True), text("ApiName", "API Name"),
        whole("SortOrder", "Sort Order", 9), flag("IsDefault", "Is Default"), flag("IsConverted", "Is Converted"), *audit(),
    ], read_only=True, searchable=False)  # fmt: skip


def account_contact_relation() -> ObjectType:
    """AccountContactRelation: a contact that works with several accounts."""
    return define("AccountContactRelation", "Account Contact Relationship", "Account Contact Relationships", "07k", [
        identity("Account Contact Relation"),
        ref("AccountId", "Account ID", "Account", required=True, updateable=False, children="AccountContactRelations",
            cascade=True),
        ref("ContactId", "Contact ID", "Contact", required=True, updateable=False, children="AccountContactRelations",
            cascade=True),
        multi("Roles", "Roles", "Business User; Decision Maker; Economic Buyer; Evaluator; Executive Sponsor; Other"),
        flag("IsDirect", "Direct", locked=True), flag("IsActive", "Active"), day("StartDate", "Start Date"),
        day("EndDate", "End Date"), *audit(), deleted(),
    ], undeletable=False, searchable=False)  # fmt: skip


def account_history() -> ObjectType:
    """AccountHistory: old and new value of each tracked field."""
    return define("AccountHistory", "Account History", "Account History", "017", [
        identity("Account History"), deleted(),
        ref("AccountId", "Account ID", "Account", children="Histories", required=True, cascade=True),
        ref("CreatedById", "Created By ID", "User", required=True),
        moment("CreatedDate", "Created Date", required=True),
        pick("Field", "Changed Field", "created=Created.; Name; Owner; Type; Lifecycle__c=Lifecycle", required=True,
             restricted=True),
        pick("DataType", "Datatype", "Text; EntityId; Boolean; DateTime; Currency; DynamicEnum", restricted=True),
        text("OldValue", "Old Value"), text("NewValue", "New Value"), modstamp(),
    ], read_only=True, searchable=False)  # fmt: skip


def objects() -> list[ObjectType]:
    """Accounts and people."""
    return [account(), contact(), lead(), lead_status(), account_contact_relation(), account_history()]
