"""Custom objects and custom fields of every type, as a deployment carries them. Pure; knows no HTTP.

Rules of the Metadata API (v65): names are unique in any case, end with `__c` and have at most 40 characters before it; labels
have at most 40; required fields and master-detail links take no field permissions.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.salesforce.metadata_xml import Values

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*__c\Z", re.ASCII)
DEVELOPER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*\Z", re.ASCII)
OBJECT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}\Z", re.ASCII)
LONGEST_NAME, LONGEST_LABEL, LONGEST_HELP, LONGEST_DESCRIPTION = 40, 40, 510, 1000
LONGEST_PLURAL = 40
NUMBERS, LINKS, LISTS = ("Number", "Currency", "Percent"), ("Lookup", "MasterDetail"), ("Picklist", "MultiselectPicklist")
LENGTHS = {"Text": (1, 255), "LongTextArea": (256, 131_072), "Html": (256, 131_072), "EncryptedText": (1, 175)}
FIELD_TYPES = (
    "Text", "TextArea", "LongTextArea", "Html", "EncryptedText", "Number", "Currency", "Percent", "Checkbox", "Date",
    "DateTime", "Time", "Email", "Phone", "Url", "Lookup", "MasterDetail", "AutoNumber", "Picklist", "MultiselectPicklist",
    "Location", "Summary",
)  # fmt: skip
KEY_TYPES = ("Text", "Number", "Email", "AutoNumber")
FORMULA_TYPES = ("Text", "Number", "Currency", "Percent", "Checkbox", "Date", "DateTime", "Time")


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field. `type` is metadata's word; `values` are the entries of a picklist; `extra` holds further elements
    (summary fields, controlling fields) as they stand in the file."""

    object: str
    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    unique: bool = False
    external_id: bool = False
    case_sensitive: bool = False
    default: str = ""
    help_text: str = ""
    description: str = ""
    values: tuple[str, ...] = ()
    restricted: bool = False
    reference_to: str = ""
    relationship_name: str = ""
    relationship_label: str = ""
    delete_constraint: str = ""
    display_format: str = ""
    formula: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """`Object.Field__c`"""
        return f"{self.object}.{self.name}"

    @property
    def is_calculated(self) -> bool:
        """Whether Salesforce computes it, so that nobody can write it."""
        return bool(self.formula) or self.type in ("Summary", "AutoNumber")

    @property
    def takes_permissions(self) -> bool:
        """Whether field-level security applies: required fields and master-detail links are always visible."""
        return not self.required and self.type != "MasterDetail"

    def element(self, *, qualified: bool = False) -> Values:
        """The component's content, `fullName` first, then by name (the order of the WSDL)."""
        facts: Values = {
            "label": self.label, "type": self.type, "inlineHelpText": self.help_text or None,
            "description": self.description or None, "formula": self.formula or None, **self._sizes(), **self._rules(),
            **self._links(), **self.extra,
        }  # fmt: skip
        named = {name: facts[name] for name in sorted(facts) if facts[name] is not None}
        return {"fullName": self.full_name if qualified else self.name, **named}

    def _sizes(self) -> Values:
        if self.type in NUMBERS:
            return {"precision": self.precision, "scale": self.scale}
        if self.type in LENGTHS:
            lines = {"visibleLines": 3} if self.type == "LongTextArea" else {"visibleLines": 25} if self.type == "Html" else {}
            masked = {"maskChar": "asterisk", "maskType": "all"} if self.type == "EncryptedText" else {}
            return lines | masked if self.formula else {"length": self.length, **lines, **masked}
        if self.type in LISTS:
            entries = [{"fullName": each, "default": False, "label": each} for each in self.values]
            definition = {"sorted": False, "value": entries}
            lines = {"visibleLines": 4} if self.type == "MultiselectPicklist" else {}
            return {**lines, "valueSet": {"restricted": self.restricted, "valueSetDefinition": definition}}
        if self.type == "Location":
            return {"displayLocationInDecimal": True, "scale": self.scale}
        return {"displayFormat": self.display_format} if self.type == "AutoNumber" else {}

    def _rules(self) -> Values:
        if self.is_calculated:
            return {"externalId": True} if self.external_id else {}
        default = (self.default or "false") if self.type == "Checkbox" else (self.default or None)
        rules: Values = {"defaultValue": default, "externalId": self.external_id or None}
        if self.type not in ("Checkbox", "MasterDetail", "LongTextArea", "Html"):
            rules["required"] = self.required
        if self.type in KEY_TYPES:
            rules |= {"unique": self.unique or None, "caseSensitive": self.case_sensitive if self.unique else None}
        return rules

    def _links(self) -> Values:
        if self.type not in LINKS:
            return {}
        detail = {"relationshipOrder": 0, "reparentableMasterDetail": False, "writeRequiresMasterRead": False}
        on_delete = self.delete_constraint or ("Restrict" if self.required else "SetNull")
        return {
            "referenceTo": self.reference_to, "relationshipName": self.relationship_name or None,
            "relationshipLabel": self.relationship_label or None,
            **(detail if self.type == "MasterDetail" else {"deleteConstraint": on_delete}),
        }  # fmt: skip

    def problems(self) -> list[str]:
        """What Salesforce would refuse, in words; empty when nothing is known to be wrong."""
        found = [*name_problems(self.name), *label_problems(self.label)]
        if not OBJECT_NAME.match(self.object):
            found.append(f"{self.object!r} is no object name.")
        if self.type not in FIELD_TYPES:
            return [*found, f"{self.type or 'Nothing'} is no field type; known: {', '.join(FIELD_TYPES)}."]
        if len(self.help_text) > LONGEST_HELP:
            found.append(f"The help text has more than {LONGEST_HELP} characters.")
        if len(self.description) > LONGEST_DESCRIPTION:
            found.append(f"The description has more than {LONGEST_DESCRIPTION} characters.")
        return found + list(self._type_problems())

    def _type_problems(self) -> Iterator[str]:
        if self.formula and self.type not in FORMULA_TYPES:
            yield f"A formula cannot be of type {self.type}."
        if self.type in LENGTHS and not self.formula:
            low, high = LENGTHS[self.type]
            if not low <= self.length <= high:
                yield f"The length of {self.type} is {low} to {high:,}, not {self.length:,}."
        if self.type in NUMBERS and not (1 <= self.precision <= 18 and 0 <= self.scale < self.precision):
            yield "A number has 1 to 18 digits in all, and fewer of them after the point."
        if self.type in LINKS and not OBJECT_NAME.match(self.reference_to):
            yield f"A {self.type} field names the object that it points to."
        if self.type in LINKS and self.relationship_name and not DEVELOPER_NAME.match(self.relationship_name):
            yield "A relationship name is letters, digits and single underscores, without __r."
        if self.type in LISTS and (not self.values or len(set(self.values)) < len(self.values) or len(self.values) > 1000):
            yield "A picklist has 1 to 1,000 values, each once."
        if self.type == "AutoNumber" and not re.fullmatch(r"[^{}]*\{0+\}[^{}]*", self.display_format):
            yield "An auto-number has one number in its format, such as INV-{00000}."
        if (self.external_id or self.unique) and self.type not in KEY_TYPES:
            yield f"A field of type {self.type} cannot be an external id or unique."


