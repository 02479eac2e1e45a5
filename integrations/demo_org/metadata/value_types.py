"""What describeValueType tells about the elements of a component type."""

from integrations.demo_org.metadata.values import Values

# element, type, whether it is required
ELEMENTS: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "CustomObject": (
        ("deploymentStatus", "DeploymentStatus", False), ("description", "string", False),
        ("enableActivities", "boolean", False),
        ("enableBulkApi", "boolean", False), ("enableHistory", "boolean", False), ("enableReports", "boolean", False),
        ("enableSearch", "boolean", False), ("fields", "CustomField", False), ("fullName", "string", True),
        ("label", "string", False), ("nameField", "CustomField", False), ("pluralLabel", "string", False),
        ("sharingModel", "SharingModel", False),
    ),
    "CustomField": (
        ("caseSensitive", "boolean", False), ("defaultValue", "string", False), ("deleteConstraint", "DeleteConstraint", False),
        ("description", "string", False), ("displayFormat", "string", False), ("externalId", "boolean", False),
        ("fullName", "string", True), ("inlineHelpText", "string", False), ("label", "string", False), ("length", "int", False),
        ("precision", "int", False), ("referenceTo", "string", False), ("relationshipLabel", "string", False),
        ("relationshipName", "string", False), ("required", "boolean", False), ("scale", "int", False),
        ("trackHistory", "boolean", False), ("type", "FieldType", False), ("unique", "boolean", False),
        ("valueSet", "ValueSet", False), ("visibleLines", "int", False),
    ),
    "PermissionSet": (
        ("description", "string", False), ("fieldPermissions", "PermissionSetFieldPermissions", False),
        ("fullName", "string", True), ("hasActivationRequired", "boolean", False), ("label", "string", True),
        ("license", "string", False), ("objectPermissions", "PermissionSetObjectPermissions", False),
        ("userPermissions", "PermissionSetUserPermission", False),
    ),
}  # fmt: skip


def value_type_fields(kind: str) -> list[Values]:
    """One ValueTypeField for each element."""
    return [
        {
            "isForeignKey": name == "referenceTo", "isNameField": name == "fullName", "minOccurs": int(required), "name": name,
            "soapType": word, "valueRequired": required,
        }
        for name, word, required in ELEMENTS[kind]
    ]  # fmt: skip
