"""The saved reports of the demo company, by folder."""

from dataclasses import dataclass
from typing import Any

from integrations.demo_org.reports.definition import (
    Bucket,
    CrossFilter,
    DateFilter,
    Filter,
    Formula,
    Grouping,
    ReportDefinition,
    Sort,
)

FOLDERS = ("Sales", "Customer Success", "Finance", "Marketing", "Executive", "Board")
HIDDEN_FOLDER = "Board"
OPEN, WON, CLOSED = (("open", "open"),), (("open", "closedwon"),), (("open", "closed"),)
SEGMENT, REGION = "Account.Segment__c", "Account.Region__c"
LIVING = Filter("Account.Lifecycle__c", "equals", "Onboarding,Live,At Risk")
NOW_QUARTER = DateFilter("CLOSE_DATE", "THIS_FISCAL_QUARTER")
DEAL_COLUMNS = ("OPPORTUNITY_NAME", "ACCOUNT_NAME", "AMOUNT", "CLOSE_DATE", "STAGE_NAME", "FULL_NAME")
ACCOUNT_COLUMNS = ("ACCOUNT.NAME", "USERS.NAME", "Account.Segment__c", "Account.ARR__c", "Account.Renewal_Date__c")
CASE_COLUMNS = ("CASE_NUMBER", "SUBJECT", "ACCOUNT.NAME", "STATUS", "PRIORITY", "CREATED_DATE", "AGE")


@dataclass(frozen=True, slots=True)
class Saved:
    """A report as it lies in a folder."""

    folder: str
    name: str
    definition: ReportDefinition
    description: str = ""


def deals(form: str, **more: Any) -> ReportDefinition:
    """A report over opportunities."""
    return ReportDefinition("Opportunity", form, detail_columns=DEAL_COLUMNS, **more)


def accounts(form: str, **more: Any) -> ReportDefinition:
    """A report over accounts."""
    return ReportDefinition("AccountList", form, detail_columns=ACCOUNT_COLUMNS, **more)


def by(*columns: str, granularity: str = "None", **more: Any) -> tuple[Grouping, ...]:
    """Groupings; the granularity holds for date columns."""
    return tuple(Grouping(each, granularity, **more) for each in columns)


WIN_RATE = Formula("FORMULA1", "Win Rate", "WON:SUM / CLOSED:SUM * 100", "percent")
RETURN = Formula("FORMULA1", "Return on Spend", "AMOUNT_WON_OPPS:SUM / ACTUAL_COST:SUM", "double")
SIZES = Bucket("BucketField_Size", "Deal Size", "AMOUNT", ranges=(("Small", 10000.0), ("Medium", 50000.0), ("Large", None)))

