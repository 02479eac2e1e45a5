"""Campaigns with their members, activities and topics."""

from integrations.demo_org.schema.catalogue.fields import (
    LEAD_SOURCES,
    SALUTATIONS,
    area,
    audit,
    combo,
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
    ref,
    text,
    viewed,
    whole,
)
from integrations.demo_org.schema.types import ObjectType

CAMPAIGN_TYPES = (
    "Conference*; Webinar; Trade Show; Public Relations; Partners; Referral Program; Advertisement; Banner Ads; Direct Mail;"
    " Email; Telemarketing; Other"
)
WHAT = "Account Asset Campaign Case Contract Opportunity Order Product2 Quote Project__c"
WHO = "Contact Lead"


def campaign() -> ObjectType:
    """Campaign; the counts are kept by the system."""
    fixed = {"required": True, "locked": True}
    return define("Campaign", "Campaign", "Campaigns", "701", [
        identity("Campaign"), deleted(), text("Name", "Name", 80, required=True, name_field=True, id_lookup=True),
        ref("ParentId", "Parent Campaign ID", "Campaign", children="ChildCampaigns"),
        pick("Type", "Type", CAMPAIGN_TYPES, 40), pick("Status", "Status", "Planned*; In Progress; Completed; Aborted", 40),
        day("StartDate", "Start Date"), day("EndDate", "End Date"), currency_code(),
        money("ExpectedRevenue", "Expected Revenue in Campaign", 18, 0),
        money("BudgetedCost", "Budgeted Cost in Campaign", 18, 0), money("ActualCost", "Actual Cost in Campaign", 18, 0),
        percent("ExpectedResponse", "Expected Response (%)", 10, 2), number("NumberSent", "Num Sent in Campaign", 18, 0),
        flag("IsActive", "Active"), area("Description", "Description"),
        whole("NumberOfLeads", "Leads in Campaign", 9, **fixed),
        whole("NumberOfConvertedLeads", "Converted Leads in Campaign", 9, **fixed),
        whole("NumberOfContacts", "Contacts in Campaign", 9, **fixed),
        whole("NumberOfResponses", "Responses in Campaign", 9, **fixed),
        whole("NumberOfOpportunities", "Opportunities in Campaign", 9, **fixed),
        whole("NumberOfWonOpportunities", "Won Opportunities in Campaign", 9, **fixed),
        money("AmountAllOpportunities", "Value Opportunities in Campaign", 18, 0, **fixed),
        money("AmountWonOpportunities", "Value Won Opportunities in Campaign", 18, 0, **fixed), owner(), *audit(),
        last_activity(), *viewed(),
        ref("CampaignMemberRecordTypeId", "Record Type ID", "RecordType", rel="CampaignMemberRecordType"),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
    ])  # fmt: skip


def campaign_member() -> ObjectType:
    """CampaignMember: a lead or a contact in a campaign."""
    seen = {"locked": True}
    return define("CampaignMember", "Campaign Member", "Campaign Members", "00v", [
        identity("Campaign Member"), deleted(),
        ref("CampaignId", "Campaign ID", "Campaign", required=True, updateable=False, children="CampaignMembers",
            cascade=True),
        ref("LeadId", "Lead ID", "Lead", updateable=False, children="CampaignMembers", cascade=True),
        ref("ContactId", "Contact ID", "Contact", updateable=False, children="CampaignMembers", cascade=True),
        pick("Status", "Status", "Planned; Received; Sent*; Responded", 40), flag("HasResponded", "Responded", locked=True),
        currency_code(**seen), *audit(), day("FirstRespondedDate", "First Responded Date", **seen),
        pick("Salutation", "Salutation", SALUTATIONS, 40, **seen), text("Name", "Full Name", 121, name_field=True, **seen),
        text("FirstName", "First Name", 40, **seen), text("LastName", "Last Name", 80, **seen),
        text("Title", "Title", 128, **seen), mail("Email", "Email", **seen), phone("Phone", "Phone", **seen),
        pick("LeadSource", "Lead Source", LEAD_SOURCES, 40, **seen), text("CompanyOrAccount", "Company (Account)", **seen),
        pick("Type", "Type", "Lead; Contact", 40, **seen),
        ref("LeadOrContactId", "Related Record ID", WHO, rel="LeadOrContact", **seen),
    ], undeletable=False, searchable=False)  # fmt: skip


