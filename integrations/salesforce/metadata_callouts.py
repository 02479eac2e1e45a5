"""What an org needs to call an address: credentials, a registered service, an outbound message. Pure; knows no HTTP.

Secrets are no metadata: the value that a header takes from a principal is stored by `credentials.store_credential`. Formats are
those of the Metadata API since 56.0 (SecuredEndpoint, external credentials) and 65.0 (OpenApi3 registrations).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.salesforce import API_VERSION
from integrations.salesforce.metadata_parts import DEVELOPER_NAME, OBJECT_NAME
from integrations.salesforce.metadata_xml import Values
from integrations.salesforce.transport import dump_json

SERVICE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,79}\Z", re.ASCII)
HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}\Z", re.ASCII)
LONGEST_SCHEMA = 100_000  # characters of an OpenAPI document
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class ExternalCredential:
    """Who calls: a named principal, and headers whose values are formulas over the principal's secrets."""

    name: str
    label: str
    principal: str
    headers: Mapping[str, str]
    description: str = ""
    kind = "ExternalCredential"
    folder, suffix = "externalCredentials", "externalCredential"

    @property
    def full_name(self) -> str:
        """The developer name."""
        return self.name

    @property
    def access(self) -> str:
        """How a permission set names the principal."""
        return f"{self.name}-{self.principal}"

    def element(self) -> Values:
        """The file without its name."""
        principal = {"parameterGroup": self.principal, "parameterName": self.principal, "parameterType": "NamedPrincipal",
                     "sequenceNumber": 1}  # fmt: skip
        headers = [
            {"parameterGroup": "DefaultGroup", "parameterName": name, "parameterType": "AuthHeader", "parameterValue": value,
             "sequenceNumber": number}
            for number, (name, value) in enumerate(self.headers.items(), start=1)
        ]  # fmt: skip
        facts: Values = {
            "authenticationProtocol": "Custom", "description": self.description or None,
            "externalCredentialParameters": [principal, *headers], "label": self.label,
        }  # fmt: skip
        return {name: value for name, value in facts.items() if value is not None}

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        found = _name_problems(self.name) + _name_problems(self.principal)
        return found + [f"{name} is no header name." for name in self.headers if not HEADER_NAME.match(name)]


@dataclass(frozen=True, slots=True)
class NamedCredential:
    """Where the org calls: the start of the address (scheme and host, maybe a path), with an external credential."""

    name: str
    label: str
    url: str
    credential: str
    kind = "NamedCredential"
    folder, suffix = "namedCredentials", "namedCredential"

    @property
    def full_name(self) -> str:
        """The developer name."""
        return self.name

    def element(self) -> Values:
        """The file without its name. The Authorization header is the credential's own, so none is generated."""
        return {
            "allowMergeFieldsInBody": False, "allowMergeFieldsInHeader": True, "calloutStatus": "Enabled",
            "generateAuthorizationHeader": False, "label": self.label,
            "namedCredentialParameters": [
                {"parameterName": "Url", "parameterType": "Url", "parameterValue": self.url},
                {"externalCredential": self.credential, "parameterName": "ExternalCredential",
                 "parameterType": "Authentication"},
            ],
            "namedCredentialType": "SecuredEndpoint",
        }  # fmt: skip

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        wrong = [] if re.match(r"https?://[^\s/?#]+[^\s?#]*\Z", self.url) else [f"{self.url!r} is no address to call."]
        return _name_problems(self.name) + wrong


@dataclass(frozen=True, slots=True)
class ExternalService:
    """A service whose operations flows can call, registered with its OpenAPI 3 description.

    The name has letters and digits only: classes of its schemas are called `ExternalService__<name>_<schema>`.
    """

    name: str
    label: str
    named_credential: str
    schema: Mapping[str, Any]
    operations: tuple[str, ...]
    description: str = ""
    kind = "ExternalServiceRegistration"
    folder, suffix = "externalServiceRegistrations", "externalServiceRegistration"

    @property
    def full_name(self) -> str:
        """The developer name."""
        return self.name

    def schema_text(self) -> str:
        """The description as it stands in the file."""
        return dump_json(self.schema).decode()

    def element(self) -> Values:
        """The file without its name."""
        binding = {"host": "", "basePath": "/", "allowedSchemes": [], "requestMediaTypes": [], "responseMediaTypes": [],
                   "compatibleMediaTypes": {}}  # fmt: skip
        facts: Values = {
            "description": self.description or None, "label": self.label, "namedCredentialReference": self.named_credential,
            "operations": [{"active": True, "name": each} for each in self.operations], "registrationProviderType": "Custom",
            "schema": self.schema_text(), "schemaType": "OpenApi3", "schemaUploadFileExtension": "json",
            "schemaUploadFileName": self.name, "serviceBinding": dump_json(binding).decode(), "status": "Complete",
        }  # fmt: skip
        return {name: value for name, value in facts.items() if value is not None}

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        found = [] if SERVICE_NAME.match(self.name) else [f"{self.name} is no name of a service: letters and digits only."]
        if len(self.schema_text()) > LONGEST_SCHEMA:
            found.append(f"The description of the service has more than {LONGEST_SCHEMA:,} characters.")
        return found


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A SOAP message with some fields of a record, sent by Salesforce until it is acknowledged (for 24 hours)."""

    object: str
    name: str
    label: str
    url: str
    sender: str
    fields: tuple[str, ...] = ("Id",)
    description: str = ""
    api_version: str = API_VERSION

    @property
    def full_name(self) -> str:
        """`Object.Name`, as flows and manifests name it."""
        return f"{self.object}.{self.name}"

    def element(self) -> Values:
        """The part of the object's workflow file. No session goes along: a message is only a hint."""
        facts: Values = {
            "fullName": self.name, "apiVersion": self.api_version, "description": self.description or None,
            "endpointUrl": self.url, "fields": sorted(self.fields), "includeSessionId": False, "integrationUser": self.sender,
            "name": self.label, "protected": False, "useDeadLetterQueue": False,
        }  # fmt: skip
        return {name: value for name, value in facts.items() if value is not None}

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        found = _name_problems(self.name)
        if not OBJECT_NAME.match(self.object):
            found.append(f"{self.object!r} is no object name.")
        if not self.sender:
            found.append("An outbound message names the user that it is sent as.")
        return found if "Id" in self.fields else [*found, "An outbound message without the field Id says nothing."]


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow by its API name; `content` is its file without the name, in metadata's own words."""

    name: str
    content: Mapping[str, Any] = field(default_factory=dict)
    kind = "Flow"
    folder, suffix = "flows", "flow"

    @property
    def full_name(self) -> str:
        """The API name."""
        return self.name

    def element(self) -> Values:
        """The file without its name."""
        return dict(self.content)

    def problems(self) -> list[str]:
        """What Salesforce would refuse."""
        known = ("Active", "Draft", "Obsolete")
        wrong = [] if self.content.get("status") in known else [f"A flow's status is one of {', '.join(known)}."]
        return _name_problems(self.name) + wrong


def _name_problems(name: str) -> list[str]:
    if DEVELOPER_NAME.match(name) and len(name) <= LONGEST_NAME:
        return []
    return [f"{name[:LONGEST_NAME] or 'The name'} is no API name: letters, digits and single underscores."]
