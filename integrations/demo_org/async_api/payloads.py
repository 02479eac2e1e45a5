"""Batches in their three forms: CSV, XML and JSON in; results and query rows out."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

import orjson
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from integrations.demo_org.clock import from_text
from integrations.demo_org.rows import RowResult
from integrations.demo_org.soap.envelopes import local_name

NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
NIL = f"{{{XSI}}}nil"
Rows = list[dict[str, Any]]


class BadBatch(Exception):
    """A batch that cannot be read; `code` is the exception code of the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def read_rows(data: bytes, content_type: str) -> Rows:
    """The records of a batch. Values of CSV and XML are texts, an empty one leaves the field alone."""
    return {"CSV": _read_csv, "XML": _read_xml, "JSON": _read_json}[content_type](data)


def _read_csv(data: bytes) -> Rows:
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        header = [each.strip() for each in next(lines, [])]
        rows = [row for row in lines if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadBatch("InvalidBatch", f"Failed to parse CSV. {problem}") from problem
    if not header or not all(header):
        raise BadBatch("InvalidBatch", "Failed to parse CSV header. Header is empty")
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != len(header)), 0)
    if wrong:
        text = f"The number of columns in CSV line {wrong} is not that of the header: {len(header)}"
        raise BadBatch("InvalidBatch", text)
    return [dict(zip(header, row, strict=True)) for row in rows]


def _read_json(data: bytes) -> Rows:
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as problem:
        raise BadBatch("InvalidBatch", f"Failed to parse JSON. {problem}") from problem
    if not isinstance(body, list) or not all(isinstance(each, dict) for each in body):
        raise BadBatch("InvalidBatch", "Records must be a list of objects")
    return body


def _read_xml(data: bytes) -> Rows:
    try:
        root = fromstring(data, forbid_dtd=True)
    except (DefusedXmlException, ParseError, LookupError, ValueError) as problem:
        raise BadBatch("InvalidBatch", "Failed to parse XML, or it has a document type") from problem
    if local_name(root) != "sObjects":
        raise BadBatch("InvalidBatch", "The root element must be sObjects")
    return [_xml_record(each) for each in root if local_name(each) == "sObject"]


def _xml_record(element: Element) -> dict[str, Any]:
    """One sObject; a nested sObject names a parent by its external id."""
    found: dict[str, Any] = {}
    for each in element:
        if len(each):
            inner = each[0]
            found[local_name(each)] = {local_name(key): key.text for key in inner if local_name(key) != "type"}
        elif local_name(each) != "type":
            found[local_name(each)] = None if each.get(NIL) == "true" else (each.text or "")
    return found


def write_results(results: Sequence[RowResult], content_type: str) -> bytes:
    """What became of each record, in their order."""
    if content_type == "JSON":
        return orjson.dumps([_json_result(each) for each in results])
    if content_type == "XML":
        inner = "".join(_xml_result(each) for each in results)
        return f'{HEAD}<results xmlns="{NAMESPACE}">{inner}</results>'.encode()
    rows = [[each.id or "", _word(each.success), _word(each.created), error_text(each)] for each in results]
    return write_csv([["Id", "Success", "Created", "Error"], *rows])


def error_text(result: RowResult) -> str:
    """`CODE:message:FIELDS --` for each reason."""
    return ";".join(f"{each.code}:{each.message}:{','.join(each.fields)} --" for each in result.errors)


def _word(value: object) -> str:
    return "true" if value else "false"


def _json_result(result: RowResult) -> dict[str, Any]:
    errors = [
        {"extendedErrorDetails": None, "fields": list(each.fields), "message": each.message, "statusCode": each.code}
        for each in result.errors
    ]
    return {"success": result.success, "created": result.created, "id": result.id, "errors": errors}


def _xml_result(result: RowResult) -> str:
    errors = "".join(
        f"<errors>{''.join(f'<fields>{escape(name)}</fields>' for name in each.fields)}"
        f"<message>{escape(each.message)}</message><statusCode>{each.code}</statusCode></errors>"
        for each in result.errors
    )
    own = f"<id>{result.id}</id>" if result.id else f'<id xmlns:xsi="{XSI}" xsi:nil="true"/>'
    return f"<result>{errors}{own}<success>{_word(result.success)}</success><created>{_word(result.created)}</created></result>"


def write_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as CSV, every value quoted."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def flat(value: Any) -> str:
    """A value as CSV text: null is empty, checkboxes are words, instants end in Z."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _word(value)
    text = str(value)
    return text[:-5] + "Z" if text.endswith(".000+0000") and len(text) == 28 else text


def write_query(records: list[dict[str, Any]], names: Sequence[str], content_type: str) -> bytes:
    """Query rows: CSV with dotted headers, JSON records, or the XML of a queryResult."""
    if content_type == "JSON":
        return orjson.dumps([_epoch(each) for each in records])
    if content_type == "XML":
        inner = "".join(f'<records xsi:type="sObject">{_xml_fields(each)}</records>' for each in records)
        return f'{HEAD}<queryResult xmlns="{NAMESPACE}" xmlns:xsi="{XSI}">{inner}</queryResult>'.encode()
    if not records:
        return b"Records not found for this query"
    return write_csv([list(names), *([flat(_at(each, name)) for name in names] for each in records)])


def _at(record: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path."""
    value: Any = record
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _epoch(record: dict[str, Any]) -> dict[str, Any]:
    """A record as this API writes JSON: instants are epoch milliseconds."""
    shown: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict) and key != "attributes":
            shown[key] = _epoch(value)
        elif isinstance(value, str) and len(value) == 28 and value.endswith(".000+0000"):
            shown[key] = int(from_text(value).timestamp() * 1000)
        else:
            shown[key] = value
    return shown


def _xml_fields(record: Mapping[str, Any]) -> str:
    """The elements of a record; parents nest."""
    parts = [f"<type>{escape(record['attributes']['type'])}</type>"]
    for key, value in record.items():
        if key == "attributes":
            continue
        if isinstance(value, Mapping):
            parts.append(f'<{key} xsi:type="sObject">{_xml_fields(value)}</{key}>')
        elif value is None:
            parts.append(f'<{key} xsi:nil="true"/>')
        else:
            parts.append(f"<{key}>{escape(flat(value))}</{key}>")
    return "".join(parts)
