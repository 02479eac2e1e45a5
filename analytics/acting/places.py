"""Where groups may go in Salesforce: the names of fields and what they must be like. Pure, but for reading a describe.

Groups write two things only: their own rows of CampaignMember, and custom fields of Account whose name carries our prefix.
"""

from dataclasses import dataclass

from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.metadata import CustomField
from integrations.sync.mapping.prefix import has_prefix

PREFIX = "CW_"
ACCOUNT, MEMBER = "Account", "CampaignMember"
KEY_FIELD = "CW_Member_Key__c"
GROUP_FIELD = "CW_Group__c"
"""The field that is offered when an org has none: a text that names the group."""
MEMBER_FIELDS = ("CampaignId", "ContactId", "Status", KEY_FIELD)
TYPES = ("boolean", "string", "picklist", "textarea")
LENGTH = 80
TEXT = "Which group of customers Causeway's analytics put the account into."


@dataclass(frozen=True, slots=True)
class Target:
    """A field of accounts that a group can be written into."""

    name: str
    label: str
    type: str
    values: tuple[str, ...] = ()


def account_fields(info: ObjectInfo) -> list[Target]:
    """Fields of accounts that groups may write, by label."""
    found = [
        Target(each.name, each.label, each.type, each.active_values)
        for each in info.fields
        if has_prefix(each.name, PREFIX) and each.custom and each.updateable and each.type in TYPES
    ]
    return sorted(found, key=lambda each: each.label.lower())


def value_problem(target: Target, value: str) -> str:
    """Why a value does not fit the field; "" when it does."""
    if target.type == "boolean":
        return "" if value.lower() in ("true", "false") else f"{target.name} is a checkbox: the value is true or false."
    if not value.strip():
        return "Type the value that the accounts get."
    if target.type == "picklist" and target.values and value not in target.values:
        return f"{target.name} knows the values {', '.join(target.values[:10])}; choose one of them."
    return ""


def member_problem(info: ObjectInfo) -> str:
    """Why members cannot be made in this org; "" when they can."""
    found = info.field(KEY_FIELD)
    if found is None:
        return f"The key field {KEY_FIELD} of campaign members does not exist, or the integration user cannot see it."
    if not found.external_id:
        return f"{KEY_FIELD} of campaign members is no external id; make it one in Salesforce."
    if not (info.createable and found.createable):
        return "The integration user may not create campaign members; give it Marketing User and Edit access to the key field."
    return ""


def new_fields() -> tuple[CustomField, ...]:
    """The fields that the deployment brings."""
    key = "Tells the campaign members that Causeway made apart, so that each is made once."
    return (
        CustomField(
            MEMBER, KEY_FIELD, "Causeway member key", "Text", length=LENGTH, unique=True, external_id=True, help_text=key,
            description=f"{key} Managed by Causeway; do not change.",
        ),
        CustomField(ACCOUNT, GROUP_FIELD, "Causeway group", "Text", length=LENGTH, help_text=TEXT, description=TEXT),
    )  # fmt: skip
