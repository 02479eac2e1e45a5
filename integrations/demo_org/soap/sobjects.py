"""Records on the SOAP wire: sObject elements read into rows, and JSON-shaped records written as sObject elements.

The partner API names a record's type in an element and repeats a selected Id (once as the sObject's own element, once among
the asked fields); the enterprise API names the type in `xsi:type` and has each field once.
"""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from integrations.demo_org.coercion import NULL_CSV
from integrations.demo_org.soap.envelopes import XSI, Fault, child_text, child_texts, local_name

NOT_VALUES = frozenset({"type", "fieldsToNull"})
NILLABLE = frozenset({"keyPrefix", "urlDetail", "urlEdit", "urlNew"})
NIL = f"{{{XSI}}}nil"


def read_record(element: Element) -> tuple[str, dict[str, Any]]:
    """The object and the values of an sObject element, as the save engine takes texts: blank leaves alone, `#N/A` clears."""
    kind = child_text(element, "type") or type_of(element)
    if not kind:
        raise Fault("INVALID_TYPE", "sObject type is missing", kind="InvalidSObjectFault")
    row: dict[str, Any] = {}
    for each in element:
        name = local_name(each)
        if name in NOT_VALUES or each.get(NIL) == "true":
            continue
        row[name] = read_parent(each) if len(each) else (each.text or "")
    return kind, row | dict.fromkeys(child_texts(element, "fieldsToNull"), NULL_CSV)


def read_parent(element: Element) -> dict[str, Any]:
    """A parent that is named by its external id."""
    return {local_name(each): each.text for each in element if local_name(each) != "type"}


def type_of(element: Element) -> str:
    """The object that `xsi:type` names (enterprise API), without its prefix."""
    return element.get(f"{{{XSI}}}type", "").rpartition(":")[2].replace("sObject", "")


def write_record(tag: str, record: Mapping[str, Any] | None, *, flavor: str) -> str:
    """A record; None is a nil element."""
    if record is None:
        return f'<{tag} xsi:nil="true"/>'
    kind = record["attributes"]["type"]
    fields = {key: value for key, value in record.items() if key != "attributes"}
    aggregate = kind == "AggregateResult"
    if flavor == "partner":
        head, shown = f'<{tag} xsi:type="sf:sObject"><sf:type>{kind}</sf:type>', write_value("sf:Id", fields.get("Id"))
    else:
        head, shown = f'<{tag} xsi:type="{"" if aggregate else "sf:"}{kind}">', ""
    inner = "".join(_write_field(f"sf:{key}", value, flavor=flavor, typed=aggregate) for key, value in fields.items())
    return f"{head}{shown}{inner}</{tag}>"


def _write_field(tag: str, value: Any, *, flavor: str, typed: bool) -> str:
    """A field: a value, a parent, a compound value or the children of a record."""
    if not isinstance(value, Mapping):
        return write_value(tag, value, typed=typed)
    if "attributes" in value:
        return write_record(tag, value, flavor=flavor)
    if "records" in value:
        return write_query(tag, value, flavor=flavor)
    kind = "location" if set(value) <= {"latitude", "longitude"} else "address"
    return f'<{tag} xsi:type="{kind}">{"".join(write_value(key, each) for key, each in value.items())}</{tag}>'


def write_query(tag: str, found: Mapping[str, Any], *, flavor: str) -> str:
    """A QueryResult. The locator is the last part of the path that REST gives."""
    records = "".join(write_record("records", each, flavor=flavor) for each in found["records"])
    more = found.get("nextRecordsUrl")
    locator = write_value("queryLocator", more.rpartition("/")[2] if more else None)
    return (
        f'<{tag} xsi:type="QueryResult"><done>{str(found["done"]).lower()}</done>{locator}{records}'
        f"<size>{found['totalSize']}</size></{tag}>"
    )


def write_value(tag: str, value: Any, *, typed: bool = False) -> str:
    """A plain value; instants end in Z. Values of aggregates tell their type."""
    if value is None:
        return f'<{tag} xsi:nil="true"/>'
    if isinstance(value, bool):
        text, kind = str(value).lower(), "boolean"
    elif isinstance(value, int | float):
        text, kind = str(value), "int" if isinstance(value, int) else "double"
    else:
        text, kind = plain_text(str(value)), "string"
    shown = f' xsi:type="xsd:{kind}"' if typed else ""
    return f"<{tag}{shown}>{escape(text)}</{tag}>"


def plain_text(text: str) -> str:
    """A text as it is; an instant of REST (`+0000`) as SOAP writes it (`Z`)."""
    return f"{text[:-5]}Z" if len(text) == 28 and text.endswith(".000+0000") else text


def write_plain(tag: str, value: Any) -> str:
    """A describe or another JSON-shaped answer as elements: lists repeat, what is null is left out (but for nillable ones)."""
    if value is None:
        return write_value(tag, None) if tag in NILLABLE else ""
    if isinstance(value, Mapping):
        return f"<{tag}>{''.join(write_plain(str(key), each) for key, each in value.items() if key != 'urls')}</{tag}>"
    if isinstance(value, list | tuple):
        return "".join(write_plain(tag, each) for each in value)
    return write_value(tag, value)
