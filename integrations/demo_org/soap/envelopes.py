"""SOAP messages: read safely (no document types, no entities), written in the shape of the recordings."""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

LARGEST_MESSAGE = 10_000_000
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
METADATA = "http://soap.sforce.com/2006/04/metadata"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"
XML_TYPE = "text/xml;charset=UTF-8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


class Fault(Exception):
    """A refusal; HTTP 500 with exception code and message. `kind` is the type of the detail element, `more` what it adds."""

    def __init__(
        self, code: str, message: str, *, kind: str = "UnexpectedErrorFault", more: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.kind, self.more = code, message, kind, more or {}


def read_message(body: bytes, *, largest: int = LARGEST_MESSAGE) -> tuple[Element, Element]:
    """The header (empty if there is none) and the one element in the body. Fault if it is not a SOAP message.

    Document types are refused before anything in them is looked at (S-039): no file is read, nothing is fetched,
    nothing is expanded.
    """
    if len(body) > largest:
        raise Fault("EXCEEDED_MAX_SIZE_REQUEST", "Request size exceeded the maximum size limit")
    try:
        envelope = fromstring(body, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as problem:
        raise Fault("UNKNOWN_EXCEPTION", "The request is not well-formed XML, or has a document type") from problem
    parts = {local_name(each): each for each in envelope}
    if local_name(envelope) != "Envelope" or "Body" not in parts or len(parts["Body"]) != 1:
        raise Fault("UNKNOWN_EXCEPTION", "The request is not a SOAP message with one operation")
    header = parts.get("Header")
    return Element("Header") if header is None else header, parts["Body"][0]


def local_name(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def child_text(element: Element, name: str) -> str:
    """The text of the child of that name, empty if there is none."""
    return next(((each.text or "") for each in element if local_name(each) == name), "")


def child_texts(element: Element, name: str) -> list[str]:
    """The texts of all children of that name."""
    return [each.text or "" for each in element if local_name(each) == name]


def children(element: Element, name: str) -> list[Element]:
    """All children of that name."""
    return [each for each in element if local_name(each) == name]


def write_result(operation: str, result: Any, *, flavor: str) -> str:
    """The answer to an operation. `flavor` is partner or enterprise; a list repeats `result`."""
    inner = write_element("result", result)
    return (
        f'{HEAD}<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns="urn:{flavor}.soap.sforce.com" xmlns:xsi="{XSI}">'
        f"<soapenv:Body><{operation}Response>{inner}</{operation}Response></soapenv:Body></soapenv:Envelope>"
    )


def write_answer(operation: str, inner: str, *, flavor: str, head: str = "") -> str:
    """The answer to a data call: results written as elements, with the namespaces of sObjects and of types."""
    return (
        f'{HEAD}<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns="urn:{flavor}.soap.sforce.com" xmlns:xsi="{XSI}" '
        f'xmlns:xsd="{XSD}" xmlns:sf="urn:sobject.{flavor}.soap.sforce.com">{head}'
        f"<soapenv:Body><{operation}Response>{inner}</{operation}Response></soapenv:Body></soapenv:Envelope>"
    )


def write_fault(fault: Fault, *, flavor: str) -> str:
    """A fault in the shape of the recordings soap-login/fault-*.xml."""
    code, message = escape(fault.code), escape(fault.message)
    more = "".join(f"<sf:{name}>{escape(value)}</sf:{name}>" for name, value in fault.more.items())
    space = METADATA if flavor == "metadata" else f"urn:fault.{flavor}.soap.sforce.com"
    return (
        f'{HEAD}<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns:sf="{space}" xmlns:xsi="{XSI}">'
        f"<soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>"
        f'<detail><sf:{fault.kind} xsi:type="sf:{fault.kind}"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage>{more}</sf:{fault.kind}></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )


def write_element(name: str, value: Any) -> str:
    """One element: mappings nest, lists repeat, None is nil, booleans are words."""
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(write_element(str(key), each) for key, each in value.items())}</{name}>"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "".join(write_element(name, each) for each in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"
