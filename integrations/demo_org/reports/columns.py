"""The columns of the standard report types, as tables: category -> lines of `NAME = Label : path [@ path of the id]`.

A name with an id shows the name and carries the id (lookups and record names). Paths are those of queries. `!special` columns
are computed; see `report_types.SPECIAL`. Fields that the org lacks or the user may not see drop out.
"""

_BILLING = """
ADDRESS1_STREET = Billing Street : {0}BillingStreet
ADDRESS1_CITY = Billing City : {0}BillingCity
ADDRESS1_STATE = Billing State/Province : {0}BillingState
ADDRESS1_ZIP = Billing Zip/Postal Code : {0}BillingPostalCode
ADDRESS1_COUNTRY = Billing Country : {0}BillingCountry
ADDRESS2_STREET = Shipping Street : {0}ShippingStreet
ADDRESS2_CITY = Shipping City : {0}ShippingCity
ADDRESS2_STATE = Shipping State/Province : {0}ShippingState
ADDRESS2_ZIP = Shipping Zip/Postal Code : {0}ShippingPostalCode
ADDRESS2_COUNTRY = Shipping Country : {0}ShippingCountry
"""
_STAMPS = """
CREATED_DATE = Created Date : {0}CreatedDate
LAST_UPDATE = Last Modified Date : {0}LastModifiedDate
CREATED = Created By : {0}CreatedBy.Name @{0}CreatedById
CREATED_ALIAS = Created Alias : {0}CreatedBy.Alias
LAST_UPDATE_BY = Last Modified By : {0}LastModifiedBy.Name @{0}LastModifiedById
LAST_UPDATE_BY_ALIAS = Last Modified Alias : {0}LastModifiedBy.Alias
LAST_ACTIVITY = Last Activity : {0}LastActivityDate
"""
_DEAL = """
OPPORTUNITY_NAME = Opportunity Name : {0}Name @{0}Id
TYPE = Type : {0}Type
LEAD_SOURCE = Lead Source : {0}LeadSource
AMOUNT = Amount : {0}Amount
EXP_AMOUNT = Expected Revenue : {0}ExpectedRevenue
CLOSED = Closed : {0}IsClosed
WON = Won : {0}IsWon
CLOSE_DATE = Close Date : {0}CloseDate
CLOSE_DATE2 = Close Date (2) : {0}CloseDate
CLOSE_MONTH = Close Month : {0}CloseDate
LAST_STAGE_CHANGE_DATE = Last Stage Change Date : {0}LastStageChangeDate
NEXT_STEP = Next Step : {0}NextStep
STAGE_NAME = Stage : {0}StageName
PROBABILITY = Probability (%) : {0}Probability
FISCAL_QUARTER = Fiscal Period : !fiscal_quarter {0}CloseDate
FISCAL_YEAR = Fiscal Year : !fiscal_year {0}CloseDate
AGE = Age : !age {0}CreatedDate {0}CloseDate {0}IsClosed
FORECAST_CATEGORY = Forecast Category : {0}ForecastCategoryName
OPPORTUNITY_ID = Opportunity ID : {0}Id
DESCRIPTION = Description : {0}Description
HASOPPLINEITEM = Has Products : {0}HasOpportunityLineItem
OPP_QUANTITY = Quantity : {0}TotalOpportunityQuantity
CAMPAIGN_SOURCE = Primary Campaign Source : {0}Campaign.Name @{0}CampaignId
"""
_DEAL_OWNER = """
FULL_NAME = Opportunity Owner : {0}Owner.Name @{0}OwnerId
ROLLUP_DESCRIPTION = Owner Role : {0}Owner.UserRole.Name
ALIAS = Opportunity Owner Alias : {0}Owner.Alias
OWNER_EMAIL = Opportunity Owner Email : {0}Owner.Email
OWNER_PHONE = Opportunity Owner: Phone : {0}Owner.Phone
OWNER_TITLE = Opportunity Owner: Title : {0}Owner.Title
OWNER_DEPARTMENT = Opportunity Owner: Department : {0}Owner.Department
OWNER_MANAGER = Opportunity Owner: Manager : {0}Owner.Manager.Name @{0}Owner.ManagerId
OWNER_ACTIVE = Opportunity Owner: Active : {0}Owner.IsActive
"""
_PARENT = """
ACCOUNT_NAME = Account Name : {0}Account.Name @{0}AccountId
ACCOUNT_OWNER = Account Owner : {0}Account.Owner.Name @{0}Account.OwnerId
ACCOUNT_OWNER_ALIAS = Account Owner Alias : {0}Account.Owner.Alias
PARENT_NAME = Parent Account : {0}Account.Parent.Name @{0}Account.ParentId
PARENT_ID = Parent Account ID : {0}Account.ParentId
SALES = Annual Revenue : {0}Account.AnnualRevenue
ACCOUNT_TYPE = Account Type : {0}Account.Type
INDUSTRY = Industry : {0}Account.Industry
EMPLOYEES = Employees : {0}Account.NumberOfEmployees
ACCOUNT_ID = Account ID : {0}AccountId
ACCOUNT_LAST_ACTIVITY = Account: Last Activity : {0}Account.LastActivityDate
ACCOUNT_CREATED_DATE = Account: Created Date : {0}Account.CreatedDate
ACCOUNT_LAST_UPDATE = Account: Last Modified Date : {0}Account.LastModifiedDate
ACCOUNT_DESCRIPTION = Account Description : {0}Account.Description
"""
_ACCOUNT_PHONES = """
PHONE1 = Phone : {0}Phone
PHONE2 = Fax : {0}Fax
URL = Website : {0}Website
"""

