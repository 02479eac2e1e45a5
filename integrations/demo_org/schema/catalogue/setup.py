"""The org itself: organization, users, permissions, licenses, record types, folders, reports, currencies, fiscal periods."""

from typing import Any

from integrations.demo_org.schema.catalogue.fields import (
    CURRENCIES,
    address,
    area,
    audit,
    creation,
    day,
    define,
    deleted,
    flag,
    identity,
    link,
    mail,
    modstamp,
    moment,
    number,
    phone,
    pick,
    ref,
    text,
    viewed,
    whole,
)
from integrations.demo_org.schema.types import Field, ObjectType

TIME_ZONES = (
    "America/Los_Angeles; America/Denver; America/Chicago; America/New_York; America/Sao_Paulo; Europe/London; Europe/Berlin;"
    " Europe/Paris; Asia/Kolkata; Asia/Singapore; Asia/Tokyo; Australia/Sydney; Pacific/Auckland; GMT; UTC"
)
LOCALES = "en_US=English (United States); en_GB=English (United Kingdom); de_DE=German (Germany); ja_JP=Japanese (Japan)"
LANGUAGES = "en_US=English; de=German; fr=French; es=Spanish; ja=Japanese"
ENCODINGS = "UTF-8=Unicode (UTF-8); ISO-8859-1=General US & Western Europe (ISO-8859-1, ISO-LATIN-1)"
ACCESS = (
    "None=Private; Read=Read Only; Edit=Read/Write; ControlledByParent; ReadEditTransfer; All; ReadSelect; HideDetailsInsert"
)
USER_TYPES = "Standard; PowerPartner=Partner; CspLitePortal=High Volume Portal; CustomerSuccess; Guest; AutomatedProcess"
PERMISSIONS = (
    ("ApiEnabled", "API Enabled"), ("ViewSetup", "View Setup and Configuration"), ("ModifyAllData", "Modify All Data"),
    ("ViewAllData", "View All Data"), ("BulkApiHardDelete", "Bulk API Hard Delete"), ("ManageUsers", "Manage Internal Users"),
    ("RunReports", "Run Reports"), ("CustomizeApplication", "Customize Application"),
    ("ModifyMetadata", "Modify Metadata Through Metadata API Functions"),
)  # fmt: skip


def _permissions() -> list[Field]:
    return [flag(f"Permissions{name}", label) for name, label in PERMISSIONS]


def _choice(name: str, label: str, values: str, length: int = 40, **more: Any) -> Field:
    return pick(name, label, values, length, restricted=True, **more)


def organization() -> ObjectType:
    """Organization: the one row that describes the org."""
    shares = ("Account", "Contact", "Opportunity", "Lead", "Case", "Calendar", "Pricebook", "Campaign")
    preferences = ("RequireOpportunityProducts", "TransactionSecurityPolicy", "TerminateOldestSession",
                   "ConsentManagementEnabled", "AutoSelectIndividualOnMerge", "LightningLoginEnabled",
                   "OnlyLLPermUserAllowed")  # fmt: skip
    return define("Organization", "Organization", "Organizations", "00D", [
        identity("Organization"), text("Name", "Name", 80, required=True, name_field=True), text("Division", "Division", 80),
        *address(), phone("Phone", "Phone"), phone("Fax", "Fax"), text("PrimaryContact", "Primary Contact", 80),
        _choice("DefaultLocaleSidKey", "Locale", LOCALES, nillable=False), _choice("TimeZoneSidKey", "Time Zone", TIME_ZONES),
        _choice("LanguageLocaleKey", "Language", LANGUAGES), flag("ReceivesInfoEmails", "Info Emails"),
        flag("ReceivesAdminInfoEmails", "Info Emails Admin"),
        *(flag(f"Preferences{name}", name) for name in preferences),
        whole("FiscalYearStartMonth", "Fiscal Year Starts In", 9),
        flag("UsesStartDateAsFiscalYearName", "Fiscal Year Name by Start"),
        *(_choice(f"Default{name}Access", f"Default {name} Access", ACCESS) for name in shares),
        *audit()[-1:], mail("ComplianceBccEmail", "Compliance BCC Email"),
        _choice("UiSkin", "UI Skin", "Theme1; Theme2; Theme3; Theme4"), text("SignupCountryIsoCode", "Signup Country", 2),
        moment("TrialExpirationDate", "Trial Expiration Date"), whole("NumKnowledgeService", "Knowledge Licenses", 9),
        pick("OrganizationType", "Edition", "Team Edition; Professional Edition; Enterprise Edition; Developer Edition;"
             " Unlimited Edition", 40, restricted=True),
        text("NamespacePrefix", "Namespace Prefix", 15), text("InstanceName", "Instance Name", 5),
        flag("IsSandbox", "Is Sandbox"), text("WebToCaseDefaultOrigin", "Web to Cases Default Origin", 40),
        whole("MonthlyPageViewsUsed", "Monthly Page Views Used", 9),
        whole("MonthlyPageViewsEntitlement", "Monthly Page Views Allowed", 9), flag("IsReadOnly", "Is Read Only"),
        *audit()[:-1],
    ], read_only=True, updateable=True, replicateable=False, searchable=False)  # fmt: skip


