"""Metadata calls over HTTP, without a client library."""

import base64
import re
from xml.sax.saxutils import escape

import requests

from tests.demo_org.core.served_org import Core

SPACE = "http://soap.sforce.com/2006/04/metadata"


def soap(core: Core, name: str, inner: str = "", *, token: str | None = None, version: str = "60.0") -> requests.Response:
    """One SOAP call of the Metadata API."""
    session = core.token if token is None else token
    body = (
        f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{SPACE}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<e:Header><SessionHeader><sessionId>{escape(session)}</sessionId></SessionHeader></e:Header>"
        f"<e:Body><{name}>{inner}</{name}></e:Body></e:Envelope>"
    )
    headers = {"Content-Type": "text/xml", "SOAPAction": '""'}
    return core.http.post(f"{core.url}/services/Soap/m/{version}", data=body.encode(), headers=headers, timeout=20)


def save(core: Core, kind: str, inner: str, *, call: str = "upsertMetadata") -> str:
    """The answer to saving one component given as XML."""
    return soap(core, call, f'<metadata xsi:type="{kind}">{inner}</metadata>').text


def text_field(name: str, more: str = "") -> str:
    """A text field of 40 characters."""
    return f"<fullName>{name}</fullName><label>Made</label><length>40</length><type>Text</type>{more}"


def grant(core: Core, field: str, *, editable: bool = True, name: str = "Granted") -> None:
    """A permission set that shows a field, held by the caller."""
    edit = str(editable).lower()
    inner = (
        f"<fullName>{name}</fullName><fieldPermissions><editable>{edit}</editable><field>{field}</field>"
        f"<readable>true</readable></fieldPermissions><label>{name}</label>"
    )
    assert "<success>true</success>" in save(core, "PermissionSet", inner)
    rows = core.call("GET", "query", params={"q": f"SELECT Id FROM PermissionSet WHERE Name = '{name}'"}).json()["records"]
    row = {"AssigneeId": core.caller.user_id, "PermissionSetId": rows[0]["Id"]}
    assert core.call("POST", "sobjects/PermissionSetAssignment", json=row).status_code in {201, 400}


def deploy(core: Core, data: bytes, options: str = "<rollbackOnError>true</rollbackOnError>") -> tuple[str, str]:
    """(deploy id, last checkDeployStatus answer) of a package."""
    packed = base64.b64encode(data).decode()
    answer = soap(core, "deploy", f"<ZipFile>{packed}</ZipFile><DeployOptions>{options}</DeployOptions>")
    found = re.search(r"<id>(0Af\w+)</id>", answer.text)
    assert found, answer.text
    return found[1], status(core, found[1])


def status(core: Core, deploy_id: str) -> str:
    """The answer of checkDeployStatus with details."""
    inner = f"<asyncProcessId>{deploy_id}</asyncProcessId><includeDetails>true</includeDetails>"
    return soap(core, "checkDeployStatus", inner).text
