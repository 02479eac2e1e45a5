"""What SOAP's getUserInfo knows and REST does not tell: the currency of an org that has only one.

Reports of such an org name no currency (`"currency": null`), so a value in dollars is recognizable only by this call.
It is not a login: it works with any access token and stays when `login()` goes.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException, ElementTree

from integrations.salesforce.client import Client
from integrations.salesforce.errors import UnexpectedAnswer
from integrations.salesforce.soap_body import SessionBody

NAMESPACE = "urn:partner.soap.sforce.com"


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The connected user's settings. `currency` is the org's ISO code, "" where the org has several."""

    currency: str
    is_multi_currency: bool
    time_zone: str
    locale: str


def read_user_info(client: Client) -> UserInfo:
    """One call to `/services/Soap/u/`; raises a `SalesforceError` like every other call."""
    answer = client.request(
        "POST",
        f"/services/Soap/u/{client.api_version}",
        data=SessionBody(client, _envelope),
        headers={"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": "getUserInfo", "Accept": "text/xml"},
        repeatable=True,
    )
    return _read(answer.body)


def _envelope(token: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">'
        f'<env:Header><SessionHeader xmlns="{NAMESPACE}"><sessionId>{escape(token)}</sessionId></SessionHeader></env:Header>'
        f'<env:Body><getUserInfo xmlns="{NAMESPACE}"/></env:Body></env:Envelope>'
    ).encode()


def _read(body: bytes) -> UserInfo:
    try:
        root = ElementTree.fromstring(body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        raise UnexpectedAnswer("The answer about the user is not safe, well-formed XML.", code="BAD_XML") from None
    texts = {node.tag.rpartition("}")[2]: (node.text or "").strip() for node in root.iter() if not len(node)}
    several = texts.get("organizationMultiCurrency") == "true"
    return UserInfo(
        currency="" if several else texts.get("orgDefaultCurrencyIsoCode", ""),
        is_multi_currency=several,
        time_zone=texts.get("userTimeZone", ""),
        locale=texts.get("userLocale", ""),
    )