def user() -> ObjectType:
    """User."""
    return define("User", "User", "Users", "005", [
        identity("User"), text("Username", "Username", 80, required=True, id_lookup=True),
        text("LastName", "Last Name", 80, required=True, compound="Name"), text("FirstName", "First Name", 40, compound="Name"),
        text("Name", "Full Name", 121, required=True, locked=True, name_field=True), text("CompanyName", "Company Name", 80),
        text("Division", "Division", 80), text("Department", "Department", 80), text("Title", "Title", 80), *address(),
        mail("Email", "Email", required=True, length=128, id_lookup=True), phone("Phone", "Phone"), phone("Fax", "Fax"),
        phone("MobilePhone", "Mobile"), text("Alias", "Alias", 8, required=True),
        text("CommunityNickname", "Nickname", 40), text("BadgeText", "User Photo badge text overlay", 80, locked=True),
        flag("IsActive", "Active", default=True),
        _choice("TimeZoneSidKey", "Time Zone", TIME_ZONES, nillable=False, defaulted_on_create=True,
                default="America/Los_Angeles"),
        ref("UserRoleId", "Role ID", "UserRole", children="Users"),
        _choice("LocaleSidKey", "Locale", LOCALES, nillable=False, defaulted_on_create=True, default="en_US"),
        flag("ReceivesInfoEmails", "Info Emails"), flag("ReceivesAdminInfoEmails", "Admin Info Emails"),
        _choice("EmailEncodingKey", "Email Encoding", ENCODINGS, nillable=False, defaulted_on_create=True, default="UTF-8"),
        ref("ProfileId", "Profile ID", "Profile", required=True, children="Users"),
        _choice("UserType", "User Type", USER_TYPES, locked=True),
        _choice("LanguageLocaleKey", "Language", LANGUAGES, nillable=False, defaulted_on_create=True, default="en_US"),
        text("EmployeeNumber", "Employee Number", 20),
        ref("DelegatedApproverId", "Delegated Approver ID", "Group User", rel=None),
        ref("ManagerId", "Manager ID", "User", children="ManagedUsers"), moment("LastLoginDate", "Last Login", locked=True),
        moment("LastPasswordChangeDate", "Last Password Change or Reset", locked=True), *audit(),
        text("FederationIdentifier", "SAML Federation ID", 512, unique=True, case_sensitive=True),
        area("AboutMe", "About Me", 1000), link("FullPhotoUrl", "Url for full-sized Photo", length=1024, locked=True),
        link("SmallPhotoUrl", "Photo", length=1024, locked=True), *viewed(),
        _choice("DefaultCurrencyIsoCode", "Default Currency", CURRENCIES, 3, defaulted_on_create=True, default="USD"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
    ], deletable=False, undeletable=False)  # fmt: skip


def user_login() -> ObjectType:
    """UserLogin: whether a user is frozen."""
    return define("UserLogin", "User Login", "User Login", "0Yw", [
        identity("User Login"), ref("UserId", "User ID", "User", rel=None, createable=False, updateable=False),
        flag("IsFrozen", "Frozen"), flag("IsPasswordLocked", "Password Locked"), *audit()[2:4],
    ], createable=False, deletable=False, undeletable=False, searchable=False, replicateable=False)  # fmt: skip


def profile() -> ObjectType:
    """Profile."""
    return define("Profile", "Profile", "Profile", "00e", [
        identity("Profile"), text("Name", "Name", required=True, name_field=True), *_permissions(),
        ref("UserLicenseId", "User License ID", "UserLicense"), _choice("UserType", "User Type", USER_TYPES), *audit(),
        text("Description", "Description"), *viewed(),
    ], undeletable=False, searchable=False)  # fmt: skip


def user_role() -> ObjectType:
    """UserRole: the place in the hierarchy of roles."""
    return define("UserRole", "Role", "Role", "00E", [
        identity("Role"), text("Name", "Name", 80, required=True, name_field=True),
        ref("ParentRoleId", "Parent Role ID", "UserRole", rel=None), text("RollupDescription", "Description", 80),
        _choice("OpportunityAccessForAccountOwner", "Opportunity Access Level for Account Owner", "None; Read; Edit",
                defaulted_on_create=True, default="Edit"),
        _choice("CaseAccessForAccountOwner", "Case Access Level for Account Owner", "None; Read; Edit"),
        ref("ForecastUserId", "User ID", "User", rel=None), flag("MayForecastManagerShare", "May Forecast Manager Share"),
        *audit()[2:], text("DeveloperName", "Developer Name", 80),
        ref("PortalAccountId", "Account ID", "Account", rel=None, locked=True),
        text("PortalType", "Portal Type", 40, locked=True),
    ], undeletable=False, searchable=False)  # fmt: skip


def permission_set() -> ObjectType:
    """PermissionSet."""
    return define("PermissionSet", "Permission Set", "Permission Sets", "0PS", [
        identity("PermissionSet"), text("Name", "Permission Set Name", 80, required=True, id_lookup=True),
        text("Label", "Permission Set Label", 80, required=True, name_field=True),
        ref("LicenseId", "License ID", "UserLicense"),
        ref("ProfileId", "Profile ID", "Profile", locked=True), flag("IsOwnedByProfile", "Is Owned By Profile", locked=True),
        flag("IsCustom", "Custom", locked=True), *_permissions(), text("Description", "Description"), *audit(),
        text("NamespacePrefix", "Namespace Prefix", 15, locked=True),
        flag("HasActivationRequired", "Session Activation Required"),
        ref("PermissionSetGroupId", "Permission Set Group ID", "PermissionSetGroup", locked=True),
        _choice("Type", "Type", "Regular; Standard; Profile; Group; Session", locked=True),
    ], undeletable=False, searchable=False)  # fmt: skip


def permission_set_group() -> ObjectType:
    """PermissionSetGroup."""
    return define("PermissionSetGroup", "Permission Set Group", "Permission Set Groups", "0PG", [
        identity("Permission Set Group"), deleted(), text("DeveloperName", "API Name", 80, required=True),
        _choice("Language", "Master Language", LANGUAGES), text("MasterLabel", "Label", 80, required=True, name_field=True),
        text("NamespacePrefix", "Namespace Prefix", 15, locked=True), *audit(), area("Description", "Description", 255),
        _choice("Status", "Status", "Updated; Outdated; Updating; Failed", locked=True),
        flag("HasActivationRequired", "Session Activation Required"),
    ], undeletable=False, searchable=False)  # fmt: skip


def permission_set_assignment() -> ObjectType:
    """PermissionSetAssignment: a permission set (or group) that a user holds."""
    return define("PermissionSetAssignment", "Permission Set Assignment", "Permission Set Assignments", "0Pa", [
        identity("PermissionSetAssignment"),
        ref("PermissionSetId", "PermissionSet ID", "PermissionSet", updateable=False, children="Assignments", cascade=True),
        ref("PermissionSetGroupId", "Permission Set Group ID", "PermissionSetGroup", updateable=False, children="Assignments"),
        ref("AssigneeId", "User ID", "User", required=True, updateable=False, children="PermissionSetAssignments",
            cascade=True),
        modstamp(), moment("ExpirationDate", "Date", updateable=False),
        flag("IsActive", "Is Active", locked=True, default=True),
        flag("IsRevoked", "Is Revoked", locked=True),
    ], updateable=False, undeletable=False, searchable=False)  # fmt: skip


def field_permissions() -> ObjectType:
    """FieldPermissions: what a permission set (or the one behind a profile) allows with a field, named Object.Field."""
    return define("FieldPermissions", "Field Permissions", "Field Permissions", "01k", [
        identity("Field Permissions"),
        ref("ParentId", "Parent ID", "PermissionSet", required=True, updateable=False, children="FieldPerms", cascade=True),
        pick("SobjectType", "SObject Type Name", "", 40, nillable=False, updateable=False),
        pick("Field", "Field Name", "", 255, nillable=False, updateable=False),
        flag("PermissionsEdit", "Edit Field"), flag("PermissionsRead", "Read Field"), modstamp(),
    ], undeletable=False, searchable=False, replicateable=False)  # fmt: skip


def object_permissions() -> ObjectType:
    """ObjectPermissions: what a permission set says about an object (told, not enforced)."""
    verbs = (("Create", "Create Records"), ("Read", "Read Records"), ("Edit", "Edit Records"), ("Delete", "Delete Records"),
             ("ViewAllRecords", "Read All Records"), ("ModifyAllRecords", "Edit All Records"))  # fmt: skip
    return define("ObjectPermissions", "Object Permissions", "Object Permissions", "110", [
        identity("ObjectPermissions"),
        ref("ParentId", "Parent ID", "PermissionSet", required=True, updateable=False, children="ObjectPerms", cascade=True),
        pick("SobjectType", "SObject Type Name", "", 40, nillable=False, updateable=False),
        *(flag(f"Permissions{name}", label) for name, label in verbs), *audit(),
    ], undeletable=False, searchable=False, replicateable=False)  # fmt: skip


def user_license() -> ObjectType:
    """UserLicense."""
    return define("UserLicense", "User License", "User Licenses", "100", [
        identity("User License"), text("LicenseDefinitionKey", "License Definition ID", 40),
        whole("TotalLicenses", "Total Licenses", 9), _choice("Status", "Status", "Active; Disabled"),
        whole("UsedLicenses", "Used Licenses", 9), text("Name", "Name", name_field=True),
        text("MasterLabel", "Master Label"), whole("MonthlyLoginsUsed", "Monthly Logins Used", 9), *creation()[:1],
        moment("LastModifiedDate", "Last Modified Date"), modstamp(),
    ], read_only=True, searchable=False)  # fmt: skip


def package_license() -> ObjectType:
    """PackageLicense: the seats of an installed managed package."""
    return define("PackageLicense", "Package License", "Package Licenses", "050", [
        identity("Package License"), _choice("Status", "Status", "Active; Expired; Free; Trial"),
        flag("IsProvisioned", "Is Provisioned"), whole("AllowedLicenses", "Allowed Licenses", 9),
        whole("UsedLicenses", "Used Licenses", 9), moment("ExpirationDate", "Expiration Date"), *creation()[:1],
        moment("LastModifiedDate", "Last Modified Date"), modstamp(),
        text("NamespacePrefix", "Namespace Prefix", 15, name_field=True),
    ], read_only=True, searchable=False)  # fmt: skip


def user_package_license() -> ObjectType:
    """UserPackageLicense: a seat of a managed package that a user holds."""
    return define("UserPackageLicense", "User Package License", "User Package License", "051", [
        identity("User Package License"),
        ref("PackageLicenseId", "Package License ID", "PackageLicense", rel=None, required=True, updateable=False,
            children="UserPackageLicenses"),
        ref("UserId", "User ID", "User", rel=None, required=True, updateable=False, children="UserPackageLicenses"),
        *audit(),
    ], updateable=False, undeletable=False, searchable=False)  # fmt: skip


def record_type() -> ObjectType:
    """RecordType."""
    return define("RecordType", "Record Type", "Record Types", "012", [
        identity("Record Type"), text("Name", "Name", 80, required=True, name_field=True),
        text("DeveloperName", "Record Type Name", 80, required=True),
        text("NamespacePrefix", "Namespace Prefix", 15, locked=True),
        text("Description", "Description"), ref("BusinessProcessId", "Business Process ID", "BusinessProcess", rel=None),
        _choice("SobjectType", "SObject Type Name", "Account; Opportunity; Case", required=True, updateable=False),
        flag("IsActive", "Active", default=True), *audit(),
    ], deletable=False, undeletable=False, searchable=False)  # fmt: skip


def group() -> ObjectType:
    """Group: public groups and queues."""
    return define("Group", "Group", "Group", "00G", [
        identity("Group"), text("Name", "Name", 40, required=True, name_field=True),
        text("DeveloperName", "Developer Name", 80),
        ref("RelatedId", "Related ID", "User UserRole", rel="Related", locked=True),
        _choice("Type", "Type", "Regular=Public Group; Queue; Role; Organization", updateable=False), mail("Email", "Email"),
        ref("OwnerId", "Owner ID", "Organization User", locked=True),
        flag("DoesSendEmailToMembers", "Send Email to Members"),
        flag("DoesIncludeBosses", "Include Bosses"), *audit(),
    ], undeletable=False, searchable=False)  # fmt: skip


def folder() -> ObjectType:
    """Folder of reports or dashboards."""
    return define("Folder", "Folder", "Folders", "00l", [
        identity("Folder"), ref("ParentId", "Folder ID", "Folder", rel="Parent"), text("Name", "Name", 80, name_field=True),
        text("DeveloperName", "Folder Unique Name", 80),
        _choice("AccessType", "Access Type", "Shared=Accessible by folder sharing; Public=All users; Hidden=Owner only"),
        flag("IsReadonly", "Read Only"),
        _choice("Type", "Type", "Report; Dashboard; Document; Email"), text("NamespacePrefix", "Namespace Prefix", 15),
        *audit(),
    ], undeletable=False, searchable=False)  # fmt: skip


def report() -> ObjectType:
    """Report: the head of a saved report; its definition is read through the Analytics API."""
    return define("Report", "Report", "Reports", "00O", [
        identity("Report"), ref("OwnerId", "Owner ID", "Folder Organization User", rel="Owner", required=True),
        text("FolderName", "Folder Name", 400), *audit()[:-1], deleted(), text("Name", "Report Name", 80, name_field=True),
        text("Description", "Description"), text("DeveloperName", "Report Unique Name", 80),
        text("NamespacePrefix", "Namespace Prefix", 15), moment("LastRunDate", "Last Run"), modstamp(),
        _choice("Format", "Format", "Tabular; Summary; Matrix; MultiBlock=Joined"), *viewed(),
    ], read_only=True, deletable=True)  # fmt: skip


def dashboard() -> ObjectType:
    """Dashboard."""
    return define("Dashboard", "Dashboard", "Dashboards", "01Z", [
        identity("Dashboard"), deleted(), ref("FolderId", "Folder ID", "Folder Organization User", rel="Folder"),
        text("FolderName", "Folder Name", 400), text("Title", "Title", 80, name_field=True),
        text("DeveloperName", "Dashboard Unique Name", 80), text("NamespacePrefix", "Namespace Prefix", 15),
        text("Description", "Description"), _choice("Type", "Dashboard Running User Type", "SpecifiedUser; LoggedInUser"),
        *audit(), ref("RunningUserId", "User ID", "User", rel="RunningUser"), *viewed(),
    ], read_only=True)  # fmt: skip


def currency_type() -> ObjectType:
    """CurrencyType: an active currency and its rate to the corporate one (multi-currency orgs only)."""
    return define("CurrencyType", "Currency Type", "Currency Type", "01L", [
        identity("Currency Type"), _choice("IsoCode", "Currency ISO Code", CURRENCIES, 3, required=True, updateable=False),
        number("ConversionRate", "Conversion Rate", 18, 6, required=True), whole("DecimalPlaces", "Decimal Places", 9),
        flag("IsActive", "Active"), flag("IsCorporate", "Corporate Currency", locked=True), *audit(),
    ], deletable=False, undeletable=False, searchable=False)  # fmt: skip


def dated_conversion_rate() -> ObjectType:
    """DatedConversionRate: a rate that holds from a start date until the next one (multi-currency orgs only)."""
    return define("DatedConversionRate", "Dated Conversion Rate", "Dated Conversion Rates", "04w", [
        identity("Dated Conversion Rate"),
        _choice("IsoCode", "Currency ISO Code", CURRENCIES, 3, required=True, updateable=False),
        day("StartDate", "Start Date", required=True), day("NextStartDate", "Next Start Date", locked=True),
        number("ConversionRate", "Conversion Rate", 18, 6, required=True), *audit(),
    ], undeletable=False, searchable=False)  # fmt: skip


def fiscal_year_settings() -> ObjectType:
    """FiscalYearSettings."""
    return define("FiscalYearSettings", "Fiscal Year Settings", "Fiscal Year Settings", "022", [
        identity("Fiscal Year Settings"), ref("PeriodId", "Period ID", "Period", rel="Period"),
        day("StartDate", "Start Date"), day("EndDate", "End Date"), text("Name", "Name", 80, name_field=True),
        flag("IsStandardYear", "Is Standard Year"), _choice("YearType", "Year Type", "Standard; Custom"),
        text("QuarterLabelScheme", "Quarter Label Scheme", 40), text("PeriodLabelScheme", "Period Label Scheme", 40),
        text("WeekLabelScheme", "Week Label Scheme", 40), text("QuarterPrefix", "Quarter Prefix", 40),
        text("PeriodPrefix", "Period Prefix", 40), whole("WeekStartDay", "Week Start Day", 9),
        area("Description", "Description", 255),
        modstamp(),
    ], read_only=True, searchable=False)  # fmt: skip


def period() -> ObjectType:
    """Period: fiscal years, quarters and months as rows."""
    return define("Period", "Period", "Period", "026", [
        identity("Period"), ref("FiscalYearSettingsId", "Fiscal Year Settings ID", "FiscalYearSettings", children="Periods"),
        _choice("Type", "Type", "Month; Quarter; Week; Year"), day("StartDate", "Start Date"), day("EndDate", "End Date"),
        modstamp(), flag("IsForecastPeriod", "Is Forecast Period"), _choice("QuarterLabel", "Quarter Name", "Q1; Q2; Q3; Q4"),
        _choice("PeriodLabel", "Period Name", "P1; P2; P3"), whole("Number", "Number", 9),
        text("FullyQualifiedLabel", "Fully Qualified Label", 80),
    ], read_only=True, searchable=False)  # fmt: skip


def objects() -> list[ObjectType]:
    """Set-up."""
    return [
        organization(), user(), user_login(), profile(), user_role(), permission_set(), permission_set_group(),
        permission_set_assignment(), field_permissions(), object_permissions(), user_license(), package_license(),
        user_package_license(), record_type(), group(), folder(),
        report(), dashboard(), currency_type(), dated_conversion_rate(), fiscal_year_settings(), period(),
    ]  # fmt: skip
