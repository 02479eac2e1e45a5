"""Outbound messages: SOAP notifications about records, sent until the receiver says `Ack true`, for 24 hours at most."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from integrations.demo_org.automation.callouts import Answer, CalloutFailed, find_note, send
from integrations.demo_org.automation.facts import Record, stored
from integrations.demo_org.nested import Values, as_list, text_of

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
MOST_NOTIFICATIONS = 100
KEEP_TRYING_SECONDS = 24 * 3_600
LONGEST_WAIT = 2 * 3_600


def find_message(org: "DemoOrg", full_name: str) -> tuple[str, Values] | None:
    """An outbound message of the org: `Opportunity.Name` and what was deployed."""
    return find_note(org, "WorkflowOutboundMessage", full_name)


def shown(value: Any) -> str:
    """A value as XML text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(stored(value))


def write_message(
    org: "DemoOrg", full_name: str, values: Values, notifications: Sequence[tuple[str, Record]], *, action_id: str
) -> bytes:
    """The envelope of up to 100 notifications (id, record); fields without a value are left out."""
    version, own = text_of(values, "apiVersion", "65.0"), org.info.org_id
    base = f"{org.info.base_url}/services/Soap"
    parts = "".join(_notification(full_name.partition(".")[0], values, key, record) for key, record in notifications)
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        f' <soapenv:Body>\n  <notifications xmlns="{OUTBOUND}">\n   <OrganizationId>{own}</OrganizationId>\n'
        f'   <ActionId>{action_id}</ActionId>\n   <SessionId xsi:nil="true"/>\n'
        f"   <EnterpriseUrl>{escape(base)}/c/{version}/{own[:15]}</EnterpriseUrl>\n"
        f"   <PartnerUrl>{escape(base)}/u/{version}/{own[:15]}</PartnerUrl>\n{parts}"
        "  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>"
    )
    return text.encode()


def _notification(object_name: str, values: Values, key: str, record: Record) -> str:
    names = sorted({made.name for each in as_list(values.get("fields")) if (made := record.kind.find(str(each)))} - {"Id"})
    fields = "".join(
        f"     <sf:{name}>{escape(shown(record.values[name]))}</sf:{name}>\n"
        for name in names if record.values.get(name) is not None
    )  # fmt: skip
    return (
        f'   <Notification>\n    <Id>{key}</Id>\n    <sObject xsi:type="sf:{object_name}" '
        f'xmlns:sf="urn:sobject.enterprise.soap.sforce.com">\n     <sf:Id>{record.id}</sf:Id>\n{fields}'
        "    </sObject>\n   </Notification>\n"
    )


def deliver(org: "DemoOrg", values: Values, body: bytes) -> Answer:
    """Send an envelope. CalloutFailed when there is no answer, or one that does not acknowledge."""
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', "Accept": "text/xml"}
    answer = send(org, text_of(values, "endpointUrl"), method="POST", headers=headers, body=body)
    if answer.status != 200:
        raise CalloutFailed(f"HTTP status {answer.status}")
    if not is_acknowledged(answer.body):
        raise CalloutFailed("The response was not a valid acknowledgment: Ack is not true")
    return answer


def is_acknowledged(body: bytes) -> bool:
    """Whether an answer is a SOAP message with `<Ack>true</Ack>` in the namespace of outbound messages."""
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return False
    acks = [each for each in root.iter() if each.tag == f"{{{OUTBOUND}}}Ack"]
    return root.tag.rpartition("}")[2] == "Envelope" and [(each.text or "").strip().lower() for each in acks] == ["true"]


def next_wait(first_wait: float, attempts: int) -> float:
    """Seconds until the next try: the first wait doubled with each attempt, two hours at most."""
    return min(first_wait * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
