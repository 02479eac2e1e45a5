"""What is sold: products, price books, opportunity products and installed assets."""

from integrations.demo_org.schema.catalogue.fields import (
    area,
    audit,
    counter,
    currency_code,
    day,
    define,
    deleted,
    flag,
    formula,
    identity,
    link,
    money,
    number,
    owner,
    percent,
    pick,
    ref,
    text,
    viewed,
)
from integrations.demo_org.schema.types import ObjectType

FAMILIES = "Platform; Add-on; Services; Support; Training"


def product() -> ObjectType:
    """Product2."""
    return define("Product2", "Product", "Products", "01t", [
        identity("Product"), text("Name", "Product Name", required=True, name_field=True), text("ProductCode", "Product Code"),
        area("Description", "Product Description", 4000), flag("IsActive", "Active"), currency_code(), *audit(),
        pick("Family", "Product Family", FAMILIES),
        ref("ExternalDataSourceId", "External Data Source ID", "ExternalDataSource"),
        text("ExternalId", "External ID"), link("DisplayUrl", "Display URL", length=1000),
        pick("QuantityUnitOfMeasure", "Quantity Unit Of Measure", "Each; Seat; Hour; Gigabyte"), deleted(),
        flag("IsArchived", "Archived", locked=True), *viewed(), text("StockKeepingUnit", "Product SKU", 180),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        pick("Billing_Period__c", "Billing Period", "Monthly; Quarterly; Annual; One-time", restricted=True),
        flag("Is_Usage_Based__c", "Usage Based"),
    ])  # fmt: skip


def price_book() -> ObjectType:
    """Pricebook2."""
    return define("Pricebook2", "Price Book", "Price Books", "01s", [
        identity("Price Book"), deleted(), text("Name", "Price Book Name", required=True, name_field=True), currency_code(),
        *audit(), *viewed(), flag("IsActive", "Active"), flag("IsArchived", "Archived", locked=True),
        text("Description", "Description"), flag("IsStandard", "Is Standard Price Book", locked=True),
    ], searchable=False)  # fmt: skip


def price_book_entry() -> ObjectType:
    """PricebookEntry: the price of a product in a price book and a currency."""
    return define("PricebookEntry", "Price Book Entry", "Price Book Entries", "01u", [
        identity("Price Book Entry"), text("Name", "Product Name", locked=True, name_field=True),
        ref("Pricebook2Id", "Price Book ID", "Pricebook2", required=True, updateable=False, children="PricebookEntries",
            cascade=True),
        currency_code(updateable=False),
        ref("Product2Id", "Product ID", "Product2", required=True, updateable=False, children="PricebookEntries"),
        money("UnitPrice", "List Price", required=True), flag("IsActive", "Active"),
        flag("UseStandardPrice", "Use Standard Price"),
        *audit(), text("ProductCode", "Product Code", locked=True), deleted(), flag("IsArchived", "Archived", locked=True),
    ], undeletable=False, searchable=False)  # fmt: skip


def opportunity_line_item() -> ObjectType:
    """OpportunityLineItem: a product on an opportunity."""
    return define("OpportunityLineItem", "Opportunity Product", "Opportunity Product", "00k", [
        identity("Line Item"),
        ref("OpportunityId", "Opportunity ID", "Opportunity", required=True, updateable=False,
            children="OpportunityLineItems", cascade=True),
        number("SortOrder", "Sort Order", 9, 0), currency_code(locked=True),
        ref("PricebookEntryId", "Price Book Entry ID", "PricebookEntry", updateable=False, children="OpportunityLineItems"),
        ref("Product2Id", "Product ID", "Product2", updateable=False, children="OpportunityLineItems"),
        text("ProductCode", "Product Code", locked=True),
        text("Name", "Opportunity Product Name", 376, locked=True, name_field=True),
        number("Quantity", "Quantity", 12, 2, required=True), percent("Discount", "Discount", 5, 2),
        money("Subtotal", "Subtotal", locked=True), money("TotalPrice", "Total Price"), money("UnitPrice", "Sales Price"),
        money("ListPrice", "List Price", locked=True), day("ServiceDate", "Date"), text("Description", "Line Description"),
        *audit(), deleted(), *viewed(), text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        formula("Discounted__c", "Is Discounted", "string",
                "CASE WHEN {row}.UnitPrice < {row}.ListPrice THEN 'Yes' ELSE 'No' END", groupable=True),
    ], undeletable=False, searchable=False)  # fmt: skip


def asset() -> ObjectType:
    """Asset: a product that a customer uses."""
    return define("Asset", "Asset", "Assets", "02i", [
        identity("Asset"), ref("ContactId", "Contact ID", "Contact", children="Assets", cascade=True),
        ref("AccountId", "Account ID", "Account", children="Assets", cascade=True),
        ref("ParentId", "Parent Asset ID", "Asset", children="ChildAssets"),
        ref("RootAssetId", "Root Asset ID", "Asset", locked=True),
        ref("Product2Id", "Product ID", "Product2", children="Assets"), text("ProductCode", "Product Code", locked=True),
        flag("IsCompetitorProduct", "Competitor Asset"), currency_code(), *audit(), deleted(),
        text("Name", "Asset Name", required=True, name_field=True), text("SerialNumber", "Serial Number", 80),
        day("InstallDate", "Install Date"), day("PurchaseDate", "Purchase Date"), day("UsageEndDate", "Usage End Date"),
        pick("Status", "Status", "Purchased; Shipped; Installed; Registered; Obsolete"), money("Price", "Price", 18, 0),
        number("Quantity", "Quantity", 18, 2), area("Description", "Description"), owner(), *viewed(),
        counter("Asset_Number__c", "Asset Number", "A-{0000000}"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
    ])  # fmt: skip


def objects() -> list[ObjectType]:
    """Products and prices."""
    return [product(), price_book(), price_book_entry(), opportunity_line_item(), asset()]
