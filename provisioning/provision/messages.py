"""What an org sends us: the JSON of a flow's callout, or the SOAP of an outbound message; and the answers that it understands.

Only ids are taken from it (ST-D2): the call is a hint, the record is read again. Pure.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeXml

from integrations.salesforce.ids import is_id, key_prefix, to_18

OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")
MOST_NOTIFICATIONS = 100  # Salesforce's own limit for a message
MOST_RECORDS = 200  # a flow handles at most so many records in one transaction
OPPORTUNITY = "006"
ORG_NAMES = frozenset(("organizationid", "orgid", "organization", "org"))
ID_NAMES = frozenset((
    "opportunityid", "opportunityids", "opportunity", "opportunities", "recordid", "recordids", "records", "id", "ids",
    "inputs", "items",
))  # fmt: skip


class BadMessage(ValueError):
    """A message that cannot be read; the sentence says what it should look like."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Hint:
    """What a message claims: the org that it comes from, and the opportunities that changed. 18-character ids, each once."""

    org_id: str
    opportunity_ids: tuple[str, ...]


def read_json(body: bytes) -> Hint:
    """A flow's callout: `{"organizationId": "00D...", "opportunityId": "006..."}`, with lists of ids or of such objects, too.

    Names may be written with any case, spaces or underscores; other names are ignored. Raises `BadMessage`.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise BadMessage("bad_json", "The body is no JSON.") from None
    orgs: list[Any] = []
    ids: list[Any] = []
    _collect(data, orgs, ids, depth=0)
    if not orgs:
        raise BadMessage("no_org", 'Name the org: {"organizationId": "{!$Organization.Id}", "opportunityId": "..."}.')
    return _hint(orgs, ids, most=MOST_RECORDS)


def _collect(data: Any, orgs: list[Any], ids: list[Any], *, depth: int) -> None:
    if depth > 4:
        return
    if isinstance(data, list):
        for each in data:
            _collect(each, orgs, ids, depth=depth + 1)
    elif isinstance(data, Mapping):
        for name, value in data.items():
            plain = "".join(sign for sign in str(name).lower() if sign.isalnum())
            if plain in ORG_NAMES and isinstance(value, str):
                orgs.append(value)
            elif plain in ID_NAMES:
                _collect_ids(value, orgs, ids, depth=depth + 1)


def _collect_ids(value: Any, orgs: list[Any], ids: list[Any], *, depth: int) -> None:
    if isinstance(value, str):
        ids.append(value)
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        ids += value
    else:
        _collect(value, orgs, ids, depth=depth)


def read_xml(body: bytes) -> Hint:
    """An outbound message: up to 100 notifications about opportunities. Entities and DTDs are refused (S-039)."""
    try:
        root = SafeXml.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise BadMessage("bad_xml", "The body is no plain XML.") from None
    found = (root.find(f"{{{space}}}Body/{{{OUTBOUND}}}notifications") for space in ENVELOPES)
    note = next((each for each in found if each is not None), None)
    if note is None:
        raise BadMessage("no_notifications", "The body is no outbound message of Salesforce.")
    ids = [_record_id(each) for each in note.findall(f"{{{OUTBOUND}}}Notification")]
    return _hint([note.findtext(f"{{{OUTBOUND}}}OrganizationId")], ids, most=MOST_NOTIFICATIONS)


def _record_id(notification: Element) -> str:
    record = notification.find(f"{{{OUTBOUND}}}sObject")
    for part in record if record is not None else ():
        if part.tag.rpartition("}")[2] == "Id":
            return part.text or ""
    raise BadMessage("no_record", "A notification names no record; send the field Id.")


def _hint(orgs: Iterable[Any], ids: Iterable[Any], *, most: int) -> Hint:
    named = {_whole(each, "organization") for each in orgs}
    if len(named) != 1:
        raise BadMessage("several_orgs", "A message comes from one org.")
    whole = tuple(dict.fromkeys(_whole(each, "opportunity") for each in ids))
    if not whole:
        raise BadMessage("no_opportunity", 'Name at least one opportunity: {"opportunityId": "006..."}.')
    if len(whole) > most:
        raise BadMessage("too_many", f"Send at most {most} opportunities at once, not {len(whole)}.")
    for each in whole:
        if key_prefix(each) != OPPORTUNITY:
            raise BadMessage("not_an_opportunity", f"{each} is no opportunity; their ids begin with {OPPORTUNITY}.")
    return Hint(named.pop(), whole)


def _whole(text: Any, what: str) -> str:
    plain = text.strip() if isinstance(text, str) else text
    if not is_id(plain):
        raise BadMessage("not_an_id", f"The {what} id has 15 or 18 characters; this one is none.")
    return to_18(plain)


# --- answers ----------------------------------------------------------------------------------------------------------------


def write_ack(*, taken: bool) -> str:
    """What Salesforce must get for an outbound message; anything but a true Ack makes it send the message again, for a day."""
    word = "true" if taken else "false"
    return _envelope(f'<notificationsResponse xmlns="{OUTBOUND}"><Ack>{word}</Ack></notificationsResponse>')


def write_fault(message: str) -> str:
    """A refusal that a person finds in Salesforce's list of failed messages."""
    return _envelope(
        f"<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>{escape(message)}</faultstring></soapenv:Fault>"
    )


def _envelope(inner: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    )