OPPORTUNITY = {
    "Opportunity Information": _DEAL.format("") + _STAMPS.format(""),
    "Opportunity Owner Information": _DEAL_OWNER.format(""),
    "Account: General": _PARENT.format(""),
    "Account: Address": _BILLING.format("Account."),
    "Account: Ph/Fax": _ACCOUNT_PHONES.format("Account."),
}
OPPORTUNITY_PRODUCT = {
    "Product Information": """
PRODUCT_NAME = Product Name : Product2.Name @Product2Id
PRODUCT_CODE = Product Code : Product2.ProductCode
FAMILY = Product Family : Product2.Family
PRODUCT_ID = Product ID : Product2Id
LINE_QUANTITY = Quantity : Quantity
QUANTITY = Quantity : Quantity
UNIT_PRICE = Sales Price : UnitPrice
LIST_PRICE = List Price : ListPrice
TOTAL_PRICE = Total Price : TotalPrice
DISCOUNT = Discount : Discount
SERVICE_DATE = Product Date : ServiceDate
LINE_DESCRIPTION = Line Description : Description
""",
    "Opportunity Information": _DEAL.format("Opportunity.") + _STAMPS.format("Opportunity."),
    "Opportunity Owner Information": _DEAL_OWNER.format("Opportunity."),
    "Account: General": _PARENT.format("Opportunity."),
}
ACCOUNT = {
    "Account: General": """
USERS.NAME = Account Owner : Owner.Name @OwnerId
OWNER_ALIAS = Account Owner Alias : Owner.Alias
OWNER_ROLE = Owner Role : Owner.UserRole.Name
ACCOUNT.NAME = Account Name : Name @Id
ACCOUNT_NUMBER = Account Number : AccountNumber
ACCOUNT_ID = Account ID : Id
PARENT_NAME = Parent Account : Parent.Name @ParentId
TYPE = Type : Type
RATING = Rating : Rating
INDUSTRY = Industry : Industry
SALES = Annual Revenue : AnnualRevenue
EMPLOYEES = Employees : NumberOfEmployees
OWNERSHIP = Ownership : Ownership
ACCOUNT_SITE = Account Site : Site
ACCOUNT_SOURCE = Account Source : AccountSource
DESCRIPTION = Description : Description
"""
    + _STAMPS.format(""),
    "Account: Address": _BILLING.format(""),
    "Account: Ph/Fax": _ACCOUNT_PHONES.format(""),
}
CONTACT = {
    "Contact: General": """
SALUTATION = Salutation : Salutation
FIRST_NAME = First Name : FirstName @Id
LAST_NAME = Last Name : LastName @Id
NAME = Full Name : Name @Id
CONTACT_ID = Contact ID : Id
TITLE = Title : Title
DEPARTMENT = Department : Department
LEAD_SOURCE = Lead Source : LeadSource
OWNER_FULL_NAME = Contact Owner : Owner.Name @OwnerId
REPORTS_TO = Reports To : ReportsTo.Name @ReportsToId
BIRTHDATE = Birthdate : Birthdate
DESCRIPTION = Description : Description
"""
    + _STAMPS.format(""),
    "Contact: Address": """
ADDRESS2_STREET = Mailing Street : MailingStreet
ADDRESS2_CITY = Mailing City : MailingCity
ADDRESS2_STATE = Mailing State/Province : MailingState
ADDRESS2_ZIP = Mailing Zip/Postal Code : MailingPostalCode
ADDRESS2_COUNTRY = Mailing Country : MailingCountry
""",
    "Contact: Phone/Fax/Email": """
PHONE1 = Phone : Phone
PHONE2 = Fax : Fax
PHONE3 = Mobile : MobilePhone
EMAIL = Email : Email
""",
    "Account: General": """
ACCOUNT.NAME = Account Name : Account.Name @AccountId
ACCOUNT_ID = Account ID : AccountId
ACCOUNT_OWNER = Account Owner : Account.Owner.Name @Account.OwnerId
TYPE = Type : Account.Type
RATING = Rating : Account.Rating
INDUSTRY = Industry : Account.Industry
SALES = Annual Revenue : Account.AnnualRevenue
EMPLOYEES = Employees : Account.NumberOfEmployees
""",
}
LEAD = {
    "Lead Information": """
OWNER = Lead Owner : Owner.Name @OwnerId
FIRST_NAME = First Name : FirstName @Id
LAST_NAME = Last Name : LastName @Id
LEAD_ID = Lead ID : Id
COMPANY = Company / Account : Company
TITLE = Title : Title
STATUS = Lead Status : Status
LEAD_SOURCE = Lead Source : LeadSource
RATING = Rating : Rating
INDUSTRY = Industry : Industry
SALES = Annual Revenue : AnnualRevenue
EMPLOYEES = Employees : NumberOfEmployees
EMAIL = Email : Email
PHONE = Phone : Phone
CITY = City : City
STATE = State/Province : State
COUNTRY = Country : Country
CONVERTED = Converted : IsConverted
CONVERTED_DATE = Converted Date : ConvertedDate
UNREAD = Unread : IsUnreadByOwner
"""
    + _STAMPS.format(""),
}
CASE = {
    "Case Information": """
CASE_NUMBER = Case Number : CaseNumber @Id
CASE_ID = Case ID : Id
OWNER = Case Owner : Owner.Name @OwnerId
SUBJECT = Subject : Subject
STATUS = Status : Status
PRIORITY = Priority : Priority
TYPE = Type : Type
REASON = Case Reason : Reason
ORIGIN = Case Origin : Origin
CLOSED = Closed : IsClosed
CLOSED_DATE = Date/Time Closed : ClosedDate
CREATED_DATE = Opened Date : CreatedDate
CREATED_DATEONLY = Date/Time Opened : CreatedDate
ESCALATED = Escalated : IsEscalated
AGE = Age (Hours) : !case_age CreatedDate ClosedDate IsClosed
LAST_UPDATE = Last Modified Date : LastModifiedDate
""",
    "Account: General": """
ACCOUNT.NAME = Account Name : Account.Name @AccountId
ACCOUNT_TYPE = Account Type : Account.Type
INDUSTRY = Industry : Account.Industry
""",
    "Contact: General": """
CONTACT_NAME = Contact Name : Contact.Name @ContactId
CONTACT_EMAIL = Contact Email : Contact.Email
""",
}
CAMPAIGN = {
    "Campaign Information": """
CAMPAIGN_NAME = Campaign Name : Name @Id
CAMPAIGN_ID = Campaign ID : Id
TYPE = Type : Type
STATUS = Status : Status
START_DATE = Start Date : StartDate
END_DATE = End Date : EndDate
ACTIVE = Active : IsActive
OWNER = Campaign Owner : Owner.Name @OwnerId
EXPECTED_REVENUE = Expected Revenue : ExpectedRevenue
BUDGETED_COST = Budgeted Cost : BudgetedCost
ACTUAL_COST = Actual Cost : ActualCost
NUM_SENT = Num Sent : NumberSent
NUM_LEADS = Total Leads : NumberOfLeads
NUM_CONVERTED_LEADS = Converted Leads : NumberOfConvertedLeads
NUM_CONTACTS = Total Contacts : NumberOfContacts
NUM_RESPONSES = Total Responses : NumberOfResponses
NUM_OPPS = Num Total Opportunities : NumberOfOpportunities
NUM_WON_OPPS = Num Won Opportunities : NumberOfWonOpportunities
AMOUNT_ALL_OPPS = Total Value Opportunities : AmountAllOpportunities
AMOUNT_WON_OPPS = Total Value Won Opportunities : AmountWonOpportunities
"""
    + _STAMPS.format(""),
}
ACTIVITY = {
    "Activity Information": """
SUBJECT = Subject : Subject @Id
ASSIGNED = Assigned : Owner.Name @OwnerId
STATUS = Status : Status
PRIORITY = Priority : Priority
DUE_DATE = Date : ActivityDate
CLOSED = Closed : IsClosed
CALL_TYPE = Call Type : CallType
ACCOUNT_NAME = Company / Account : Account.Name @AccountId
RELATED_TO = Related To : What.Name @WhatId
CONTACT_NAME = Contact : Who.Name @WhoId
DESCRIPTION = Full Comments : Description
CREATED_DATE = Created Date : CreatedDate
""",
}
USER = {
    "User Information": """
USER_NAME = Full Name : Name @Id
USERNAME = Username : Username
EMAIL = Email : Email
TITLE = Title : Title
DEPARTMENT = Department : Department
ROLE = Role : UserRole.Name
PROFILE = Profile : Profile.Name
ACTIVE = Active : IsActive
MANAGER = Manager : Manager.Name @ManagerId
LAST_LOGIN = Last Login : LastLoginDate
CREATED_DATE = Created Date : CreatedDate
""",
}
PRODUCT = {
    "Product Information": """
PRODUCT_NAME = Product Name : Name @Id
PRODUCT_ID = Product ID : Id
PRODUCT_CODE = Product Code : ProductCode
FAMILY = Product Family : Family
ACTIVE = Active : IsActive
DESCRIPTION = Product Description : Description
CREATED_DATE = Created Date : CreatedDate
LAST_UPDATE = Last Modified Date : LastModifiedDate
""",
}
CUSTOM = """
CUST_NAME = {0} Name : Name @Id
CUST_ID = Record ID : Id
CUST_OWNER_NAME = Owner Name : Owner.Name @OwnerId
CUST_CREATED_DATE = Created Date : CreatedDate
CUST_LAST_UPDATE = Last Modified Date : LastModifiedDate
CUST_CREATED_NAME = Created By : CreatedBy.Name @CreatedById
"""