def campaign_member_status() -> ObjectType:
    """CampaignMemberStatus: the values that members of one campaign may have."""
    return define("CampaignMemberStatus", "Campaign Member Status", "Campaign Member Status", "01Y", [
        identity("Campaign Member Status"), deleted(),
        ref("CampaignId", "Campaign ID", "Campaign", required=True, updateable=False, rel=None,
            children="CampaignMemberStatuses", cascade=True),
        text("Label", "Label", 40, required=True, name_field=True), whole("SortOrder", "Sort Order", 9),
        flag("IsDefault", "Is Default"), flag("HasResponded", "Responded"), *audit(),
    ], undeletable=False, searchable=False)  # fmt: skip


def task() -> ObjectType:
    """Task."""
    return define("Task", "Task", "Tasks", "00T", [
        identity("Activity"), ref("WhoId", "Name ID", WHO, children="Tasks", cascade=True),
        ref("WhatId", "Related To ID", WHAT, children="Tasks", cascade=True),
        combo("Subject", "Subject", "Call; Send Letter; Send Quote; Other", name_field=True),
        day("ActivityDate", "Due Date Only"),
        pick("Status", "Status", "Not Started*; In Progress; Completed; Waiting on someone else; Deferred", 40, nillable=False),
        pick("Priority", "Priority", "High; Normal*; Low", 40, nillable=False),
        flag("IsHighPriority", "High Priority", locked=True),
        owner("Group User", rel="Owner"), area("Description", "Description"), currency_code(), deleted(),
        ref("AccountId", "Account ID", "Account", locked=True), flag("IsClosed", "Closed", locked=True), *audit(),
        flag("IsArchived", "Archived", locked=True), whole("CallDurationInSeconds", "Call Duration"),
        pick("CallType", "Call Type", "Internal; Inbound; Outbound", 40, restricted=True),
        text("CallDisposition", "Call Result"),
        pick("TaskSubtype", "Task Subtype", "Task*; Email; Call; Cadence", 40, restricted=True),
        moment("CompletedDateTime", "Completed Date", locked=True), moment("ReminderDateTime", "Reminder Date/Time"),
        flag("IsReminderSet", "Reminder Set"),
    ])  # fmt: skip


def event() -> ObjectType:
    """Event."""
    return define("Event", "Event", "Events", "00U", [
        identity("Activity"), ref("WhoId", "Name ID", WHO, children="Events", cascade=True),
        ref("WhatId", "Related To ID", WHAT, children="Events", cascade=True),
        combo("Subject", "Subject", "Call; Email; Meeting; Send Letter/Quote; Other", name_field=True),
        text("Location", "Location"),
        flag("IsAllDayEvent", "All-Day Event"), moment("ActivityDateTime", "Due Date Time"),
        day("ActivityDate", "Due Date Only"),
        whole("DurationInMinutes", "Duration"), moment("StartDateTime", "Start Date Time"),
        moment("EndDateTime", "End Date Time"),
        area("Description", "Description"), ref("AccountId", "Account ID", "Account", locked=True), owner(), currency_code(),
        pick("ShowAs", "Show Time As", "Busy*; OutOfOffice=Out of Office; Free", 40, restricted=True),
        pick("Type", "Type", "Call; Email; Meeting; Other", 40), flag("IsPrivate", "Private"),
        flag("IsGroupEvent", "Is Group Event", locked=True), deleted(), *audit(), flag("IsArchived", "Archived", locked=True),
    ])  # fmt: skip


def topic() -> ObjectType:
    """Topic."""
    return define("Topic", "Topic", "Topics", "0TO", [
        identity("Topic"), text("Name", "Name", 99, required=True, name_field=True, id_lookup=True),
        text("Description", "Description", 1000, groupable=False), *creation(),
        whole("TalkingAbout", "Talking About", 9, required=True, locked=True), modstamp(),
    ], undeletable=False)  # fmt: skip


def topic_assignment() -> ObjectType:
    """TopicAssignment: a topic on a record."""
    return define("TopicAssignment", "Topic Assignment", "Topic Assignments", "0ta", [
        identity("Topic Assignment"),
        ref("TopicId", "Topic ID", "Topic", required=True, updateable=False, children="TopicAssignments", cascade=True),
        ref("EntityId", "Entity ID", "Account Asset Campaign Case Contact Contract Event Lead Opportunity Order Product2 Task",
            required=True, updateable=False, children="TopicAssignments", cascade=True),
        formula("EntityKeyPrefix", "Object Key Prefix", "string", "substr({row}.EntityId, 1, 3)", length=3),
        *creation(), deleted(), modstamp(),
    ], updateable=False, undeletable=False, searchable=False)  # fmt: skip


def objects() -> list[ObjectType]:
    """Marketing and activities."""
    return [campaign(), campaign_member(), campaign_member_status(), task(), event(), topic(), topic_assignment()]