@dataclass(frozen=True, slots=True)
class CustomObject:
    """A new custom object. `name_type` is Text, or AutoNumber with a `name_format`. Details of a master have the sharing
    model ControlledByParent."""

    name: str
    label: str
    plural_label: str
    fields: tuple[CustomField, ...] = ()
    name_label: str = "Name"
    name_type: str = "Text"
    name_format: str = ""
    sharing_model: str = "ReadWrite"
    description: str = ""
    enable_activities: bool = False
    enable_history: bool = False
    enable_reports: bool = True
    enable_search: bool = True

    def element(self) -> Values:
        """The object's file without its name, by name of element."""
        form = {"displayFormat": self.name_format} if self.name_type == "AutoNumber" else {}
        facts: Values = {
            "deploymentStatus": "Deployed", "description": self.description or None, "enableActivities": self.enable_activities,
            "enableBulkApi": True, "enableHistory": self.enable_history, "enableReports": self.enable_reports,
            "enableSearch": self.enable_search, "enableSharing": True, "enableStreamingApi": True,
            "fields": [each.element() for each in self.fields] or None, "label": self.label,
            "nameField": {**form, "label": self.name_label, "type": self.name_type}, "pluralLabel": self.plural_label,
            "sharingModel": self.sharing_model,
        }  # fmt: skip
        return {name: value for name, value in facts.items() if value is not None}

    def problems(self) -> list[str]:
        """What Salesforce would refuse, of the object and its fields."""
        found = [*name_problems(self.name), *label_problems(self.label)]
        if not 0 < len(self.plural_label) <= LONGEST_PLURAL:
            found.append(f"A plural label has 1 to {LONGEST_PLURAL} characters.")
        if self.name_type not in ("Text", "AutoNumber"):
            found.append("The name of an object is Text or AutoNumber.")
        if any(each.object != self.name for each in self.fields):
            found.append("A field names another object than the one that it stands in.")
        details = any(each.type == "MasterDetail" for each in self.fields)
        if details and self.sharing_model != "ControlledByParent":
            found.append("An object with a master-detail field has the sharing model ControlledByParent.")
        return found + [f"{each.name}: {problem}" for each in self.fields for problem in each.problems()]


def name_problems(name: str) -> list[str]:
    """What is wrong with the API name of a custom object or field."""
    if not NAME.match(name):
        rule = "letters, digits and single underscores, begins with a letter and ends with __c"
        return [f"{name[:60] or 'The name'} is no API name: it is {rule}."]
    if len(name) - len("__c") > LONGEST_NAME:
        return [f"The API name has more than {LONGEST_NAME} characters before __c."]
    return []


def label_problems(label: str) -> list[str]:
    """What is wrong with a label."""
    if not label.strip():
        return ["A label is needed."]
    return [f"The label has more than {LONGEST_LABEL} characters."] if len(label) > LONGEST_LABEL else []
