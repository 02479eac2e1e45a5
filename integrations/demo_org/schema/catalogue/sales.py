"""Selling: opportunities with their history, quotes, orders and contracts."""

from integrations.demo_org.schema.catalogue.fields import (
    LEAD_SOURCES,
    address,
    area,
    audit,
    counter,
    creation,
    currency_code,
    day,
    define,
    deleted,
    flag,
    formula,
    identity,
    last_activity,
    mail,
    modstamp,
    moment,
    money,
    number,
    owner,
    percent,
    phone,
    pick,
    record_type,
    ref,
    text,
    viewed,
    whole,
)
from integrations.demo_org.schema.types import Field, ObjectType

# (stage, probability, closed, won, forecast category as stored, as shown)
STAGES = (
    ("Prospecting", 10, False, False, "Pipeline", "Pipeline"),
    ("Qualification", 10, False, False, "Pipeline", "Pipeline"),
    ("Needs Analysis", 20, False, False, "Pipeline", "Pipeline"),
    ("Value Proposition", 50, False, False, "Pipeline", "Pipeline"),
    ("Id. Decision Makers", 60, False, False, "Pipeline", "Pipeline"),
    ("Perception Analysis", 70, False, False, "BestCase", "Best Case"),
    ("Proposal/Price Quote", 75, False, False, "BestCase", "Best Case"),
    ("Negotiation/Review", 90, False, False, "Forecast", "Commit"),
    ("Closed Won", 100, True, True, "Closed", "Closed"),
    ("Closed Lost", 0, True, False, "Omitted", "Omitted"),
)
# a trial before the proposal; the seed's dice know nothing of it
PROOF_OF_CONCEPT = ("Proof of Concept", 65, False, False, "BestCase", "Best Case")
ALL_STAGES = (*STAGES[:5], PROOF_OF_CONCEPT, *STAGES[5:])
STAGE_NAMES = "; ".join(each[0] for each in ALL_STAGES)
FORECAST = "Omitted; Pipeline; BestCase=Best Case; MostLikely=Most Likely; Forecast=Commit; Closed"
FORECAST_NAMES = "Omitted; Pipeline; Best Case; Commit; Closed"
OPPORTUNITY_TYPES = (
    "Existing Customer - Upgrade; Existing Customer - Replacement; Existing Customer - Downgrade; New Customer"
    "; Existing Customer - Renewal"
)
LOSS_REASONS = "Price; Missing feature; No decision; Chose competitor; Lost champion; Timing"
ROLES = (
    "Business User; Decision Maker; Economic Buyer; Economic Decision Maker; Evaluator; Executive Sponsor; Influencer;"
    " Technical Buyer; Other"
)


