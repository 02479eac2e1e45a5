"""The demo company itself: organization, licenses, profiles, roles, users and their logins, permission sets."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from integrations.demo_org.clock import to_text
from integrations.demo_org.oauth import accounts, clients
from integrations.demo_org.schema.catalogue.sales import ALL_STAGES, PROOF_OF_CONCEPT, STAGES
from integrations.demo_org.schema.catalogue.setup import PERMISSIONS
from integrations.demo_org.seed.dice import Days
from integrations.demo_org.seed.loading import Loader

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

DOMAIN = "harborpine.example"
OLD = -1400
ADMINISTRATOR, STANDARD, INTEGRATION = "System Administrator", "Standard User", "Causeway Integration"
PROFILES = {
    ADMINISTRATOR: {name for name, _ in PERMISSIONS},
    STANDARD: {"ApiEnabled", "RunReports"},
    # the last two let the integration deploy its own fields, as an administrator who wants that would grant them
    INTEGRATION: {"ApiEnabled", "ViewSetup", "ViewAllData", "RunReports", "CustomizeApplication", "ModifyMetadata"},
    "Marketing User": {"ApiEnabled", "RunReports"},
    "Support User": {"RunReports"},
}
# (key, role name, parent key)
ROLES = (
    ("ceo", "Chief Executive Officer", None), ("cro", "Chief Revenue Officer", "ceo"),
    ("cfo", "Chief Financial Officer", "ceo"),
    ("amer", "VP Sales Americas", "cro"), ("emea", "VP Sales EMEA", "cro"), ("apac", "VP Sales APAC", "cro"),
    ("amer_rep", "Account Executive Americas", "amer"), ("emea_rep", "Account Executive EMEA", "emea"),
    ("apac_rep", "Account Executive APAC", "apac"), ("cs", "VP Customer Success", "cro"),
    ("csm", "Customer Success Manager", "cs"), ("support", "Support Lead", "cs"), ("marketing", "VP Marketing", "ceo"),
    ("ops", "Revenue Operations", "cro"),
)  # fmt: skip
# (first, last, alias, title, role, manager's alias, profile, time zone)
USERS = (
    ("Ada", "Marlowe", "admin", "Salesforce Administrator", "ops", "hcole", ADMINISTRATOR, "America/New_York"),
    ("Integration", "User", "integ", "Integration", None, None, INTEGRATION, "GMT"),
    ("Hollis", "Cole", "hcole", "Chief Revenue Officer", "cro", "ewin", STANDARD, "America/New_York"),
    ("Evelyn", "Winter", "ewin", "Chief Executive Officer", "ceo", None, STANDARD, "America/New_York"),
    ("Rafael", "Stone", "rstone", "Chief Financial Officer", "cfo", "ewin", STANDARD, "America/New_York"),
    ("Imani", "Brooks", "ibrooks", "VP Sales, Americas", "amer", "hcole", STANDARD, "America/Chicago"),
    ("Lukas", "Brandt", "lbrandt", "VP Sales, EMEA", "emea", "hcole", STANDARD, "Europe/Berlin"),
    ("Aiko", "Hayashi", "ahayas", "VP Sales, APAC", "apac", "hcole", STANDARD, "Asia/Tokyo"),
    ("Carmen", "Ortega", "cortega", "Account Executive", "amer_rep", "ibrooks", STANDARD, "America/Los_Angeles"),
    ("Dylan", "Reed", "dreed", "Account Executive", "amer_rep", "ibrooks", STANDARD, "America/Denver"),
    ("Jasmine", "Holt", "jholt", "Account Executive", "amer_rep", "ibrooks", STANDARD, "America/New_York"),
    ("Marcus", "Lane", "mlane", "Account Executive", "amer_rep", "ibrooks", STANDARD, "America/Chicago"),
    ("Beatriz", "Nunes", "bnunes", "Account Executive", "amer_rep", "ibrooks", STANDARD, "America/Sao_Paulo"),
    ("Greta", "Lindqvist", "glindq", "Account Executive", "emea_rep", "lbrandt", STANDARD, "Europe/Berlin"),
    ("Owen", "Davies", "odavies", "Account Executive", "emea_rep", "lbrandt", STANDARD, "Europe/London"),
    ("Élise", "Marchand", "emarch", "Account Executive", "emea_rep", "lbrandt", STANDARD, "Europe/Paris"),
    ("Ravi", "Menon", "rmenon", "Account Executive", "apac_rep", "ahayas", STANDARD, "Asia/Singapore"),
    ("Chloe", "Nguyen", "cnguyen", "Account Executive", "apac_rep", "ahayas", STANDARD, "Australia/Sydney"),
    ("Simone", "Adler", "sadler", "VP Customer Success", "cs", "hcole", STANDARD, "America/New_York"),
    ("Tomás", "Vega", "tvega", "Customer Success Manager", "csm", "sadler", STANDARD, "America/Chicago"),
    ("Ingrid", "Solberg", "isolb", "Customer Success Manager", "csm", "sadler", STANDARD, "Europe/Berlin"),
    ("Kofi", "Mensah", "kmensah", "Customer Success Manager", "csm", "sadler", STANDARD, "Europe/London"),
    ("Patricia", "Gomez", "pgomez", "Support Lead", "support", "sadler", "Support User", "America/Denver"),
    ("Nolan", "Price", "nprice", "Support Engineer", "support", "pgomez", "Support User", "America/Los_Angeles"),
    ("Maya", "Rosen", "mrosen", "VP Marketing", "marketing", "ewin", "Marketing User", "America/New_York"),
    ("Felix", "Grant", "fgrant", "Account Executive (left)", "amer_rep", "ibrooks", STANDARD, "America/Chicago"),
    ("Wren", "Calloway", "wcall", "Contractor (frozen)", "ops", "admin", STANDARD, "America/New_York"),
)  # fmt: skip
LOGINS = ("admin", "integ", "cortega", "glindq", "hcole", "wcall")
INACTIVE, FROZEN = "fgrant", "wcall"
REGION_REPS = {
    "AMER": ("cortega", "dreed", "jholt", "mlane", "bnunes", "fgrant"), "EMEA": ("glindq", "odavies", "emarch"),
    "APAC": ("rmenon", "cnguyen"),
}  # fmt: skip
RECORD_TYPES = (
    ("Account", "Company"), ("Account", "Partner"), ("Opportunity", "New Business"), ("Opportunity", "Renewal"),
    ("Opportunity", "Expansion"), ("Case", "Support"), ("Case", "Incident"),
)  # fmt: skip


@dataclass
class Company:
    """Ids of what the rest of the seed refers to. `reps` are the sales people of a region."""

    users: dict[str, str] = field(default_factory=dict)
    reps: dict[str, list[str]] = field(default_factory=dict)
    success: list[str] = field(default_factory=list)
    support: list[str] = field(default_factory=list)
    record_types: dict[tuple[str, str], str] = field(default_factory=dict)
    queue: str = ""


def seed_company(org: "DemoOrg", loader: Loader, days: Days) -> Company:
    """Everything that exists once in the org. Returns the ids."""
    company = Company()
    ids = {each[2]: loader.table("User", USER_COLUMNS).next_id() for each in USERS}
    company.users = ids
    stamps = _stamps(days, ids["admin"])
    _add_organization(org, loader, stamps)
    profiles = _add_profiles(loader, stamps)
    _add_users(loader, days, ids, profiles, _add_roles(loader, stamps), stamps)
    _add_permission_sets(loader, ids, profiles, stamps)
    _add_packages(loader, days, ids, stamps)
    _add_stages(loader, stamps)
    _add_currencies(loader, days, stamps)
    _add_periods(loader, days, stamps)
    company.record_types = _add_record_types(loader, stamps)
    company.queue = _add_groups(loader, ids, stamps)
    company.reps = {region: [ids[alias] for alias in aliases] for region, aliases in REGION_REPS.items()}
    company.success = [ids[alias] for alias in ("tvega", "isolb", "kmensah")]
    company.support = [ids[alias] for alias in ("pgomez", "nprice")]
    loader.flush()
    _add_logins(org, ids)
    return company


def _stamps(days: Days, user: str) -> tuple[str, str, str, str, str]:
    long_ago = days.date(OLD) + "T09:00:00.000Z"
    return (long_ago, user, long_ago, user, long_ago)


def _add_organization(org: "DemoOrg", loader: Loader, stamps: tuple) -> None:
    table = loader.table("Organization", (
        "Name Street City State PostalCode Country Phone PrimaryContact DefaultLocaleSidKey TimeZoneSidKey LanguageLocaleKey"
        " FiscalYearStartMonth DefaultAccountAccess DefaultContactAccess DefaultOpportunityAccess DefaultLeadAccess"
        " DefaultCaseAccess DefaultCalendarAccess DefaultPricebookAccess DefaultCampaignAccess UiSkin NumKnowledgeService"
        " OrganizationType InstanceName IsSandbox WebToCaseDefaultOrigin PreferencesLightningLoginEnabled MonthlyPageViewsUsed"
        " MonthlyPageViewsEntitlement *"))  # fmt: skip
    table.add((
        org.info.org_id, org.info.name, "14 Harbor Street", "Boston", "MA", "02110", "United States", "+1 617 555 0100",
        "Ada Marlowe",
        "en_US", "America/New_York", "en_US", 1, "Edit", "ControlledByParent", "Edit", "ReadEditTransfer", "ReadEditTransfer",
        "HideDetailsInsert", "ReadSelect", "All", "Theme4", 2, "Enterprise Edition", "DEMO1", 0, "Web", 1, 0, 0, *stamps,
    ))  # fmt: skip


def _add_profiles(loader: Loader, stamps: tuple) -> dict[str, str]:
    licenses = loader.table(
        "UserLicense",
        "Name MasterLabel LicenseDefinitionKey Status TotalLicenses UsedLicenses CreatedDate LastModifiedDate SystemModstamp",
    )
    license_id = licenses.next_id()
    at = stamps[0]
    licenses.add((license_id, "Salesforce", "Salesforce", "SFDC", "Active", 40, len(USERS) - 1, at, at, at))
    names = [name for name, _ in PERMISSIONS]
    columns = " ".join(f"Permissions{name}" for name in names)
    table = loader.table("Profile", f"Name UserLicenseId UserType Description {columns} *")
    found = {}
    for name, allowed in PROFILES.items():
        found[name] = table.next_id()
        flags = [int(each in allowed) for each in names]
        table.add((found[name], name, license_id, "Standard", f"{name} of Harbor & Pine", *flags, *stamps))
    return found


def _add_roles(loader: Loader, stamps: tuple) -> dict[str, str]:
    table = loader.table(
        "UserRole",
        "Name DeveloperName ParentRoleId OpportunityAccessForAccountOwner LastModifiedDate LastModifiedById SystemModstamp",
    )
    found: dict[str, str] = {}
    for key, name, parent in ROLES:
        found[key] = table.next_id()
        above = found[parent] if parent else None
        table.add((found[key], name, name.replace(" ", "_"), above, "Edit", stamps[2], stamps[3], stamps[4]))
    return found


USER_COLUMNS = (
    "Username LastName FirstName Name CompanyName Department Title Email Alias CommunityNickname IsActive TimeZoneSidKey"
    " UserRoleId LocaleSidKey EmailEncodingKey ProfileId UserType LanguageLocaleKey EmployeeNumber ManagerId LastLoginDate City"
    " Country DefaultCurrencyIsoCode External_Id__c FullPhotoUrl SmallPhotoUrl *"
)


def username(alias: str) -> str:
    """The sign-in name of the user with that alias."""
    first, last = next((each[0], each[1]) for each in USERS if each[2] == alias)
    plain = {"admin": "admin", "integ": "integration"}.get(alias)
    return f"{plain or f'{first}.{last}'.lower()}@{DOMAIN}"


def _add_users(loader: Loader, days: Days, ids: dict, profiles: dict, roles: dict, stamps: tuple) -> None:
    table = loader.table("User", USER_COLUMNS)
    logins = loader.table("UserLogin", "UserId IsFrozen IsPasswordLocked LastModifiedDate LastModifiedById")
    for number, (first, last, alias, title, role, manager, profile, zone) in enumerate(USERS, 1):
        seen = days.date(-number % 9 - 9) + "T14:00:00.000Z"
        table.add((
            ids[alias], username(alias), last, first, f"{first} {last}", "Harbor & Pine", "Sales" if role else "Systems", title,
            username(alias), alias, f"{first.lower()}.{alias}", int(alias != INACTIVE), zone, roles.get(role), "en_US", "UTF-8",
            profiles[profile], "Standard", "en_US", f"E{1000 + number}", ids.get(manager), seen, "Boston", "United States",
            "USD",
            f"hp-user-{number:03d}", f"/profilephoto/005/F{number}", f"/profilephoto/005/T{number}", *stamps,
        ))  # fmt: skip
        logins.add((logins.next_id(), ids[alias], int(alias == FROZEN), 0, stamps[2], stamps[3]))


def _add_permission_sets(loader: Loader, ids: dict, profiles: dict, stamps: tuple) -> None:
    names = [name for name, _ in PERMISSIONS]
    columns = " ".join(f"Permissions{name}" for name in names)
    table = loader.table("PermissionSet", f"Name Label ProfileId IsOwnedByProfile IsCustom Type Description {columns} *")
    for number, (name, profile_id) in enumerate(profiles.items(), 1):
        flags = [int(each in PROFILES[name]) for each in names]
        row = (f"X00e{number}", f"00e{number}", profile_id, 1, 0, "Profile", None, *flags, *stamps)
        table.add((table.next_id(), *row))
    groups = loader.table("PermissionSetGroup", "DeveloperName Language MasterLabel Description Status *")
    group = groups.next_id()
    groups.add((group, "Revenue_Tools", "en_US", "Revenue Tools", "What revenue operations needs", "Updated", *stamps))
    given = loader.table(
        "PermissionSetAssignment", "PermissionSetId PermissionSetGroupId AssigneeId SystemModstamp IsActive IsRevoked"
    )
    for name, label, allowed, people in (
        ("Causeway_Integration", "Causeway Integration", {"ApiEnabled", "ViewSetup", "RunReports"}, ("integ",)),
        ("Forecast_Editor", "Forecast Editor", set(), ("ibrooks", "lbrandt", "ahayas", "hcole")),
        ("Knowledge_Author", "Knowledge Author", set(), ("pgomez", "nprice")),
    ):
        found = table.next_id()
        flags = [int(each in allowed) for each in names]
        table.add((found, name, label, None, 0, 1, "Regular", label, *flags, *stamps))
        for alias in people:
            given.add((given.next_id(), found, None, ids[alias], stamps[4], 1, 0))
        if name == "Causeway_Integration":
            _allow_integration(loader, found, stamps)
    given.add((given.next_id(), None, group, ids["admin"], stamps[4], 1, 0))


def _allow_integration(loader: Loader, permission_set: str, stamps: tuple) -> None:
    """What the integration may do with the objects and keys that it reads and writes."""
    objects = loader.table(
        "ObjectPermissions",
        "ParentId SobjectType PermissionsCreate PermissionsRead PermissionsEdit PermissionsDelete PermissionsViewAllRecords"
        " PermissionsModifyAllRecords *",
    )
    fields = loader.table("FieldPermissions", "ParentId SobjectType Field PermissionsEdit PermissionsRead SystemModstamp")
    for name, key in (
        ("Account", "External_Id__c"), ("Contact", "External_Id__c"), ("Opportunity", "External_Id__c"),
        ("Workspace__c", "Workspace_Key__c"),
    ):  # fmt: skip
        objects.add((objects.next_id(), permission_set, name, 1, 1, 1, 0, 1, 0, *stamps))
        fields.add((fields.next_id(), permission_set, name, f"{name}.{key}", 1, 1, stamps[4]))


def _add_packages(loader: Loader, days: Days, ids: dict, stamps: tuple) -> None:
    seats = ("admin", "hcole", "ewin", "ibrooks", "lbrandt", "ahayas", "sadler")
    table = loader.table(
        "PackageLicense",
        "Status IsProvisioned AllowedLicenses UsedLicenses ExpirationDate CreatedDate LastModifiedDate SystemModstamp"
        " NamespacePrefix",
    )
    package = table.next_id()
    until, at = days.date(340) + "T00:00:00.000Z", stamps[0]
    table.add((package, "Active", 1, 30, len(seats), until, at, at, at, "causeway"))
    used = loader.table("UserPackageLicense", "PackageLicenseId UserId *")
    for alias in seats:
        used.add((used.next_id(), package, ids[alias], *stamps))


def _add_stages(loader: Loader, stamps: tuple) -> None:
    table = loader.table("OpportunityStage", "MasterLabel ApiName IsActive SortOrder IsClosed IsWon ForecastCategory"
                         " ForecastCategoryName DefaultProbability *")  # fmt: skip
    places = {each[0]: order for order, each in enumerate(ALL_STAGES, 1)}
    for name, probability, closed, won, category, shown in (*STAGES, PROOF_OF_CONCEPT):
        order = places[name]
        row = (name, name, 1, order, int(closed), int(won), category, shown, probability)
        table.add((table.next_id(), *row, *stamps))
    loader.org.store.next_numbers("LeadStatus", 500)  # LeadStatus shares the key prefix of the stages: keep the ids apart
    statuses = loader.table("LeadStatus", "MasterLabel ApiName SortOrder IsDefault IsConverted *")
    names = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
    for order, name in enumerate(names, 1):
        statuses.add((statuses.next_id(), name, name, order, int(order == 1), int(name == "Closed - Converted"), *stamps))
    loader.org.store.next_numbers("AccountHistory", 10**9)  # the same for the two history objects with prefix 017


def _add_currencies(loader: Loader, days: Days, stamps: tuple) -> None:
    table = loader.table("CurrencyType", "IsoCode ConversionRate DecimalPlaces IsActive IsCorporate *")
    rates = loader.table("DatedConversionRate", "IsoCode StartDate NextStartDate ConversionRate *")
    for code, rate, places in (("USD", 1.0, 2), ("EUR", 0.92, 2), ("GBP", 0.79, 2), ("JPY", 149.5, 0)):
        table.add((table.next_id(), code, rate, places, 1, int(code == "USD"), *stamps))
        if code == "USD":
            continue
        for start, end, factor in ((OLD, -365, 0.97), (-365, -90, 1.01), (-90, 895, 1.0)):
            row = (code, days.date(start), days.date(end), round(rate * factor, 6))
            rates.add((rates.next_id(), *row, *stamps))


def _add_periods(loader: Loader, days: Days, stamps: tuple) -> None:
    years = loader.table("FiscalYearSettings", "PeriodId StartDate EndDate Name IsStandardYear YearType QuarterLabelScheme"
                         " PeriodLabelScheme WeekStartDay SystemModstamp")  # fmt: skip
    table = loader.table("Period", "FiscalYearSettingsId Type StartDate EndDate SystemModstamp IsForecastPeriod QuarterLabel"
                         " Number FullyQualifiedLabel")  # fmt: skip
    at = stamps[4]
    for year in range(days.now.year - 3, days.now.year + 2):
        settings, whole = years.next_id(), table.next_id()
        years.add(
            (settings, whole, f"{year}-01-01", f"{year}-12-31", str(year), 1, "Standard", "NumberByYear", "NumberByYear", 1, at)
        )
        table.add((whole, settings, "Year", f"{year}-01-01", f"{year}-12-31", at, 0, None, 1, f"FY {year}"))
        for quarter in range(1, 5):
            start, end = f"{year}-{quarter * 3 - 2:02d}-01", f"{year}-{quarter * 3:02d}-{(31, 30, 30, 31)[quarter - 1]}"
            label = f"Q{quarter} FY {year}"
            table.add((table.next_id(), settings, "Quarter", start, end, at, 1, f"Q{quarter}", quarter, label))


def _add_record_types(loader: Loader, stamps: tuple) -> dict[tuple[str, str], str]:
    table = loader.table("RecordType", "Name DeveloperName SobjectType IsActive *")
    found = {}
    for kind, name in RECORD_TYPES:
        found[kind, name] = table.next_id()
        table.add((found[kind, name], name, name.replace(" ", "_"), kind, 1, *stamps))
    return found


def _add_groups(loader: Loader, ids: dict, stamps: tuple) -> str:
    table = loader.table("Group", "Name DeveloperName Type Email OwnerId *")
    queue = table.next_id()
    table.add((queue, "Support Queue", "Support_Queue", "Queue", f"support@{DOMAIN}", ids["admin"], *stamps))
    table.add((table.next_id(), "Revenue Leaders", "Revenue_Leaders", "Regular", None, ids["admin"], *stamps))
    return queue


def _add_logins(org: "DemoOrg", ids: dict[str, str]) -> None:
    """Passwords are as public as the rest of the practice data; the control plane shows them."""
    for alias in LOGINS:
        accounts.create_login(
            org, ids[alias], username(alias), f"Practice-{alias}-{len(alias)}", f"Token{alias.title()}0123456789"
        )
    accounts.change_login(org, username(FROZEN), {"frozen": 1})
    for each in clients.describe_clients(org):
        if "client_credentials" in each["flows"]:
            clients.change_client(org, each["client_id"], {"run_as": ids["integ"]})


def now_text(days: Days) -> str:
    """The org's present instant as stored text."""
    return to_text(days.now)
