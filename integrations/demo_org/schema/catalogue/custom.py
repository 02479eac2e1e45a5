"""What the demo company added: roll-out projects, metered usage and survey answers."""

from dataclasses import replace

from integrations.demo_org.schema.catalogue.fields import (
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
    link,
    modstamp,
    moment,
    money,
    number,
    owner,
    percent,
    pick,
    ref,
    text,
    viewed,
)
from integrations.demo_org.schema.catalogue.people import experience
from integrations.demo_org.schema.types import ObjectType

METRICS = "Active Users; API Calls; Stored Gigabytes; Workflow Runs"


def project() -> ObjectType:
    """Project__c: a roll-out at a customer; a detail of its account, so it has no owner."""
    days = "CAST(julianday({row}.Go_Live__c) - julianday({row}.Start_Date__c) AS INTEGER)"
    return define("Project__c", "Project", "Projects", "a00", [
        identity("Record"), deleted(), text("Name", "Project Name", 80, name_field=True, defaulted_on_create=True),
        currency_code(),
        *audit(), last_activity(), *viewed(),
        ref("Account__c", "Account", "Account", required=True, updateable=False, children="Projects__r", cascade=True),
        ref("Opportunity__c", "Opportunity", "Opportunity", children="Projects__r"),
        pick("Status__c", "Status", "Not Started*; Discovery; Configuration; Pilot; Live; On Hold", restricted=True),
        pick("Work_Type__c", "Work Type", "Implementation; Migration; Training; Health Check"),
        day("Start_Date__c", "Start Date"), day("Go_Live__c", "Go-Live Date"), money("Budget__c", "Budget", 16, 2),
        percent("Completion__c", "Completion", 5, 2), flag("On_Track__c", "On Track", default=True),
        area("Risks__c", "Risks", 32768), text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        formula("Duration_Days__c", "Duration (Days)", "double", days, scale=0),
    ])  # fmt: skip


def usage() -> ObjectType:
    """Usage__c: what a customer used of a metric in a month."""
    return define("Usage__c", "Usage", "Usage", "a01", [
        identity("Record"), owner("Group User"), deleted(),
        counter("Name", "Usage Number", "U-{00000000}", 80, name_field=True),
        currency_code(), *audit(), ref("Account__c", "Account", "Account", children="Usage__r"),
        ref("Product__c", "Product", "Product2", children="Usage__r"), pick("Metric__c", "Metric", METRICS, restricted=True),
        day("Period_Start__c", "Period Start"), number("Quantity__c", "Quantity", 16, 2),
        number("Included__c", "Included Quantity", 16, 2),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        formula("Overage__c", "Overage", "double", "MAX({row}.Quantity__c - COALESCE({row}.Included__c, 0), 0)"),
    ])  # fmt: skip


def nps_response() -> ObjectType:
    """NPS_Response__c: a survey answer from 0 to 10."""
    group = "CASE WHEN {row}.Score__c >= 9 THEN 'Promoter' WHEN {row}.Score__c >= 7 THEN 'Passive' ELSE 'Detractor' END"
    points = "CASE WHEN {row}.Score__c >= 9 THEN 100.0 WHEN {row}.Score__c >= 7 THEN 0.0 ELSE -100.0 END"
    return define("NPS_Response__c", "NPS Response", "NPS Responses", "a02", [
        identity("Record"), owner("Group User"), deleted(),
        counter("Name", "Response Number", "NPS-{000000}", 80, name_field=True),
        *audit(), ref("Account__c", "Account", "Account", children="NPS_Responses__r"),
        ref("Contact__c", "Contact", "Contact", children="NPS_Responses__r"), number("Score__c", "Score", 2, 0),
        pick("Segment__c", "Segment", "Enterprise; Mid-Market; Small Business", restricted=True),
        moment("Answered_On__c", "Answered On"), area("Comment__c", "Comment", 4000),
        text("External_Id__c", "External ID", 64, external_id=True, unique=True),
        formula("Category__c", "Category", "string", group, groupable=True),
        formula("Points__c", "NPS Points", "double", points, scale=0),
    ])  # fmt: skip


def playbook() -> ObjectType:
    """Playbook__c: what to do with a customer at a stage; playbooks form a tree."""
    return define("Playbook__c", "Playbook", "Playbooks", "a03", [
        identity("Record"), owner("Group User"), deleted(),
        text("Name", "Playbook Name", 80, name_field=True, defaulted_on_create=True),
        *audit()[:-1], modstamp(), ref("Parent__c", "Parent Playbook", "Playbook__c", children="Children__r"),
        pick("Stage__c", "Stage", "Adopt; Expand; Renew; Rescue", restricted=True), area("Steps__c", "Steps", 32768),
    ])  # fmt: skip


def workspace() -> ObjectType:
    """Workspace__c: a customer's workspace in the product; it can stand in for the account."""
    return define("Workspace__c", "Workspace", "Workspaces", "a04", [
        identity("Record"), owner("Group User"), deleted(),
        text("Name", "Workspace Name", 80, name_field=True, defaulted_on_create=True), *audit(), last_activity(), *viewed(),
        link("Website__c", "Website"), ref("Account__c", "Account", "Account", children="Workspaces__r"),
        text("Workspace_Key__c", "Workspace Key", 64, external_id=True, unique=True), *experience(),
    ])  # fmt: skip


def deal_signal() -> ObjectType:
    """Deal_Signal__e: a platform event; it is published by creating one, and cannot be queried."""
    made = define("Deal_Signal__e", "Deal Signal", "Deal Signals", "e00", [
        identity("Deal Signal"),
        text("ReplayId", "Replay ID", 1333, locked=True), text("EventUuid", "Event UUID", 36, locked=True), *creation(),
        text("Deal__c", "Deal", 18), text("Signal__c", "Signal", 80, required=True), number("Amount__c", "Amount", 16, 2),
    ], updateable=False, deletable=False, queryable=False, searchable=False, replicateable=False,
        undeletable=False)  # fmt: skip
    return replace(made, custom=True)


def objects() -> list[ObjectType]:
    """Custom objects and events."""
    return [project(), usage(), nps_response(), playbook(), workspace(), deal_signal()]