def opportunity() -> ObjectType:
    """Opportunity; probability, forecast category, IsClosed and IsWon follow the stage."""
    weighted = "ROUND({row}.Amount * {row}.Probability / 100.0, 2)"
    return define("Opportunity", "Opportunity", "Opportunities", "006", [
        identity("Opportunity"), deleted(), ref("AccountId", "Account ID", "Account", children="Opportunities", cascade=True),
        record_type(), flag("IsPrivate", "Private"),
        text("Name", "Name", 120, required=True, name_field=True, id_lookup=True), area("Description", "Description"),
        pick("StageName", "Stage", STAGE_NAMES, required=True), money("Amount", "Amount"),
        percent("Probability", "Probability (%)", 3, 0, defaulted_on_create=True),
        money("ExpectedRevenue", "Expected Amount", locked=True), number("TotalOpportunityQuantity", "Quantity", 18, 2),
        day("CloseDate", "Close Date", required=True), pick("Type", "Opportunity Type", OPPORTUNITY_TYPES),
        text("NextStep", "Next Step"), pick("LeadSource", "Lead Source", LEAD_SOURCES),
        flag("IsClosed", "Closed", locked=True), flag("IsWon", "Won", locked=True),
        pick("ForecastCategory", "Forecast Category", FORECAST, 40, required=True, locked=True, restricted=True),
        pick("ForecastCategoryName", "Forecast Category", FORECAST_NAMES, restricted=True, defaulted_on_create=True),
        currency_code(), ref("CampaignId", "Campaign ID", "Campaign", children="Opportunities"),
        flag("HasOpportunityLineItem", "Has Line Item", locked=True),
        ref("Pricebook2Id", "Price Book ID", "Pricebook2", children="Opportunities", defaulted_on_create=True), owner(),
        *audit(), last_activity(), moment("LastStageChangeDate", "Last Stage Change Date", locked=True),
        whole("FiscalQuarter", "Fiscal Quarter", locked=True, compound="Fiscal"),
        whole("FiscalYear", "Fiscal Year", locked=True, compound="Fiscal"), text("Fiscal", "Fiscal Period", 6, locked=True),
        ref("ContactId", "Contact ID", "Contact", rel=None, updateable=False, children="Opportunities"), *viewed(),
        flag("HasOpenActivity", "Has Open Activity", locked=True, filterable=False, sortable=False),
        flag("HasOverdueTask", "Has Overdue Task", locked=True, filterable=False, sortable=False),
        ref("LastAmountChangedHistoryId", "Opportunity History ID", "OpportunityHistory", locked=True),
        ref("LastCloseDateChangedHistoryId", "Opportunity History ID", "OpportunityHistory", locked=True),
        ref("ContractId", "Contract ID", "Contract", children="Opportunities"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        money("ARR__c", "Annual Recurring Revenue", 16, 2), whole_months(),
        pick("Loss_Reason__c", "Loss Reason", LOSS_REASONS, restricted=True), text("Competitor__c", "Competitor", 80),
        ref("Renewal_Of__c", "Renewal Of", "Opportunity", children="Renewals__r"),
        formula("Weighted_Amount__c", "Weighted Amount", "currency", weighted),
    ])  # fmt: skip


def whole_months() -> Field:
    """The contract term in months."""
    return number("Term_Months__c", "Term (Months)", 3, 0)


def opportunity_stage() -> ObjectType:
    """OpportunityStage: what each stage means."""
    return define("OpportunityStage", "Opportunity Stage", "Opportunity Stage", "01J", [
        identity("Opportunity Stage"), text("MasterLabel", "Master Label", name_field=True), text("ApiName", "API Name"),
        flag("IsActive", "Is Active"), whole("SortOrder", "Sort Order", 9), flag("IsClosed", "Closed"), flag("IsWon", "Won"),
        pick("ForecastCategory", "Forecast Category", FORECAST, 40, restricted=True),
        pick("ForecastCategoryName", "Forecast Category Name", FORECAST_NAMES, restricted=True),
        percent("DefaultProbability", "Probability (%)", 3, 0), text("Description", "Description"), *audit(),
    ], read_only=True, searchable=False)  # fmt: skip


def opportunity_history() -> ObjectType:
    """OpportunityHistory: one row for each change of stage, amount, probability or close date."""
    return define("OpportunityHistory", "Opportunity History", "Opportunity History", "008", [
        identity("Opportunity History"),
        ref("OpportunityId", "Opportunity ID", "Opportunity", children="OpportunityHistories", required=True, cascade=True),
        *creation(), pick("StageName", "Stage Name", STAGE_NAMES, required=True), money("Amount", "Amount"),
        money("ExpectedRevenue", "Expected Revenue"), day("CloseDate", "Close Date"),
        percent("Probability", "Probability (%)", 3, 0), pick("ForecastCategory", "To ForecastCategory", FORECAST, 40),
        currency_code(), money("PrevAmount", "Prev Amount"), day("PrevCloseDate", "Prev Close Date"), modstamp(), deleted(),
    ], read_only=True, searchable=False)  # fmt: skip


def opportunity_field_history() -> ObjectType:
    """OpportunityFieldHistory: old and new value of each tracked field."""
    return define("OpportunityFieldHistory", "Opportunity Field History", "Opportunity Field History", "017", [
        identity("Opportunity Field History"), deleted(),
        ref("OpportunityId", "Opportunity ID", "Opportunity", children="Histories", required=True, cascade=True),
        ref("CreatedById", "Created By ID", "User", required=True), moment("CreatedDate", "Created Date", required=True),
        pick("Field", "Changed Field", "created=Created.; StageName=Stage; Amount; CloseDate=Close Date; Owner",
             required=True, restricted=True),
        pick("DataType", "Datatype", "Text; EntityId; Boolean; DateTime; DateOnly; Currency; DynamicEnum", restricted=True),
        text("OldValue", "Old Value"), text("NewValue", "New Value"),
    ], read_only=True, searchable=False)  # fmt: skip


def opportunity_contact_role() -> ObjectType:
    """OpportunityContactRole: who at the customer takes part in the deal."""
    return define("OpportunityContactRole", "Opportunity Contact Role", "Opportunity Contact Role", "00K", [
        identity("Contact Role"),
        ref("OpportunityId", "Opportunity ID", "Opportunity", children="OpportunityContactRoles", cascade=True,
            required=True, updateable=False),
        ref("ContactId", "Contact ID", "Contact", children="OpportunityContactRoles", cascade=True, required=True),
        pick("Role", "Role", ROLES, 40), flag("IsPrimary", "Primary"), *audit(), deleted(), currency_code(),
    ], undeletable=False, searchable=False)  # fmt: skip


def contract() -> ObjectType:
    """Contract."""
    return define("Contract", "Contract", "Contracts", "800", [
        identity("Contract"), ref("AccountId", "Account ID", "Account", required=True, children="Contracts"),
        currency_code(), ref("Pricebook2Id", "Price Book ID", "Pricebook2", children="Contracts"),
        pick("OwnerExpirationNotice", "Owner Expiration Notice", "15; 30; 45; 60; 90; 120", 40, restricted=True),
        day("StartDate", "Contract Start Date"), day("EndDate", "Contract End Date", locked=True), *address("Billing"),
        whole("ContractTerm", "Contract Term"), owner(),
        pick("Status", "Status", "In Approval Process; Activated; Draft*", 40, nillable=False),
        ref("CompanySignedId", "Company Signed By ID", "User"), day("CompanySignedDate", "Company Signed Date"),
        ref("CustomerSignedId", "Customer Signed By ID", "Contact", children="ContractsSigned"),
        text("CustomerSignedTitle", "Customer Signed Title", 40), day("CustomerSignedDate", "Customer Signed Date"),
        area("SpecialTerms", "Special Terms", 4000), ref("ActivatedById", "Activated By ID", "User", locked=True),
        moment("ActivatedDate", "Activated Date", locked=True),
        pick("StatusCode", "Status Category", "Draft; InApproval=In Approval Process; Activated; Terminated; Expired", 40,
             required=True, locked=True, restricted=True),
        area("Description", "Description"), deleted(),
        counter("ContractNumber", "Contract Number", name_field=True, id_lookup=True),
        moment("LastApprovedDate", "Last Approved Date", locked=True), *audit(), last_activity(), *viewed(),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        money("Annual_Value__c", "Annual Value", 16, 2), flag("Auto_Renew__c", "Auto Renew"),
    ], undeletable=True)  # fmt: skip


def quote() -> ObjectType:
    """Quote, with totals over its lines."""
    total = "(SELECT SUM(q.Quantity * q.UnitPrice) FROM QuoteLineItem q WHERE q.QuoteId = {row}.Id AND q.IsDeleted = 0)"
    count = "(SELECT COUNT(*) FROM QuoteLineItem q WHERE q.QuoteId = {row}.Id AND q.IsDeleted = 0)"
    return define("Quote", "Quote", "Quotes", "0Q0", [
        identity("Quote"), owner(), deleted(), text("Name", "Quote Name", required=True, name_field=True), currency_code(),
        *audit(), *viewed(), ref("OpportunityId", "Opportunity ID", "Opportunity", required=True, updateable=False,
                                 children="Quotes", cascade=True),
        ref("Pricebook2Id", "Price Book ID", "Pricebook2", children="Quotes"),
        ref("ContactId", "Contact ID", "Contact", children="Quotes"), counter("QuoteNumber", "Quote Number"),
        flag("IsSyncing", "Syncing", locked=True), money("ShippingHandling", "Shipping and Handling"), money("Tax", "Tax"),
        pick("Status", "Status", "Draft; Needs Review; In Review; Approved; Rejected; Presented; Accepted; Denied"),
        day("ExpirationDate", "Expiration Date"), area("Description", "Description"),
        formula("Subtotal", "Subtotal", "currency", total), formula("TotalPrice", "Total Price", "currency", total),
        formula("LineItemCount", "Line Item Count", "double", count), *address("Billing", "Bill To"),
        text("BillingName", "Bill To Name"), mail("Email", "Email"), phone("Phone", "Phone"),
        ref("AccountId", "Account ID", "Account", locked=True, children="Quotes"),
        formula("GrandTotal", "Grand Total", "currency",
                f"COALESCE({total}, 0) + COALESCE({{row}}.Tax, 0) + COALESCE({{row}}.ShippingHandling, 0)"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
    ])  # fmt: skip


def quote_line_item() -> ObjectType:
    """QuoteLineItem."""
    return define("QuoteLineItem", "Quote Line Item", "Quote Line Item", "0QL", [
        identity("Quote Line Item"), deleted(), counter("LineNumber", "Line Item Number", name_field=True), currency_code(),
        *audit(), *viewed(),
        ref("QuoteId", "Quote ID", "Quote", required=True, updateable=False, children="QuoteLineItems", cascade=True),
        ref("PricebookEntryId", "Price Book Entry ID", "PricebookEntry", required=True, updateable=False,
            children="QuoteLineItems"),
        ref("OpportunityLineItemId", "Opportunity Product ID", "OpportunityLineItem", children="QuoteLineItems"),
        number("Quantity", "Quantity", 12, 2, required=True), money("UnitPrice", "Sales Price", required=True),
        percent("Discount", "Discount", 5, 2), text("Description", "Line Item Description"),
        day("ServiceDate", "Date"), ref("Product2Id", "Product ID", "Product2", children="QuoteLineItems", updateable=False),
        number("SortOrder", "Sort Order", 9, 0), money("ListPrice", "List Price", locked=True),
        formula("Subtotal", "Subtotal", "currency", "{row}.Quantity * {row}.UnitPrice"),
        formula("TotalPrice", "Total Price", "currency",
                "{row}.Quantity * {row}.UnitPrice * (1 - COALESCE({row}.Discount, 0) / 100.0)"),
    ])  # fmt: skip


def order() -> ObjectType:
    """Order."""
    total = "(SELECT SUM(i.Quantity * i.UnitPrice) FROM OrderItem i WHERE i.OrderId = {row}.Id AND i.IsDeleted = 0)"
    return define("Order", "Order", "Orders", "801", [
        identity("Order"), owner("Group User"), ref("ContractId", "Contract ID", "Contract", children="Orders"),
        ref("AccountId", "Account ID", "Account", children="Orders"),
        ref("Pricebook2Id", "Price Book ID", "Pricebook2", children="Orders"), currency_code(),
        ref("OriginalOrderId", "Order ID", "Order", updateable=False),
        ref("OpportunityId", "Opportunity ID", "Opportunity", children="Orders"),
        ref("QuoteId", "Quote ID", "Quote", children="Orders"),
        day("EffectiveDate", "Order Start Date", required=True), day("EndDate", "Order End Date"),
        flag("IsReductionOrder", "Reduction Order", updateable=False),
        pick("Status", "Status", "Draft; Activated", required=True), area("Description", "Description"),
        ref("CustomerAuthorizedById", "Customer Authorized By ID", "Contact"),
        ref("CompanyAuthorizedById", "Company Authorized By ID", "User"),
        pick("Type", "Order Type", "New; Renewal; Upgrade", 40),
        *address("Billing"), *address("Shipping"), moment("ActivatedDate", "Activated Date", locked=True),
        ref("ActivatedById", "Activated By ID", "User", locked=True),
        pick("StatusCode", "Status Category", "Draft; Activated", 40, required=True, locked=True, restricted=True),
        counter("OrderNumber", "Order Number", name_field=True, id_lookup=True),
        formula("TotalAmount", "Order Amount", "currency", total), *audit(), deleted(), *viewed(),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
    ])  # fmt: skip


def order_item() -> ObjectType:
    """OrderItem: one product of an order."""
    return define("OrderItem", "Order Product", "Order Products", "802", [
        identity("Order Product"), ref("Product2Id", "Product ID", "Product2", children="OrderItems", updateable=False),
        deleted(), ref("OrderId", "Order ID", "Order", required=True, updateable=False, children="OrderItems", cascade=True),
        ref("PricebookEntryId", "Price Book Entry ID", "PricebookEntry", updateable=False, children="OrderItems"),
        ref("OriginalOrderItemId", "Order Product ID", "OrderItem", updateable=False), currency_code(),
        number("AvailableQuantity", "Available Quantity", 18, 2, locked=True),
        number("Quantity", "Quantity", 18, 2, required=True),
        money("UnitPrice", "Unit Price", required=True), money("ListPrice", "List Price", updateable=False),
        formula("TotalPrice", "Total Price", "currency", "{row}.Quantity * {row}.UnitPrice"),
        day("ServiceDate", "Start Date"), day("EndDate", "End Date"), text("Description", "Line Description"), *audit(),
        counter("OrderItemNumber", "Order Product Number", "{0000000000}", name_field=True),
    ])  # fmt: skip


def objects() -> list[ObjectType]:
    """Selling."""
    return [
        opportunity(), opportunity_stage(), opportunity_history(), opportunity_field_history(), opportunity_contact_role(),
        contract(), quote(), quote_line_item(), order(), order_item(),
    ]  # fmt: skip
