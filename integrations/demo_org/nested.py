"""Metadata components as nested values: XML elements become dicts, repeated elements lists, texts stay texts."""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
Values = dict[str, Any]


class Refused(Exception):
    """A component that cannot be saved: status code, message, and the fields concerned."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def read_values(element: Element) -> Any:
    """The value of an element: text (None when empty and without children), or a dict of its children."""
    if len(element) == 0:
        return None if element.get(XSI_NIL) == "true" else (element.text or "").strip()
    found: Values = {}
    for child in element:
        name, value = child.tag.rpartition("}")[2], read_values(child)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def as_list(value: Any) -> list[Any]:
    """A repeated element's values, also when there is one or none."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def text_of(values: Mapping[str, Any], name: str, default: str = "") -> str:
    """The text of a child, or the default when it is missing or empty."""
    value = values.get(name)
    return value if isinstance(value, str) and value else default


def flag_of(values: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """A true/false child; anything else is refused."""
    value = text_of(values, name).lower()
    if value not in {"", "true", "false", "1", "0"}:
        raise Refused("INVALID_FIELD", f"Invalid boolean value '{value}' for {name}")
    return value in {"true", "1"} if value else default


def number_of(values: Mapping[str, Any], name: str, default: int, *, low: int, high: int, label: str) -> int:
    """A whole number between two bounds; refused in Salesforce's words otherwise."""
    text = text_of(values, name)
    if not text:
        return default
    if not text.isdigit() or not low <= int(text) <= high:
        raise Refused("FIELD_INTEGRITY_EXCEPTION", f"{label} must be between {low} and {high}: {text[:40]}")
    return int(text)


def write_values(name: str, value: Any) -> str:
    """An element: dicts nest (`@name` is an attribute), lists repeat, None is left out, booleans are words."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        attributes = "".join(f' {key[1:]}="{escape(str(each))}"' for key, each in value.items() if key.startswith("@"))
        inner = "".join(write_values(key, each) for key, each in value.items() if not key.startswith("@"))
        return f"<{name}{attributes}>{inner}</{name}>" if inner or not attributes else f"<{name}{attributes}/>"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "".join(write_values(name, each) for each in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def write_file(root: str, values: Values) -> str:
    """A component as the file of a package."""
    inner = "".join(f"    {line}\n" for line in _lines(values))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">\n{inner}</{root}>\n'


def _lines(values: Values) -> list[str]:
    """The children of a component, indented by four blanks a level."""
    lines: list[str] = []
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                lines += [f"<{name}>", *(f"    {line}" for line in _lines(dict(each))), f"</{name}>"]
            elif each is not None:
                lines.append(write_values(name, each))
    return lines
