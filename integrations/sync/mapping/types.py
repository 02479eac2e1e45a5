"""Which types go together: the four product types and the Salesforce types that they may be mapped with (PX-26..PX-29)."""

from collections.abc import Mapping

STRING, NUMBER, BOOLEAN, DATE_TIME = "STRING", "NUMBER", "BOOLEAN", "DATE_TIME"
PRODUCT_TYPES = (STRING, NUMBER, BOOLEAN, DATE_TIME)

SALESFORCE_TYPES: Mapping[str, tuple[str, ...]] = {
    DATE_TIME: ("date", "datetime", "time"),
    STRING: ("string", "textarea", "picklist", "multipicklist", "combobox", "email", "url", "id", "phone"),
    NUMBER: ("int", "double", "percent", "currency"),
    BOOLEAN: ("boolean",),
}
PRODUCT_TYPE_OF: Mapping[str, str] = {name: ours for ours, names in SALESFORCE_TYPES.items() for name in names}
"""The product type of a Salesforce type; types that are not here are not offered (PX-D10)."""

LISTED = frozenset(("picklist", "combobox"))  # one value of a list, restricted or not
CUTTABLE = frozenset(("string", "textarea"))  # a shortened e-mail address, URL or picklist value would be another value
IN_WORDS = {STRING: "text", NUMBER: "a number", BOOLEAN: "yes or no", DATE_TIME: "a date and time"}
TYPE_LABELS = {
    "string": "Text", "textarea": "Text area", "picklist": "Picklist", "multipicklist": "Multi-select picklist",
    "combobox": "Combo box", "email": "Email", "url": "URL", "id": "Record id", "phone": "Phone", "int": "Whole number",
    "double": "Number", "percent": "Percent", "currency": "Currency", "boolean": "Checkbox", "date": "Date",
    "datetime": "Date/time", "time": "Time", "reference": "Lookup", "address": "Address", "location": "Geolocation",
    "encryptedstring": "Encrypted text", "base64": "File content", "anyType": "Any type", "complexvalue": "Complex value",
    "long": "Long integer",
}  # fmt: skip
