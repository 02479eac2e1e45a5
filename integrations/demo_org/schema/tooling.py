"""Which objects the Tooling API has, and which of them only it has."""

TOOLING_ONLY = frozenset({
    "customfield", "customobject", "externalcredential", "flow", "flowdefinition", "installedsubscriberpackage",
    "subscriberpackage", "subscriberpackageversion", "workflowoutboundmessage", "workflowrule",
})  # fmt: skip
TOOLING = TOOLING_ONLY | {
    "apexclass", "apextrigger", "customfield", "customobject", "entitydefinition", "externalserviceregistration",
    "fielddefinition",
    "group", "namedcredential", "organization", "packagelicense", "permissionset", "permissionsetgroup", "profile",
    "recordtype",
    "user", "userlicense",
}  # fmt: skip