SALES = (
    Saved("Sales", "Open pipeline by stage",
          deals("SUMMARY", groupings_down=by("STAGE_NAME"), aggregates=("s!AMOUNT", "RowCount"), standard_filters=OPEN),
          "Everything that is still open, by stage"),
    Saved("Sales", "Closed won this quarter by region",
          deals("SUMMARY", groupings_down=by(REGION, "FULL_NAME"), aggregates=("s!AMOUNT", "RowCount"), date_filter=NOW_QUARTER,
                standard_filters=WON), "Bookings of the fiscal quarter by region and owner"),
    Saved("Sales", "New logos this quarter",
          deals("TABULAR", aggregates=("RowCount", "s!AMOUNT"), date_filter=NOW_QUARTER, standard_filters=WON,
                filters=(Filter("TYPE", "equals", "New Customer"),), sort=(Sort("AMOUNT", "Desc"),)),
          "First deals of new customers"),
    Saved("Sales", "Win rate by owner",
          deals("SUMMARY", groupings_down=by("FULL_NAME"), aggregates=("FORMULA1", "s!AMOUNT", "RowCount"),
                formulas=(WIN_RATE,),
                date_filter=DateFilter("CLOSE_DATE", "LAST_N_DAYS:365"), standard_filters=CLOSED,
                filters=(Filter("TYPE", "notEqual", "Existing Customer - Renewal"),)),
          "Won deals of all closed ones but renewals, last 365 days"),
    Saved("Sales", "Average deal size",
          deals("SUMMARY", groupings_down=by(SEGMENT), aggregates=("a!AMOUNT", "mx!AMOUNT", "m!AMOUNT", "RowCount"),
                date_filter=DateFilter("CLOSE_DATE", "LAST_N_DAYS:365"), standard_filters=WON)),
    Saved("Sales", "Pipeline by owner, stage and month",
          deals("MATRIX", groupings_down=by("FULL_NAME", "STAGE_NAME"), groupings_across=by("CLOSE_DATE", granularity="Month"),
                aggregates=("s!AMOUNT", "RowCount"), standard_filters=OPEN)),
    Saved("Sales", "Deals closing this month",
          deals("TABULAR", aggregates=("s!AMOUNT", "RowCount"), date_filter=DateFilter("CLOSE_DATE", "THIS_MONTH"),
                sort=(Sort("CLOSE_DATE"),))),
    Saved("Sales", "Lost deals by reason",
          deals("SUMMARY", groupings_down=by("Opportunity.Loss_Reason__c"), aggregates=("RowCount", "s!AMOUNT"),
                date_filter=DateFilter("CLOSE_DATE", "LAST_N_DAYS:365"),
                filters=(Filter("STAGE_NAME", "equals", "Closed Lost"),))),
    Saved("Sales", "Open pipeline by deal size",
          deals("SUMMARY", groupings_down=by("BucketField_Size"), aggregates=("s!AMOUNT", "RowCount"), standard_filters=OPEN,
                buckets=(SIZES,))),
    Saved("Sales", "Pipeline of a deleted product line",
          deals("SUMMARY", groupings_down=by("STAGE_NAME"), aggregates=("s!AMOUNT",),
                failure="The report definition is obsolete. Your administrator has disabled all reports for the custom or"
                " external object, or its relationships have changed."), "Left over; cannot be run any more"),
)  # fmt: skip
SUCCESS = (
    Saved("Customer Success", "Churned accounts",
          accounts("SUMMARY", groupings_down=by("Account.Churned_On__c", granularity="Month"), aggregates=("RowCount",),
                   filters=(Filter("Account.Lifecycle__c", "equals", "Churned"),),
                   date_filter=DateFilter("Account.Churned_On__c", "LAST_N_DAYS:365"))),
    Saved("Customer Success", "Cases by priority and status",
          ReportDefinition("CaseList", "MATRIX", CASE_COLUMNS, by("PRIORITY"), by("STATUS"), ("RowCount",),
                           date_filter=DateFilter("CREATED_DATE", "LAST_N_DAYS:90"))),
    Saved("Customer Success", "Open cases",
          ReportDefinition("CaseList", "TABULAR", CASE_COLUMNS, filters=(Filter("CLOSED", "equals", "False"),),
                           sort=(Sort("CREATED_DATE"),))),
    Saved("Customer Success", "Renewals due in 90 days",
          accounts("TABULAR", aggregates=("s!Account.ARR__c", "RowCount"), filters=(LIVING,),
                   date_filter=DateFilter("Account.Renewal_Date__c", "NEXT_N_DAYS:90"),
                   sort=(Sort("Account.Renewal_Date__c"),))),
    Saved("Customer Success", "NPS by segment",
          ReportDefinition("CustomEntity$NPS_Response__c", "SUMMARY",
                           ("CUST_NAME", "NPS_Response__c.Account__c", "NPS_Response__c.Score__c"),
                           by("NPS_Response__c.Segment__c"), aggregates=("a!NPS_Response__c.Points__c", "RowCount")),
          "Share of promoters less share of detractors"),
    Saved("Customer Success", "Average health by segment",
          accounts("SUMMARY", groupings_down=by(SEGMENT), aggregates=("a!Account.Health__c", "RowCount"), filters=(LIVING,))),
    Saved("Customer Success", "Roll-outs by status",
          ReportDefinition("CustomEntity$Project__c", "SUMMARY",
                           ("CUST_NAME", "Project__c.Account__c", "Project__c.Go_Live__c", "Project__c.Completion__c"),
                           by("Project__c.Status__c"), aggregates=("RowCount", "s!Project__c.Budget__c",
                                                                   "a!Project__c.Completion__c"))),
)  # fmt: skip
FINANCE = (
    Saved("Finance", "Recurring revenue by segment and region",
          accounts("SUMMARY", groupings_down=by(SEGMENT, REGION), aggregates=("s!Account.ARR__c", "RowCount"),
                   filters=(LIVING,))),
    Saved("Finance", "Bookings by quarter",
          deals("SUMMARY", groupings_down=by("CLOSE_DATE", granularity="FiscalQuarter"), aggregates=("s!AMOUNT", "RowCount"),
                standard_filters=WON, date_filter=DateFilter("CLOSE_DATE", "LAST_N_DAYS:730"))),
    Saved("Finance", "Products sold this year",
          ReportDefinition("OpportunityProduct", "SUMMARY", ("OPPORTUNITY_NAME", "QUANTITY", "UNIT_PRICE", "TOTAL_PRICE"),
                           by("FAMILY", "PRODUCT_NAME"), aggregates=("s!TOTAL_PRICE", "s!QUANTITY", "RowCount"),
                           standard_filters=WON, date_filter=DateFilter("CLOSE_DATE", "THIS_FISCAL_YEAR"))),
    Saved("Finance", "Usage above plan",
          ReportDefinition("CustomEntity$Usage__c", "SUMMARY",
                           ("CUST_NAME", "Usage__c.Account__c", "Usage__c.Quantity__c", "Usage__c.Included__c"),
                           by("Usage__c.Metric__c"), aggregates=("s!Usage__c.Overage__c", "RowCount"),
                           filters=(Filter("Usage__c.Overage__c", "greaterThan", "0"),))),
)  # fmt: skip
MARKETING = (
    Saved("Marketing", "Campaign ROI",
          ReportDefinition("CampaignList", "SUMMARY", ("CAMPAIGN_NAME", "ACTUAL_COST", "AMOUNT_WON_OPPS", "NUM_RESPONSES"),
                           by("TYPE"), aggregates=("FORMULA1", "s!ACTUAL_COST", "s!AMOUNT_WON_OPPS", "RowCount"),
                           formulas=(RETURN,))),
    Saved("Marketing", "Leads by source and status",
          ReportDefinition("LeadList", "MATRIX", ("LAST_NAME", "COMPANY", "STATUS"), by("LEAD_SOURCE"), by("STATUS"),
                           ("RowCount",),
                           date_filter=DateFilter("CREATED_DATE", "LAST_N_DAYS:365"))),
    Saved("Marketing", "Contacts without e-mail",
          ReportDefinition("ContactList", "TABULAR", ("NAME", "ACCOUNT.NAME", "TITLE", "PHONE1"),
                           filters=(Filter("EMAIL", "equals", ""),))),
)  # fmt: skip
EXECUTIVE = (
    Saved("Executive", "Customers by region and segment",
          accounts("MATRIX", groupings_down=by(REGION), groupings_across=by(SEGMENT),
                   aggregates=("RowCount", "s!Account.ARR__c"),
                   filters=(LIVING,))),
    Saved("Executive", "Customers without a case",
          accounts("TABULAR", aggregates=("RowCount",), filters=(LIVING,),
                   cross_filters=(CrossFilter("Case", "AccountId", includes=False),))),
    Saved("Executive", "Company overview",
          ReportDefinition("Opportunity", "MULTI_BLOCK", blocks=(
              deals("SUMMARY", groupings_down=by("FULL_NAME"), aggregates=("s!AMOUNT", "RowCount"), standard_filters=OPEN),
              ReportDefinition("CaseList", "SUMMARY", CASE_COLUMNS, by("OWNER"), aggregates=("RowCount",)))),
          "Deals and cases side by side"),
)  # fmt: skip
BOARD = (
    Saved("Board", "Board pack: revenue by region",
          deals("SUMMARY", groupings_down=by(REGION), aggregates=("s!AMOUNT", "RowCount"), standard_filters=WON,
                date_filter=DateFilter("CLOSE_DATE", "THIS_FISCAL_YEAR"))),
    Saved("Board", "Sales targets by owner",
          deals("SUMMARY", groupings_down=by("FULL_NAME"), aggregates=("s!AMOUNT",), date_filter=NOW_QUARTER)),
)  # fmt: skip
REPORTS = (*SALES, *SUCCESS, *FINANCE, *MARKETING, *EXECUTIVE, *BOARD)
