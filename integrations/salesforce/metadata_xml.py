"""Metadata components as nested values, to XML and back.

Elements become dicts, repeated elements lists, texts stay texts; `@name` is an attribute. Everything is written by the standard
library's ElementTree, so that no text can end an element early; answers are read without entities and document types (S-039).
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from integrations.salesforce.errors import UnexpectedAnswer

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
# What XML 1.0 cannot hold, not even escaped.
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DEEPEST = 40
Values = dict[str, Any]


def write_document(root: str, values: Mapping[str, Any]) -> bytes:
    """A component file: `root` in the metadata namespace around the values. ValueError for a character that XML cannot hold."""
    made = Element(root, {"xmlns": NAMESPACE})
    _fill(made, values)
    indent(made, space="    ")
    return HEAD + tostring(made, encoding="utf-8") + b"\n"


def write_part(name: str, value: Any) -> bytes:
    """One element without namespace declarations, to be put into a message that has them."""
    holder = Element("holder")
    _add(holder, name, value)
    return b"".join(tostring(each, encoding="utf-8") for each in holder)


def _fill(element: Element, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name.startswith("@"):
            element.set(name[1:], _plain(value))
        else:
            _add(element, name, value)


def _add(parent: Element, name: str, value: Any) -> None:
    """None is left out, lists repeat, mappings nest."""
    if value is None:
        return
    if isinstance(value, list | tuple):
        for each in value:
            _add(parent, name, each)
        return
    made = SubElement(parent, name)
    if isinstance(value, Mapping):
        _fill(made, value)
    else:
        made.text = _plain(value)


def _plain(value: object) -> str:
    """The text of a value; booleans are the words true and false."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    wrong = ILLEGAL.search(text)
    if wrong:
        raise ValueError(f"the character U+{ord(wrong[0]):04X} cannot stand in XML")
    return text


def read_root(body: bytes) -> Element:
    """The root of an answer; `UnexpectedAnswer` when it is not well-formed or declares a document type or entities (S-039)."""
    try:
        return fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError):
        raise UnexpectedAnswer("Salesforce's answer is not safe, well-formed XML.", code="BAD_XML") from None


def read_values(element: Element, *, depth: int = 0) -> Any:
    """The value of an element: its text ("" when empty, None when nil), or a dict of its children."""
    if depth > DEEPEST:
        raise UnexpectedAnswer("Salesforce's answer is nested too deeply.", code="BAD_XML")
    if len(element) == 0:
        return None if element.get(f"{{{XSI}}}nil") == "true" else (element.text or "").strip()
    found: Values = {}
    for child in element:
        name, value = local_name(child), read_values(child, depth=depth + 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def as_list(value: Any) -> list[Any]:
    """What a repeated element held: a single one comes without a list, none at all as nothing."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def as_dicts(value: Any) -> list[Values]:
    """The same, only elements that have children."""
    return [each for each in as_list(value) if isinstance(each, dict)]


def text_of(values: Mapping[str, Any], name: str) -> str:
    """The text of a child; empty when it is missing, nil or no text."""
    value = values.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) else ""


def flag_of(values: Mapping[str, Any], name: str) -> bool:
    """Whether a child says true (a word in XML, a literal in JSON)."""
    return text_of(values, name).lower() in {"true", "1"}


def number_of(values: Mapping[str, Any], name: str) -> int:
    """The whole number of a child, 0 when there is none."""
    text = text_of(values, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
